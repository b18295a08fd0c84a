package format

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// bzipped is the line `{"auditID":"bz","level":"Metadata","stage":"Panic"}`; there is nothing here that compresses so.
const bzipped = "QlpoOTFBWSZTWbiWHWkAABlfgAAQEAQAEAQiQAA+pQ8aIAAxQaNGgyA0GpkgeUHqeo09qhp5hmBRxG9hx8oS0Tce81g4nOm8fJHW5VSdPxdyRThQkLiWHWk="

func pack(t testing.TB, kind string, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch kind {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "zstd":
		w, err = zstd.NewWriter(&b)
	case "xz":
		w, err = xz.NewWriter(&b)
	case "tar":
		archive := tar.NewWriter(&b)
		err = archive.WriteHeader(&tar.Header{Name: "dir/audit.log", Mode: 0o600, Size: int64(len(content)), Typeflag: tar.TypeReg})
		w = struct {
			io.Writer
			io.Closer
		}{archive, archive}
	case "zip":
		archive := zip.NewWriter(&b)
		entry, err2 := archive.Create("dir/audit.log")
		err = err2
		w = struct {
			io.Writer
			io.Closer
		}{entry, archive}
	default:
		t.Fatalf("no packer for %s", kind)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// plainReader can only be read.
type plainReader struct{ r io.Reader }

func (p plainReader) Read(b []byte) (int, error) { return p.r.Read(b) }

// TestNesting packs a file into up to four containers, each in each, and into five.
func TestNesting(t *testing.T) {
	five, _ := theFive(t)
	plain := readFile(t, "v1-jsonl/audit.log")
	kinds := []string{"gzip", "zstd", "xz", "tar", "zip"}
	check := func(t *testing.T, b []byte, kinds []string) {
		t.Helper()
		for _, r := range []io.Reader{bytes.NewReader(b), plainReader{bytes.NewReader(b)}} {
			items := all(t, NewReader(r, "f"))
			if diff := cmp.Diff(five, facts(events(items))); diff != "" {
				t.Fatalf("%v:\n%s", kinds, diff)
			}
			path := "f" + strings.Repeat("!dir/audit.log", strings.Count(strings.Join(kinds, " "), "tar")+strings.Count(strings.Join(kinds, " "), "zip")-strings.Count(strings.Join(kinds, " "), "gzip"))
			if items[0].Path != path {
				t.Fatalf("%v: path %q, want %q", kinds, items[0].Path, path)
			}
		}
	}
	for _, one := range kinds {
		first := pack(t, one, plain)
		check(t, first, []string{one})
		for _, two := range kinds {
			second := pack(t, two, first)
			check(t, second, []string{one, two})
			third := pack(t, one, second)
			check(t, third, []string{one, two, one})
			fourth := pack(t, two, third)
			check(t, fourth, []string{one, two, one, two})

			items := all(t, NewReader(bytes.NewReader(pack(t, one, fourth)), "f"))
			if len(items) != 1 || items[0].Marks != Quarantined || !strings.Contains(items[0].Note, "in 4 other containers") {
				t.Fatalf("five layers of %s and %s: %+v", one, two, items)
			}
		}
	}
}

func TestBzip2(t *testing.T) {
	b, err := base64.StdEncoding.DecodeString(bzipped)
	if err != nil {
		t.Fatal(err)
	}
	items := all(t, NewReader(bytes.NewReader(b), "f"))
	if len(items) != 1 || items[0].AuditID != "bz" {
		t.Fatalf("%+v", items)
	}
}

// TestArchiveMembers leaves links and devices alone, and tells logs of others from files with a bad line.
func TestArchiveMembers(t *testing.T) {
	_, lines := theFive(t)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range []struct {
		name, content string
		kind          byte
	}{
		{"dir/", "", tar.TypeDir},
		{"etc/passwd", "", tar.TypeSymlink},
		{"hard", "", tar.TypeLink},
		{"pipe", "", tar.TypeFifo},
		{"dev/sda", "", tar.TypeBlock},
		{"pods/app.log", "hello\n{\"msg\":1}\n", tar.TypeReg},
		{"pods/kube-apiserver.log", "hello\n" + lines[0] + "\nbad\n", tar.TypeReg},
		{"audit_logs/kube-apiserver/n-1-audit-2018-10-25T14-09-12.581.log", "bad\n" + lines[1] + "\n", tar.TypeReg},
		{"aws-logs-write-test", "Permission Check Successful", tar.TypeReg},
		{"../../../evil/audit.log", lines[2], tar.TypeReg},
	} {
		if err := w.WriteHeader(&tar.Header{Name: m.name, Typeflag: m.kind, Size: int64(len(m.content)), Linkname: "/etc/shadow", Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := NewReader(bytes.NewReader(pack(t, "gzip", b.Bytes())), "f.tgz")
	items := all(t, r)
	want := map[string]int64{
		"link in an archive": 2, "device, pipe or the like in an archive": 2, "aws-logs-write-test": 1,
		"record of a file without audit events": 2,
	}
	if diff := cmp.Diff(want, r.Counts().Skipped); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]int64{ReasonText: 3}, r.Counts().Quarantined); diff != "" {
		t.Error(diff)
	}
	found := events(items)
	var paths []string
	for _, e := range found {
		paths = append(paths, e.Path)
	}
	if diff := cmp.Diff([]string{"f.tgz!pods/kube-apiserver.log", "f.tgz!audit_logs/kube-apiserver/n-1-audit-2018-10-25T14-09-12.581.log", "f.tgz!evil/audit.log"}, paths); diff != "" {
		t.Error(diff)
	}
	if found[1].Node != "n-1" {
		t.Errorf("node %q", found[1].Node)
	}
}

// TestBrokenContainer keeps what came before a container broke, and says where.
func TestBrokenContainer(t *testing.T) {
	lines, ids := manyLines(t, 2000)
	for i := range lines { // so that it does not compress to nothing
		lines[i] = strings.Replace(lines[i], `"stage":`, fmt.Sprintf(`"x":"%x","stage":`, i*7919), 1)
	}
	plain := []byte(strings.Join(lines, "\n") + "\n")
	for _, kind := range []string{"gzip", "zstd", "xz", "tar", "zip"} {
		whole := pack(t, kind, plain)
		for what, b := range map[string][]byte{
			"cut":       whole[:len(whole)*3/4],
			"corrupted": slices.Concat(whole[:len(whole)*3/4], []byte("#############"), whole[len(whole)*3/4+13:]),
		} {
			r := NewReader(bytes.NewReader(b), "f")
			items := all(t, r)
			found := events(items)
			if kind != "zip" && len(found) < 500 && kind != "xz" || len(found) > 0 && found[0].AuditID != ids[0] {
				t.Errorf("%s, %s: %d events", kind, what, len(found))
			}
			quarantined := r.Counts().Quarantined
			if kind == "tar" && what == "corrupted" { // nothing in it guards its members
				if quarantined[ReasonContainer] != 0 || r.Counts().Salvaged+quarantined[ReasonSyntax] != 1 {
					t.Errorf("%s, %s: %v", kind, what, r.Counts())
				}
			} else if quarantined[ReasonContainer] != 1 {
				t.Errorf("%s, %s: quarantined %v", kind, what, quarantined)
			}
		}
	}
}

// TestExpansion stops where a small file becomes a large one.
func TestExpansion(t *testing.T) {
	bomb := pack(t, "gzip", pack(t, "gzip", make([]byte, 20<<20)))
	r := NewReader(bytes.NewReader(bomb), "f")
	r.src.free = 1 << 20
	all(t, r)
	if c := r.Counts(); c.Quarantined[ReasonExpansion] != 1 || c.Bytes > 2<<20 {
		t.Errorf("%+v", c)
	}
	r = NewReader(bytes.NewReader(bomb), "f") // within what is free, it is a hole
	all(t, r)
	if c := r.Counts(); len(c.Quarantined) != 0 || c.Bytes != 20<<20 {
		t.Errorf("%+v", c)
	}
}

// TestInputError hands on the input's own error, not taking what it cut for a record.
func TestInputError(t *testing.T) {
	_, lines := theFive(t)
	broken := io.MultiReader(strings.NewReader(lines[0]+"\n"+lines[1][:300]), failing{io.ErrClosedPipe})
	r := NewReader(broken, "f")
	if it, err := r.Next(); err != nil || it.Dialect != V1 {
		t.Fatalf("%v %v", it, err)
	}
	if it, err := r.Next(); err != io.ErrClosedPipe {
		t.Fatalf("%v %v", it, err)
	}
	packed := pack(t, "gzip", readFile(t, "v1-jsonl/audit.log"))
	r = NewReader(io.MultiReader(bytes.NewReader(packed[:len(packed)/2]), failing{io.ErrClosedPipe}), "f")
	var err error
	for err == nil {
		_, err = r.Next()
	}
	if err != io.ErrClosedPipe {
		t.Fatal(err)
	}
}
