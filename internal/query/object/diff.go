package object

import (
	"context"
	"fmt"

	"annals.dev/internal/query"
)

// Diff tells what differs between two versions.
func Diff(ctx context.Context, r *query.Reader, q DiffQuestion, clusters ...string) (*Difference, error) {
	t, err := follow(ctx, r, q.Question, clusters)
	if err != nil {
		return nil, err
	}
	if len(t.versions) == 0 {
		return nil, t.errNothing()
	}
	from, to, err := t.pair(q.From, q.To)
	if err != nil {
		return nil, err
	}
	d := &Difference{From: from.Version, To: to.Version, Cover: t.cover, Notes: t.notes, Changes: []Change{}}
	d.From.Object, d.To.Object = from.object(), to.object()
	if from.tree != nil && to.tree != nil {
		x := &turn{by: 1, observed: true}
		x.to(from.tree, to.tree.plain(), "")
		d.Changes = append(d.Changes, x.changes...)
	}
	for _, v := range []*version{from, to} {
		if v.tree == nil && v.Known != Gone {
			d.Notes = append(d.Notes, fmt.Sprintf("nothing is known of what version %d was: %s", v.Number, v.Why))
		}
	}
	d.Lines = lines(from, to)
	t.cover.Returned = len(d.Changes)
	return d, nil
}

// pair finds the two versions.
func (t *told) pair(from, to int) (a, b *version, err error) {
	newest := t.versions[len(t.versions)-1].Number
	if to == 0 {
		to = newest
	}
	if from == 0 {
		from = to - 1
	}
	for _, n := range []int{to, from} {
		if n < 0 || n > newest {
			return nil, nil, usagef("there is no version %d of %s/%s: they are 1 to %d", n, t.ref.Resource, t.ref.Name, newest)
		}
	}
	none := &version{Version: Version{Known: Unknown, Why: "before the first version that was seen"}}
	if from == 0 && t.versions[0].made() {
		none.Known, none.Why = Gone, "it was not there yet"
	}
	at := func(n int) *version {
		if n == 0 {
			return none
		}
		return t.versions[n-1]
	}
	a, b = at(from), at(to)
	if from > 0 && from <= t.forgotten || to > 0 && to <= t.forgotten {
		return nil, nil, errForgotten
	}
	return a, b, nil
}

// made says that a version is an object's first.
func (v *version) made() bool { return v.Event.Verb == "create" && v.Event.Subresource == "" }

// lines are all lines of both versions. Where one of them is not known, nothing is said to have come or gone.
func lines(from, to *version) []Line {
	var a, b []printed
	if from.tree != nil {
		a = from.tree.print()
	}
	if to.tree != nil {
		b = to.tree.print()
	}
	out := []Line{}
	unknownA, unknownB := from.tree == nil && from.Known != Gone, to.tree == nil && to.Known != Gone
	for _, e := range compare(texts(a), texts(b)) {
		switch e.op {
		case ' ':
			l := Line{Op: " ", Text: a[e.a].text, Before: e.a + 1, After: e.b + 1, Version: b[e.b].by}
			if a[e.a].stale || b[e.b].stale {
				l.Op = "?"
			}
			out = append(out, l)
		case '-':
			l := Line{Op: "-", Text: a[e.a].text, Before: e.a + 1, Version: a[e.a].by}
			if unknownB || a[e.a].stale {
				l.Op = "?"
			}
			out = append(out, l)
		case '+':
			l := Line{Op: "+", Text: b[e.b].text, After: e.b + 1, Version: b[e.b].by}
			if unknownA {
				l.Op = "?"
			}
			out = append(out, l)
		}
	}
	return out
}

func texts(lines []printed) []string {
	l := make([]string, len(lines))
	for i, p := range lines {
		l[i] = p.text
	}
	return l
}
