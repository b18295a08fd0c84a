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
func (l *Ledger) lookUp(c *cluster, e *format.Event, id identity, server uint32, received int64) (position uint64, same, conflict bool, err error) {
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
	var hash uint64
	for _, s := range segments {
		if t < s.MinTime || t > s.MaxTime || covered(recent, s) {
			continue
		}
		if hash == 0 {
			hash = hashID(e.View.AuditID.String())
		}
		may, err := s.mayHave(hash)
		if err != nil {
			return 0, false, false, err
		}
		if !may {
			continue
		}
		rows, err := s.FindID(context.Background(), e.View.AuditID.String())
		if err != nil {
			return 0, false, false, err
		}
		if len(rows) == 0 {
			continue
		}
		r, err := l.recall(c, s)
		if err != nil {
			return 0, false, false, err
		}
		recent = append(slices.Clone(recent), r)
		if ask(r.known) {
			return position, true, false, nil
		}
	}
	return
}

func covered(recent []*recentKnown, s *Segment) bool {
	for _, r := range recent {
		if r.first <= s.First && s.Last <= r.last {
			return true
		}
	}
	return false
}

// recall reads a segment's identities back, by reading all of it once.
func (l *Ledger) recall(c *cluster, s *Segment) (*recentKnown, error) {
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
