// Package trial measures baselines: it makes up a cluster's days, attacks among them that are labelled, and counts what a
// baseline tells of them. Start with Run.
//
// What it shows and what not: the events are in the form of the API server, but people, controllers and attacks are made up, by
// rules that world.go and attacks.go state. Whoever wrote the baselines wrote them too, though the thresholds were chosen on
// other seeds than those that are published. So the figures say how the method behaves under stated assumptions, and let two
// methods be compared; they are no promise for a cluster.
package trial

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"annals.dev/audit"
	"annals.dev/internal/detect"
	"annals.dev/internal/detect/baseline"
	"annals.dev/internal/format"
	"annals.dev/internal/match"
)

// Days are how long a trial is, and Quiet how many of them pass before the first attack.
const (
	Days  = 45
	Quiet = 25
)

// Score counts actor-days: an actor on a day is attacked or not, and alarmed about or not.
type Score struct {
	Attacked, Found int // attacked actor-days, and how many of them were alarmed about
	Alarms, False   int // actor-days alarmed about, and how many of them were not attacked
	Innocent        int // actor-days without an attack, after the first Quiet days
}

// Precision is which part of the alarms was about an attack, Recall which part of the attacks was alarmed about.
func (s Score) Precision() float64 { return ratio(s.Alarms-s.False, s.Alarms) }
func (s Score) Recall() float64    { return ratio(s.Found, s.Attacked) }

func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// Add adds another trial's.
func (s *Score) Add(o Score) {
	s.Attacked, s.Found, s.Alarms, s.False, s.Innocent = s.Attacked+o.Attacked, s.Found+o.Found, s.Alarms+o.Alarms, s.False+o.False, s.Innocent+o.Innocent
}

// Result is what a trial, or several, came to: by the least severity that counts as an alarm, and of each sort of attack.
type Result struct {
	Events int
	All    map[detect.Severity]*Score
	Attack map[string]map[detect.Severity]*Score // Attacked and Found alone
}

// Levels are the severities that are scored.
var Levels = []detect.Severity{detect.Low, detect.Medium, detect.High}

// NewResult is one of no trials.
func NewResult() *Result {
	r := &Result{All: map[detect.Severity]*Score{}, Attack: map[string]map[detect.Severity]*Score{}}
	for _, l := range Levels {
		r.All[l] = new(Score)
	}
	return r
}

// actorDay is the unit of the score.
type actorDay struct {
	actor string
	day   int
}

// told gathers the worst severity of an actor-day.
type told map[actorDay]int

func (t told) Find(f *detect.Finding) {
	at := actorDay{f.User, int(f.Time.Sub(begin) / (24 * time.Hour))}
	t[at] = max(t[at], slices.Index(detect.Severities, f.Severity))
}

func (told) Withdraw(*detect.Withdrawal) {}

// feed gives a day's events to a baseline in the order of their time.
func feed(b *baseline.Baseline, events []audit.Event, out detect.Output) {
	slices.SortStableFunc(events, func(x, y audit.Event) int {
		return cmp.Compare(x.StageTimestamp.UnixMicro(), y.StageTimestamp.UnixMicro())
	})
	var view audit.View
	var buf []byte
	row := match.Row{View: &view, Cluster: "trial", Origin: "trial", Dialect: format.V1}
	for i := range events {
		buf = events[i].AppendJSON(buf[:0])
		if err := view.Parse(buf); err != nil {
			panic(err) // it was written here
		}
		row.Received, row.Position = events[i].StageTimestamp.UnixMicro(), uint64(i)
		b.Feed(&row, out)
	}
	b.Tick(time.Time{}, out)
}

// Events are those of the first days of a seed's trial, in the order of their time.
func Events(seed uint64, days int) (events []audit.Event) {
	w := newWorld(seed)
	for day := range days {
		events = append(events, w.day(day, map[actorDay]string{})...)
	}
	sortByTime(events)
	return events
}

func sortByTime(events []audit.Event) {
	slices.SortStableFunc(events, func(x, y audit.Event) int {
		return cmp.Compare(x.StageTimestamp.UnixMicro(), y.StageTimestamp.UnixMicro())
	})
}

// Run adds the trial of a seed to a result.
func Run(seed uint64, r *Result) {
	w := newWorld(seed)
	b := baseline.New()
	t := told{}
	labels := map[actorDay]string{}
	active := map[actorDay]bool{}
	var view audit.View
	var buf []byte
	row := match.Row{View: &view, Cluster: "trial", Origin: "trial", Dialect: format.V1}
	for day := range Days {
		events := w.day(day, labels)
		slices.SortStableFunc(events, func(x, y audit.Event) int {
			return cmp.Compare(x.StageTimestamp.UnixMicro(), y.StageTimestamp.UnixMicro())
		})
		for i := range events {
			e := &events[i]
			buf = e.AppendJSON(buf[:0])
			if err := view.Parse(buf); err != nil {
				panic(err) // it was written here
			}
			row.Received = e.StageTimestamp.UnixMicro()
			b.Feed(&row, t)
			row.Position++
			active[actorDay{e.User.Username, day}] = true
		}
		b.Tick(time.Time{}, t)
		r.Events += len(events)
	}
	for _, level := range Levels {
		least := slices.Index(detect.Severities, level)
		s := r.All[level]
		for at := range active {
			if at.day < Quiet {
				continue
			}
			kind, attacked := labels[at]
			alarm := t[at] >= least
			if alarm {
				s.Alarms++
			}
			switch {
			case attacked:
				if r.Attack[kind] == nil {
					r.Attack[kind] = map[detect.Severity]*Score{}
				}
				if r.Attack[kind][level] == nil {
					r.Attack[kind][level] = new(Score)
				}
				s.Attacked++
				r.Attack[kind][level].Attacked++
				if alarm {
					s.Found++
					r.Attack[kind][level].Found++
				}
			default:
				s.Innocent++
				if alarm {
					s.False++
				}
			}
		}
	}
}

// Table is a result as people read it.
func Table(r *Result, seeds int) string {
	var w strings.Builder
	fmt.Fprintf(&w, "%d events, %d seeds, %d days each, attacks on the last %d\n\n", r.Events, seeds, Days, Days-Quiet)
	fmt.Fprintln(&w, "alarm from     precision  recall  attacked  found  alarms  false  innocent actor-days")
	for _, l := range Levels {
		s := r.All[l]
		fmt.Fprintf(&w, "%-13s  %9.3f  %6.3f  %8d  %5d  %6d  %5d  %8d\n", l, s.Precision(), s.Recall(), s.Attacked, s.Found, s.Alarms, s.False, s.Innocent)
	}
	fmt.Fprintln(&w, "\nrecall by attack    number     low  medium    high")
	for _, a := range attacks {
		of := func(l detect.Severity) Score {
			if s := r.Attack[a.Name][l]; s != nil {
				return *s
			}
			return Score{}
		}
		fmt.Fprintf(&w, "%-18s  %6d  %6.3f  %6.3f  %6.3f  %s\n", a.Name, of(detect.Low).Attacked, of(detect.Low).Recall(), of(detect.Medium).Recall(), of(detect.High).Recall(), a.About)
	}
	return w.String()
}
