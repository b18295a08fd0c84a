package detect

import (
	"cmp"
	"slices"
	"strings"
)

// Collect is an Output that holds what stands: each finding once. Its zero value is ready.
type Collect struct {
	standing  map[string]*Finding
	Withdrawn int
}

// Find holds a finding, unless it is held already.
func (c *Collect) Find(f *Finding) {
	if c.standing == nil {
		c.standing = make(map[string]*Finding)
	}
	if _, ok := c.standing[f.ID]; !ok {
		c.standing[f.ID] = f
	}
}

// Withdraw lets go of a finding.
func (c *Collect) Withdraw(w *Withdrawal) {
	if _, ok := c.standing[w.ID]; ok {
		delete(c.standing, w.ID)
		c.Withdrawn++
	}
}

// Findings are those that stand, in order of time.
func (c *Collect) Findings() []*Finding {
	all := make([]*Finding, 0, len(c.standing))
	for _, f := range c.standing {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b *Finding) int { return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.ID, b.ID)) })
	return all
}
