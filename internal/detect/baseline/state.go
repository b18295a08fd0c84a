package baseline

import (
	"encoding/json"
	"fmt"
)

// stateVersion changes when a state can no longer be read.
const stateVersion = 1

type savedState struct {
	Version  int
	Clusters []savedCluster
}

type savedCluster struct {
	Name     string
	Last     int32
	Settled  int32
	Stale    int32 `json:",omitempty"`
	Actors   []*actor
	Told     map[string]int32
	Overflow uint64
	Shown    []savedMark
}

type savedMark struct {
	Actor   string
	Feature feature
	Value   string
	Hour    int
	Day     int32
	Event   event
}

// lastDay is at the end of the year 9999, after which no event can be.
const lastDay = 2_932_896

// Save gives the state. It tells what was noted but not told yet with the first Tick after Load.
func (b *Baseline) Save() ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := savedState{Version: stateVersion}
	for _, c := range b.clusters {
		sc := savedCluster{Name: c.name, Last: c.last, Settled: c.settled, Stale: c.stale, Told: c.told, Overflow: c.overflow}
		for _, k := range c.kinds {
			sc.Actors = append(sc.Actors, k...)
		}
		for m, e := range c.shown {
			sc.Shown = append(sc.Shown, savedMark{m.actor.Name, m.feature, m.value, m.hour, m.day, e})
		}
		s.Clusters = append(s.Clusters, sc)
	}
	return json.Marshal(s)
}

// Load takes a state that Save gave.
func (b *Baseline) Load(state []byte) error {
	var s savedState
	if err := json.Unmarshal(state, &s); err != nil {
		return fmt.Errorf("the baselines' state: %w", err)
	}
	if s.Version != stateVersion {
		return fmt.Errorf("the baselines' state is of version %d, not %d", s.Version, stateVersion)
	}
	clusters := map[string]*cluster{}
	for _, sc := range s.Clusters {
		if sc.Last < 0 || sc.Last > lastDay || sc.Settled < 0 || sc.Settled > sc.Last {
			return fmt.Errorf("the baselines' state is damaged: cluster %q was last seen on day %d", sc.Name, sc.Last)
		}
		c := newCluster(sc.Name)
		c.last, c.settled, c.overflow = sc.Last, sc.Settled, sc.Overflow
		if sc.Told != nil {
			c.told = sc.Told
		}
		for _, saved := range sc.Actors {
			if saved == nil || c.actors[saved.Name] != nil || len(c.actors) >= maxActors {
				return fmt.Errorf("the baselines' state is damaged: an actor of cluster %q is nobody, or there twice", sc.Name)
			}
			a := newActor(saved.Name)
			a.Active = saved.Active
			for f := range saved.Values {
				for value, d := range saved.Values[f] {
					if d == nil {
						return fmt.Errorf("the baselines' state is damaged: %q of %q was shown on no days", value, a.Name)
					}
					a.Values[f][value] = d
				}
			}
			copyNotNil(a.Hours, saved.Hours)
			copyNotNil(a.Peak, saved.Peak)
			for day, n := range saved.Counts {
				if n != nil {
					a.Counts[day] = n
				}
			}
			c.add(a)
		}
		for _, m := range sc.Shown {
			if a := c.actors[m.Actor]; a != nil && m.Feature <= changes && m.Hour >= 0 && m.Hour < 24 {
				c.shown[mark{a, m.Feature, m.Value, m.Hour, m.Day}] = m.Event
			}
		}
		// What was pending is not saved: the last day is looked at anew.
		if c.stale = c.last; sc.Stale > 0 {
			c.stale = min(c.last, sc.Stale)
		}
		clusters[c.name] = c
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clusters = clusters
	return nil
}

func copyNotNil(to, from map[int32]uint32) {
	for k, v := range from {
		to[k] = v
	}
}
