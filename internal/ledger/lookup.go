package ledger

import (
	"context"
	"slices"

	"annals.dev/internal/format"
)

// recentKnown is the identities of a segment, kept in memory because it was just sealed or just asked for.
type recentKnown struct {
	known       *known
	first, last uint64 // positions
}

// keepKnown is how many segments' identities a cluster keeps in memory. A second delivery of a file asks for them in order.
const keepKnown = 6

// lookUp says whether the cluster holds the event (then where), and else whether one contradicts it. There is no limit of time:
// the event's own time tells which segments could hold it. The committer alone calls it.
func (l *Ledger) lookUp(c *cluster, e *format.Event, id identity, server uint32) (position uint64, same, conflict bool, err error) {
	if position, same, conflict = c.known.find(id, server); same {
		return
	}
	l.mu.Lock()
	frozen, recent, segments := c.frozen, c.recent, c.segments
	l.mu.Unlock()
	ask := func(k *known) bool {
		at, found, other := k.find(id, server)
		conflict = conflict || other
		if found {
			position, same = at, true
		}
		return found
	}
	if frozen != nil && ask(frozen.known) {
		return
	}
	for _, r := range recent {
		if ask(r.known) {
			return
		}
	}
	t := e.View.Time
	if t == 0 || len(e.View.AuditID) == 0 {
		return // an event without time or id is only looked for among those
	}
	auditID := ""
	for _, s := range segments {
		if t < s.MinTime || t > s.MaxTime || covered(recent, s) {
			continue
		}
		if auditID == "" {
			auditID = e.View.AuditID.String()
		}
		if !l.hold(s) { // merged away meanwhile: look in what it became
			return l.lookUp(c, e, id, server)
		}
		r, err := l.recall(c, s, auditID)
		l.release([]*Segment{s})
		if err != nil {
			return 0, false, false, err
		}
		if r == nil {
			continue
		}
		recent = append(slices.Clone(recent), r)
		if ask(r.known) {
			return position, true, false, nil
		}
	}
	return
}

// hold keeps a segment's files until release, unless they may be going already.
func (l *Ledger) hold(s *Segment) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.dead {
		return false
	}
	s.users++
	return true
}

func covered(recent []*recentKnown, s *Segment) bool {
	for _, r := range recent {
		if r.first <= s.First && s.Last <= r.last {
			return true
		}
	}
	return false
}

// recall reads a segment's identities back, by reading all of it once, if it has the audit ID.
func (l *Ledger) recall(c *cluster, s *Segment, auditID string) (*recentKnown, error) {
	if may, err := s.MayHaveID(auditID); err != nil || !may {
		return nil, err
	}
	if rows, err := s.FindID(context.Background(), auditID); err != nil || len(rows) == 0 {
		return nil, err
	}
	r := &recentKnown{newKnown(), s.First, s.Last}
	var scratch []byte
	err := s.Read(context.Background(), allRows(s.Rows()), func(_ int, e *Stored) error {
		var id identity
		id, scratch = l.ids.of(&e.Event, scratch)
		r.known.add(id, e.Position, serverOf(e.Origin))
		return nil
	})
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c.remember(r)
	return r, nil
}

// remember keeps identities in memory, in the place of the oldest. The ledger's mutex is held.
func (c *cluster) remember(r *recentKnown) {
	kept := c.recent
	if len(kept) >= keepKnown {
		kept = kept[len(kept)-keepKnown+1:]
	}
	c.recent = append(slices.Clone(kept), r)
}

func allRows(n int) []int {
	rows := make([]int, n)
	for i := range rows {
		rows[i] = i
	}
	return rows
}

func sortUnique(p *[]uint64) {
	slices.Sort(*p)
	*p = slices.Compact(*p)
}
