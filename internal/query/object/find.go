package object

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"annals.dev/internal/match"
	"annals.dev/internal/query"
)

// UsageError is a question that cannot be answered as it was asked; it says what to ask instead.
type UsageError struct{ Message string }

func (e *UsageError) Error() string { return e.Message }

func usagef(format string, args ...any) error { return &UsageError{fmt.Sprintf(format, args...)} }

// own is the cluster of Annals' own acts, about which nobody asks without naming it.
const own = "annals"

// quote writes a value for a query.
func quote(s string) string {
	return `"` + strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), `"`, `\"`) + `"`
}

func anyOf(field string, values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = quote(v)
	}
	return field + ":(" + strings.Join(quoted, " OR ") + ")"
}

// check refuses what names nothing.
func (q *Question) check() error {
	switch {
	case q.Resource == "" || q.Name == "":
		return usagef("name the object: a kind and a name, such as deploy/web")
	case q.Limit < 0:
		return usagef("limit %d: give a number of versions, or 0 for %d", q.Limit, defaultLimit)
	}
	for _, s := range []string{q.Cluster, q.Resource, q.APIGroup, q.Namespace, q.Name} {
		if !utf8.ValidString(s) || strings.ContainsRune(s, 0) || len(s) > 1000 {
			return usagef("%.100q is no name of anything in Kubernetes", s)
		}
	}
	if resource, group, ok := strings.Cut(q.Resource, "."); ok && q.APIGroup == "" {
		q.Resource, q.APIGroup = resource, group
	}
	return nil
}

// ranged is a query within the question's range.
func (q *Question) ranged(text string) (query.Range, error) {
	p, err := match.Parse(text)
	if err != nil {
		return query.Range{}, usagef("%s/%s cannot be asked for: %v", q.Resource, q.Name, err)
	}
	r := query.Range{Query: p, Since: q.Since, Until: q.Until, Clusters: q.clusters}
	if q.Cluster != "" {
		r.Clusters = []string{q.Cluster}
	}
	return r, nil
}

// finding is what locating an object came to.
type finding struct {
	ref   Ref
	found bool
	notes []string
	cover *query.Coverage
}

// maxCandidates is how many objects of one name are told apart.
const maxCandidates = 8

// locate finds what the question's names mean: which resource, in which namespace of which cluster.
func (q *Question) locate(ctx context.Context, r *query.Reader) (*finding, error) {
	resources, group := plurals(q.Resource), q.APIGroup
	if known := builtIn(q.Resource, q.APIGroup); len(known) > 0 {
		resources, group = []string{known[0].Resource}, known[0].Group
	}
	where := anyOf("resource", resources)
	if group != "" {
		where += " apiGroup:" + quote(group)
	} else if len(builtIn(q.Resource, q.APIGroup)) > 0 {
		where += " -apiGroup:*"
	}
	if q.Namespace != "" && !slices.Contains(resources, "namespaces") {
		where += " ns:" + quote(q.Namespace)
	}
	if q.Cluster == "" {
		where += " -cluster:" + own
	}
	searched := where + " name:" + quote(q.Name)
	candidates, cover, err := q.candidates(ctx, r, searched)
	if err != nil {
		return nil, err
	}
	if len(candidates) == 0 && cover != nil && !cover.WithoutBodies {
		// It may be known by nothing but its creation, under a name that the server made.
		made := fmt.Sprintf("%s verb:create -name:* response.metadata.name:%s", where, quote(q.Name))
		if candidates, cover, err = q.candidates(ctx, r, made); err != nil {
			return nil, err
		}
	}
	f := &finding{ref: q.Ref, cover: cover}
	f.ref.Resource, f.ref.APIGroup = resources[0], group
	if len(candidates) == 0 {
		f.notes = append(f.notes, "nothing was found by: "+searched)
		near, err := q.near(ctx, r, where)
		if err != nil {
			return nil, err
		}
		if near != "" {
			f.notes = append(f.notes, near)
		}
		return f, nil
	}
	f.ref, f.found = candidates[0], true
	return f, one(candidates)
}

// one refuses several objects of the same name, and says how to name each.
func one(candidates []Ref) error {
	differ := func(of func(Ref) string) []string {
		values := map[string]bool{}
		for _, c := range candidates {
			values[of(c)] = true
		}
		return slices.Sorted(maps.Keys(values))
	}
	first := candidates[0]
	if l := differ(func(r Ref) string { return r.Resource + dotted(r.APIGroup) }); len(l) > 1 {
		return usagef("%s is the name of objects of several kinds: name one of %s", first.Name, strings.Join(l, ", "))
	}
	if l := differ(func(r Ref) string { return r.Cluster }); len(l) > 1 {
		return usagef("%s/%s is in several clusters: choose one (--cluster, cluster): %s", first.Resource, first.Name, strings.Join(l, ", "))
	}
	if l := differ(func(r Ref) string { return r.Namespace }); len(l) > 1 {
		return usagef("%s/%s is in several namespaces: choose one (-n, namespace): %s", first.Resource, first.Name, strings.Join(l, ", "))
	}
	return nil
}

func dotted(group string) string {
	if group == "" {
		return ""
	}
	return "." + group
}

// candidates are the objects that a query's events are about, each once.
func (q *Question) candidates(ctx context.Context, r *query.Reader, text string) (found []Ref, cover *query.Coverage, err error) {
	rest := ""
	for len(found) < maxCandidates {
		of, err := q.ranged(text + rest)
		if err != nil {
			return nil, nil, err
		}
		n := len(found)
		c, err := r.Search(ctx, query.Search{Range: of, Limit: 1, Wide: true}, func(row *query.Row) error {
			ref := Ref{Cluster: row.Cluster, Resource: row.Resource, APIGroup: row.APIGroup, Namespace: row.Namespace, Name: q.Name}
			if ref.Resource == "namespaces" {
				ref.Namespace = ""
			}
			found = append(found, ref)
			not := []string{"cluster:" + quote(ref.Cluster), "resource:" + quote(ref.Resource)}
			for _, x := range [][2]string{{"apiGroup", ref.APIGroup}, {"ns", ref.Namespace}} {
				switch {
				case x[1] != "":
					not = append(not, x[0]+":"+quote(x[1]))
				case ref.Resource != "namespaces":
					not = append(not, "-"+x[0]+":*")
				}
			}
			rest += " -(" + strings.Join(not, " ") + ")"
			return nil
		})
		if cover == nil {
			cover = c
		}
		if err != nil {
			return nil, cover, err
		}
		if len(found) == n {
			break
		}
	}
	return found, cover, nil
}

// near tells of names that are like the one that was not found.
func (q *Question) near(ctx context.Context, r *query.Reader, where string) (string, error) {
	of, err := q.ranged(where + " name:*")
	if err != nil {
		return "", err
	}
	names, _, err := r.Top(ctx, of, "name", 2000)
	if err != nil {
		return "", err
	}
	type guess struct {
		name     string
		distance int
	}
	var guesses []guess
	for _, v := range names {
		if d := distance(q.Name, v.Value); v.Value != "" && d <= max(2, len(q.Name)/3) || q.Name != "" && strings.Contains(v.Value, q.Name) {
			guesses = append(guesses, guess{v.Value, d})
		}
	}
	slices.SortStableFunc(guesses, func(a, b guess) int { return a.distance - b.distance })
	switch {
	case len(guesses) > 0:
		var l []string
		for _, g := range guesses[:min(5, len(guesses))] {
			l = append(l, g.name)
		}
		return "there are: " + strings.Join(l, ", "), nil
	case len(names) > 0:
		return fmt.Sprintf("there are %d other names of that kind here", len(names)), nil
	}
	elsewhere, err := q.elsewhere(ctx, r)
	return elsewhere, err
}

// elsewhere tells where the name does occur.
func (q *Question) elsewhere(ctx context.Context, r *query.Reader) (string, error) {
	text := "name:" + quote(q.Name)
	if q.Cluster == "" {
		text += " -cluster:" + own
	}
	candidates, _, err := q.candidates(ctx, r, text)
	if err != nil || len(candidates) == 0 {
		return "", err
	}
	var l []string
	for _, c := range candidates {
		s := c.Resource + dotted(c.APIGroup) + "/" + c.Name
		if c.Namespace != "" {
			s += " in namespace " + c.Namespace
		}
		l = append(l, s+" in cluster "+c.Cluster)
	}
	return "of that name there is: " + strings.Join(l, "; "), nil
}

// distance is how many letters must change to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
