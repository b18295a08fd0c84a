package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
	"annals.dev/internal/query"
)

// What opens a session, where columns tell, and where only a request's body does: the copy of a pod that kubectl debug makes
// has nothing else of its own.
var (
	byColumns = parsed(`subresource:(exec OR attach OR portforward OR proxy) OR verb:(patch OR update) subresource:ephemeralcontainers OR verb:create resource:pods/ name:node-debugger-*`)
	byBody    = parsed(`verb:create resource:pods/ -name:node-debugger-* request.spec.containers.name:debugger-*`)
	refused   = parsed(`code>=400 code<500`)
	notOwn    = parsed("-cluster:" + ledger.Own)
)

func parsed(text string) *match.Predicate {
	p, err := match.Parse(text)
	if err != nil {
		panic(err)
	}
	return p
}

// Most is how many sessions an answer holds.
const Most = 20_000

// Find finds the sessions that any event of the range and the query belongs to, and gives each whole: its other events are
// found even where the range or the query leaves them out. A limit keeps those of which the newest events are.
func Find(ctx context.Context, r *query.Reader, q Question) (*Sessions, error) {
	if q.Limit < 0 {
		return nil, fmt.Errorf("a limit of %d: give a number of sessions, or 0 for all", q.Limit)
	}
	narrow, err := match.Parse(q.Query)
	if err != nil {
		return nil, err
	}
	if q.Denied {
		narrow = match.And(narrow, refused)
	}
	if len(q.Clusters) == 0 { // Annals' own acts are asked for by name
		narrow = match.And(narrow, notOwn)
	}
	f := finding{ctx: ctx, read: r, question: q, narrow: narrow, limit: cmp.Or(min(q.Limit, Most), Most)}
	found, err := f.keys(byColumns)
	if err != nil {
		return nil, err
	}
	begun := f.cover
	copies, err := f.keys(byBody)
	if err != nil {
		return nil, err
	}
	if begun != nil {
		begun.Seconds += f.cover.Seconds
		begun.LimitReached = begun.LimitReached || f.cover.LimitReached
		for _, why := range f.cover.Why {
			if !slices.Contains(begun.Why, why) {
				begun.Why, begun.Complete = append(begun.Why, why), false
			}
		}
		f.cover = begun
	}
	found = append(found, copies...)
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(b.newest.Time, a.newest.Time) })
	if len(found) > f.limit {
		found, f.cover.LimitReached = found[:f.limit], true
	}
	answer := &Sessions{Sessions: []Session{}, Cover: f.cover}
	for some := range slices.Chunk(found, together) {
		sessions, err := f.whole(some)
		if err != nil {
			return nil, err
		}
		answer.Sessions = append(answer.Sessions, sessions...)
	}
	if q.Denied { // an event was refused, but not what came of it: a policy that records one stage by another's code
		answer.Sessions = slices.DeleteFunc(answer.Sessions, func(s Session) bool { return s.State != Denied })
	}
	slices.SortStableFunc(answer.Sessions, func(a, b Session) int {
		return cmp.Or(b.Start.Compare(a.Start), cmp.Compare(b.Cluster, a.Cluster), cmp.Compare(b.Positions[0], a.Positions[0]))
	})
	f.cover.Returned = len(answer.Sessions)
	return answer, nil
}

type finding struct {
	ctx      context.Context
	read     *query.Reader
	question Question
	narrow   *match.Predicate
	limit    int
	cover    *query.Coverage
}

// key is what the stages of one request have in common. The audit ID alone would not do: clients choose it, and who gives his
// the ID of another's request must not disappear in that.
// An event that was cut may not tell when its request was received; then the rest must do.
type key struct {
	cluster, id, user, verb, uri string
	received                     int64 // requestReceivedTimestamp, microseconds; 0: not known
}

// held are things by key. All keys but for the time have one list.
type held[T any] map[key][]keyed[T]

type keyed[T any] struct {
	received int64
	of       *T
}

// get finds what is of the same request, nil if there is nothing.
func (h held[T]) get(k key) *T {
	received := k.received
	k.received = 0
	for _, x := range h[k] {
		if x.received == received || x.received == 0 || received == 0 {
			return x.of
		}
	}
	return nil
}

func (h held[T]) put(k key, of *T) {
	received := k.received
	k.received = 0
	h[k] = append(h[k], keyed[T]{received, of})
}

// candidate is a session of which one event was found.
type candidate struct {
	key
	newest *query.Row
	body   bool // the request's body tells what it was
}

func keyOf(r *query.Row) key {
	k := key{cluster: r.Cluster, id: r.AuditID, user: r.User, verb: r.Verb, uri: r.RequestURI}
	if k.id == "" { // nothing to join it by
		k.uri = fmt.Sprint(r.Position)
	}
	if r.Latency != ledger.NullInt {
		k.received = r.Time - r.Latency
	}
	return k
}

var errEnough = errors.New("there are sessions enough")

// keys finds the newest sessions that an event of the range and the query belongs to.
func (f *finding) keys(kind *match.Predicate) (found []candidate, err error) {
	seen := make(held[struct{}])
	s := query.Search{
		Range: query.Range{Query: match.And(kind, f.narrow), Since: f.question.Since, Until: f.question.Until, Clusters: f.question.Clusters},
		Wide:  true,
	}
	f.cover, err = f.read.Search(f.ctx, s, func(r *query.Row) error {
		k := keyOf(r)
		if seen.get(k) != nil {
			return nil
		}
		if len(found) == f.limit {
			return errEnough
		}
		seen.put(k, new(struct{}))
		found = append(found, candidate{k, r, kindOf(r) == "ephemeralcontainer" || kindOf(r) == "debug"})
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
		f.cover.LimitReached = true
		f.cover.Why = slices.DeleteFunc(f.cover.Why, func(why string) bool { return why == errEnough.Error() })
		f.cover.Complete = len(f.cover.Why) == 0
	}
	return found, err
}

// together is how many sessions' events are looked for at once.
const together = 200

// whole finds all events of some sessions and joins them.
func (f *finding) whole(some []candidate) (sessions []Session, err error) {
	of := make(held[joined])
	all := make([]joined, len(some))
	var ids, clusters []string
	var since time.Time
	bodies := false
	for i, c := range some {
		of.put(c.key, &all[i])
		bodies = bodies || c.body
		if joinable(c.id) {
			ids = append(ids, quote(c.id))
		}
		if !slices.Contains(clusters, c.cluster) {
			clusters = append(clusters, c.cluster)
		}
		begun := cmp.Or(c.received, c.newest.Time-longest.Microseconds())
		if t := time.UnixMicro(begun); i == 0 || t.Before(since) {
			since = t
		}
	}
	if len(ids) > 0 {
		same, err := match.Parse("id:(" + strings.Join(ids, " OR ") + ")")
		if err != nil {
			return nil, err
		}
		s := query.Search{Range: query.Range{Query: same, Since: since, Clusters: clusters}, Wide: true, Bytes: bodies}
		_, err = f.read.Search(f.ctx, s, func(r *query.Row) error {
			if j := of.get(keyOf(r)); j != nil {
				j.add(r)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for i, c := range some {
		if len(all[i].rows) == 0 {
			all[i].add(c.newest)
		}
		sessions = append(sessions, all[i].session())
	}
	return sessions, nil
}

// joinable says whether other events can be looked for by an audit ID: clients choose it, and what no query can hold, or only
// few of, is not looked for.
func joinable(id string) bool {
	return id != "" && len(id) <= 256 && utf8.ValidString(id) && !strings.Contains(id, "\x00")
}

// longest is how far before its newest event a session is looked for whose events do not tell when it was received.
const longest = 7 * 24 * time.Hour

// quote writes a text as a value of the search language.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
