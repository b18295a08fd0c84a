package actor

import (
	"context"
	"errors"
	"slices"
	"strings"

	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
	"annals.dev/internal/query"
	"annals.dev/internal/spell"
)

// ErrNoUser says that the question names nobody.
var ErrNoUser = errors.New("of which user? give a name as user.username has it, or sa:NAMESPACE/NAME for a service account")

const servicePrefix = "system:serviceaccount:"

// Name is a user's name in full: sa:prod/default stands for system:serviceaccount:prod:default.
func Name(short string) string {
	if rest, ok := strings.CutPrefix(short, "sa:"); ok {
		if namespace, name, ok := strings.Cut(rest, "/"); ok {
			return servicePrefix + namespace + ":" + name
		}
	}
	return short
}

// serviceAccount takes a user's name apart, if it is that of a service account.
func serviceAccount(user string) (namespace, name string, ok bool) {
	rest, ok := strings.CutPrefix(user, servicePrefix)
	if !ok {
		return "", "", false
	}
	namespace, name, ok = strings.Cut(rest, ":")
	return namespace, name, ok && namespace != "" && name != ""
}

// about is a question made ready: by is for what the user asked for, under its own name or as somebody else; as for what others
// asked for as this user; authorized for what was decided by this user's rights; and acted for what was asked as somebody else.
type about struct {
	Question
	by, as, authorized, acted *match.Predicate
}

func ready(q Question) (a about, err error) {
	if q.User = Name(q.User); q.User == "" {
		return a, ErrNoUser
	}
	a.Question = q
	name := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(q.User) + `"`
	for _, x := range []struct {
		to    **match.Predicate
		query string
	}{
		{&a.by, "user:" + name},
		{&a.as, "as:" + name},
		{&a.authorized, "user:" + name + " -as:* OR as:" + name},
		{&a.acted, "user:" + name + " as:*"},
	} {
		p, perr := match.Parse(x.query)
		*x.to, err = p, errors.Join(err, perr)
	}
	return a, err
}

func (a *about) over(p *match.Predicate) query.Range {
	return query.Range{Query: a.within(p), Since: a.Since, Until: a.Until, Clusters: a.Clusters}
}

var notOwn = func() *match.Predicate {
	p, err := match.Parse("-cluster:" + ledger.Own)
	if err != nil {
		panic(err)
	}
	return p
}()

// within leaves Annals' own acts out of what is asked of no cluster in particular.
func (a *about) within(p *match.Predicate) *match.Predicate {
	if len(a.Clusters) == 0 {
		return match.And(p, notOwn)
	}
	return p
}

// nearest is how many names are looked at, and how many of them are offered.
const (
	lookedAt = 5000
	offered  = 5
)

// near finds users whose names look like one that nothing is known of.
func (a *about) near(ctx context.Context, r *query.Reader) ([]string, error) {
	known, _, err := r.Top(ctx, query.Range{Query: a.within(match.All), Clusters: a.Clusters}, "user", lookedAt)
	if err != nil {
		return nil, err
	}
	wanted := strings.ToLower(a.User)
	last := wanted[strings.LastIndexAny(wanted, ":/")+1:]
	type candidate struct {
		name     string
		distance int
	}
	var all []candidate
	for _, v := range known {
		name := strings.ToLower(v.Value)
		d := spell.Distance(wanted, name)
		switch {
		case name == "" || v.Value == a.User:
			continue
		case len(last) > 2 && strings.Contains(name, last), strings.Contains(wanted, name):
			d = min(d, 3)
		case d > max(2, len(wanted)/4):
			continue
		}
		all = append(all, candidate{v.Value, d})
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return a.distance - b.distance })
	var names []string
	for _, c := range all[:min(offered, len(all))] {
		names = append(names, c.name)
	}
	return names, nil
}
