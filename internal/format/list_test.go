package format

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// listed reads a body as the receiver does, copying what it is given.
func listed(t testing.TB, l *ListReader, max int) (items []found, err error) {
	t.Helper()
	for {
		events, err := l.Next(max)
		if err != nil {
			if len(events) > 0 {
				t.Fatalf("%d events beside %v", len(events), err)
			}
			return items, err
		}
		if len(events) == 0 {
			t.Fatal("neither events nor an error")
		}
		for i := range events {
			checkItem(t, &Item{Event: events[i]})
			items = append(items, foundOf(&events[i], Place{}, ""))
		}
	}
}

func eventList(lines []string) string {
	f := framings["EventList"]
	return string(f.file(f.pieces(lines)))
}

// TestListReader reads bodies of all kinds, however they arrive.
func TestListReader(t *testing.T) {
	five, lines := theFive(t)
	var many []string
	var want []fact
	for range 500 { // several chunks
		many, want = append(many, lines...), append(want, five...)
	}
	for name, body := range map[string]string{
		"EventList": eventList(many),
		"v1beta1":   strings.Replace(eventList(many), "audit.k8s.io/v1", "audit.k8s.io/v1beta1", 1),
		"lines":     strings.Join(many, "\n"),
		"array":     "[" + strings.Join(many, ",") + "]",
		"two lists": eventList(many[:100]) + eventList(many[100:]),
	} {
		for how, r := range map[string]io.Reader{
			"at once":   strings.NewReader(body),
			"in halves": iotest.HalfReader(strings.NewReader(body)),
			"with EOF":  iotest.DataErrReader(strings.NewReader(body)),
		} {
			l := NewListReader(r, int64(len(body)))
			items, err := listed(t, l, 0)
			if err != io.EOF {
				t.Fatalf("%s, %s: %v", name, how, err)
			}
			if diff := cmp.Diff(want, facts(items)); diff != "" {
				t.Fatalf("%s, %s:\n%.2000s", name, how, diff)
			}
			checkCounts(t, items, l.Counts())
		}
	}
	items, err := listed(t, NewListReader(iotest.OneByteReader(strings.NewReader(eventList(lines))), 1<<20), 1)
	if err != io.EOF || !cmp.Equal(five, facts(items)) {
		t.Fatalf("byte by byte: %v %v", err, items)
	}
	if items, err = listed(t, NewListReader(strings.NewReader(lines[0]), 1<<20), 0); err != io.EOF || !cmp.Equal(five[:1], facts(items)) {
		t.Fatalf("a single event: %v %v", err, items)
	}
}

// TestListReaderBad keeps the good items beside bad ones, and what came of a body that ends early.
func TestListReaderBad(t *testing.T) {
	five, lines := theFive(t)
	items := strings.Split(strings.TrimSuffix(strings.SplitN(strings.ReplaceAll(eventList(lines), `},{"level"`, "}\x01{\"level\""), "[", 2)[1], "]}\n"), "\x01")
	if len(items) != 5 {
		t.Fatalf("%d items", len(items))
	}
	list := func(items ...string) string {
		return `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[` + strings.Join(items, ",") + "]}\n"
	}
	bad := strings.Replace(items[1], `"verb":"get"`, `"verb":get`, 1)
	torn := items[1][:500]
	for name, tc := range map[string]struct {
		body  string
		facts []fact
		bad   []string // the bytes of what is marked
	}{
		"one bad token": {list(items[0], bad, items[2]), []fact{five[0], {AuditID: five[1].AuditID, Stage: "ResponseComplete", Level: "RequestResponse"}, five[2]}, []string{bad}},
		"one torn":      {list(items[0], torn, items[2]), []fact{five[0], {AuditID: five[1].AuditID, Stage: "ResponseComplete", Level: "RequestResponse", Verb: "get", User: five[1].User}, five[2]}, []string{torn}},
		"not objects":   {list(items[0], "null", "7", `"x"`, "[]", items[2]), []fact{five[0], {}, five[2]}, []string{`null,7,"x",[]`}},
		"ends in an item": {
			strings.TrimSuffix(list(items[0], items[1]), items[1][300:]+"]}\n"),
			[]fact{five[0], {AuditID: five[1].AuditID, Stage: "ResponseComplete", Level: "RequestResponse", Verb: ""}}, []string{items[1][:300]},
		},
		"ends between": {strings.TrimSuffix(list(items[0], items[1]), "]}\n"), five[:2], nil},
		"garbage":      {"hello", []fact{{}}, []string{"hello"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := listed(t, NewListReader(strings.NewReader(tc.body), 1<<20), 0)
			if err != io.EOF {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.facts, facts(got)); diff != "" {
				t.Error(diff)
			}
			var marked []string
			for _, it := range got {
				if it.Marks != 0 {
					marked = append(marked, it.Bytes)
				}
			}
			if diff := cmp.Diff(tc.bad, marked); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestListReaderErrors tells a body that is too large, or breaks off, from one that ends.
func TestListReaderErrors(t *testing.T) {
	five, lines := theFive(t)
	body := eventList(lines)
	for n := 0; n < len(body); n += 13 {
		items, err := listed(t, NewListReader(strings.NewReader(body), int64(n)), 0)
		if !errors.Is(err, ErrTooLarge) || len(items) > 0 && !cmp.Equal(five[:len(items)], facts(items)) {
			t.Fatalf("limit %d: %v, %d events", n, err, len(items))
		}
		broken := io.MultiReader(strings.NewReader(body[:n]), failing{io.ErrUnexpectedEOF})
		items, err = listed(t, NewListReader(broken, 1<<20), 0)
		if err != io.ErrUnexpectedEOF || len(items) > 0 && !cmp.Equal(five[:len(items)], facts(items)) {
			t.Fatalf("broken off at %d: %v, %d events", n, err, len(items))
		}
	}
}

// TestListReaderWhole checks that events lie in the buffer where they were read, untouched while they are valid.
func TestListReaderWhole(t *testing.T) {
	lines, _ := manyLines(t, 3000)
	body := []byte(eventList(lines))
	l := NewListReader(bytes.NewReader(body), int64(len(body)))
	rest, chunks := body[bytes.IndexByte(body, '[')+1:], 0
	for {
		events, err := l.Next(0)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		chunks++
		for i := range events { // after all of the chunk was read
			if !bytes.HasPrefix(rest, events[i].Bytes) || !bytes.Equal(events[i].View.Raw, events[i].Bytes) {
				t.Fatalf("event %d of chunk %d is not what was sent", i, chunks)
			}
			rest = rest[len(events[i].Bytes)+1:]
		}
	}
	if string(rest) != "}\n" || chunks < 3 || chunks > 30 {
		t.Fatalf("%d chunks, %d bytes are left", chunks, len(rest))
	}
}

// growing is a file that is written to.
type growing struct {
	b []byte
	n int
}

func (g *growing) Read(b []byte) (int, error) {
	if g.n == len(g.b) {
		return 0, io.EOF
	}
	n := copy(b, g.b[g.n:])
	g.n += n
	return n, nil
}

// TestLineReader follows a file as it is written in pieces of every size, from its beginning or from where another
// reader stopped.
func TestLineReader(t *testing.T) {
	five, _ := theFive(t)
	for _, name := range []string{
		"v1-jsonl/audit.log", "cri/kube-apiserver-0.log", "nasty/bom-crlf.jsonl", "docker-json-file/kube-apiserver-json.log",
		"openshift/oc-adm-node-logs-role-master.txt",
	} {
		whole := readFile(t, name)
		for _, step := range []int{1, 7, 100, 1151, 4096, 10_000, len(whole)} {
			for _, again := range []bool{false, true} {
				g := &growing{}
				l := NewLineReader(g, name, 0)
				var got []fact
				for at := 0; at < len(whole); at += step {
					g.b = whole[:min(at+step, len(whole))]
					if again {
						if end := l.End(); end > int64(len(g.b)) {
							t.Fatalf("%s: End %d of %d", name, end, len(g.b))
						}
						g.n = int(l.End())
						l = NewLineReader(g, name, l.End())
					}
					for {
						events, places, err := l.Next(2)
						if err == io.EOF {
							break
						}
						if err != nil {
							t.Fatal(err)
						}
						for i := range events {
							if events[i].Marks != 0 || places[i].Incomplete {
								t.Fatalf("%s by %d: %s", name, step, events[i].Note)
							}
							got = append(got, factOf(&events[i].View))
						}
					}
				}
				if diff := cmp.Diff(five, got); diff != "" {
					t.Fatalf("%s by %d, again %v:\n%s", name, step, again, diff)
				}
				if end := l.End(); end < int64(len(whole)-2) {
					t.Errorf("%s by %d: ends at %d of %d", name, step, end, len(whole))
				}
			}
		}
	}
}

// TestLineReaderTail waits for the rest of a line, and takes what there is when told that there is no more.
func TestLineReaderTail(t *testing.T) {
	five, lines := theFive(t)
	for name, tc := range map[string]struct {
		whole, half string
		marks       Marks
	}{
		"JSON": {lines[0] + "\n", lines[1][:500], Salvaged},
		"text": {lines[0] + "\n", "hello wor", Quarantined},
		"CRI":  {"2018-10-25T14:09:12.5Z stdout F " + lines[0] + "\n", "2018-10-25T14:09:12.5Z stdout P " + lines[1][:500] + "\n", Salvaged},
	} {
		l := NewLineReader(strings.NewReader(tc.whole+tc.half), "f", 1000)
		events, places, err := l.Next(0)
		if err != nil || len(events) != 1 || factOf(&events[0].View) != five[0] || places[0].Offset != 1000 {
			t.Fatalf("%s: %v, %d events", name, err, len(events))
		}
		for range 3 {
			if _, _, err = l.Next(0); err != io.EOF || l.End() != int64(1000+len(tc.whole)) {
				t.Fatalf("%s: %v, end %d", name, err, l.End())
			}
		}
		events, places, err = l.Finish(0)
		if err != nil || len(events) != 1 || events[0].Marks != tc.marks || !places[0].Incomplete || places[0].Offset != int64(1000+len(tc.whole)) {
			t.Fatalf("%s: %v, %+v", name, err, places)
		}
		if _, _, err = l.Finish(0); err != io.EOF || l.End() != int64(1000+len(tc.whole)+len(tc.half)) {
			t.Fatalf("%s: %v, end %d", name, err, l.End())
		}
	}
}

// TestChunkIsNext checks that events come in chunks as they do one by one.
func TestChunkIsNext(t *testing.T) {
	for _, name := range sampleNames(t) {
		b := readFile(t, name)
		want := facts(events(all(t, NewReader(bytes.NewReader(b), "f"))))
		for _, max := range []int{0, 1, 3} {
			r := NewReader(bytes.NewReader(b), "f")
			var got []fact
			for {
				chunk, places, err := r.Chunk(max)
				if err == io.EOF {
					break
				}
				if err != nil || len(chunk) != len(places) {
					t.Fatalf("%s: %v, %d events, %d places", name, err, len(chunk), len(places))
				}
				for i := range chunk {
					if chunk[i].Dialect != Unreadable {
						got = append(got, factOf(&chunk[i].View))
					}
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s by %d:\n%s", name, max, diff)
			}
		}
	}
}
