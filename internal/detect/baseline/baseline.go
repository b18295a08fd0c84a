package baseline

import (
	"hash/maphash"
	"sync"
	"time"

	"annals.dev/audit"
	"annals.dev/internal/detect"
	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
)

// Baseline is a detect.Detector. Its Profile may be asked by other goroutines meanwhile.
type Baseline struct {
	mu       sync.Mutex // guards what follows
	clusters map[string]*cluster
	read     reader
}

// cluster is the actors of one cluster, and what was found of them.
type cluster struct {
	name     string
	actors   map[string]*actor
	kinds    [kinds]population
	last     int32            // the latest day of an event
	told     map[string]int32 // what stands, by ID: the day that it is about
	shown    map[mark]event   // the events that showed what was noted of the last days
	pending  []mark           // new since the last Tick
	settled  int32            // the latest day when it was last told of; what lies further back is forgotten
	stale    int32            // a day before which something came late; 0: none
	rest     time.Time        // until when that waits
	known    map[uint64]bool  // hashes of what was noted on the last days
	overflow uint64           // actors that were not kept
}

// mark is something noted of an actor on a day: a value of a feature, an hour, or many changes in an hour.
type mark struct {
	actor *actor
	feature
	value string
	hour  int
	day   int32
}

// Features that have no values.
const (
	hourly feature = features + iota
	changes
)

// event is what a finding shows of an event.
type event struct {
	Time                                  int64
	Position                              uint64
	Peer, Verb, Resource, Namespace, Name string
	Code                                  int32
}

// maxActors is how many are kept of a cluster. Who comes after that has no baseline, and Profile says how many there are.
const maxActors = 20_000

// tellAfter is how many days events may run ahead of what was told, if no Tick comes between, as in an import.
const tellAfter = 20

// maxKnown is how many hashes are kept before they are all forgotten: they only spare work.
const maxKnown = 1 << 18

var seed = maphash.MakeSeed()

// New makes a baseline that knows nothing yet.
func New() *Baseline { return &Baseline{clusters: map[string]*cluster{}} }

const microsPerHour = int64(time.Hour / time.Microsecond)

// Feed notes an event.
func (b *Baseline) Feed(r *match.Row, out detect.Output) {
	v := r.View
	if r.Cluster == ledger.Own || v.Stage.Is(string(audit.StageRequestReceived)) || len(v.User.Username) == 0 || v.Time <= 0 ||
		v.User.Username.Is("system:anonymous") {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.cluster(r.Cluster)
	hours := v.Time / microsPerHour
	day, hour := int32(hours/24), int(hours%24)
	if r.Received != 0 && v.Time > r.Received+24*microsPerHour {
		return // the API server's clock is wrong
	}
	peer := b.read.peer(v)
	hash := b.read.hash(v, peer, hours)
	change := isChange(v)
	if c.settled != 0 && day > c.settled+tellAfter {
		c.tell(out) // before what it needs is forgotten
	}
	if c.known[hash] && !change {
		return
	}
	a := c.actor(b.read.text(v.User.Username))
	if a == nil {
		return
	}
	if !c.known[hash] {
		c.note(a, v, peer, day, hour, r.Position, &b.read)
		if len(c.known) >= maxKnown {
			clear(c.known)
		}
		c.known[hash] = true
	}
	if change {
		c.count(a, v, day, hour, r.Position, &b.read)
	}
}

func (b *Baseline) cluster(name string) *cluster {
	c := b.clusters[name]
	if c == nil {
		c = newCluster(name)
		b.clusters[name] = c
	}
	return c
}

func newCluster(name string) *cluster {
	return &cluster{name: name, actors: map[string]*actor{}, told: map[string]int32{}, shown: map[mark]event{}, known: map[uint64]bool{}}
}

func (c *cluster) actor(name []byte) *actor {
	if a := c.actors[string(name)]; a != nil {
		return a
	}
	if len(c.actors) >= maxActors {
		c.overflow++
		return nil
	}
	return c.add(newActor(string(name)))
}

func (c *cluster) add(a *actor) *actor {
	c.actors[a.Name] = a
	c.kinds[a.Kind] = append(c.kinds[a.Kind], a)
	return a
}

// note puts what an event shows into the days of its actor.
func (c *cluster) note(a *actor, v *audit.View, peer string, day int32, hour int, position uint64, read *reader) {
	c.last = max(c.last, day)
	late := false
	if a.Active.add(day) {
		late = day < c.last
	}
	e := read.event(v, peer, position)
	for f, value := range [features]string{action: e.Verb + " " + e.Resource, namespace: e.Namespace, network: networkOf(peer), client: clientOf(read.text(v.UserAgent))} {
		if value != "" && a.see(feature(f), value, day) {
			c.show(mark{actor: a, feature: feature(f), value: value, day: day}, e)
			late = late || day < c.last
		}
	}
	if a.Hours[day]&(1<<hour) == 0 && day > c.settled-64 {
		a.Hours[day] |= 1 << hour
		c.show(mark{actor: a, feature: hourly, hour: hour, day: day}, e)
		late = late || day < c.last
	}
	if late && (c.stale == 0 || day < c.stale) {
		c.stale = day
	}
}

// show remembers which event showed something, for the finding that it may make.
func (c *cluster) show(m mark, e event) {
	c.pending = append(c.pending, m)
	if m.day >= c.settled-keepCounts {
		c.shown[m] = e
	}
}

// count counts a change.
func (c *cluster) count(a *actor, v *audit.View, day int32, hour int, position uint64, read *reader) {
	if day < c.settled-keepCounts {
		return // its day is closed
	}
	hours := a.Counts[day]
	if hours == nil {
		hours = new([24]uint32)
		a.Counts[day] = hours
	}
	hours[hour]++
	a.Peak[day] = max(a.Peak[day], hours[hour])
	if hours[hour] >= minChanges {
		m := mark{actor: a, feature: changes, hour: hour, day: day}
		if _, ok := c.shown[m]; ok {
			c.pending = append(c.pending, m)
		} else {
			c.show(m, read.event(v, read.peer(v), position))
		}
		if day < c.last && (c.stale == 0 || day < c.stale) {
			c.stale = day
		}
	}
}
