package object

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"annals.dev/internal/query"
)

const (
	defaultLimit = 500   // versions in an answer
	maxActs      = 20000 // events about one object that are read; of more, the newest
	maxTexts     = 32 << 20
)

// told is an object's life, followed.
type told struct {
	*life
	ref    Ref
	found  bool
	hidden bool // whoever asks may not see bodies
	notes  []string
	cover  *query.Coverage
}

// follow reads all acts on the object and follows its life.
func follow(ctx context.Context, r *query.Reader, q Question, clusters []string) (*told, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	q.clusters = clusters
	f, err := q.locate(ctx, r)
	if err != nil {
		return nil, err
	}
	t := &told{life: &life{ref: f.ref, q: q}, ref: f.ref, found: f.found, notes: f.notes, cover: f.cover, hidden: f.cover.WithoutBodies}
	if !f.found {
		return t, nil
	}
	q.Ref = f.ref
	return t, t.read(ctx, r, q)
}

// scope is the part of a query that says which object's events are meant, whatever its name.
func (r Ref) scope() string {
	s := "resource:" + quote(r.Resource)
	for _, x := range [][2]string{{"apiGroup", r.APIGroup}, {"ns", r.Namespace}} {
		switch {
		case x[1] != "":
			s += " " + x[0] + ":" + quote(x[1])
		case r.Resource != "namespaces":
			s += " -" + x[0] + ":*"
		}
	}
	return s
}

// read reads the acts: those that name the object, those that deleted many, and the creations whose names the server made.
func (t *told) read(ctx context.Context, r *query.Reader, q Question) error {
	scope, name := q.scope(), quote(q.Name)
	verbs := "(create OR update OR patch OR delete)"
	if q.Reads {
		verbs = "(create OR update OR patch OR delete OR get)"
	}
	text := fmt.Sprintf("%s stage:(ResponseComplete OR Panic) ((name:%s verb:%s) OR verb:deletecollection)", scope, name, verbs)
	of, err := q.ranged(text)
	if err != nil {
		return err
	}
	// The newest come first out of a search with a limit: where they begin is asked first, then they are read in order.
	var first time.Time
	limited := false
	cover, err := r.Search(ctx, query.Search{Range: of, Limit: maxActs}, func(row *query.Row) error {
		first = time.UnixMicro(row.Time)
		return nil
	})
	if err != nil {
		return err
	}
	if limited = cover.LimitReached; limited {
		of.Since = first
	}
	others, err := t.others(ctx, r, q, of.Since)
	if err != nil {
		return err
	}
	order := &orderly{to: t.step}
	cover, err = r.Search(ctx, query.Search{Range: of, OldestFirst: true, Wide: true, Bytes: true}, func(row *query.Row) error {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		for len(others) > 0 && others[0].event.Time.Before(time.UnixMicro(row.Time)) {
			order.add(others[0])
			others = others[1:]
		}
		order.add(read(row, t.hidden))
		return nil
	})
	if err != nil {
		return err
	}
	for _, a := range others {
		order.add(a)
	}
	order.flush()
	t.cover = cover
	cover.Since, cover.Until, cover.LimitReached = q.Since, q.Until, limited
	t.note(limited, first)
	return nil
}

// others are the acts that do not name the object: its creation under a name that the server made, and on demand the answers
// to lists.
func (t *told) others(ctx context.Context, r *query.Reader, q Question, since time.Time) (acts []*act, err error) {
	texts := []string{fmt.Sprintf("%s stage:ResponseComplete verb:create -name:* response.metadata.name:%s", q.scope(), quote(q.Name))}
	if q.Reads {
		texts = append(texts, fmt.Sprintf("%s stage:ResponseComplete verb:list response.items.metadata.name:%s", q.scope(), quote(q.Name)))
	}
	if t.hidden { // nobody can be told by what they may not see
		texts = nil
	}
	for _, text := range texts {
		of, err := q.ranged(text)
		if err != nil {
			return nil, err
		}
		if since.After(of.Since) {
			of.Since = since
		}
		_, err = r.Search(ctx, query.Search{Range: of, Limit: maxLists, Wide: true, Bytes: true}, func(row *query.Row) error {
			acts = append(acts, read(row, t.hidden))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(acts, func(a, b *act) int { return a.event.Time.Compare(b.event.Time) })
	return acts, nil
}

// maxLists is how many answers that hold other objects as well are held at a time.
const maxLists = 200

// orderly hands on acts in the order in which the API server carried them out, as far as that is known: events have the time
// at which a request was answered, and of two that were under way together the later may have been answered first.
type orderly struct {
	to      func(*act)
	waiting []*act
}

// patience is how many acts wait for one that came before them.
const patience = 16

func (o *orderly) add(a *act) {
	at := len(o.waiting)
	for at > 0 && after(o.waiting[at-1], a) {
		at--
	}
	for i, w := range o.waiting {
		// The same request, twice: one backend shortened it, or its bytes came in two forms.
		if w.event.AuditID == a.event.AuditID && w.event.Time.Equal(a.event.Time) && w.event.Verb == a.event.Verb && w.event.Stage == a.event.Stage {
			if len(a.said.ResponseObject)+len(a.said.RequestObject) > len(w.said.ResponseObject)+len(w.said.RequestObject) {
				o.waiting[i] = a
			}
			return
		}
	}
	o.waiting = slices.Insert(o.waiting, at, a)
	if len(o.waiting) > patience {
		o.to(o.waiting[0])
		o.waiting = o.waiting[1:]
	}
}

func (o *orderly) flush() {
	for _, a := range o.waiting {
		o.to(a)
	}
	o.waiting = nil
}

// after says that w, which was answered before a, was carried out after it.
func after(w, a *act) bool {
	if a.said.Received.IsZero() || !a.said.Received.Before(w.event.Time) || a.uid() != w.uid() {
		return false
	}
	x, y := w.version(), a.version()
	return x != "" && y != "" && (len(x) > len(y) || len(x) == len(y) && x > y)
}

// note tells what the versions do not.
func (t *told) note(limited bool, first time.Time) {
	add := func(format string, args ...any) { t.notes = append(t.notes, fmt.Sprintf(format, args...)) }
	if limited {
		add("more than %d events are about it: the versions begin at %s; ask for what was before with an earlier end (until)", maxActs, first.UTC().Format(time.RFC3339))
	}
	if t.forgotten > 0 {
		add("the oldest %s are told without what they were: they are too large to hold all", count(t.forgotten, "version", "versions"))
	}
	if t.cover != nil && t.cover.WithoutBodies && len(t.versions) > 0 {
		add("you may not see what requests and responses held, so what changed is not told")
	}
	if len(t.versions) == 0 {
		add("no change of it was recorded, but that it was read: ask with --reads, or switch on “seen in reads” in the browser")
	}
}

// silentWrites tells of writes that made no version.
func (t *told) silentWrites() {
	add := func(format string, args ...any) { t.notes = append(t.notes, fmt.Sprintf(format, args...)) }
	if t.statusOnly > 0 {
		add("%s of its status alone, which are no versions unless the status is asked for", count(t.statusOnly, "write", "writes"))
	}
	if t.unchanged > 0 {
		add("%s changed nothing that is shown (managed fields and the annotation %s are not)", count(t.unchanged, "write", "writes"), lastApplied)
	}
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// object is a version's YAML: what is known of it for certain.
func (v *version) object() string {
	if v.tree == nil {
		return ""
	}
	c := v.tree.certain()
	if c == nil {
		return ""
	}
	return text(c.print())
}

// History tells an object's versions. clusters are those to look in if the question names none; none are all.
func History(ctx context.Context, r *query.Reader, q Question, clusters ...string) (*Life, error) {
	t, err := follow(ctx, r, q, clusters)
	if err != nil {
		return nil, err
	}
	t.silentWrites()
	limit := q.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	life := &Life{Ref: t.ref, Versions: []Version{}, Cover: t.cover}
	shown := t.versions
	if len(shown) > limit {
		t.notes = append(t.notes, fmt.Sprintf("these are the newest %d of %d versions", limit, len(shown)))
		t.cover.LimitReached = true
		shown = shown[len(shown)-limit:]
	}
	size, without := 0, 0
	for _, v := range slices.Backward(shown) {
		if size < maxTexts {
			v.Object = v.object()
			size += len(v.Object)
		} else {
			without++
		}
	}
	if without > 0 {
		t.notes = append(t.notes, fmt.Sprintf("the oldest %d versions are told without their objects: a diff has them", without))
	}
	for _, v := range shown {
		life.Versions = append(life.Versions, v.Version)
	}
	life.Notes = t.notes
	if t.cover != nil {
		t.cover.Returned = len(life.Versions)
	}
	return life, nil
}

// errNothing says why there is nothing to compare or to blame.
func (t *told) errNothing() error {
	if !t.found {
		return usagef("%s", strings.Join(append([]string{fmt.Sprintf("nothing is known of %s/%s", t.ref.Resource, t.ref.Name)}, t.notes...), "; "))
	}
	return usagef("of %s/%s no version is known: %s", t.ref.Resource, t.ref.Name, strings.Join(t.notes, "; "))
}

var errForgotten = errors.New("that version is too long ago to be held beside all that came after it: narrow the range with since and until")
