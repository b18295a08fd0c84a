package detect

import (
	"time"

	"annals.dev/internal/match"
)

// Detector finds what no rule language can say. Its findings, too, depend on the set of events alone: it is fed each event
// at least once, in any order, some again after a restart. One goroutine uses it at a time.
type Detector interface {
	// Rules are what it reports, for lists and for coverage.
	Rules() []*Rule
	// Feed takes one event. What it finds, or finds no longer true, goes to out.
	Feed(r *match.Row, out Output)
	// Tick is called after each run of events, and from time to time when none come: what was fed before it may be told. What
	// is told follows the clock for silence alone.
	Tick(now time.Time, out Output)
	// Save and Load keep its state over a restart. Load of another version's state returns an error, and the detector begins
	// anew.
	Save() ([]byte, error)
	Load([]byte) error
}

// Output takes findings. An engine's sees to it that none is recorded twice.
type Output interface {
	Find(f *Finding)
	Withdraw(w *Withdrawal)
}
