package actor

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"annals.dev/internal/query"
)

// Who tells what is known of a user.
func Who(ctx context.Context, r *query.Reader, q Question) (*Profile, error) {
	a, err := ready(q)
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	p := &Profile{User: a.User, Days: []Day{}}
	if err := p.requests(ctx, r, &a); err != nil {
		return nil, err
	}
	groups := make([]string, len(p.Groups))
	for i, g := range p.Groups {
		groups[i] = g.Value
	}
	others, err := p.actedBy(ctx, r, &a)
	if err != nil {
		return nil, err
	}
	used, err := grants(ctx, r, &a, groups)
	if err != nil {
		return nil, err
	}
	unused, notes, err := unusedGrants(ctx, r, &a, groups, used)
	if err != nil {
		return nil, err
	}
	p.Grants = append(append([]Grant{}, used...), unused...)
	if p.Events+others+len(unused) == 0 {
		p.Near, err = a.near(ctx, r)
	} else {
		p.notes(others, notes)
	}
	p.Cover.Returned = p.Events
	p.Cover.Seconds = time.Since(begun).Seconds()
	return p, err
}

// profiled are the fields that a profile counts by, in the order of the values of requests.
var profiled = []string{"verb", "apiGroup", "resource", "subresource", "ns", "code", "decision", "as", "ip", "agent", "groups", "day"}

func (p *Profile) requests(ctx context.Context, r *query.Reader, a *about) (err error) {
	var addresses, agents, groups, namespaces, verbs, resources, codes, actedAs tally
	days := make(map[string]*Day)
	lists := make(map[string][]string)
	timeless := 0
	p.Cover, err = r.Requests(ctx, a.over(a.by), profiled, func(q query.Requests) error {
		v := q.Values
		p.Events += q.Count
		p.First, p.Last = earlier(p.First, q.First), later(p.Last, q.Last)
		code, _ := strconv.Atoi(v[5])
		failures := 0
		if code >= 400 {
			failures = q.Count
		}
		p.Failures += failures
		if v[6] == "forbid" || code == 403 {
			p.Forbidden += q.Count
		}
		verbs.add(v[0], q)
		resources.add(resourceOf(v[1], v[2], v[3]), q)
		namespaces.add(v[4], q)
		codes.add(v[5], q)
		actedAs.add(v[7], q)
		addresses.add(v[8], q)
		agents.add(v[9], q)
		list, ok := lists[v[10]]
		if !ok {
			_ = json.Unmarshal([]byte(v[10]), &list) // what a cut left of them is none
			lists[v[10]] = list
		}
		for _, g := range list {
			groups.add(g, q)
		}
		if v[11] == "" {
			timeless += q.Count
			return nil
		}
		d := days[v[11]]
		if d == nil {
			d = &Day{Day: v[11]}
			days[v[11]] = d
		}
		d.Requests += q.Count
		d.Failures += failures
		return nil
	})
	if err != nil {
		return err
	}
	for _, x := range []struct {
		to   *[]Count
		of   tally
		name string
	}{
		{&p.Addresses, addresses, "addresses"}, {&p.Agents, agents, "clients"}, {&p.Groups, groups, "groups"},
		{&p.Namespaces, namespaces, "namespaces"}, {&p.Verbs, verbs, "verbs"}, {&p.Resources, resources, "resources"},
		{&p.Codes, codes, "codes"}, {&p.ActedAs, actedAs, "users acted as"},
	} {
		*x.to = p.first(x.of, x.name)
	}
	if timeless > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("Of the requests, %d arrived cut short, without telling the time: first, last and days are without what arrived so.", timeless))
	}
	for _, day := range slices.Sorted(maps.Keys(days)) {
		p.Days = append(p.Days, *days[day])
	}
	return nil
}

// most is how many values of a field a profile lists.
const most = 200

func (p *Profile) first(t tally, name string) []Count {
	all := t.sorted()
	if len(all) > most {
		p.Notes = append(p.Notes, fmt.Sprintf("The %d most frequent of %d %s are listed.", most, len(all), name))
		all = all[:most]
	}
	return all
}

// actedBy finds who made requests as this user, and how many those are.
func (p *Profile) actedBy(ctx context.Context, r *query.Reader, a *about) (n int, err error) {
	var by tally
	_, err = r.Requests(ctx, a.over(a.as), []string{"user"}, func(q query.Requests) error {
		n += q.Count
		by.add(cmp.Or(q.Values[0], "(not known)"), q)
		return nil
	})
	p.ActedBy = p.first(by, "users who acted as it")
	return n, err
}

func (p *Profile) notes(others int, more []string) {
	if others > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("%d requests were made by others acting as this user: they count in actedBy and in grants, nowhere else.", others))
	}
	if len(p.ActedAs) > 0 {
		p.Notes = append(p.Notes, "What this user did as somebody else was decided by that one's rights: no grant here is for it.")
	}
	p.Notes = append(p.Notes, more...)
}

// resourceOf is a resource as people write it: pods/exec, deployments.apps, deployments.apps/scale.
func resourceOf(group, resource, subresource string) string {
	if resource == "" {
		return ""
	}
	if group != "" {
		resource += "." + group
	}
	if subresource != "" {
		resource += "/" + subresource
	}
	return resource
}

// tally counts by value. Absence is no value.
type tally map[string]*Count

// longestValue is how much of a value is kept, in bytes: a client may call itself anything.
const longestValue = 1 << 10

func (t *tally) add(value string, q query.Requests) {
	if value == "" {
		return
	}
	if len(value) > longestValue {
		cut := longestValue
		for !utf8.RuneStart(value[cut]) {
			cut--
		}
		value = value[:cut] + "…"
	}
	if *t == nil {
		*t = make(tally)
	}
	c := (*t)[value]
	if c == nil {
		c = &Count{Value: value}
		(*t)[value] = c
	}
	c.Count += q.Count
	c.First, c.Last = earlier(c.First, q.First), later(c.Last, q.Last)
}

func (t tally) sorted() []Count {
	all := []Count{}
	for _, c := range t {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b Count) int { return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value)) })
	return all
}

func earlier(a, b time.Time) time.Time {
	if !b.IsZero() && (a.IsZero() || b.Before(a)) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
