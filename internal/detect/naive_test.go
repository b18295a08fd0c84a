package detect

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strconv"

	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
)

// naive decides rules over a set of events by the words of the package's doc, as simply as can be.
type naive struct {
	rules  []*Rule
	events []*match.Row
}

type naiveRequest struct {
	id    ID
	time  int64
	group string
	rules []string
	vals  []string
	by    map[string]string
}

// ids are all findings of a rule, silent or not.
func (n *naive) findings(rule *Rule) (found map[string]bool, requests []naiveRequest) {
	found = make(map[string]bool)
	if rule.Where != nil {
		for _, r := range n.events {
			q := RequestOf(r)
			if n.meets(rule, r) {
				found[FindingID(rule.ID, rule.Version, nil, q.ID).String()] = true
			}
		}
		return found, nil
	}
	clusters := map[string]bool{}
	for _, r := range n.events {
		clusters[r.Cluster] = true
	}
	for cluster := range clusters {
		groups := make(map[string][]naiveRequest)
		for _, q := range n.requests(rule.Correlation, cluster) {
			groups[q.group] = append(groups[q.group], q)
		}
		for key, qs := range groups {
			var values []string
			if err := json.Unmarshal([]byte(key), &values); err != nil {
				panic(err)
			}
			slices.SortFunc(qs, func(a, b naiveRequest) int {
				return cmp.Or(cmp.Compare(a.time, b.time), slices.Compare(a.id[:], b.id[:]))
			})
			within := func(i int) (w []naiveRequest) {
				for _, q := range qs {
					if q.time >= qs[i].time-rule.Correlation.Timespan.Microseconds() && q.time <= qs[i].time {
						w = append(w, q)
					}
				}
				return w
			}
			for i := range qs {
				if !naiveHolds(rule.Correlation, within(i)) {
					continue
				}
				if i > 0 && qs[i-1].time >= qs[i].time-rule.Correlation.Timespan.Microseconds() && naiveHolds(rule.Correlation, within(i-1)) {
					continue
				}
				var ids []ID
				for _, q := range within(i) {
					ids = append(ids, q.id)
				}
				id := FindingID(rule.ID, rule.Version, append([]string{cluster}, values...), ids...)
				found[id.String()] = true
				by := map[string]string{}
				for k, name := range rule.Correlation.GroupBy {
					by[name] = values[k]
				}
				requests = append(requests, naiveRequest{id: id, time: qs[i].time, by: by, group: cluster})
			}
		}
	}
	return found, requests
}

func (n *naive) meets(rule *Rule, r *match.Row) bool {
	return rule.Where.Match(r) && (r.Cluster != ledger.Own || rule.Own && r.Origin != Origin)
}

func (n *naive) rule(id string) *Rule {
	return n.rules[slices.IndexFunc(n.rules, func(r *Rule) bool { return r.ID == id })]
}

// requests are those that a correlation looks at, one for each group that it is in.
func (n *naive) requests(c *Correlation, cluster string) (all []naiveRequest) {
	add := func(q naiveRequest, values [][]string, rule string, vals []string) {
		lists := [][]string{{}}
		for _, vs := range values {
			var more [][]string
			for _, l := range lists {
				for _, v := range vs {
					more = append(more, append(slices.Clone(l), v))
				}
			}
			lists = more
		}
		for _, l := range lists {
			b, _ := json.Marshal(l)
			i := slices.IndexFunc(all, func(x naiveRequest) bool { return x.id == q.id && x.group == string(b) })
			if i < 0 {
				q.group = string(b)
				all = append(all, q)
				i = len(all) - 1
			}
			if !slices.Contains(all[i].rules, rule) {
				all[i].rules = append(slices.Clone(all[i].rules), rule)
			}
			for _, v := range vals {
				if !slices.Contains(all[i].vals, v) {
					all[i].vals = append(slices.Clone(all[i].vals), v)
				}
			}
		}
	}
	for _, id := range c.Rules {
		base := n.rule(id)
		if base.Correlation != nil {
			_, inner := n.findings(base)
			for _, q := range inner {
				if q.group != cluster {
					continue
				}
				var values [][]string
				for _, name := range c.GroupBy {
					if q.by[name] == "" {
						values = append(values, nil)
					} else {
						values = append(values, []string{q.by[name]})
					}
				}
				var vals []string
				if v := q.by[c.Field]; v != "" {
					vals = []string{v}
				}
				add(naiveRequest{id: q.id, time: q.time}, values, id, vals)
			}
			continue
		}
		for _, r := range n.events {
			if r.Cluster != cluster || !n.meets(base, r) {
				continue
			}
			var values [][]string
			for _, name := range c.GroupBy {
				values = append(values, naiveTexts(name, r))
			}
			var vals []string
			if c.Field != "" {
				vals = naiveTexts(c.Field, r)
			}
			q := RequestOf(r)
			add(naiveRequest{id: q.ID, time: q.Time}, values, id, vals)
		}
	}
	return all
}

func naiveTexts(name string, r *match.Row) (all []string) {
	p, err := match.ParsePath(name)
	if err != nil {
		return nil
	}
	p.Each(r, func(v match.Value) bool {
		if s := string(v.Text); s != "" && v.Kind != match.NullValue && !slices.Contains(all, s) {
			all = append(all, s)
		}
		return true
	})
	return all
}

// naiveHolds is the condition over the requests of a window, in order.
func naiveHolds(c *Correlation, w []naiveRequest) bool {
	compare := func(x float64) bool {
		for _, k := range c.Compare {
			ok := map[string]bool{"gt": x > k.N, "gte": x >= k.N, "lt": x < k.N, "lte": x <= k.N, "eq": x == k.N, "neq": x != k.N}
			if !ok[k.Op] {
				return false
			}
		}
		return true
	}
	has := func(rule string) bool {
		return slices.ContainsFunc(w, func(q naiveRequest) bool { return slices.Contains(q.rules, rule) })
	}
	var expr func(x *RuleExpr) bool
	expr = func(x *RuleExpr) bool {
		switch {
		case x.Rule != "":
			return has(x.Rule)
		case x.Not != nil:
			return !expr(x.Not)
		case x.And != nil:
			for _, y := range x.And {
				if !expr(y) {
					return false
				}
			}
			return true
		}
		return slices.ContainsFunc(x.Or, expr)
	}
	distinct := map[string]bool{}
	var numbers []float64
	for _, q := range w {
		for _, v := range q.vals {
			distinct[v] = true
			if x, err := strconv.ParseFloat(v, 64); err == nil && !math.IsNaN(x) && !math.IsInf(x, 0) {
				numbers = append(numbers, x)
			}
		}
	}
	slices.Sort(numbers)
	total := 0.0
	for _, x := range numbers {
		total += x
	}
	at := func(p float64) float64 {
		k := p / 100 * float64(len(numbers)-1)
		lo, hi := int(math.Floor(k)), int(math.Ceil(k))
		return numbers[lo] + (k-float64(lo))*(numbers[hi]-numbers[lo])
	}
	switch c.Kind {
	case EventCount:
		return compare(float64(len(w)))
	case ValueCount:
		return compare(float64(len(distinct)))
	case ValueSum:
		return len(numbers) > 0 && compare(total)
	case ValueAvg:
		return len(numbers) > 0 && compare(total/float64(len(numbers)))
	case ValuePercentile:
		return len(numbers) > 0 && compare(at(c.Percent))
	case ValueMedian:
		return len(numbers) > 0 && compare(at(50))
	case Temporal:
		switch {
		case c.Of != nil:
			return expr(c.Of)
		case len(c.Compare) > 0:
			n := 0
			for _, id := range c.Rules {
				if has(id) {
					n++
				}
			}
			return compare(float64(n))
		}
		return !slices.ContainsFunc(c.Rules, func(id string) bool { return !has(id) })
	case TemporalOrdered:
		least := int64(math.MinInt64)
		for _, id := range c.Rules {
			next := int64(math.MaxInt64)
			for _, q := range w {
				if q.time >= least && slices.Contains(q.rules, id) {
					next = min(next, q.time)
				}
			}
			if next == math.MaxInt64 {
				return false
			}
			least = next
		}
		return true
	}
	panic("a kind that is not known")
}
