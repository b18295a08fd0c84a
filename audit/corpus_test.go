package audit

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/valyala/fastjson"
)

// read returns a file's content, unpacked.
func read(t testing.TB, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return b
}

func lines(b []byte) [][]byte { return bytes.Split(bytes.TrimSpace(b), []byte("\n")) }

// recorded are the logs of JSON lines in testdata.
var recorded = []string{"normal-full", "normal-gce", "normal-metadata", "special", "truncated", "attacks"}

func recordedLines(t testing.TB) (all [][]byte) {
	for _, name := range recorded {
		all = append(all, lines(read(t, "testdata/"+name+".log.gz"))...)
	}
	return all
}

// rewrite takes a line through View and Event and back.
func rewrite(t testing.TB, name string, line []byte) {
	t.Helper()
	var v View
	var e Event
	if err := v.Parse(line); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, line)
	}
	if v.Unknown != 0 || v.Duplicate || v.Cut || v.Level == nil || v.Time == 0 {
		t.Errorf("%s: unknown %d, duplicate %v, cut %v, level %q, time %d\n%s",
			name, v.Unknown, v.Duplicate, v.Cut, v.Level, v.Time, line)
	}
	if err := e.UnmarshalFrom(&v); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, line)
	}
	write := e.AppendJSON
	if v.Kind == nil {
		write = e.AppendItem
	}
	if got := write(nil); !bytes.Equal(got, line) {
		t.Errorf("%s: the event is written differently\ngot  %s\nwant %s", name, got, line)
	}
}

func TestRecordedLinesAreWrittenAsTheyWere(t *testing.T) {
	for _, line := range recordedLines(t) {
		rewrite(t, "testdata", line)
	}
}

func TestWholeCorpusIsWrittenAsItWas(t *testing.T) {
	dir := os.Getenv("ANNALS_CORPUS")
	if dir == "" {
		t.Skip("set ANNALS_CORPUS to the directory that holds corpus/ and samples/")
	}
	n := 0
	for _, pattern := range []string{"*.log.gz", "attacks/*.log.gz", "rotation/*"} {
		paths, err := filepath.Glob(filepath.Join(dir, "corpus", pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("no %s in %s: %v", pattern, dir, err)
		}
		for _, path := range paths {
			for _, line := range lines(read(t, path)) {
				if !strings.HasPrefix(filepath.Base(path), "legacy") && len(line) > 0 {
					rewrite(t, path, line)
					n++
				}
			}
		}
	}
	paths, _ := filepath.Glob(filepath.Join(dir, "corpus/webhook/*.json.gz"))
	for _, path := range paths {
		for _, value := range Span(bytes.TrimSpace(read(t, path))).Members {
			for item := range value.elements {
				rewrite(t, path, item)
				n++
			}
		}
	}
	t.Logf("%d events", n)
}

func BenchmarkView(b *testing.B) {
	for _, name := range recorded[:3] {
		data := read(b, "testdata/"+name+".log.gz")
		if dir := os.Getenv("ANNALS_CORPUS"); dir != "" {
			data = read(b, dir+"/corpus/"+name+".log.gz")
		}
		split := lines(data)
		b.Run("view/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			var v View
			for b.Loop() {
				for _, line := range split {
					if err := v.Parse(line); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
		b.Run("fastjson/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			var p fastjson.Parser
			for b.Loop() {
				for _, line := range split {
					if _, err := p.ParseBytes(line); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
		b.Run("newlines/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				for rest := data; len(rest) > 0; {
					rest = rest[bytes.IndexByte(rest, '\n')+1:]
				}
			}
		})
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	var events []Event
	size := 0
	for _, line := range recordedLines(b) {
		var v View
		var e Event
		if err := v.Parse(line); err != nil {
			b.Fatal(err)
		}
		if err := e.UnmarshalFrom(&v); err != nil {
			b.Fatal(err)
		}
		events = append(events, e)
		size += len(line)
	}
	b.SetBytes(int64(size))
	var dst []byte
	for b.Loop() {
		for i := range events {
			dst = events[i].AppendJSON(dst[:0])
		}
	}
}
