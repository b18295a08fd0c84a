package server

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"annals.dev/internal/detect"
	"annals.dev/internal/query"
)

// groupable are the members of a finding that groups are made by.
var groupable = map[string]func(*Finding) []string{
	"rule":      func(f *Finding) []string { return []string{f.Rule} },
	"cluster":   func(f *Finding) []string { return []string{f.Cluster} },
	"namespace": func(f *Finding) []string { return []string{f.Namespace} },
	"user":      func(f *Finding) []string { return []string{f.User} },
	"severity":  func(f *Finding) []string { return []string{string(f.Severity)} },
	"technique": func(f *Finding) []string { return f.Techniques },
}

const (
	groupsDefault  = 100
	maxGroups      = 10_000
	bucketsDefault = 24
	maxBuckets     = 500
	maxGrouped     = 200_000 // findings that are looked at for groups
	groupTop       = 5       // values that a group names
)

// gathered is a group while findings are put into it.
type gathered struct {
	FindingGroup
	key                      string
	times                    []time.Time
	techniques               map[string]bool
	users, namespaces, rules map[string]int
}

func (c *core) findingGroups(ctx context.Context, by *asker, q FindingGroupsQuestion, emit func(FindingGroup) error) (FindingGroupsEnd, error) {
	end := FindingGroupsEnd{Severities: []query.Value{}}
	if len(q.By) == 0 {
		q.By = []string{"rule"}
	}
	for _, b := range q.By {
		if groupable[b] == nil {
			return end, &Error{Usage, unknown("member of a finding to group by", b, slices.Collect(maps.Keys(groupable)))}
		}
	}
	if q.Limit == 0 {
		q.Limit = groupsDefault
	}
	if q.Buckets == 0 {
		q.Buckets = bucketsDefault
	}
	if q.Limit < 0 || q.Limit > maxGroups || q.Buckets < 0 || q.Buckets > maxBuckets || len(q.By) > len(groupable) {
		return end, &Error{Usage, fmt.Sprintf("groups are 1 to %d, their buckets 1 to %d, and each member of by stands once", maxGroups, maxBuckets)}
	}
	f, err := c.finder(ctx, by, q.FindingsRange)
	if err != nil {
		return end, err
	}
	groups, severities := map[string]*gathered{}, map[detect.Severity]int{}
	var first, last time.Time
	err = f.each(ctx, nil, func(x *Finding) error {
		if end.Findings == maxGrouped {
			f.cover.LimitReached = true
			f.incomplete(fmt.Sprintf("there are more than the %d findings that groups are made of: ask for a shorter time", maxGrouped))
			return errEnough
		}
		end.Findings++
		severities[x.Severity]++
		if first.IsZero() || x.Time.Before(first) {
			first = x.Time
		}
		if x.Time.After(last) {
			last = x.Time
		}
		for _, values := range combinations(q.By, x) {
			key := strings.Join(values, "\x00")
			if groups[key] == nil {
				groups[key] = newGroup(q.By, values)
				groups[key].key = key
			}
			groups[key].add(x)
		}
		return nil
	})
	if err != nil {
		return end, err
	}
	end.From, end.Step = frame(q, first, last)
	for _, s := range slices.Backward(detect.Severities) {
		if severities[s] > 0 {
			end.Severities = append(end.Severities, query.Value{Value: string(s), Count: severities[s]})
		}
	}
	all := slices.SortedFunc(maps.Values(groups), func(a, b *gathered) int {
		return cmp.Or(worse(b.Severity, a.Severity), cmp.Compare(b.Count, a.Count), b.Last.Compare(a.Last), strings.Compare(a.key, b.key))
	})
	end.Groups = len(all)
	if len(all) > q.Limit {
		all = all[:q.Limit]
		f.cover.LimitReached = true
	}
	for _, g := range all {
		g.settle(end.From, end.Step, q.Buckets)
		if err := emit(g.FindingGroup); err != nil {
			return end, err
		}
	}
	f.cover.Returned = len(all)
	end.Cover = f.end()
	return end, nil
}

// combinations are the values of a finding by which it is in groups: it has several techniques.
func combinations(by []string, x *Finding) [][]string {
	all := [][]string{nil}
	for _, b := range by {
		values := groupable[b](x)
		if len(values) == 0 {
			values = []string{""}
		}
		var more [][]string
		for _, so := range all {
			for _, v := range values {
				more = append(more, append(slices.Clone(so), v))
			}
		}
		all = more
	}
	return all
}

func newGroup(by, values []string) *gathered {
	g := &gathered{techniques: map[string]bool{}, users: map[string]int{}, namespaces: map[string]int{}, rules: map[string]int{}}
	g.Values = map[string]string{}
	for i, b := range by {
		g.Values[b] = values[i]
	}
	return g
}

// add takes up a finding that is older than those before it.
func (g *gathered) add(x *Finding) {
	if g.Count++; g.Count == 1 {
		g.Title, g.RuleName, g.Latest, g.Last, g.Severity = x.Title, x.RuleName, x.ID, x.Time, x.Severity
	}
	if worse(x.Severity, g.Severity) > 0 {
		g.Severity = x.Severity
	}
	g.First = x.Time
	g.times = append(g.times, x.Time)
	for _, t := range x.Techniques {
		g.techniques[t] = true
	}
	g.rules[x.Rule]++
	if x.User != "" {
		g.users[x.User]++
	}
	if x.Namespace != "" {
		g.namespaces[x.Namespace]++
	}
}

// settle makes of what was gathered what is told.
func (g *gathered) settle(from time.Time, step float64, buckets int) {
	g.Buckets = make([]int, buckets)
	for _, t := range g.times {
		i := int(t.Sub(from).Seconds() / step)
		g.Buckets[min(max(i, 0), buckets-1)]++
	}
	g.Techniques = slices.Sorted(maps.Keys(g.techniques))
	g.Rules, g.Users, g.Namespaces = most(g.rules), most(g.users), most(g.namespaces)
}

// most are the most frequent values.
func most(counts map[string]int) []query.Value {
	all := []query.Value{}
	for v, n := range counts {
		all = append(all, query.Value{Value: v, Count: n})
	}
	slices.SortFunc(all, func(a, b query.Value) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value))
	})
	return all[:min(len(all), groupTop)]
}

// frame is where the histograms begin and how long a bucket is: they cover the range, or else what was found.
func frame(q FindingGroupsQuestion, first, last time.Time) (from time.Time, step float64) {
	if !q.Since.IsZero() {
		first = q.Since
	}
	if !q.Until.IsZero() {
		last = q.Until
	}
	return first, max(last.Sub(first).Seconds()/float64(q.Buckets), 1)
}
