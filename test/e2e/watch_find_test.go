package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// watches writes what is watched for, and who is told.
func (a *annals) watches(yaml string) {
	a.t.Helper()
	must(a.t, os.WriteFile(filepath.Join(a.data, "watch.yaml"), []byte(yaml), 0o600))
}

// finding is one as annals findings -o json prints it.
type finding struct {
	ID, Rule, RuleName, Title, Severity, Cluster, Summary string
	Techniques                                            []string
	Time, Recorded                                        time.Time
	User, Resource, Namespace, Name                       string
}

func (f *finding) String() string {
	return fmt.Sprintf("%s %s: %s %s/%s by %q at %s: %.300s", f.Severity, f.RuleName, f.Resource, f.Namespace, f.Name, f.User, f.Time.Format("15:04:05.000"), f.Summary)
}

// atLeast says whether a severity is medium or worse, or high or worse.
func (f *finding) atLeast(severity string) bool {
	order := []string{"informational", "low", "medium", "high", "critical"}
	return slices.Index(order, f.Severity) >= slices.Index(order, severity)
}

// findings asks for all that stand about clusters.
func (a *annals) findings(args ...string) ([]finding, error) {
	a.t.Helper()
	out, said, code := a.run(append([]string{"findings", "-o", "json", "--limit", "0"}, args...)...)
	if code != 0 {
		return nil, fmt.Errorf("annals findings: exit %d: %s", code, said)
	}
	var answer struct{ Findings []finding }
	if err := json.Unmarshal(out, &answer); err != nil {
		return nil, err
	}
	return answer.Findings, nil
}

// hearer is a receiver of alerts that does not take every message at once: it refuses some at first, as one does that is busy.
type hearer struct {
	url string

	mu       sync.Mutex
	messages map[string][]string // that were taken: the findings' IDs by key
	attempts map[string]int
	twice    []string // keys of messages that came again though they had been taken
}

// newHearer listens until the test ends.
func newHearer(t *testing.T) *hearer {
	r := &hearer{messages: map[string][]string{}, attempts: map[string]int{}}
	srv := httptest.NewServer(r)
	t.Cleanup(srv.Close)
	r.url = srv.URL
	return r
}

func (r *hearer) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var message struct {
		Key      string
		Findings []struct{ ID string }
		Digest   *json.RawMessage
	}
	if err := json.NewDecoder(req.Body).Decode(&message); err != nil || message.Key == "" || message.Key != req.Header.Get("Idempotency-Key") || message.Digest != nil {
		http.Error(w, fmt.Sprintf("key %q: %v", message.Key, err), http.StatusBadRequest) // which gives it up: then findings are missing
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.attempts[message.Key]++; r.attempts[message.Key] == 1 && len(r.attempts)%3 == 1 {
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	if r.messages[message.Key] != nil {
		r.twice = append(r.twice, message.Key)
		return
	}
	ids := []string{}
	for _, f := range message.Findings {
		ids = append(ids, f.ID)
	}
	r.messages[message.Key] = ids
}

// count is how many messages were taken.
func (r *hearer) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.messages)
}

// of says how often each finding was told, not counting what came again under the same key.
func (r *hearer) of() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := map[string]int{}
	for _, ids := range r.messages {
		for _, id := range ids {
			n[id]++
		}
	}
	return n
}

// unequal are findings of which one list has more than the other, as text.
func unequal(one, other []finding) string {
	var b strings.Builder
	only := func(what string, a, b []finding, w *strings.Builder) {
		for i := range a {
			if !slices.ContainsFunc(b, func(f finding) bool {
				// Of several uses of a grant the first that is looked at is told.
				return f.ID == a[i].ID && (f.RuleName == "grants-used" || f.Time.Equal(a[i].Time) && f.Summary == a[i].Summary)
			}) {
				fmt.Fprintf(w, "%s: %s %s\n", what, a[i].ID, &a[i])
			}
		}
	}
	only("only the first", one, other, &b)
	only("only the second", other, one, &b)
	return b.String()
}
