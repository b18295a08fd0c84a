package ledger

import (
	"time"

	"annals.dev/internal/disk"
)

// freezing is what the sealer is given: all that lies in files of the log before file is frozen, and may go when it is sealed.
type freezing struct {
	file  uint32
	small bool // merge as few as two segments
}

// freezer is the committer's part of sealing: it turns a new leaf, and hands the rows before it to the sealer. At most one seal
// is under way.
type freezer struct {
	sealing bool
	last    freezing
	failed  bool      // the last seal did, and its rows are still frozen
	retry   time.Time // not before
	current []chan error
	waiting []chan error // asked while a seal was under way: they want another one
}

// retryAfter is how long a seal that failed rests.
const retryAfter = 5 * time.Second

func (f *freezer) ifDue(l *Ledger) {
	if f.sealing || time.Now().Before(f.retry) {
		return
	}
	events, bytes, oldest := 0, int64(0), time.Now()
	l.mu.Lock()
	for _, c := range l.clusters {
		if c.hot.n > 0 {
			events += c.hot.n
			bytes += c.hot.bytes
			oldest = minTime(oldest, c.since)
		}
	}
	l.mu.Unlock()
	if f.failed || events >= l.opts.SealEvents || bytes >= l.opts.SealBytes || events > 0 && time.Since(oldest) >= l.opts.SealAfter {
		f.freeze(l, false)
	}
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// asked answers when all that is in memory now is sealed.
func (f *freezer) asked(l *Ledger, answer chan error) {
	f.waiting = append(f.waiting, answer)
	if !f.sealing {
		f.freeze(l, true)
	}
}

func (f *freezer) freeze(l *Ledger, small bool) {
	if !f.failed { // else what is frozen goes first, and who waits for what is in memory waits on
		f.current, f.waiting = f.waiting, nil
		if err := l.log.Rotate(); err != nil {
			f.answer(l.refuse(err))
			if disk.IsFull(err) {
				f.retry = time.Now().Add(retryAfter)
			}
			return
		}
		files := l.log.Files()
		f.last = freezing{file: files[len(files)-1].File, small: small}
		l.mu.Lock()
		for _, c := range l.clusters {
			if c.hot.n > 0 {
				c.frozen = &frozenRows{rows: c.hot, known: c.known, tree: c.tree.clone(), whole: append(c.whole[:0:0], c.whole...)}
				c.hot, c.known = newRows(c.tree.size), newKnown()
			}
		}
		l.mu.Unlock()
	}
	f.sealing = true
	l.frozen <- f.last
}

// ended takes the sealer's answer. Whoever asked meanwhile is given an error, too: to try again at once, as often as somebody
// asks, would help nobody. A merge that failed keeps nothing from being sealed.
func (f *freezer) ended(l *Ledger, err error) {
	f.sealing, f.failed = false, err != nil && l.anyFrozen()
	f.answer(err)
	if err != nil {
		f.retry = time.Now().Add(retryAfter)
		f.current, f.waiting = f.waiting, nil
		f.answer(err)
	}
	if len(f.waiting) > 0 {
		f.freeze(l, true)
	}
}

func (f *freezer) answer(err error) {
	for _, a := range f.current {
		a <- err
	}
	f.current = nil
}

func (l *Ledger) anyFrozen() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.clusters {
		if c.frozen != nil {
			return true
		}
	}
	return false
}

// backlog says whether more has gathered than memory is given to, because sealing does not keep up.
func (l *Ledger) backlog() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return false // they need not wait to be told
	}
	frozen, bytes, events := false, int64(0), 0
	for _, c := range l.clusters {
		frozen = frozen || c.frozen != nil
		bytes += c.hot.bytes
		events += c.hot.n
	}
	return frozen && (bytes >= 2*l.opts.SealBytes || events >= 2*l.opts.SealEvents)
}
