package baseline

import (
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"time"
)

// Profile is what is usual for an actor, for people to read.
type Profile struct {
	Cluster string    `json:"cluster"`
	Actor   string    `json:"actor"`
	Kind    string    `json:"kind"` // of the actor's peers: people, service accounts, nodes, components
	Peers   int       `json:"peers"`
	Active  int       `json:"active"` // days on which it was active, of the last 64
	Needs   int       `json:"needs"`  // days that it must have been active on before anything is told
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`
	Habits  []Habit   `json:"habits"`
	Hours   []int     `json:"hours"`            // by hour of the day (UTC): on how many days it was active
	Peaks   []Peak    `json:"peaks,omitempty"`  // by day: the changes in its busiest hour
	Unkept  uint64    `json:"unkept,omitempty"` // events of actors for whom there was no room
}

// Habit is what an actor shows of a feature.
type Habit struct {
	Feature string  `json:"feature"`
	Values  []Shown `json:"values"` // most days first
	More    int     `json:"more,omitempty"`
}

// Shown is a value, and when it was shown.
type Shown struct {
	Value string    `json:"value"`
	Days  int       `json:"days"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	Peers int       `json:"peers"` // how many peers have shown it
}

// Peak is a day's busiest hour.
type Peak struct {
	Day     time.Time `json:"day"`
	Changes uint32    `json:"changes"`
}

const maxShown = 50

// Profile tells what is known of an actor, false if nothing is.
func (b *Baseline) Profile(clusterName, actorName string) (*Profile, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.clusters[clusterName]
	if c == nil || c.actors[actorName] == nil {
		return nil, false
	}
	a := c.actors[actorName]
	peers := c.kinds[a.Kind]
	p := &Profile{
		Cluster: clusterName, Actor: actorName, Kind: kindNames[a.Kind], Peers: len(peers) - 1, Active: bits.OnesCount64(a.Active.Bits), Needs: minDays,
		Until: dayTime(a.Active.Last), From: dayTime(a.Active.firstDay()), Hours: make([]int, 24), Unkept: c.overflow,
	}
	for f := range a.Values {
		p.Habits = append(p.Habits, a.habit(feature(f), peers))
	}
	for _, hours := range a.Hours {
		for h := range 24 {
			p.Hours[h] += int(hours >> h & 1)
		}
	}
	for _, day := range slices.Sorted(maps.Keys(a.Peak)) {
		p.Peaks = append(p.Peaks, Peak{dayTime(day), a.Peak[day]})
	}
	return p, true
}

func (a *actor) habit(f feature, peers population) Habit {
	h := Habit{Feature: featureNames[f], Values: []Shown{}}
	for value, d := range a.Values[f] {
		s := Shown{Value: value, Days: bits.OnesCount64(d.Bits), First: dayTime(d.firstDay()), Last: dayTime(d.Last)}
		for _, p := range peers {
			if p != a && p.Values[f][value] != nil {
				s.Peers++
			}
		}
		h.Values = append(h.Values, s)
	}
	slices.SortFunc(h.Values, func(x, y Shown) int {
		if x.Days != y.Days {
			return y.Days - x.Days
		}
		return cmpText(x.Value, y.Value)
	})
	if len(h.Values) > maxShown {
		h.Values, h.More = h.Values[:maxShown], len(h.Values)-maxShown
	}
	return h
}

func cmpText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (d days) firstDay() int32 { return d.Last - int32(bits.Len64(d.Bits)) + 1 }

// since is the first day that counts for what is told of a day, and how many there are before it.
func (a *actor) since(day int32) (from int32, n int) {
	before := a.Active.before(day)
	return day - int32(bits.Len64(before)), bits.OnesCount64(before)
}

// maxUsual is how many usual values a finding shows.
const maxUsual = 5

// usual are what was shown on most days before a day.
func (a *actor) usual(f feature, day int32) []string {
	type shown struct {
		text string
		n    int
	}
	var all []shown
	switch f {
	case hourly:
		before := a.Active.before(day)
		for h := range 24 {
			n := 0
			for i := range 64 {
				if before&(1<<i) != 0 && a.Hours[day-1-int32(i)]&(1<<h) != 0 {
					n++
				}
			}
			if n > 0 {
				all = append(all, shown{fmt.Sprintf("%02d:00 UTC", h), n})
			}
		}
	case changes:
		var most uint32
		for i := range 64 {
			most = max(most, a.Peak[day-1-int32(i)])
		}
		return []string{fmt.Sprintf("%d at most", most)}
	default:
		for value, d := range a.Values[f] {
			if n := bits.OnesCount64(d.before(day)); n > 0 {
				all = append(all, shown{value, n})
			}
		}
	}
	slices.SortFunc(all, func(x, y shown) int {
		if x.n != y.n {
			return y.n - x.n
		}
		return cmpText(x.text, y.text)
	})
	var texts []string
	for _, s := range all[:min(len(all), maxUsual)] {
		texts = append(texts, s.text)
	}
	return texts
}
