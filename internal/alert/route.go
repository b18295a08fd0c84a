package alert

import (
	"slices"
	"strings"
	"time"

	"annals.dev/internal/detect"
)

// What a configuration leaves open.
const (
	defaultWait     = 5 * time.Second
	defaultInterval = 5 * time.Minute
	defaultMuted    = time.Hour
	defaultActive   = time.Hour
	defaultTimeout  = 10 * time.Second
	defaultRate     = 60
)

var (
	defaultGroupBy  = []string{"rule", "cluster"}
	defaultRepeatBy = []string{"rule", "cluster", "user", "namespace"}
)

// target is a destination of a finding, and how it is told there.
type target struct {
	dest           *destination
	by             []string
	wait, interval Duration
	repeat         Repeat
}

func (r *Route) matches(f *detect.Finding) bool {
	return rank(f.Severity) >= rank(r.Severity) && anyOf(r.Rules, f.Rule) && anyOf(r.Clusters, f.Cluster) && anyOf(r.Namespaces, f.Namespace) &&
		anyOf(r.Tags, f.Tags...) && (len(r.Techniques) == 0 || slices.ContainsFunc(f.Techniques, r.technique))
}

// technique takes T1552 for T1552.007 too.
func (r *Route) technique(t string) bool {
	whole, _, _ := strings.Cut(t, ".")
	return anyOf(r.Techniques, t, whole)
}

func anyOf(patterns []string, texts ...string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(texts, func(text string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return glob(p, text) })
	})
}

// targets are where a finding goes: each destination once, as the first route says that leads there.
func (a *Alerter) targets(f *detect.Finding) (out []target) {
	for i := range a.cfg.Routes {
		r := &a.cfg.Routes[i]
		if !r.matches(f) {
			continue
		}
		for _, name := range r.To {
			if !slices.ContainsFunc(out, func(t target) bool { return t.dest.Name == name }) {
				out = append(out, a.target(a.dests[name], r))
			}
		}
		if !r.Continue {
			break
		}
	}
	return out
}

func (a *Alerter) target(d *destination, r *Route) target {
	t := target{dest: d, by: defaultGroupBy, wait: Duration(defaultWait), interval: Duration(defaultInterval), repeat: a.cfg.Repeat}
	for _, g := range []*Grouping{&a.cfg.Grouping, r.Grouping} {
		if g == nil {
			continue
		}
		if g.By != nil {
			t.by = g.By
		}
		if g.Wait != nil {
			t.wait = *g.Wait
		}
		if g.Interval != nil {
			t.interval = *g.Interval
		}
	}
	if d.single() { // whoever receives one finding at a time groups them himself
		t.wait, t.interval = 0, 0
	}
	if r.Repeat != nil {
		t.repeat = *r.Repeat
	}
	if t.repeat.By == nil {
		t.repeat.By = defaultRepeatBy
	}
	return t
}

// group names the group of a finding and gives what its members have in common.
func (t *target) group(f *detect.Finding) (key string, labels map[string]string) {
	labels = map[string]string{}
	for _, word := range t.by {
		labels[word] = wordOf(f, word)
	}
	if t.dest.single() {
		return keyOf("finding", t.dest.Name, f.ID), labels
	}
	return keyOf("group", t.dest.Name, shared(f, t.by)), labels
}

// shared is what a finding has under some words, as one text.
func shared(f *detect.Finding, by []string) string {
	by = slices.Sorted(slices.Values(by))
	parts := make([]string, 0, 2*len(by))
	for _, word := range slices.Compact(by) {
		parts = append(parts, word, wordOf(f, word))
	}
	return keyOf(parts...)
}
