package coverage

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"annals.dev/audit"
	"annals.dev/internal/match"
)

// model is an event of a request on which the rule fires, where one can be made.
type model struct {
	event      json.RawMessage
	cluster    string
	impossible bool // proved: there is none
	of         *request
}

const (
	maxNodes  = 2000 // of the search for one event
	maxEvents = 40   // that are made and tried
)

// model looks for an event for what settle has left open. What is found holds for all requests of which the same is known.
func (p *proof) model(root *branch, r *request, level audit.Level, stage audit.Stage) *model {
	var key strings.Builder
	fmt.Fprintf(&key, "%p ", root)
	for _, t := range p.scratch {
		key.WriteByte(byte('b' + t))
	}
	fmt.Fprintf(&key, " %s %s %v %v", level, stage, r.user.UserInfo == nil, slices.Contains(connects, r.sub))
	if p.particular() {
		fmt.Fprintf(&key, " %s %s", r.verb, r.target)
	}
	if known := p.models[key.String()]; known != nil {
		return known
	}
	m := p.search(root, r, level, stage)
	p.models[key.String()] = m
	return m
}

// search looks for an event of just this request, on which the rule fires by the condition root.
func (p *proof) search(root *branch, r *request, level audit.Level, stage audit.Stage) *model {
	s := search{proof: p, root: root, request: r, level: level, stage: stage, truths: slices.Clone(p.scratch)}
	m := s.run()
	m.of = r
	return m
}

// particular says whether what is open depends on what the request is about.
func (p *proof) particular() bool {
	for i, t := range p.scratch {
		l := &p.leaves[i]
		if t == match.Maybe && (l.about == aboutAnything || l.about == aboutURI || l.about == aboutRequest || l.about == aboutResponse || strings.HasPrefix(l.field, "exec.")) {
			return true
		}
	}
	return false
}

// search looks for values of the open fields, field by field.
type search struct {
	*proof
	root    *branch
	request *request
	level   audit.Level
	stage   audit.Stage
	truths  []match.Truth
	fields  []field
	chosen  []choice
	nodes   int
	tried   int
	found   *model
}

// field is a field whose tests are open, and what it may be given.
type field struct {
	name    string
	leaves  []int
	choices []choice
	closed  bool // the choices are all that there are
}

// choice is values of a field, none for absent, and what the tests of the field say then.
type choice struct {
	values []string
	truths []match.Truth
	wanted int
}

func (s *search) run() *model {
	closed := true
	names := map[string]int{}
	for i, t := range s.truths {
		if t != match.Maybe {
			continue
		}
		name := s.leaves[i].field
		switch s.leaves[i].about {
		case aboutIdentity, aboutNamespace:
			name = "" // of a value that stands for those of which nothing is known
		}
		if name == "" {
			closed = false
			continue
		}
		at, known := names[name]
		if !known {
			at = len(s.fields)
			names[name] = at
			s.fields = append(s.fields, field{name: name})
		}
		s.fields[at].leaves = append(s.fields[at].leaves, i)
	}
	for i := range s.fields {
		s.choose(&s.fields[i])
		closed = closed && s.fields[i].closed
	}
	// Those with the fewest choices first, so that little is tried in vain.
	slices.SortStableFunc(s.fields, func(a, b field) int { return len(a.choices) - len(b.choices) })
	s.chosen = make([]choice, len(s.fields))
	s.descend(0)
	switch {
	case s.found != nil:
		return s.found
	case closed && s.nodes < maxNodes && s.tried == 0, !closed && s.refuted():
		return &model{impossible: true}
	}
	return &model{}
}

// refuted says whether the fields of which all values are known do not let the condition be true, whatever the others have.
func (s *search) refuted() bool {
	s.fields = slices.DeleteFunc(s.fields, func(f field) bool { return !f.closed })
	if len(s.fields) == 0 {
		return false
	}
	s.nodes, s.chosen = 0, s.chosen[:len(s.fields)]
	return !s.open(0) && s.nodes < maxNodes
}

// open says whether the condition may be true with some values of the fields from n on.
func (s *search) open(n int) bool {
	if s.nodes++; s.nodes >= maxNodes {
		return true
	}
	if s.root.fold(s.truths) == match.No {
		return false
	}
	if n == len(s.fields) {
		return true
	}
	defer func() {
		for _, i := range s.fields[n].leaves {
			s.truths[i] = match.Maybe
		}
	}()
	for _, c := range s.fields[n].choices {
		for j, i := range s.fields[n].leaves {
			s.truths[i] = c.truths[j]
		}
		if s.open(n + 1) {
			return true
		}
	}
	return false
}

// descend gives the fields from n on their values.
func (s *search) descend(n int) {
	if s.nodes++; s.found != nil || s.nodes > maxNodes || s.tried > maxEvents || s.root.fold(s.truths) == match.No {
		return
	}
	if n == len(s.fields) {
		s.try()
		return
	}
	for _, c := range s.fields[n].choices {
		for j, i := range s.fields[n].leaves {
			s.truths[i] = c.truths[j]
		}
		s.chosen[n] = c
		s.descend(n + 1)
	}
	for _, i := range s.fields[n].leaves {
		s.truths[i] = match.Maybe
	}
}

// try makes the event and holds the rule against it.
func (s *search) try() {
	s.tried++
	e := newEvent(s.request, s.level, s.stage)
	for i, f := range s.fields {
		e.set(f.name, s.chosen[i].values)
	}
	raw, row := e.row()
	if row != nil && s.where.Match(row) {
		s.found = &model{event: raw, cluster: row.Cluster}
	}
}

// choose makes the choices of a field: absent, each value that a test of it would like, all of them, and one that none likes.
func (s *search) choose(f *field) {
	var wanted, all, patterns []string
	inexact := 0
	f.closed = s.leaves[f.leaves[0]].about == aboutFree || s.leaves[f.leaves[0]].about == aboutName
	for _, i := range f.leaves {
		t := &s.leaves[i]
		all = union(all, t.samples)
		if t.plus {
			wanted = union(wanted, t.samples)
		}
		if !t.exact {
			inexact++
			if len(t.samples) > 0 && len(patterns) < maxPatterns {
				patterns = union(patterns, t.samples[:1])
			}
		}
		f.closed = f.closed && t.samples != nil
	}
	f.closed = f.closed && inexact < 2
	for _, a := range patterns {
		for _, b := range patterns {
			if a != b {
				all = union(all, []string{a + b})
			}
		}
	}
	var lists [][]string
	if f.name == "responseStatus.code" {
		f.closed = true
		all = codes(all)
		switch {
		case s.stage == audit.StagePanic:
			all = []string{"500"}
		case s.request.user.UserInfo == nil:
			all = []string{"401", "400"}
		case slices.Contains(connects, s.request.sub):
			all = append([]string{"101"}, all...)
		}
	}
	if f.name == "requestURI" {
		all = s.urisOf(s.request)
	}
	for _, v := range all {
		lists = append(lists, []string{v})
	}
	if len(wanted) > 1 && len(wanted) <= 20 && severalOf(f.name) {
		lists = append(lists, wanted)
		for i := range wanted { // one left out, for the sake of a test that must fail
			lists = append(lists, slices.Delete(slices.Clone(wanted), i, i+1))
		}
	}
	if f.name != "requestURI" {
		lists = append(lists, []string{other("else", all)}, nil)
	}
	f.choices = s.hold(f, lists)
}

// codes are the statuses that there are, the usual ones first, and those beside the numbers that a rule names.
func codes(named []string) []string {
	all := []string{"200", "201", "101", "403", "401", "404", "409", "422", "429", "500"}
	for _, s := range named {
		if n, err := strconv.Atoi(s); err == nil {
			for _, near := range []int{n - 1, n, n + 1} {
				all = union(all, []string{strconv.Itoa(near)})
			}
		}
	}
	for hundred, last := range map[int]int{100: 103, 200: 208, 300: 308, 400: 431, 500: 511} {
		for code := hundred; code <= last; code++ {
			all = union(all, []string{strconv.Itoa(code)})
		}
	}
	all = slices.DeleteFunc(all, func(s string) bool { n, _ := strconv.Atoi(s); return n < 100 || n > 599 })
	slices.Sort(all[10:])
	return all
}

// hold holds the tests of a field against each list of values, and leaves out those that say the same as another.
func (s *search) hold(f *field, lists [][]string) (choices []choice) {
	r, kind := s.request, s.leaves[f.leaves[0]].about
	key := fmt.Sprint(f.name, f.leaves, s.stage == audit.StagePanic, r.user.UserInfo == nil, slices.Contains(connects, r.sub))
	switch {
	case kind == aboutRequest || kind == aboutResponse:
		key += fmt.Sprint(r.target, r.verb)
	case kind == aboutURI || kind == aboutName || f.name == "actor" || strings.HasPrefix(f.name, "exec."):
		key = ""
	}
	if known, ok := s.choices[key]; ok && key != "" {
		return known
	}
	defer func() { s.choices[key] = choices }()
	seen := map[string]bool{}
	for _, values := range lists {
		e := newEvent(s.request, s.level, s.stage)
		e.set(f.name, values)
		_, row := e.row()
		if row == nil {
			continue
		}
		c := choice{values: values}
		sum := make([]byte, len(f.leaves))
		for j, i := range f.leaves {
			met := s.leaves[i].Match(row)
			c.truths = append(c.truths, truth(met))
			sum[j] = byte('0' + index(met))
			if met == s.leaves[i].plus {
				c.wanted++
			}
		}
		if !seen[string(sum)] {
			seen[string(sum)] = true
			choices = append(choices, c)
		}
	}
	slices.SortStableFunc(choices, func(a, b choice) int { return b.wanted - a.wanted })
	return choices
}

// severalOf says whether a field may have several values.
func severalOf(field string) bool {
	top, _, _ := strings.Cut(field, ".")
	return slices.Contains([]string{"requestObject", "responseObject", "pod", "role", "binding", "csr", "sourceIPs", "ip"}, top) ||
		field == "impersonatedUser.groups" || strings.HasPrefix(field, "user.extra.")
}
