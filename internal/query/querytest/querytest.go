// Package querytest proves that an answer depends on nothing that its reader may not see. A Pair is two ledgers that are equal in
// the reader's sight and otherwise as different as they can be: whatever is asked of both must be answered alike. Start with
// Scoped or Bodiless, and hold each question with Same.
package querytest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"annals.dev/audit"
	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
	"annals.dev/internal/query"
)

// Pair is two ledgers that a reader must not be able to tell apart.
type Pair struct {
	Sight  query.Sight
	Sides  [2]*Side
	Events [][]byte // of both sides, seen and not: what questions are made of
}

// Side is one of the two.
type Side struct {
	Dir    string
	Ledger *ledger.Ledger
	Engine *query.Engine
	Reader *query.Reader // with the pair's sight
}

// entry is an event before it is in a ledger.
type entry struct {
	cluster, origin string
	raw             []byte
	marks           format.Marks
}

// Scoped makes a pair of a scope and of events, v1 and each with an audit ID of its own: those in scope are in both ledgers, at
// the same positions, and between and behind them stand others. One ledger has clusters more in which nothing is in scope.
func Scoped(tb testing.TB, rng *rand.Rand, scope string, bodies bool, events [][]byte) *Pair {
	tb.Helper()
	p := &Pair{Sight: query.Sight{Scope: parse(tb, scope), Bodies: bodies}, Events: events}
	outside := &maker{tb: tb, rng: rng, events: events, not: p.Sight.Scope}
	for k := range p.Sides {
		var all []entry
		position := make(map[string]uint64)
		for i, raw := range events {
			e := entry{cluster: []string{"prod", "stage", "team"}[i/20%3], origin: fmt.Sprintf("webhook/cp-%d", i/10%2), raw: raw}
			if i%17 == 5 {
				e.marks = format.Truncated
			}
			if !e.in(tb, p.Sight.Scope, position[e.cluster]) {
				if other := outside.event(e.cluster, position[e.cluster], fmt.Sprint("side", k, "word", i)); other.raw != nil {
					e = other
					p.Events = append(p.Events, e.raw)
				}
			}
			position[e.cluster]++
			all = append(all, e)
		}
		for i := range k * 60 {
			cluster := []string{"prod", "stage", "team", "vault", "annals"}[i%5]
			e := outside.event(cluster, position[cluster], fmt.Sprint("behind", i))
			if e.raw != nil {
				position[cluster]++
				all = append(all, e)
			}
		}
		p.Sides[k] = fill(tb, rng, p.Sight, all)
	}
	return p
}

// Bodiless makes a pair of events, v1 and each with an audit ID of its own, whose ledgers differ in bodies alone.
func Bodiless(tb testing.TB, rng *rand.Rand, scope string, events [][]byte) *Pair {
	tb.Helper()
	p := &Pair{Events: events}
	if scope != "" {
		p.Sight.Scope = parse(tb, scope)
	}
	seed := rng.Uint64()
	for k := range p.Sides {
		rng := rand.New(rand.NewPCG(seed, 0)) // what a segment holds is no secret to a reader without a scope
		var all []entry
		for i, raw := range events {
			if k == 1 {
				raw = otherBodies(tb, raw, fmt.Sprint("body", i))
				p.Events = append(p.Events, raw)
			}
			all = append(all, entry{cluster: []string{"prod", "stage"}[i/20%2], origin: "webhook/cp-1", raw: raw})
		}
		p.Sides[k] = fill(tb, rng, p.Sight, all)
	}
	return p
}

// Same asks both sides and fails unless the answers are the same as JSON, errors too. How long they took is set aside.
func (p *Pair) Same(tb testing.TB, what string, ask func(*query.Reader) (any, error)) {
	tb.Helper()
	p.SameSides(tb, what, func(s *Side) (any, error) { return ask(s.Reader) })
}

// SameSides is Same for questions that are asked of more than a reader.
func (p *Pair) SameSides(tb testing.TB, what string, ask func(*Side) (any, error)) {
	tb.Helper()
	var said [2]string
	for k, s := range p.Sides {
		answer, err := ask(s)
		b, jerr := json.Marshal(answer)
		if jerr != nil {
			tb.Fatalf("%s: %v", what, jerr)
		}
		var v any
		if err := json.Unmarshal(b, &v); err != nil {
			tb.Fatalf("%s: %v", what, err)
		}
		if b, jerr = json.MarshalIndent(timeless(v), "", " "); jerr != nil {
			tb.Fatalf("%s: %v", what, jerr)
		}
		said[k] = fmt.Sprintf("%s\nerror: %v", b, err)
	}
	if said[0] != said[1] {
		tb.Errorf("%s: the answer tells of what the reader (scope %v, bodies %v) may not see:\n%s", what, p.Sight.Scope, p.Sight.Bodies, cmp.Diff(said[0], said[1]))
	}
}

// timeless leaves out how long answers took.
func timeless(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = timeless(v[i])
		}
	case map[string]any:
		delete(v, "seconds")
		for k := range v {
			v[k] = timeless(v[k])
		}
	}
	return v
}

func parse(tb testing.TB, scope string) *match.Predicate {
	tb.Helper()
	p, err := match.Parse(scope)
	if err != nil {
		tb.Fatalf("scope %s: %v", scope, err)
	}
	return p
}

var received = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// in says whether the event is in scope at a position.
func (e *entry) in(tb testing.TB, scope *match.Predicate, position uint64) bool {
	tb.Helper()
	r := match.Row{View: new(audit.View), Cluster: e.cluster, Origin: e.origin, Position: position, Received: received.UnixMicro(), Marks: e.marks, Dialect: format.V1}
	if err := r.View.Parse(e.raw); err != nil {
		tb.Fatalf("%v: %s", err, e.raw)
	}
	return scope.Match(&r)
}

// fill makes a ledger of events: some in memory, some in segments, which may have been merged.
func fill(tb testing.TB, rng *rand.Rand, sight query.Sight, all []entry) *Side {
	tb.Helper()
	s := &Side{Dir: tb.TempDir()}
	if _, err := ledger.Init(s.Dir, ""); err != nil {
		tb.Fatal(err)
	}
	opt := ledger.Options{SealAfter: time.Hour}
	if rng.IntN(2) == 0 {
		opt.MergeBytes = 1
	}
	var err error
	if s.Ledger, err = ledger.Open(s.Dir, opt); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Ledger.Close(); err != nil {
			tb.Error(err)
		}
	})
	seals := rng.IntN(5)
	for len(all) > 0 {
		n := 1
		for n < len(all) && n < 50 && all[n].cluster == all[0].cluster && all[n].origin == all[0].origin {
			n++
		}
		b := ledger.Batch{Cluster: all[0].cluster, Origin: all[0].origin, Received: received}
		for _, e := range all[:n] {
			event := format.Event{Bytes: e.raw, Marks: e.marks}
			if err := event.View.Parse(e.raw); err != nil {
				tb.Fatal(err)
			}
			b.Events = append(b.Events, event)
		}
		got, err := s.Ledger.Append(context.Background(), b)
		if err != nil {
			tb.Fatal(err)
		}
		if got.Accepted != n {
			tb.Fatalf("of %d events %d were new: each wants its own audit ID", n, got.Accepted)
		}
		all = all[n:]
		if seals > 0 && rng.IntN(len(all)/seals+1) == 0 {
			seals--
			if err := s.Ledger.Seal(context.Background()); err != nil {
				tb.Fatal(err)
			}
		}
	}
	if s.Engine, err = query.New(s.Ledger.Snapshot, query.Options{Dir: s.Dir}); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Engine.Close)
	s.Reader = s.Engine.As(sight)
	return s
}

// otherBodies puts other bodies in the place of an event's, or takes them away.
func otherBodies(tb testing.TB, raw []byte, word string) []byte {
	tb.Helper()
	var v audit.View
	if err := v.Parse(raw); err != nil {
		tb.Fatal(err)
	}
	put := func(name string, body audit.Span) {
		if len(body) == 0 {
			return
		}
		old := append([]byte(`"`+name+`":`), body...)
		raw = bytes.Replace(raw, old, fmt.Appendf(nil, `%q:{"kind":"Other","verb":"delete","spec":{"%s":["%[2]s",{"n":%d}]}}`, name, word, len(word)), 1)
	}
	put("requestObject", v.RequestObject)
	put("responseObject", v.ResponseObject)
	return raw
}
