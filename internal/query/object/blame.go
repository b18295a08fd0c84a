package object

import (
	"context"
	"fmt"
	"slices"

	"annals.dev/internal/query"
)

// Blame tells of each line of the newest known state who last set it.
func Blame(ctx context.Context, r *query.Reader, q Question, clusters ...string) (*Blamed, error) {
	t, err := follow(ctx, r, q, clusters)
	if err != nil {
		return nil, err
	}
	at := -1
	for i, v := range slices.Backward(t.versions) {
		if v.tree != nil {
			at = i
			break
		}
	}
	if at < 0 {
		if len(t.versions) > 0 {
			return nil, usagef("of none of the %d versions of %s/%s is known what it was: %s", len(t.versions), t.ref.Resource, t.ref.Name, t.versions[len(t.versions)-1].Why)
		}
		return nil, t.errNothing()
	}
	v := t.versions[at]
	tree, later := v.tree, 0
	for _, x := range t.versions[at+1:] {
		if x.Known == Unknown {
			later++
			tree = tree.doubtful()
		}
	}
	b := &Blamed{Ref: t.ref, At: v.Version, Lines: []Line{}, Versions: []Version{}, Notes: t.notes, Cover: t.cover}
	if v.tree.sure() {
		b.At.Object = v.object()
	}
	if later > 0 {
		b.Notes = append(b.Notes, fmt.Sprintf("this is version %d; since then %s of which nothing is known may have changed any line", v.Number, count(later, "version", "versions")))
	}
	if newest := t.versions[len(t.versions)-1]; newest.Known == Gone {
		b.Notes = append(b.Notes, fmt.Sprintf("it is deleted, by version %d; this is what it was before", newest.Number))
	}
	named := map[int]bool{}
	for i, p := range tree.print() {
		l := Line{Op: " ", Text: p.text, After: i + 1, Version: p.by}
		if p.doubt {
			l.Op = "?"
		}
		named[p.by] = true
		b.Lines = append(b.Lines, l)
	}
	for _, x := range t.versions {
		if named[x.Number] {
			b.Versions = append(b.Versions, x.Version)
		}
	}
	t.cover.Returned = len(b.Lines)
	return b, nil
}
