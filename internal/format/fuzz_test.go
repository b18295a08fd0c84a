package format

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"annals.dev/audit"
	"github.com/google/go-cmp/cmp"
)

// FuzzReader reads anything. Besides what all checks: what good lines follow it are found, if it ends its line.
func FuzzReader(f *testing.F) {
	for _, name := range sampleNames(f) {
		if b := readFile(f, name); len(b) < 16<<10 {
			f.Add(b)
		}
	}
	for _, s := range []string{good, "\x00", "[", "{\"items\":[", "@message\n\"", "\x1f\x8b\x08", "PK\x03\x04", "2018-10-25T14:09:12.5Z stdout P {"} {
		f.Add([]byte(s))
	}
	five, lines := theFive(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b), "f")
		r.src.free = 16 << 20
		items := all(t, r)

		// In chunks there is the same.
		r = NewReader(bytes.NewReader(b), "f")
		r.src.free = 16 << 20
		var chunked []found
		for {
			events, places, err := r.Chunk(0)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			for i := range events {
				chunked = append(chunked, foundOf(&events[i], places[i], ""))
			}
		}
		items = slices.DeleteFunc(items, func(it found) bool { return it.Skipped != "" })
		if diff := cmp.Diff(items, chunked, cmp.AllowUnexported(found{})); diff != "" && len(items)+len(chunked) > 0 {
			t.Fatalf("one by one, and in chunks:\n%s", diff)
		}

		// Good lines before and behind it are found.
		input := lines[1] + "\n" + string(b) + "\n" + lines[2] + "\n" + lines[3] + "\n"
		var facts []fact
		for _, it := range all(t, NewReader(strings.NewReader(input), "f")) {
			facts = append(facts, it.fact)
		}
		for _, want := range five[1:4] {
			if !slices.Contains(facts, want) {
				t.Fatalf("%v is lost beside %q", want.AuditID, b)
			}
		}
	})
}

// FuzzListReader puts anything between good items.
func FuzzListReader(f *testing.F) {
	for _, s := range []string{"", "null", "{}", `{"level":"`, "]", "]}", `"`, `{"auditID":"x","stage":"Panic"}`, "\x00", "\n", "[[", `{"items":[`} {
		f.Add([]byte(s), 3)
	}
	f.Add(readFile(f, "v1-eventlist/webhook-body.json"), 100)
	five, lines := theFive(f)
	f.Fuzz(func(t *testing.T, b []byte, max int) {
		for _, body := range []string{string(b), eventList(lines[:1])[:80] + string(b)} {
			if _, err := listed(t, NewListReader(strings.NewReader(body), 1<<20), max&15); err != io.EOF {
				t.Fatal(err)
			}
		}
		list := framings["EventList"]
		items := list.pieces(lines)
		body := list.before + items[1] + "," + string(b) + "," + items[2] + "," + items[3] + list.after
		got, err := listed(t, NewListReader(strings.NewReader(body), 1<<20), 0)
		if err != io.EOF {
			t.Fatal(err)
		}
		found := facts(got)
		if !slices.Contains(found, five[1]) {
			t.Fatal("the item before is lost")
		}
		if !slices.Contains(found, five[3]) && !slices.Contains(found, five[2]) {
			t.Fatalf("both items behind %q are lost", b)
		}
	})
}

// FuzzView reads anything in every dialect.
func FuzzView(f *testing.F) {
	for _, name := range []string{"gke/gcs-sink-08:00:00_08:59:59_S0.json", "elastic/filebeat-ndjson.jsonl", "openshift/viaq-clusterlogforwarder.jsonl", "legacy-text/k8s-1.8plus.log", "legacy-text/k8s-1.6-two-line.log"} {
		for line := range bytes.Lines(readFile(f, name)) {
			f.Add(line)
		}
	}
	f.Add(readFile(f, "aks/log-analytics-AKSAudit.json"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for d := range FalcoAlert + 1 {
			var v, again audit.View
			made, err := View(d, b, &v, nil)
			if err != nil {
				continue
			}
			if _, err := View(d, b, &again, make([]byte, 10)); err != nil || factOf(&v) != factOf(&again) {
				t.Fatalf("dialect %d: %v, then %v %v", d, factOf(&v), factOf(&again), err)
			}
			if d != V1 && v.Parse(made) != nil {
				t.Fatalf("dialect %d made %q", d, made)
			}
		}
	})
}
