package alert

import (
	"time"

	"annals.dev/internal/detect"
)

// Bounds. Beyond them messages come sooner, or become a digest: nothing is forgotten.
const (
	maxMessage  = 100      // findings in a message
	maxQueue    = 500      // messages that wait for a destination
	queueBytes  = 8 << 20  // and their size
	maxWaiting  = 10_000   // findings that wait for their groups' time: then it is that time
	maxGroups   = 10_000   // groups that are remembered after they were told
	waitBytes   = 16 << 20 // and their size
	maxMarks    = 50_000   // what was told, and what mutes
	fewMarks    = 1_000    // that need no looking after
	maxDigest   = 1_000    // IDs in a digest, or an outcome
	maxExamples = 5        // findings in a digest
	maxRules    = 50       // in a digest, by name
	maxOutbox   = 1_000    // outcomes that are not on record yet; then reading waits
)

// state is all that must outlive the process: the sum of the changes in the log. apply decides nothing, so that it comes to the
// same at each start, whatever the configuration is by then.
type state struct {
	Cursor uint64                 `json:"cursor"` // the next position of cluster annals
	Groups map[string]*group      `json:"groups"`
	Marks  map[string]mark        `json:"marks"`
	Queues map[string][]*delivery `json:"queues"` // by destination; the first is the one that is being delivered
	Outbox []Outcome              `json:"outbox"` // not on record yet

	waiting, bytes int // findings in all groups, and their size
}

// group gathers findings for one destination.
type group struct {
	Dest      string            `json:"dest"`
	Labels    map[string]string `json:"labels"`
	Wait      Duration          `json:"wait"`
	Interval  Duration          `json:"interval"`
	Waiting   []waiting         `json:"waiting"`
	Since     time.Time         `json:"since"`     // when the first of them came
	Last      time.Time         `json:"last"`      // when it was told last
	Throttled int               `json:"throttled"` // since then
}

// waiting is a finding that nobody was told yet.
type waiting struct {
	Position uint64          `json:"position"`
	Finding  *detect.Finding `json:"finding"`
}

// due is when the group has something to tell.
func (g *group) due() time.Time {
	at := g.Since.Add(time.Duration(g.Wait))
	if next := g.Last.Add(time.Duration(g.Interval)); next.After(at) {
		at = next
	}
	if len(g.Waiting) >= maxMessage {
		return g.Since
	}
	return at
}

// first is the position of the first finding that waits.
func (g *group) first() uint64 {
	if len(g.Waiting) == 0 {
		return 0
	}
	return g.Waiting[0].Position
}

// mark remembers a finding: that it was told, or that it mutes others.
type mark struct {
	Finding  string          `json:"finding"`
	Severity detect.Severity `json:"severity"`
	Until    time.Time       `json:"until"`
}

// delivery is a message on its way.
type delivery struct {
	Key       string            `json:"key"`
	Made      time.Time         `json:"made"`
	Labels    map[string]string `json:"labels,omitempty"`
	Findings  []*detect.Finding `json:"findings,omitempty"`
	First     uint64            `json:"first"` // positions in cluster annals
	Last      uint64            `json:"last"`
	Throttled int               `json:"throttled,omitempty"`
	Digest    *Digest           `json:"digest,omitempty"`
	Bytes     int               `json:"bytes"`
}

// change is one step of the state, and one frame of the log.
type change struct {
	Whole    *state          `json:"whole,omitempty"` // instead of all before it
	Cursor   uint64          `json:"cursor,omitempty"`
	Join     []join          `json:"join,omitempty"`
	Throttle map[string]int  `json:"throttle,omitempty"` // by group
	Leave    []leave         `json:"leave,omitempty"`
	Send     []send          `json:"send,omitempty"`
	Close    []string        `json:"close,omitempty"` // groups that are forgotten
	Mark     map[string]mark `json:"mark,omitempty"`
	Forget   []string        `json:"forget,omitempty"`
	Done     []done          `json:"done,omitempty"`
	Outcomes []Outcome       `json:"outcomes,omitempty"`
	Recorded int             `json:"recorded,omitempty"` // so many of the first in the outbox
}

type join struct {
	Group    string            `json:"group"`
	Dest     string            `json:"dest"`
	Labels   map[string]string `json:"labels"`
	Wait     Duration          `json:"wait"`
	Interval Duration          `json:"interval"`
	At       time.Time         `json:"at"`
	waiting
}

type leave struct {
	Group   string `json:"group"`
	Finding string `json:"finding"`
}

// send turns the first findings of a group into a message.
type send struct {
	Group    string    `json:"group"`
	Dest     string    `json:"dest"`
	Findings int       `json:"findings"`
	At       time.Time `json:"at"`
	Delivery *delivery `json:"delivery"`
}

type done struct {
	Dest string `json:"dest"`
	Key  string `json:"key"`
}

func newState() *state {
	return &state{Groups: map[string]*group{}, Marks: map[string]mark{}, Queues: map[string][]*delivery{}}
}

func (s *state) apply(c *change) {
	if c.Whole != nil {
		fresh := newState()
		fresh.Cursor, fresh.Outbox = c.Whole.Cursor, c.Whole.Outbox
		for k, v := range c.Whole.Groups {
			fresh.Groups[k] = v
			fresh.count(v.Waiting, 1)
		}
		for k, v := range c.Whole.Marks {
			fresh.Marks[k] = v
		}
		for k, v := range c.Whole.Queues {
			fresh.Queues[k] = v
		}
		*s = *fresh
	}
	s.Cursor = max(s.Cursor, c.Cursor)
	for i := range c.Join {
		s.join(&c.Join[i])
	}
	for key, n := range c.Throttle {
		if g := s.Groups[key]; g != nil {
			g.Throttled += n
		}
	}
	for _, l := range c.Leave {
		if g := s.Groups[l.Group]; g != nil {
			g.Waiting = s.without(g.Waiting, l.Finding)
		}
	}
	for i := range c.Send {
		s.send(&c.Send[i])
	}
	for _, key := range c.Close {
		delete(s.Groups, key)
	}
	for key, m := range c.Mark {
		s.Marks[key] = m
	}
	for _, key := range c.Forget {
		delete(s.Marks, key)
	}
	for _, d := range c.Done {
		q := s.Queues[d.Dest]
		if len(q) > 0 && q[0].Key == d.Key {
			s.Queues[d.Dest] = q[1:]
		}
		if len(s.Queues[d.Dest]) == 0 {
			delete(s.Queues, d.Dest)
		}
	}
	s.Outbox = append(s.Outbox, c.Outcomes...)
	s.Outbox = s.Outbox[min(c.Recorded, len(s.Outbox)):]
}

func (s *state) join(j *join) {
	g := s.Groups[j.Group]
	if g == nil {
		g = &group{Dest: j.Dest, Labels: j.Labels}
		s.Groups[j.Group] = g
	}
	g.Wait, g.Interval = j.Wait, j.Interval
	if len(g.Waiting) == 0 {
		g.Since = j.At
	}
	g.Waiting = append(g.Waiting, j.waiting)
	s.count(g.Waiting[len(g.Waiting)-1:], 1)
}

func (s *state) count(list []waiting, sign int) {
	for _, w := range list {
		s.waiting += sign
		s.bytes += sign * sizeOf(w.Finding)
	}
}

// much says that more waits than may.
func (s *state) much() bool { return s.waiting > maxWaiting || s.bytes > waitBytes }

func (s *state) without(list []waiting, id string) []waiting {
	kept := list[:0]
	for _, w := range list {
		if w.Finding.ID != id {
			kept = append(kept, w)
		} else {
			s.count([]waiting{w}, -1)
		}
	}
	clear(list[len(kept):])
	return kept
}

func (s *state) send(c *send) {
	if g := s.Groups[c.Group]; g != nil {
		n := min(c.Findings, len(g.Waiting))
		s.count(g.Waiting[:n], -1)
		g.Waiting = g.Waiting[n:]
		g.Last, g.Since, g.Throttled = c.At, c.At, 0
	}
	s.Queues[c.Dest] = bound(append(s.Queues[c.Dest], c.Delivery))
}
