package pack_test

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"annals.dev/audit"
	"annals.dev/internal/detect"
	"annals.dev/internal/detect/pack"
	"annals.dev/internal/match"
)

// corpus is the folder of recorded events.
func corpus(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("ANNALS_CORPUS")
	if dir == "" {
		t.Skip("ANNALS_CORPUS is not set: make corpus DIR=… sets it")
	}
	return filepath.Join(dir, "corpus")
}

// found is what an engine has found and not taken back, by finding's ID.
type found map[string]*detect.Finding

func (f found) Find(x *detect.Finding) {
	if f[x.ID] == nil {
		f[x.ID] = x
	}
}
func (f found) Withdraw(w *detect.Withdrawal) { delete(f, w.ID) }

// titles are the findings, counted by severity and title.
func (f found) titles() []string {
	counts := map[string]int{}
	for _, x := range f {
		counts[fmt.Sprintf("%-13s %s", x.Severity, x.Title)]++
	}
	var all []string
	for title, n := range counts {
		all = append(all, fmt.Sprintf("%6d %s", n, title))
	}
	slices.SortFunc(all, func(a, b string) int { return strings.Compare(b, a) })
	return all
}

func (f found) alarming() (n int) {
	for _, x := range f {
		if slices.Index(detect.Severities, x.Severity) >= slices.Index(detect.Severities, detect.Medium) {
			n++
		}
	}
	return n
}

// has says whether something was found with the technique, or with a part of it or what it is a part of.
func (f found) has(technique string) bool {
	for _, x := range f {
		for _, t := range x.Techniques {
			whole, _, _ := strings.Cut(t, ".")
			if t == technique || whole == technique || strings.HasPrefix(technique, t+".") {
				return true
			}
		}
	}
	return false
}

func builtin(t *testing.T) []*detect.Rule {
	t.Helper()
	p, err := pack.Load(pack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Problems) > 0 {
		t.Fatalf("%+v", p.Problems)
	}
	return p.Rules
}

// watch is what our rules find in events, and how many events there are.
func watch(t *testing.T, rules []*detect.Rule, events func(func([]byte))) (found, int) {
	t.Helper()
	e, problems := detect.NewEngine(rules, nil, detect.Options{})
	if len(problems) > 0 {
		t.Fatalf("%+v", problems)
	}
	out, n := found{}, 0
	events(func(b []byte) {
		row := match.Row{View: new(audit.View), Cluster: "corpus", Origin: "test", Position: uint64(n)}
		if err := row.View.Parse(b); err != nil {
			t.Fatal(err)
		}
		row.Received = row.View.Time
		e.Feed(&row, out)
		if n++; n%5000 == 0 {
			if err := e.Advance(t.Context(), "corpus", time.UnixMicro(row.Received), out); err != nil {
				t.Fatal(err)
			}
		}
	})
	if err := e.Flush(t.Context(), out); err != nil {
		t.Fatal(err)
	}
	return out, n
}

// lines hands over the events of a recorded log.
func lines(t *testing.T, name string) func(func([]byte)) {
	return func(f func([]byte)) {
		t.Helper()
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		z, err := gzip.NewReader(file)
		if err != nil {
			t.Fatal(err)
		}
		s := bufio.NewScanner(z)
		s.Buffer(nil, 64<<20)
		for s.Scan() {
			f(s.Bytes())
		}
		if err := s.Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAttacks finds each recorded attack that left a trace, with its technique, under both policies.
func TestAttacks(t *testing.T) {
	dir := filepath.Join(corpus(t), "attacks")
	text, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Attacks []struct {
			Policy, Label, Mitre string
			File                 string `json:"attack_file"`
			Events               int    `json:"attack_events"`
		}
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	rules, seen := builtin(t), 0
	for _, a := range manifest.Attacks {
		if a.Events == 0 {
			continue
		}
		seen++
		t.Run(a.Label+"."+a.Policy, func(t *testing.T) {
			got, _ := watch(t, rules, lines(t, filepath.Join(dir, a.File)))
			t.Logf("%s\n%s", a.Mitre, strings.Join(got.titles(), "\n"))
			if !got.has(a.Mitre) {
				t.Errorf("nothing with technique %s", a.Mitre)
			}
			if got.alarming() == 0 {
				t.Error("nothing of medium severity or above")
			}
		})
	}
	if seen < 31 {
		t.Errorf("only %d attacks are listed", seen)
	}
}

// lowly are the cases that cannot be told from ordinary work: what a controller does in its own name, and what was not recorded.
var lowly = []string{"E03", "E24", "E34"}

// TestEvasions finds each technique and evasion.
func TestEvasions(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(corpus(t), "evasions.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		ID, Title, Attack string
		Events            []json.RawMessage
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 36 {
		t.Errorf("only %d cases", len(cases))
	}
	rules := builtin(t)
	everywhere := map[string]bool{} // all cases come from one address outside; these rules would find any change
	for _, r := range rules {
		everywhere[r.ID] = strings.Contains(r.Name, "-unapproved-network") || r.Name == "service-account-outside-the-cluster"
	}
	for _, c := range cases {
		t.Run(c.ID, func(t *testing.T) {
			got, _ := watch(t, rules, func(f func([]byte)) {
				for _, e := range c.Events {
					f(e)
				}
			})
			for id, x := range got {
				if everywhere[x.Rule] {
					delete(got, id)
				}
			}
			t.Logf("%s: %s\n%s", c.Attack, c.Title, strings.Join(got.titles(), "\n"))
			if !got.has(c.Attack) {
				t.Errorf("%s: nothing with technique %s", c.Title, c.Attack)
			}
			if got.alarming() == 0 && !slices.Contains(lowly, c.ID) {
				t.Errorf("%s: nothing of medium severity or above", c.Title)
			}
		})
	}
}

// perHundredThousand is how many findings of medium or above ordinary activity may give.
const perHundredThousand = 5

// TestQuiet counts what our rules find in ordinary activity. With -v it lists them, to tune by.
func TestQuiet(t *testing.T) {
	dir, rules := corpus(t), builtin(t)
	for _, name := range []string{"normal-full", "normal-metadata", "normal-gce"} {
		t.Run(name, func(t *testing.T) {
			got, n := watch(t, rules, lines(t, filepath.Join(dir, name+".log.gz")))
			t.Logf("%d events, %d findings, %d of medium or above:\n%s", n, len(got), got.alarming(), strings.Join(got.titles(), "\n"))
			if n < 18_000 {
				t.Errorf("only %d events", n)
			}
			if most := perHundredThousand * n / 100_000; got.alarming() > most {
				t.Errorf("%d findings of medium or above in %d events; %d may be\n%s", got.alarming(), n, most, strings.Join(alarms(got), "\n"))
			}
		})
	}
}

func alarms(f found) []string {
	var all []string
	for _, x := range f {
		if slices.Index(detect.Severities, x.Severity) >= slices.Index(detect.Severities, detect.Medium) {
			all = append(all, fmt.Sprintf("%s: %s", x.Title, x.Summary))
		}
	}
	slices.SortFunc(all, cmp.Compare[string])
	return all[:min(len(all), 40)]
}
