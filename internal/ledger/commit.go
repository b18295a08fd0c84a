package ledger

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"annals.dev/internal/disk"
	"annals.dev/internal/format"
	"annals.dev/internal/wal"
)

// Batch is what one delivery brought. Events and their bytes are not kept after Append returns.
type Batch struct {
	Cluster  string    // under which name: ClusterName says which are valid
	Origin   string    // "webhook/cp-1", "file/cp-1:/var/log/kubernetes/audit.log", "import/audit.log"
	Received time.Time // zero: now
	Events   []format.Event
}

// Receipt says what became of a batch. All of it is durable.
type Receipt struct {
	First       uint64 // position of the first event that was new
	Accepted    int    // new events, the marked ones too
	Duplicates  int    // events that the ledger held already, byte for byte
	Conflicts   int    // accepted although their audit ID and stage were taken, with other bytes
	Quarantined int    // of the accepted, unreadable
	Salvaged    int    // of the accepted, cut
}

// ErrFull, ErrBusy and ErrFailed say why Append took nothing: the disk is full (it may be tried again when there is room), too
// much is waiting to be sealed (try again soon), a write or fsync failed (nothing more is taken until the ledger is opened anew).
var (
	ErrFull   = errors.New("the disk is full")
	ErrBusy   = errors.New("the ledger is busy")
	ErrFailed = errors.New("the ledger has failed and takes nothing more until it is opened anew")
	ErrClosed = errors.New("the ledger is closed")
)

// Bounds on what one leaf says, and on one batch.
const (
	maxOrigin = 1 << 10
	maxNote   = 4 << 10
	maxBatch  = 256 << 20
)

// job is a batch on its way. The goroutine that brought it computes what needs no order; the committer does the rest.
type job struct {
	batch    *Batch
	received int64
	server   uint32
	events   []prepared
	bytes    int64
	taken    atomic.Bool // by the committer, or back by its owner
	done     chan struct{}
	receipt  Receipt
	err      error

	frame frame
	fresh []int // which events are new
}

type prepared struct {
	id    identity
	sum   [sha256.Size]byte
	marks format.Marks
	note  string
}

// Append makes a batch durable and returns. An error means that nothing of it was accepted.
func (l *Ledger) Append(ctx context.Context, b Batch) (Receipt, error) {
	if !ClusterName.MatchString(b.Cluster) {
		return Receipt{}, fmt.Errorf("a cluster is called by lower-case letters, digits, '-' and '.', 63 at most, not %q", b.Cluster)
	}
	b.Origin = strings.ToValidUTF8(b.Origin, string(replacement)) // a file's name may be any bytes, a column may not
	if b.Origin == "" || len(b.Origin) > maxOrigin {
		return Receipt{}, fmt.Errorf("an origin has 1 to %d bytes, this one %d", maxOrigin, len(b.Origin))
	}
	j := &job{batch: &b, received: b.Received.UnixMicro(), server: serverOf(b.Origin), done: make(chan struct{})}
	if b.Received.IsZero() {
		j.received = time.Now().UnixMicro()
	}
	if err := l.prepare(j); err != nil {
		return Receipt{}, err
	}
	select {
	case l.jobs <- j:
	case <-ctx.Done():
		return Receipt{}, fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
	case <-l.stop:
		return Receipt{}, ErrClosed
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		if j.taken.CompareAndSwap(false, true) {
			return Receipt{}, fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
		}
		<-j.done // the committer is reading the caller's bytes
	case <-l.stop:
		if j.taken.CompareAndSwap(false, true) {
			return Receipt{}, ErrClosed
		}
		<-j.done
	}
	return j.receipt, j.err
}

// prepare hashes and identifies the events.
func (l *Ledger) prepare(j *job) error {
	j.events = make([]prepared, len(j.batch.Events))
	var scratch []byte
	for i := range j.batch.Events {
		e, p := &j.batch.Events[i], &j.events[i]
		if len(e.Bytes) > format.MaxRecord { // what is larger might not fit a page when it is sealed
			return fmt.Errorf("an event has %d bytes at most, this one %d", format.MaxRecord, len(e.Bytes))
		}
		j.bytes += int64(len(e.Bytes))
		p.sum = sha256.Sum256(e.Bytes)
		p.id, scratch = l.ids.of(e, scratch)
		p.marks, p.note = e.Marks, e.Note
		p.note = strings.ToValidUTF8(p.note[:min(len(p.note), maxNote)], string(replacement))
		if truncated(e) {
			p.marks |= format.Truncated
		}
	}
	if j.bytes > maxBatch {
		return fmt.Errorf("a batch has %d bytes of events at most, this one %d: split it", maxBatch, j.bytes)
	}
	return nil
}

// Groups of batches are written and synced together, up to these bounds.
const (
	groupJobs     = 64
	groupJobBytes = 32 << 20
)

// commitLoop is the only goroutine that gives positions, writes the log and adds rows.
func (l *Ledger) commitLoop() {
	defer l.done.Done()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var f freezer
	for {
		jobs := l.jobs
		if l.backlog() { // whoever brings more waits, as long as it cares to
			jobs = nil
		}
		select {
		case j := <-jobs:
			l.commit(l.gather(j))
			f.ifDue(l)
		case <-tick.C:
			f.ifDue(l)
		case answer := <-l.seals:
			f.asked(l, answer)
		case err := <-l.sealed:
			f.ended(l, err)
		case <-l.stop:
			close(l.frozen)
			return
		}
	}
}

// gather takes what else is waiting: while one group is being synced, the next one gathers.
func (l *Ledger) gather(first *job) []*job {
	var group []*job
	size := int64(0)
	for j := first; ; {
		if j.taken.CompareAndSwap(false, true) {
			group = append(group, j)
			size += j.bytes
		}
		if len(group) == groupJobs || size >= groupJobBytes {
			return group
		}
		select {
		case j = <-l.jobs:
		default:
			return group
		}
	}
}

// commit makes a group of batches durable, applies it, and answers.
func (l *Ledger) commit(group []*job) {
	if len(group) == 0 {
		return
	}
	err := l.write(group)
	for _, j := range group {
		if err != nil {
			j.receipt, j.err = Receipt{}, err
		}
		close(j.done)
	}
}

func (l *Ledger) write(group []*job) (err error) {
	l.mu.Lock()
	err = l.failed
	l.mu.Unlock()
	if err != nil {
		return err
	}
	next := make(map[*cluster]uint64)
	undo := make(map[*cluster]int)
	defer func() {
		for c, n := range undo {
			if err != nil {
				c.known.truncate(n)
			}
		}
	}()
	payloads := make([][][]byte, 0, len(group))
	for _, j := range group {
		l.mu.Lock()
		c := l.cluster(j.batch.Cluster, 0)
		l.mu.Unlock()
		if _, ok := next[c]; !ok {
			next[c] = c.tree.size
			undo[c] = len(c.known.entries)
		}
		if err := l.decide(j, c, next[c]); err != nil {
			return err
		}
		next[c] += uint64(len(j.fresh))
		pieces := make([][]byte, 0, 1+len(j.fresh))
		pieces = append(pieces, j.frame.head(nil))
		for _, e := range j.frame.events {
			pieces = append(pieces, e.bytes)
		}
		payloads = append(payloads, pieces)
	}
	began := time.Now()
	places, err := l.log.Append(payloads...)
	if err != nil {
		return l.refuse(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.synced(time.Since(began))
	for i, j := range group {
		l.apply(j, places[i], int64(len(payloads[i][0])))
	}
	l.tell()
	return nil
}

// refuse says what a failure of the log means.
func (l *Ledger) refuse(err error) error {
	if errors.Is(err, wal.ErrFailed) || errors.Is(err, wal.ErrClosed) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.failed = fmt.Errorf("%w: %w", ErrFailed, err)
		return l.failed
	}
	if disk.IsFull(err) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// decide sorts a batch's events into new ones and those the ledger holds, and makes the frame. It adds the new ones to the
// cluster's known identities; write takes them out again if they do not become durable.
func (l *Ledger) decide(j *job, c *cluster, first uint64) error {
	j.receipt = Receipt{First: first}
	j.frame = frame{cluster: c.name, origin: j.batch.Origin, received: j.received, first: first}
	for i := range j.batch.Events {
		e, p := &j.batch.Events[i], &j.events[i]
		at, same, conflict, err := l.lookUp(c, e, p.id, j.server)
		if err != nil {
			return err
		}
		if same {
			j.receipt.Duplicates++
			j.frame.again = append(j.frame.again, at)
			continue
		}
		if conflict {
			p.marks |= format.Conflict
			j.receipt.Conflicts++
		}
		if p.marks&format.Quarantined != 0 {
			j.receipt.Quarantined++
		}
		if p.marks&format.Salvaged != 0 {
			j.receipt.Salvaged++
		}
		c.known.add(p.id, first+uint64(len(j.fresh)), j.server)
		j.fresh = append(j.fresh, i)
		j.frame.events = append(j.frame.events, framed{dialect: e.Dialect, marks: p.marks, note: p.note, bytes: e.Bytes})
	}
	sortUnique(&j.frame.again)
	j.receipt.Accepted = len(j.fresh)
	return nil
}

// apply puts a durable batch where questions find it. The ledger's mutex is held.
func (l *Ledger) apply(j *job, place wal.Place, head int64) {
	c := l.clusters[j.batch.Cluster]
	off := place.Off + head
	lf := leaf{cluster: c.name, origin: j.batch.Origin, received: j.received}
	var scratch []byte
	for k, i := range j.fresh {
		e, p := &j.batch.Events[i], &j.events[i]
		lf.note, lf.dialect, lf.marks, lf.length, lf.sum = p.note, e.Dialect, p.marks, uint64(len(e.Bytes)), p.sum
		var hash [32]byte
		hash, scratch = lf.hash(scratch)
		c.grow(hash)
		if c.hot.n == 0 {
			c.since = time.Now()
		}
		ev := *e
		ev.Note = p.note
		c.hot.add(&ev, arrival{position: c.tree.size - 1, origin: j.batch.Origin, received: j.received, marks: p.marks, leaf: hash, file: place.File, off: off})
		c.last = max(c.last, e.View.Time)
		off += int64(len(j.frame.events[k].bytes))
	}
	c.sighted(j.batch.Origin, j.frame.again)
	c.head = c.tree.clone()
	c.arrived = max(c.arrived, j.received)
	l.stats.add(&j.receipt, j.bytes)
}

// grow adds a leaf to the tree.
func (c *cluster) grow(h [32]byte) {
	c.tree.add(h, func(w tlog.Hash) { c.whole = append(c.whole, w) })
}
