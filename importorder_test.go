package annals_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rooms are the packages in the order of the design: a package imports only those above it. disk, wal and parquet are
// the file layer under everything that keeps data.
var rooms = []string{
	"internal/spell", "audit",
	"policy",
	"internal/disk", "internal/wal", "internal/parquet",
	"sink", "capture",
	"internal/format", "internal/match", "internal/access", "internal/ledger", "internal/source", "internal/query",
	"rules", "internal/detect", "internal/alert",
	"web", "internal/server", "internal/cli",
	"cmd/annals",
}

// room gives the place of a package's directory in rooms; a package within a room is part of it.
func room(dir string) (int, bool) {
	for i, r := range rooms {
		if dir == r || strings.HasPrefix(dir, r+"/") {
			return i, true
		}
	}
	return 0, false
}

func TestImportOrder(t *testing.T) {
	var wrong []string
	seen := map[int]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			// The modules under test/ are others' oracles: they may import what they test.
			if name := d.Name(); path == "test" || name == "testdata" || (name != "." && strings.HasPrefix(name, ".")) {
				return filepath.SkipDir
			}
			return nil
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		if !strings.HasSuffix(path, ".go") || dir == "." {
			return nil
		}
		at, known := room(dir)
		if !known {
			wrong = append(wrong, path+": package "+dir+" has no place in the order of rooms")
			return nil
		}
		seen[at] = true
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, imp := range file.Imports {
			name, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				return err
			}
			rest, ours := strings.CutPrefix(name, "annals.dev/")
			if !ours {
				continue
			}
			if to, known := room(rest); !known || to > at {
				wrong = append(wrong, path+" imports "+name+", which does not stand above it")
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(wrong)
	for _, w := range wrong {
		t.Error(w)
	}
	for i, r := range rooms {
		if !seen[i] {
			t.Errorf("room %s is empty: the order names a package that is not there", r)
		}
	}
}
