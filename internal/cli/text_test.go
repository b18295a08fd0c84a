package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/server"
)

func TestParseTime(t *testing.T) {
	oslo := time.FixedZone("Oslo", 3600)
	now := time.Date(2026, 11, 21, 0, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		text string
		zone *time.Location
		want string // RFC 3339 in UTC, "" an error
	}{
		{"15m", time.UTC, "2026-11-21T00:15:00Z"}, {"2h", time.UTC, "2026-11-20T22:30:00Z"}, {"3d", time.UTC, "2026-11-18T00:30:00Z"},
		{"1w", time.UTC, "2026-11-14T00:30:00Z"}, {"1d12h", time.UTC, "2026-11-19T12:30:00Z"}, {"0s", time.UTC, "2026-11-21T00:30:00Z"},
		{"now", time.UTC, "2026-11-21T00:30:00Z"}, {"today", time.UTC, "2026-11-21T00:00:00Z"}, {"yesterday", time.UTC, "2026-11-20T00:00:00Z"},
		{"today", oslo, "2026-11-20T23:00:00Z"}, {"yesterday", oslo, "2026-11-19T23:00:00Z"},
		{"2026-11-19", time.UTC, "2026-11-19T00:00:00Z"}, {"2026-11-19 08:00", oslo, "2026-11-19T07:00:00Z"},
		{"2026-11-19T08:00:00Z", oslo, "2026-11-19T08:00:00Z"}, {"2026-11-19T08:00:00+02:00", time.UTC, "2026-11-19T06:00:00Z"},
		{"", time.UTC, ""}, {"d", time.UTC, ""}, {"-2h", time.UTC, ""}, {"2", time.UTC, ""}, {"99999999999d", time.UTC, ""},
		{"1h1d", time.UTC, ""}, {"2026-13-01", time.UTC, ""}, {"last week", time.UTC, ""},
	} {
		got, err := parseTime(c.text, now, c.zone)
		if c.want == "" {
			if err == nil {
				t.Errorf("%q: %s, want an error", c.text, got)
			}
			continue
		}
		if err != nil || got.UTC().Format(time.RFC3339) != c.want {
			t.Errorf("%q: %s, %v; want %s", c.text, got, err, c.want)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"15m", "1w2d3h", "yesterday", "2026-11-19T08:00:00Z"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 21, 0, 30, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		if ago, ok := parseAgo(s); ok && (ago < 0 || ago > 3*maxAgo) {
			t.Errorf("%q is %s ago", s, ago)
		}
		parseTime(s, now, time.UTC)
	})
}

// hostile is what somebody may put into a user agent to be shown on a terminal.
const hostile = "kubectl\x1b[2J\x1b]0;x\a\r\nFAKE \u202eetirw\u2066 \u009b31m\x7f\xff\u200b\U000e0041 \\x1b"

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain: grün 日本": "plain: grün 日本",
		"a\x1b[2Jb":      `a\u001b[2Jb`,
		"a\nb\tc\rd":     `a\nb\tc\rd`,
		"\u202e\u009b":   `\u202e\u009b`,
		"\xff\xfe":       `\xff\xfe`,
		"\U000e0041":     `\U000e0041`,
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func safe(t *testing.T, what string, text []byte) {
	t.Helper()
	if !utf8.Valid(text) {
		t.Errorf("%s is not UTF-8: %q", what, text)
	}
	for _, r := range string(text) {
		if r != '\n' && dangerous(r) {
			t.Errorf("%s passes %U on to a terminal: %q", what, r, text)
			return
		}
	}
}

// Nothing that stands in an event reaches a terminal as more than text, in any format.
func TestFormatsAreSafe(t *testing.T) {
	event, err := json.Marshal(map[string]string{"userAgent": hostile, "user": "plain \u202e text"})
	if err != nil {
		t.Fatal(err)
	}
	row := server.Row{Cluster: "c", User: hostile, Verb: hostile, Resource: hostile, Name: hostile, SourceIPs: []string{hostile}, UserAgent: hostile, Note: hostile, Event: event, Raw: []byte(hostile)}
	for _, format := range eventFormats {
		for _, colour := range []bool{false, true} {
			var out bytes.Buffer
			p := newEventPrinter(&out, &env{streams: &streams{outTerminal: true, colour: colour}}, &asking{output: format}, true)
			if err := p.event(&row); err != nil {
				t.Fatal(err)
			}
			if err := p.end(map[string]any{"coverage": row}); err != nil {
				t.Fatal(err)
			}
			text := out.Bytes()
			if colour {
				for _, ours := range []string{"\x1b[1m", "\x1b[31m", "\x1b[0m"} {
					text = bytes.ReplaceAll(text, []byte(ours), nil)
				}
			}
			safe(t, format, text)
			if out.Len() == 0 {
				t.Errorf("%s: nothing printed", format)
			}
		}
	}
}

// What is escaped is the same value, and YAML and JSON stay themselves.
func TestEscapedJSONIsTheSame(t *testing.T) {
	in := map[string]any{"a": "x\u202e\u009b\U000e0041\u2028y", "b": []any{"\x7f", 1.0}}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	escaped := cleanJSON(text)
	safe(t, "JSON", escaped)
	var back map[string]any
	if err := json.Unmarshal(escaped, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(in, back); d != "" {
		t.Errorf("another value (-want +got):\n%s", d)
	}
}

func FuzzCleanJSON(f *testing.F) {
	f.Add("a\u202e", "\x1b")
	f.Fuzz(func(t *testing.T, a, b string) {
		in := map[string]string{a: b}
		text, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		var want, got map[string]string
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		escaped := cleanJSON(text)
		safe(t, "JSON", escaped)
		if err := json.Unmarshal(escaped, &got); err != nil {
			t.Fatalf("%v: %s", err, escaped)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		y, err := yaml.JSONToYAML(escaped)
		if err == nil {
			safe(t, "YAML", cleanYAML(y))
		}
	})
}

func TestCoverageLine(t *testing.T) {
	at := func(h int) time.Time { return time.Date(2026, 11, 19, h, 0, 0, 0, time.UTC) }
	for _, c := range []struct {
		cov         server.Coverage
		first, last time.Time
		want        string
	}{
		{server.Coverage{Complete: true}, time.Time{}, time.Time{}, "0 events · complete, of 0 in the range"},
		{server.Coverage{Returned: 1204, Considered: 5000, Complete: true, Salvaged: 2}, at(8), at(9),
			"1,204 events · 2026-11-19 08:00 → 2026-11-19 09:00 · complete, of 5,000 in the range · 2 cut (salvaged)"},
		{server.Coverage{Returned: 1, Considered: 7, Complete: true, Since: at(7)}, at(8), at(9),
			"1 event · 2026-11-19 07:00 → now · complete, of 7 in the range"},
		{server.Coverage{Returned: 100, LimitReached: true, Complete: true}, at(8), at(9),
			"100 events · 2026-11-19 08:00 → 2026-11-19 09:00 · there are more: --limit 0 shows all"},
		{server.Coverage{Why: []string{"a segment is gone"}, Quarantined: 3}, time.Time{}, time.Time{},
			"0 events · INCOMPLETE: a segment is gone · 3 unreadable (quarantined)"},
	} {
		if got := coverageLine(c.cov, c.first, c.last, time.UTC, 0); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// Where an answer holds only so much, nobody is sent for more in vain.
func TestCoverageLineOfSomeAtMost(t *testing.T) {
	for returned, want := range map[int]string{
		100:    "100 events · there are more: --limit 0 shows up to 10,000",
		10_000: "10,000 events · there are more than the 10,000 that an answer has: narrow it, with --since and --until or by what is asked",
	} {
		cov := server.Coverage{Returned: returned, LimitReached: true, Complete: true}
		if got := coverageLine(cov, time.Time{}, time.Time{}, time.UTC, 10_000); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestProgress(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		var out bytes.Buffer
		now := time.Unix(0, 0)
		p := &progress{w: &out, terminal: terminal, now: func() time.Time { return now }, width: func() int { return 60 }, last: now}
		for i := range 300 { // 30 seconds, ten times a second
			now = now.Add(100 * time.Millisecond)
			p.show(int64(i), 300, strings.Repeat("x", 100))
		}
		p.clear()
		lines := strings.Count(out.String(), "\n")
		if terminal {
			if lines != 0 || !strings.Contains(out.String(), "[====") || !strings.HasSuffix(out.String(), "\r\x1b[K") {
				t.Errorf("on a terminal: %d lines, %q", lines, out.String()[:80])
			}
			for _, draw := range strings.Split(out.String(), "\r\x1b[K") {
				if utf8.RuneCountInString(draw) > 59 {
					t.Errorf("%q is wider than the terminal", draw)
				}
			}
		} else if lines != 3 {
			t.Errorf("%d lines in 30 seconds, want one every ten", lines)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte("limit: 2\nfollow: [a, b]\n"))
	f.Add([]byte("---\n---\na: &x 1\n"))
	f.Add([]byte("limit: |\n  a\n"))
	known := map[string]bool{"limit": true, "follow": true}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseConfig("annals.yaml", b, known)
		if err != nil {
			return
		}
		for name := range c.settings {
			if !known[name] {
				t.Errorf("took %q", name)
			}
		}
	})
}
