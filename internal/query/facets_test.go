package query

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"annals.dev/internal/match"
	"annals.dev/internal/match/matchtest"
)

// valueOf is a row's value of a field of Facets.
func valueOf(field string, r *Row) string {
	code := ""
	if r.Code != 0 {
		code = fmt.Sprint(r.Code)
	}
	v := map[string]string{
		"cluster": r.Cluster, "origin": r.Origin, "level": r.Level, "stage": r.Stage, "verb": r.Verb, "user": r.User, "as": r.As,
		"agent": r.UserAgent, "uri": r.RequestURI, "ip": r.SourceIPs, "resource": r.Resource, "subresource": r.Subresource,
		"ns": r.Namespace, "name": r.Name, "apiGroup": r.APIGroup, "code": code, "code-class": code, "decision": r.Decision, "reason": r.Reason,
	}[field]
	if f := facets[field].value; f != nil {
		return f(v)
	}
	return v
}

// TestFacetsAgainstMatch holds counts, tops and histograms of random predicates against the predicate over each event.
func TestFacetsAgainstMatch(t *testing.T) {
	events := recorded(t)
	l, dir := newLedger(t)
	add(t, l, "prod", events[:200]...)
	seal(t, l)
	add(t, l, "prod", events[200:]...)
	add(t, l, "stage", events[:50]...)
	e := newEngine(t, l, dir)
	all := everything(t, l)
	rng := rand.New(rand.NewPCG(3, 4))
	ctx := context.Background()
	for range 100 {
		query := matchtest.Random(rng, events)
		p, err := match.Parse(query)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		r := Range{Query: p}
		if rng.IntN(3) == 0 {
			r.Since = time.UnixMicro(all[rng.IntN(len(all))].row.Time)
			r.Until = time.UnixMicro(all[rng.IntN(len(all))].row.Time)
			if r.Until.Before(r.Since) {
				r.Since, r.Until = r.Until, r.Since
			}
			r.Until = r.Until.Add(time.Microsecond)
		}
		field := Facets()[rng.IntN(len(Facets()))]
		wantTop, wantBuckets := make(map[string]int), make(map[int64]int)
		want := 0
		for _, s := range all {
			at := time.UnixMicro(s.row.Time)
			if s.match(p) && (r.Since.IsZero() || !at.Before(r.Since) && at.Before(r.Until)) {
				want++
				wantTop[valueOf(field, &s.row)]++
				wantBuckets[at.Truncate(time.Second).UnixMicro()]++
			}
		}
		n, cov, err := e.As(All).Count(ctx, r)
		if err != nil || n != want || !cov.Complete {
			t.Fatalf("count of %s from %s to %s: %d, want %d (%v, %+v)", query, r.Since, r.Until, n, want, err, cov)
		}
		var top []Value
		for v, n := range wantTop {
			top = append(top, Value{v, n})
		}
		slices.SortFunc(top, func(a, b Value) int { return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value)) })
		top = top[:min(3, len(top))]
		if got, _, err := e.As(All).Top(ctx, r, field, 3); err != nil || len(got)+len(top) > 0 && !reflect.DeepEqual(got, top) {
			t.Fatalf("top %s of %s: %v, want %v (%v)", field, query, got, top, err)
		}
		buckets, _, err := e.As(All).Histogram(ctx, r, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[int64]int)
		for i, b := range buckets {
			got[b.Start.UnixMicro()] = b.Count
			if i > 0 && !b.Start.After(buckets[i-1].Start) {
				t.Errorf("bucket %s comes after %s", b.Start, buckets[i-1].Start)
			}
		}
		if !reflect.DeepEqual(got, wantBuckets) {
			t.Fatalf("histogram of %s: %v, want %v", query, got, wantBuckets)
		}
	}
	if _, _, err := e.As(All).Top(ctx, Range{}, "users", 3); err == nil || !strings.Contains(err.Error(), "choose one of agent, apiGroup") {
		t.Error(err)
	}
	if _, _, err := e.As(All).Histogram(ctx, Range{}, 0); err == nil {
		t.Error("a histogram with a step of 0")
	}
}
