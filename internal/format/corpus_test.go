package format

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"annals.dev/audit"
)

// corpus is the folder that holds corpus/ and samples/.
func corpus(t testing.TB) string {
	dir := os.Getenv("ANNALS_CORPUS")
	if dir == "" {
		t.Skip("ANNALS_CORPUS is not set: make corpus DIR=… sets it to the folder that holds corpus and samples")
	}
	return dir
}

// TestCorpus reads everything that was recorded: each event whole, as it stands in its line.
func TestCorpus(t *testing.T) {
	dir := filepath.Join(corpus(t), "corpus")
	counts := map[string]int64{
		"normal-full.log.gz": 18_500, "normal-metadata.log.gz": 91_852, "normal-gce.log.gz": 65_039, "legacy.log.gz": 3_000,
		"a-default400-requestresponse-body-00001-ok.json.gz": 400, "b-batch10-metadata-body-00182-ok.json.gz": 10,
		"c-blocking1-production-body-00001-ok.json.gz": 1,
	}
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(d.Name(), ".log") && !strings.Contains(d.Name(), "-body-") {
			return err
		}
		files++
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		r := NewReader(f, d.Name())
		bytesOfEvents := int64(0)
		for {
			events, _, err := r.Chunk(0)
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
			for i := range events {
				e := &events[i]
				bytesOfEvents += int64(len(e.Bytes)) + 1
				if e.Marks&^Truncated != 0 || e.View.Time == 0 || e.View.AuditID == nil || e.View.Verb == nil || e.View.Unknown != 0 {
					t.Errorf("%s: marks %b, note %q: %.300s", d.Name(), e.Marks, e.Note, e.Bytes)
				}
			}
		}
		c := r.Counts()
		if want, ok := counts[d.Name()]; ok && want != c.Events {
			t.Errorf("%s: %d events, want %d", d.Name(), c.Events, want)
		}
		delete(counts, d.Name())
		if len(c.Skipped)+len(c.Quarantined) > 0 || c.Salvaged > 0 {
			t.Errorf("%s: %+v", d.Name(), c)
		}
		if strings.Contains(d.Name(), ".log") && bytesOfEvents != c.Bytes {
			t.Errorf("%s: events of %d bytes in a file of %d", d.Name(), bytesOfEvents, c.Bytes)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(counts) > 0 || files < 70 {
		t.Errorf("%d files read; not found: %v", files, counts)
	}
}

// TestEvasions reads events that lie in a file of other things.
func TestEvasions(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(corpus(t), "corpus", "evasions.json"))
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Count(b, []byte(`"auditID"`))
	if got := len(events(all(t, NewReader(bytes.NewReader(b), "evasions.json")))); want == 0 || got != want {
		t.Errorf("%d events, want %d", got, want)
	}
}

// TestSamplesWhole reads the samples that are too large to be kept here.
func TestSamplesWhole(t *testing.T) {
	five, _ := theFive(t)
	b, err := os.ReadFile(filepath.Join(corpus(t), "samples", "nasty", "big-2MiB.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if items := all(t, NewReader(bytes.NewReader(b), "f")); len(items) != 1 || items[0].fact != five[0] {
		t.Errorf("%d items", len(items))
	}
}

// mix is a log of events of all sizes: recorded ones if there are any, otherwise the five.
func mix(b *testing.B) []byte {
	b.Helper()
	dir := os.Getenv("ANNALS_CORPUS")
	if dir == "" {
		return bytes.Repeat(readFile(b, "v1-jsonl/audit.log"), 3000)
	}
	var log []byte
	for _, name := range []string{"normal-full", "normal-gce", "normal-metadata"} {
		f, err := os.Open(filepath.Join(dir, "corpus", name+".log.gz"))
		if err != nil {
			b.Fatal(err)
		}
		r := NewReader(f, name)
		for size := 0; size < 10<<20; {
			events, _, err := r.Chunk(0)
			if err != nil {
				b.Fatal(err)
			}
			for _, e := range events {
				log = append(append(log, e.Bytes...), '\n')
				size += len(e.Bytes)
			}
		}
		f.Close()
	}
	return log
}

func BenchmarkListReader(b *testing.B) {
	const head = `{"kind":"Event","apiVersion":"audit.k8s.io/v1",`
	body := []byte(`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[`)
	for line := range bytes.Lines(mix(b)) {
		body = append(append(append(body, '{'), bytes.TrimSuffix(bytes.TrimPrefix(line, []byte(head)), []byte("\n"))...), ',')
	}
	body = append(body[:len(body)-1], "]}\n"...)
	l := NewListReader(nil, 0)
	buf := make([]byte, chunkSize)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		l.Reset(bytes.NewReader(body), int64(len(body)), buf)
		n := 0
		for {
			events, err := l.Next(0)
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			n += len(events)
		}
		if c := l.Counts(); n == 0 || c.Events != int64(n) {
			b.Fatalf("%d events: %+v", n, c)
		}
	}
}

func BenchmarkLineReader(b *testing.B) {
	log := mix(b)
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		l := NewLineReader(bytes.NewReader(log), "audit.log", 0)
		for {
			if _, _, err := l.Next(0); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
		if l.End() != int64(len(log)) {
			b.Fatalf("ends at %d of %d", l.End(), len(log))
		}
	}
}

// BenchmarkView is what reading costs by itself: what ListReader and LineReader take above it is theirs.
func BenchmarkView(b *testing.B) {
	log := mix(b)
	b.SetBytes(int64(len(log)))
	var v audit.View
	for b.Loop() {
		for p := 0; p < len(log); {
			n, err := v.ParsePrefix(log[p:])
			if err != nil {
				b.Fatal(err)
			}
			p += n + 1
		}
	}
}
