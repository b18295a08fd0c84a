package past

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"annals.dev/internal/detect"
	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
	"annals.dev/internal/query"
)

// errEnough ends a search whose answer is full.
var errEnough = errors.New("enough")

// Find hands the findings that a question is about to f. Reader reads cluster annals. Those are left out of which sight, unless
// it is nil, does not see every event.
func Find(ctx context.Context, reader, sight *query.Reader, q Question, f func(*Found) error) (*query.Coverage, error) {
	where, err := q.predicate()
	if err != nil {
		return nil, err
	}
	over := query.Range{Query: where, Since: q.Since, Until: q.Until, Clusters: []string{ledger.Own}}
	if q.After != nil { // what else is of that instant says whether a finding stands, so all of it is looked at again
		if q.OldestFirst && q.After.Time.After(over.Since) {
			over.Since = q.After.Time
		}
		if end := q.After.Time.Add(time.Microsecond); !q.OldestFirst && (over.Until.IsZero() || end.Before(over.Until)) {
			over.Until = end
		}
	}
	s := query.Search{Range: over, OldestFirst: q.OldestFirst, Wide: true, Bytes: true}
	a := &answer{q: &q, f: f, sight: sight}
	cov, err := reader.Search(ctx, s, func(r *query.Row) error {
		if len(a.instant) > 0 && r.Time != a.time {
			if err := a.resolve(ctx); err != nil {
				return err
			}
		}
		a.time = r.Time
		a.add(r)
		return nil
	})
	if err == nil {
		if err = a.resolve(ctx); err == nil {
			err = a.give(ctx)
		}
	}
	full := errors.Is(err, errEnough)
	if full {
		err = nil
	}
	if cov != nil {
		cov.Returned, cov.LimitReached = a.given, full
	}
	return cov, err
}

// predicate narrows: what it admits is looked at again.
func (q *Question) predicate() (*match.Predicate, error) {
	var w strings.Builder
	fmt.Fprintf(&w, "resource:findings apiGroup:annals.dev origin:%s", quote(detect.Origin))
	if len(q.Rules) > 0 {
		w.WriteString(` annotations["annals.dev/rule"]:(`)
		for i, r := range q.Rules {
			if i > 0 {
				w.WriteString(" OR ")
			}
			w.WriteString(quote(r))
		}
		w.WriteString(")")
	}
	if q.Namespace != "" { // a withdrawal does not say it
		w.WriteString(" (verb:delete OR ns:" + quote(q.Namespace) + ")")
	}
	p, err := match.Parse(w.String())
	if err != nil {
		return nil, err
	}
	if q.Query == nil {
		return p, nil
	}
	return match.And(p, match.Any(deleted, q.Query)), nil
}

var deleted = func() *match.Predicate {
	p, err := match.Parse("verb:delete")
	if err != nil {
		panic(err) // it is a constant
	}
	return p
}()

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// answer is an answer that comes to be. All that is recorded of one finding has the finding's time, so an instant's records
// decide together what stands.
type answer struct {
	q       *Question
	f       func(*Found) error
	sight   *query.Reader
	time    int64
	instant []detect.Recorded
	ready   []*Found // resolved, but not looked at by sight yet
	given   int
}

func (a *answer) add(r *query.Row) {
	e := format.Event{Bytes: r.Bytes, Dialect: r.Dialect}
	if e.View.Parse(r.Bytes) != nil {
		return
	}
	if rec, ok, err := detect.ParseRecord(&e, r.Origin, r.Position, r.Received); err == nil && ok {
		a.instant = append(a.instant, rec)
	}
}

// resolve finds what stands of an instant's records.
func (a *answer) resolve(ctx context.Context) error {
	last := make(map[string]*Found)
	slices.SortFunc(a.instant, func(x, y detect.Recorded) int { return cmp.Compare(x.Position, y.Position) })
	for _, rec := range a.instant {
		if rec.Finding != nil {
			last[rec.Finding.ID] = &Found{Finding: rec.Finding, At: rec.Received,
				Recorded: query.Cursor{Time: time.UnixMicro(a.time).UTC(), Cluster: ledger.Own, Position: rec.Position}}
		} else if f := last[rec.Withdrawal.ID]; f != nil {
			f.Withdrawn = rec.Withdrawal
		}
	}
	a.instant = a.instant[:0]
	var some []*Found
	for _, f := range last {
		if a.q.admits(f) && (a.q.After == nil || a.behind(f)) {
			some = append(some, f)
		}
	}
	slices.SortFunc(some, func(x, y *Found) int {
		if a.q.OldestFirst {
			return cmp.Compare(x.Recorded.Position, y.Recorded.Position)
		}
		return cmp.Compare(y.Recorded.Position, x.Recorded.Position)
	})
	a.ready = append(a.ready, some...)
	if a.sight == nil || len(a.ready) >= sightBatch {
		return a.give(ctx)
	}
	return nil
}

func (a *answer) behind(f *Found) bool {
	c := cmp.Or(f.Recorded.Time.Compare(a.q.After.Time), cmp.Compare(f.Recorded.Position, a.q.After.Position))
	return c < 0 != a.q.OldestFirst && c != 0
}

// give hands out what is ready and in sight.
func (a *answer) give(ctx context.Context) error {
	some := a.ready
	a.ready = nil
	if a.sight != nil {
		var err error
		if some, err = inSight(ctx, a.sight, some); err != nil {
			return err
		}
	}
	for _, f := range some {
		if a.q.Limit > 0 && a.given == a.q.Limit {
			return errEnough
		}
		a.given++
		if err := a.f(f); err != nil {
			return err
		}
	}
	return nil
}

func (q *Question) admits(f *Found) bool {
	return (f.Withdrawn == nil || q.Withdrawn) &&
		(len(q.Rules) == 0 || slices.Contains(q.Rules, f.Rule)) &&
		slices.Index(detect.Severities, f.Severity) >= slices.Index(detect.Severities, q.Severity) &&
		(len(q.Clusters) == 0 || slices.Contains(q.Clusters, f.Cluster)) &&
		(q.User == "" || f.User == q.User || f.As == q.User) &&
		(q.Namespace == "" || f.Namespace == q.Namespace) &&
		(q.Technique == "" || slices.ContainsFunc(f.Techniques, func(t string) bool {
			return strings.EqualFold(t, q.Technique) || len(t) > len(q.Technique) && strings.EqualFold(t[:len(q.Technique)+1], q.Technique+".")
		}))
}

// sightBatch is how many findings are held against a reader's sight at once.
const sightBatch = 64

// inSight gives the findings of which a reader sees every event. A finding that does not name all its events is seen by nobody
// whose sight has to be asked.
func inSight(ctx context.Context, sight *query.Reader, some []*Found) (seen []*Found, err error) {
	visible := make(map[string]map[uint64]bool)
	want := make(map[string][]uint64)
	since := make(map[string]time.Time)
	for _, f := range some {
		want[f.Cluster] = append(want[f.Cluster], f.Positions...)
		from := f.Time
		if !f.From.IsZero() {
			from = f.From
		}
		if t, ok := since[f.Cluster]; !ok || from.Before(t) {
			since[f.Cluster] = from
		}
	}
	for cluster, positions := range want {
		visible[cluster] = make(map[uint64]bool)
		slices.Sort(positions)
		for chunk := range slices.Chunk(slices.Compact(positions), 500) {
			p, err := match.Parse("position:(" + strings.Trim(strings.ReplaceAll(fmt.Sprint(chunk), " ", " OR "), "[]") + ")")
			if err != nil {
				return nil, err
			}
			_, err = sight.Search(ctx, query.Search{Range: query.Range{Query: p, Clusters: []string{cluster}, Since: since[cluster]}}, func(r *query.Row) error {
				visible[cluster][r.Position] = true
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
	}
	for _, f := range some {
		whole := len(f.Positions) > 0 && len(f.Positions) >= f.Count
		for _, p := range f.Positions {
			whole = whole && visible[f.Cluster][p]
		}
		if whole {
			seen = append(seen, f)
		}
	}
	return seen, nil
}

// Groups counts the findings that a question is about by rule, or by rule and user, in order of severity and then of the last.
// The question's Limit and After do not count.
func Groups(ctx context.Context, reader, sight *query.Reader, q Question, byUser bool) ([]Group, *query.Coverage, error) {
	type key struct{ rule, user string }
	all := make(map[key]*Group)
	q.Limit, q.After, q.OldestFirst = 0, nil, true
	cov, err := Find(ctx, reader, sight, q, func(f *Found) error {
		k := key{rule: f.Rule}
		if byUser {
			k.user = f.User
		}
		g := all[k]
		if g == nil {
			g = &Group{Rule: f.Rule, User: k.user, First: f.Time, Severity: f.Severity}
			all[k] = g
		}
		g.Count++
		g.Title, g.Last, g.LastID, g.Summary, g.Tactics, g.Techniques = f.Title, f.Time, f.ID, f.Summary, f.Tactics, f.Techniques
		if slices.Index(detect.Severities, f.Severity) > slices.Index(detect.Severities, g.Severity) {
			g.Severity = f.Severity
		}
		if !slices.Contains(g.Clusters, f.Cluster) {
			g.Clusters = append(g.Clusters, f.Cluster)
		}
		return nil
	})
	groups := make([]Group, 0, len(all))
	for _, g := range all {
		groups = append(groups, *g)
	}
	slices.SortFunc(groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(slices.Index(detect.Severities, b.Severity), slices.Index(detect.Severities, a.Severity)),
			b.Last.Compare(a.Last), strings.Compare(a.Rule, b.Rule), strings.Compare(a.User, b.User))
	})
	return groups, cov, err
}
