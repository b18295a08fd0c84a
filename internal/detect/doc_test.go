package detect

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/format"
)

const docFile = "../../docs/detect.md"

// exampleEvents are a finding as docs/detect.md shows it, and its withdrawal.
func exampleEvents(t *testing.T) (found, withdrawn []byte) {
	t.Helper()
	rules := []*Rule{
		{ID: "4f9a2c1e-secret-read", Title: "Secret read", Version: "9c41d0aa72be", Severity: Low, Silent: true, Where: predicate(t, "resource:secrets verb:get")},
		{ID: "b7c0e6d2-many-secrets", Title: "Many secrets read", Version: "1f22c7e09d4b", Severity: High, Techniques: []string{"T1552.007"}, Tactics: []string{"credential-access"},
			Correlation: &Correlation{Kind: ValueCount, Rules: []string{"4f9a2c1e-secret-read"}, GroupBy: []string{"user.username"}, Timespan: 5 * time.Minute, Field: "objectRef.name", Compare: []Comparison{{"gte", 3}}}},
	}
	w := &world{}
	e := newTestEngine(t, w, rules)
	for i, name := range []string{"db", "tls", "api-key"} {
		ev := get(i+1, time.Duration(i)*9*time.Second, "alice@example.com")
		ev.resource, ev.name = "secrets", name
		feedAll(t, e, w, start, ev)
	}
	if err := e.Flush(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	late := get(9, time.Second, "alice@example.com")
	late.resource, late.name = "secrets", "ca"
	feedAll(t, e, w, start, late)
	if err := e.Flush(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{rules[1].ID, "-" + rules[1].ID, rules[1].ID}, rulesOf(w)); d != "" {
		t.Fatal(d)
	}
	found, err := w.records[0].Finding.Event(0)
	if err == nil {
		withdrawn, err = w.records[1].Withdrawal.Event(0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return found, withdrawn
}

// TestDoc holds the examples of docs/detect.md against what is recorded. With ANNALS_WRITE_DOCS it writes them.
func TestDoc(t *testing.T) {
	doc, err := os.ReadFile(docFile)
	if err != nil {
		t.Fatal(err)
	}
	found, withdrawn := exampleEvents(t)
	blocks := regexp.MustCompile("(?s)```json\n(.*?)```")
	var i int
	want := blocks.ReplaceAllFunc(doc, func([]byte) []byte {
		raw := found
		if i++; i == 2 {
			raw = withdrawn
		}
		var out bytes.Buffer
		if err := json.Indent(&out, raw, "", "  "); err != nil {
			t.Fatal(err)
		}
		return []byte("```json\n" + strings.TrimSpace(out.String()) + "\n```")
	})
	if os.Getenv("ANNALS_WRITE_DOCS") != "" {
		if err := os.WriteFile(docFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(string(want), string(doc)); d != "" || i != 2 {
		t.Errorf("%s is not what is recorded; ANNALS_WRITE_DOCS=1 go test -run TestDoc writes it: %s", docFile, d)
	}
}

// TestRecord: what is recorded is read back as it was, and depends on nothing else.
func TestRecord(t *testing.T) {
	w := &world{}
	e := newTestEngine(t, w, testRules(t))
	for _, ev := range madeEvents(5, 200) {
		feedAll(t, e, w, start, ev)
	}
	if err := e.Flush(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for i, rec := range w.records {
		var raw []byte
		var err error
		if rec.Finding != nil {
			raw, err = rec.Finding.Event(0)
		} else {
			raw, err = rec.Withdrawal.Event(0)
		}
		if err != nil {
			t.Fatal(err)
		}
		ev := format.Event{Bytes: raw}
		if err := ev.View.Parse(raw); err != nil {
			t.Fatal(err)
		}
		if id := ev.View.AuditID.String(); ids[id] {
			t.Errorf("audit ID %s stands for two records", id)
		} else {
			ids[id] = true
		}
		got, ok, err := ParseRecord(&ev, Origin, uint64(i), start.UnixMicro())
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		if d := cmp.Diff(rec.Finding, got.Finding) + cmp.Diff(rec.Withdrawal, got.Withdrawal); d != "" {
			t.Error(d)
		}
		if _, ok, _ := ParseRecord(&ev, "webhook/cp-1", 0, 0); ok {
			t.Error("what somebody else wrote is taken for a finding")
		}
	}
}
