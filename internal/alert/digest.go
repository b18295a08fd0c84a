package alert

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"annals.dev/internal/detect"
)

// Digest stands for messages that had to wait too long behind others: what they told, in figures.
type Digest struct {
	Messages   int                     `json:"messages"` // that it is made of
	Count      int                     `json:"count"`    // findings
	Severities map[detect.Severity]int `json:"severities"`
	Rules      map[string]int          `json:"rules"` // 50 of them; the others are counted together under ""
	IDs        []string                `json:"ids"`   // of the findings: the first 1,000
	From       time.Time               `json:"from"`  // of the findings
	Until      time.Time               `json:"until"` //
	First      uint64                  `json:"first"` // where they all stand among the positions of cluster annals
	Last       uint64                  `json:"last"`  //
}

// bound makes a digest of the oldest messages of a queue that is too long. The first of all may be on its way: it stays as it is,
// and so does its key.
func bound(q []*delivery) []*delivery {
	size := 0
	for _, d := range q {
		size += d.Bytes
	}
	for len(q) > 2 && (len(q) > maxQueue || size > queueBytes) {
		size -= q[1].Bytes + q[2].Bytes
		q[2] = merge(q[1], q[2])
		size += q[2].Bytes
		q = append(q[:1:1], q[2:]...)
	}
	return q
}

// merge makes one message of two.
func merge(a, b *delivery) *delivery {
	g := &Digest{Severities: map[detect.Severity]int{}, Rules: map[string]int{}, First: min(a.First, b.First), Last: max(a.Last, b.Last)}
	d := &delivery{Key: keyOf("digest", a.Key, b.Key), Made: b.Made, Throttled: a.Throttled + b.Throttled, First: g.First, Last: g.Last, Digest: g}
	for _, of := range []*delivery{a, b} {
		g.take(of)
		d.Findings = append(d.Findings, of.Findings...)
	}
	slices.SortStableFunc(d.Findings, func(a, b *detect.Finding) int { return cmp.Compare(rank(b.Severity), rank(a.Severity)) })
	d.Findings = slices.Clone(d.Findings[:min(len(d.Findings), maxExamples)])
	d.Bytes = 40 * (len(g.IDs) + len(g.Rules))
	for _, f := range d.Findings {
		d.Bytes += sizeOf(f)
	}
	return d
}

func (g *Digest) take(d *delivery) {
	if o := d.Digest; o != nil {
		g.Messages += o.Messages
		g.Count += o.Count
		for s, n := range o.Severities {
			g.Severities[s] += n
		}
		for _, rule := range slices.Sorted(maps.Keys(o.Rules)) {
			g.rule(rule, o.Rules[rule])
		}
		g.IDs = append(g.IDs, o.IDs...)
		g.span(o.From, o.Until)
	} else {
		g.Messages++
		g.Count += len(d.Findings)
		for _, f := range d.Findings {
			g.Severities[f.Severity]++
			g.rule(f.Rule, 1)
			g.IDs = append(g.IDs, f.ID)
			g.span(f.Time, f.Time)
		}
	}
	g.IDs = g.IDs[:min(len(g.IDs), maxDigest)]
}

func (g *Digest) rule(rule string, n int) {
	_, known := g.Rules[rule]
	named := len(g.Rules)
	if _, others := g.Rules[""]; others {
		named--
	}
	if !known && named >= maxRules {
		rule = ""
	}
	g.Rules[rule] += n
}

func (g *Digest) span(from, until time.Time) {
	if g.From.IsZero() || from.Before(g.From) {
		g.From = from
	}
	if until.After(g.Until) {
		g.Until = until
	}
}
