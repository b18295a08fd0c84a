package query_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/match"
	"annals.dev/internal/query"
	"annals.dev/internal/query/querytest"
)

// TestRequests: each request counts once, by the last of its stages that is recorded, whichever of them are. An audit ID that is
// used again is another request's.
func TestRequests(t *testing.T) {
	begun := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	stages := []string{"RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"}
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(51, seed))
		var events [][]byte
		want := make(map[string]query.Requests)
		for n := range 120 {
			received := begun.Add(time.Duration(n) * 20 * time.Minute)
			id := fmt.Sprintf("00000000-0000-4000-8000-%012d", n/2) // each twice
			if n%10 == 0 {
				id = fmt.Sprintf("chosen by a client %d", n)
			}
			user, verb := fmt.Sprint("u", rng.IntN(2)), fmt.Sprint("v", rng.IntN(3))
			last, at := -1, received
			for k, stage := range stages {
				if k == 3 && last == 2 || rng.IntN(3) == 0 {
					continue
				}
				at = received.Add(time.Duration(k) * time.Second)
				events = append(events, fmt.Appendf(nil, `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":%q,"stage":%q,"requestURI":"/x?%d","verb":%q,"user":{"username":%q,"groups":["a","b"]},"sourceIPs":["claimed","10.0.0.%d"],"requestReceivedTimestamp":%q,"stageTimestamp":%q}`,
					id, stage, n, verb, user, n%2, received.Format("2006-01-02T15:04:05.000000Z"), at.Format("2006-01-02T15:04:05.000000Z")))
				last = k
			}
			if last < 0 || user != "u0" {
				continue
			}
			values := []string{verb, fmt.Sprint("10.0.0.", n%2), `["a","b"]`, at.Format("2006-01-02"), "/x"}
			q := want[strings.Join(values, " ")]
			if q.Count == 0 {
				q = query.Requests{Values: values, First: at}
			}
			q.Count++
			q.Last = at
			want[strings.Join(values, " ")] = q
		}
		rng.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		r := querytest.Ledger(t, "prod", events).Reader
		p, err := match.Parse("user:u0")
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]query.Requests)
		cov, err := r.Requests(context.Background(), query.Range{Query: p}, []string{"verb", "ip", "groups", "day", "path"}, func(q query.Requests) error {
			key := strings.Join(q.Values, " ")
			if x, ok := got[key]; ok { // those without an end come apart
				q.Count += x.Count
				if x.First.Before(q.First) {
					q.First = x.First
				}
				if x.Last.After(q.Last) {
					q.Last = x.Last
				}
			}
			got[key] = q
			return nil
		})
		if err != nil || !cov.Complete {
			t.Fatal(cov, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("seed %d: %s", seed, diff)
		}
	}
}

// TestRequestsCut: an event that was cut before its time is the end of its request all the same, and decides no time.
func TestRequestsCut(t *testing.T) {
	whole := `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"a","stage":%q,"requestURI":"/x","verb":"get","user":{"username":"u"}%s}`
	events := [][]byte{
		fmt.Appendf(nil, whole, "RequestReceived", `,"requestReceivedTimestamp":"2026-11-20T08:00:00.000000Z","stageTimestamp":"2026-11-20T08:00:00.000000Z"`),
		fmt.Appendf(nil, whole, "ResponseComplete", ""),
	}
	r := querytest.Ledger(t, "prod", events).Reader
	n := 0
	_, err := r.Requests(context.Background(), query.Range{}, []string{"verb"}, func(q query.Requests) error { n += q.Count; return nil })
	if err != nil || n != 1 {
		t.Errorf("%d requests, %v", n, err)
	}
}

// TestRequestsRefuses: what columns do not hold.
func TestRequestsRefuses(t *testing.T) {
	r := querytest.Ledger(t, "prod", [][]byte{}).Reader
	p, err := match.Parse("curl")
	if err != nil {
		t.Fatal(err)
	}
	none := func(query.Requests) error { return nil }
	if _, err := r.Requests(context.Background(), query.Range{Query: p}, []string{"verb"}, none); err == nil {
		t.Error("words were taken")
	}
	if _, err := r.Requests(context.Background(), query.Range{}, []string{"color"}, none); err == nil {
		t.Error("a field that is not there was taken")
	}
}
