package ledger

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/mod/sumdb/tlog"

	"annals.dev/internal/disk"
	"annals.dev/internal/disk/sim"
	"annals.dev/internal/format"
	"annals.dev/internal/parquet"
)

func FuzzFrame(f *testing.F) {
	whole := frame{cluster: "prod", origin: "webhook/cp-1", received: 1, first: 7, again: []uint64{1, 3, 4}}
	whole.events = []framed{{dialect: format.V1, note: "n", bytes: []byte("{}")}, {dialect: format.Unreadable, marks: format.Quarantined}}
	f.Add(append(whole.head(nil), "{}"...))
	f.Add([]byte{frameVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		was, err := parseFrame(b)
		if err != nil {
			return
		}
		again := was.head(nil)
		for _, e := range was.events {
			again = append(again, e.bytes...)
		}
		is, err := parseFrame(again)
		if err != nil {
			t.Fatal(err)
		}
		opts := cmp.Options{cmp.AllowUnexported(frame{}, framed{}), cmpopts.EquateEmpty(), cmpopts.IgnoreFields(framed{}, "at")}
		if d := cmp.Diff(was, is, opts); d != "" {
			t.Error(d)
		}
	})
}

func FuzzManifest(f *testing.F) {
	m := &manifest{sealed: frontier{size: 3, hashes: make([]tlog.Hash, 2)}, seen: infoOf([]byte("x")), ledger: infoOf(nil)}
	m.segments = []manifestSegment{{name: "0000000000000000-0000000000000002", files: [2]fileInfo{infoOf(nil), infoOf([]byte("y"))}}}
	text := m.text("annals/1/prod")
	f.Add(text)
	f.Add(strings.Replace(text, "size 3", "size 4", 1))
	f.Add("annals/1/prod manifest\nsize 0\nedge\nwhole\n")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseManifest(text, "annals/1/prod")
		if err != nil {
			return
		}
		m.sealed.root()
		again, err := parseManifest(m.text("annals/1/prod"), "annals/1/prod")
		if err != nil {
			t.Fatalf("%v\n%s", err, m.text("annals/1/prod"))
		}
		if d := cmp.Diff(m, again, cmp.AllowUnexported(manifest{}, manifestSegment{}, fileInfo{}, frontier{}), cmpopts.EquateEmpty()); d != "" {
			t.Error(d)
		}
	})
}

// FuzzIndex reads an index, and the columns that it tells of, whatever both say.
func FuzzIndex(f *testing.F) {
	seg, d := segmentOf(f, []format.Event{event(f, lines(f)[0]), event(f, lines(f)[1])})
	file, err := disk.ReadFile(d, seg.name+columnsFile)
	if err != nil {
		f.Fatal(err)
	}
	sections := make([]byte, seg.index.Words+seg.index.IDs)
	if err := seg.readIndexAt(sections, seg.words); err != nil {
		f.Fatal(err)
	}
	text, err := json.Marshal(seg.index)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text, sections[:seg.index.Words], sections[seg.index.Words:], file, uint32(7))
	f.Add([]byte("{}"), []byte{}, []byte{}, []byte{}, uint32(0))
	enc, err := indexCoder()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text, words, ids, file []byte, hash uint32) {
		packed := enc.EncodeAll(text, nil)
		b := binary.LittleEndian.AppendUint32([]byte(indexMagic), uint32(len(packed)))
		b = append(append(append(b, packed...), words...), ids...)
		d := sim.New(0)
		for name, content := range map[string][]byte{"x" + indexFile: b, "x" + columnsFile: file} {
			if err := disk.WriteFile(d, name, content); err != nil {
				t.Fatal(err)
			}
		}
		s, err := openSegment(d, "", "prod", "x")
		if err != nil {
			return
		}
		if list, err := s.WordBlocks(hash); err == nil && len(list) > s.Blocks()*s.Blocks() {
			t.Errorf("a word in %d blocks of %d", len(list), s.Blocks())
		}
		_, _ = s.MayHaveID("a")
		_, _ = s.FindID(context.Background(), "a")
		_, _ = s.FindID(context.Background(), "0f5a2c1e-0000-4000-8000-00000000beef")
		_ = s.Read(context.Background(), allRows(min(s.Rows(), 1000)), func(int, *Stored) error { return nil })
	})
}

// segmentOf seals events.
func segmentOf(tb testing.TB, all []format.Event) (*Segment, disk.FS) {
	tb.Helper()
	r := newRows(5)
	for i := range all {
		e := &all[i]
		lf := leaf{cluster: "prod", origin: "import/a", received: 9, dialect: e.Dialect, marks: e.Marks, note: e.Note}
		h, _ := lf.hash(nil)
		r.add(e, arrival{position: uint64(5 + i), origin: "import/a", received: 9, marks: e.Marks, leaf: h})
	}
	d := sim.New(0)
	s, err := (&Ledger{fs: d}).writeSegment("prod", r, func(row int, off, n uint32, _ []byte) ([]byte, error) { return all[row].Bytes[off : off+n], nil })
	if err != nil {
		tb.Fatal(err)
	}
	return s, d
}

// sealedAgain is what verify makes of a segment: sealed anew from the events that it gives back.
func sealedAgain(tb testing.TB, s *Segment) []byte {
	tb.Helper()
	r := newRows(s.First)
	var all [][]byte
	err := s.Read(context.Background(), allRows(s.Rows()), func(_ int, e *Stored) error {
		r.add(&e.Event, arrival{position: e.Position, origin: e.Origin, received: e.Received, marks: e.Marks})
		all = append(all, bytes.Clone(e.Bytes))
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	out := &memory{}
	w, err := parquet.NewWriter(out, schema())
	if err != nil {
		tb.Fatal(err)
	}
	if _, _, _, err := build(w, r, func(row int, off, n uint32, _ []byte) ([]byte, error) { return all[row][off : off+n], nil }); err != nil {
		tb.Fatal(err)
	}
	return out.b
}

// FuzzRebuild seals any bytes at all: they come back, columns hold valid UTF-8, and sealing what came back gives the same file.
func FuzzRebuild(f *testing.F) {
	all := lines(f)
	for i := 0; i < len(all); i += 500 {
		f.Add(uint8(0), all[i], all[i+1])
		f.Add(uint8(0), append([]byte("{"), all[i][1+len(lineHead):]...), all[i])
	}
	for _, odd := range oddEvents {
		f.Add(uint8(0), []byte(odd), all[0])
		f.Add(uint8(255), []byte(odd), []byte(odd))
	}
	f.Fuzz(func(t *testing.T, dialect uint8, one, other []byte) {
		var events []format.Event
		for _, b := range [][]byte{one, other} {
			e := format.Event{Bytes: b, Dialect: format.Dialect(dialect)}
			if _, err := format.View(e.Dialect, b, &e.View, nil); err != nil {
				e = format.Event{Bytes: b, Dialect: format.Unreadable, Marks: format.Quarantined, Note: "no"}
			}
			events = append(events, e)
		}
		sealsWell(t, events)
	})
}

func sealsWell(t *testing.T, events []format.Event) {
	t.Helper()
	s, d := segmentOf(t, events)
	n := 0
	err := s.Read(context.Background(), allRows(s.Rows()), func(_ int, e *Stored) error {
		n++
		was := events[e.Position-5]
		if !bytes.Equal(e.Bytes, was.Bytes) || e.Dialect != was.Dialect || e.Marks != was.Marks || e.Note != was.Note {
			t.Errorf("%d, %q, and it was %d, %q", e.Dialect, e.Bytes, was.Dialect, was.Bytes)
		}
		return nil
	})
	if err != nil || n != len(events) {
		t.Fatalf("%d events: %v", n, err)
	}
	file, err := disk.ReadFile(d, s.name+columnsFile)
	if err != nil {
		t.Fatal(err)
	}
	for g := range s.index.Groups {
		table, err := s.group(new(parquet.Memory), &memory{b: file}, g)
		if err != nil {
			t.Fatal(err)
		}
		for c, def := range Columns {
			for _, v := range table.dict[c] {
				if !utf8.Valid(v) {
					t.Errorf("column %s: %q", def.Name, v)
				}
			}
		}
		for _, p := range s.index.Groups[g].Pages[cBodies] {
			values, err := new(parquet.Memory).Bytes(&memory{b: file}, p)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range values {
				if !utf8.Valid(v) {
					t.Errorf("bodies: %q", v)
				}
			}
		}
	}
	if !bytes.Equal(sealedAgain(t, s), file) {
		t.Error("sealed again from what came back, the file is another: verify would take that for tampering")
	}
}

// oddEvents are events that the writer has to leave alone.
var oddEvents = []string{
	``, `{}`, `null`, `[]`, `"x"`, ` {} `, "{}\n", "\x1c\x1d\x1e", "{\"a\":\"\xff\"}", `{"level":"Metadata"`,
	`{"level":"Metadata","auditID":"x","stage":"Panic","requestURI":"/","verb":"get","user":{}}`,
	`{"level":"Metadata","auditID":"","stage":"","requestURI":"","verb":"","user":{"username":"","uid":""}}`,
	`{"level":"Metadata","level":"Request","auditID":"00000000-0000-0000-0000-000000000000","user":{"username":"a"},"user":{"username":"b"}}`,
	`{"auditID":"0F5A2C1E-0000-4000-8000-00000000BEEF","requestObject":{"a":1},"requestObject":{"b":2}}`,
	`{"responseObject":{"a":1},"level":"Request","requestObject":null}`,
	`{"requestObject":"\u001c","responseObject":"` + "\x1c" + `"}`,
	`{"requestObject":{"a":"` + "\x1e" + `"},"responseObject":{}}`,
	`{"requestObject" : {"a":1} , "responseObject":[1,2]}`,
	`{"requestObject":0,"responseObject":false}`,
	`{"requestReceivedTimestamp":"0000-01-01T00:00:00.000000Z","stageTimestamp":"9999-12-31T23:59:59.999999Z"}`,
	`{"requestReceivedTimestamp":"2026-02-29T00:00:00.000000Z","stageTimestamp":"2024-02-29T00:00:00.000000Z"}`,
	`{"requestReceivedTimestamp":"2024-02-29T00:00:00.1234567+14:00","stageTimestamp":"1970-01-01T00:00:00.000000Z"}`,
	`{"user":{"username":"<>&\u2028\u2029\ud800\u0000\/"},"objectRef":{"name":"\"\\\b\f\n\r\t"}}`,
	`{"user":{"groups":["a" , "b"],"extra":{"k":[]}},"annotations":{},"objectRef":{},"responseStatus":{"code":99999999999}}`,
	`{"kind":"Event","apiVersion":"audit.k8s.io/v1",}`, `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","requestObject":{}}`,
	`{"kind":"Event","apiVersion":"audit.k8s.io/v1beta1","metadata":{"creationTimestamp":"2019-01-01T00:00:00Z"},"timestamp":"2019-01-01T00:00:00Z"}`,
}

func TestOddEvents(t *testing.T) {
	var all []format.Event
	for _, odd := range oddEvents {
		e := format.Event{Bytes: []byte(odd)}
		if _, err := format.View(format.V1, e.Bytes, &e.View, nil); err != nil {
			e = format.Event{Bytes: []byte(odd), Dialect: format.Unreadable, Marks: format.Quarantined, Note: "no"}
		}
		all = append(all, e)
		sealsWell(t, []format.Event{e})
	}
	sealsWell(t, all)
}
