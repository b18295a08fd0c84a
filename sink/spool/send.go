package spool

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"annals.dev/internal/disk"
	"annals.dev/internal/wal"
	"annals.dev/sink"
)

// commitBytes is about how much goes into one fsync: what is encoded for it lies in memory a second time.
const commitBytes = 8 << 20

// fullRetry is how often a full disk is tried again. Nobody tells when others make room on it.
const fullRetry = time.Second

const (
	// headerSize is what begins a file of the log. Two of them are kept free: writing may begin a file, and making room, too.
	headerSize = 44
	// headerRoom is what an empty log takes, and more.
	headerRoom = 1 << 10
)

// request is one Send that waits. The commit goroutine answers once.
type request struct {
	events [][]byte
	size   int64 // in the log
	gone   bool  // with mu: Send's context has ended, and it waits only because its events are being written
	answer chan error
}

// Send returns when the events are fsynced. Those of concurrent calls share an fsync. Events that are too much for the spool
// together go through it in parts; if a later one fails, the error is a sink.PartialError.
func (s *Spool) Send(ctx context.Context, events ...[]byte) error {
	for left := events; len(left) > 0; {
		n, size := s.part(left)
		if err := s.send(ctx, left[:n], size); err != nil {
			if len(left) < len(events) {
				err = &sink.PartialError{Lost: len(left), Err: err}
			}
			return err
		}
		left = left[n:]
	}
	return nil
}

// most is what an empty spool takes at once, in its log: one event too.
func (s *Spool) most() int64 { return min(s.cfg.MaxBytes-headerRoom, wal.MaxPayload) }

// part is how many of the events go in together, and their size in the log. One that is too large is by itself.
func (s *Spool) part(events [][]byte) (n int, size int64) {
	for _, e := range events {
		own := frameSize + int64(len(e))
		if n > 0 && size+own > s.most() {
			break
		}
		n, size = n+1, size+own
	}
	return n, size
}

func (s *Spool) send(ctx context.Context, events [][]byte, size int64) error {
	if size > s.most() {
		return s.lost(1, sink.CauseTooLarge, fmt.Errorf("%w: an event takes %d bytes, where it holds %d: raise its limit", ErrFull, size, s.most()))
	}
	r := &request{events: events, size: size, answer: make(chan error, 1)}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return sink.ErrClosed
	}
	s.pending = append(s.pending, r)
	s.mu.Unlock()
	wake(s.asked)
	var err error
	select {
	case err = <-r.answer:
	case <-ctx.Done():
		if s.withdraw(r) {
			return ctx.Err()
		}
		if err = <-r.answer; errors.Is(err, ErrFull) && s.cfg.WhenFull == Block {
			return ctx.Err()
		}
	}
	if errors.Is(err, ErrFull) {
		return s.lost(len(events), sink.CauseFull, err)
	}
	return err
}

// lost is the answer to events that there is no room for.
func (s *Spool) lost(n int, cause string, err error) error {
	if s.cfg.WhenFull != Drop {
		return err
	}
	s.report.Lost(cause, n, err)
	return nil
}

// withdraw takes a request back, unless its events are being written.
func (s *Spool) withdraw(r *request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, other := range s.pending {
		if other == r {
			s.pending = append(s.pending[:i:i], s.pending[i+1:]...)
			return true
		}
	}
	r.gone = true // being written, or answered
	return false
}

// commit writes what the requests bring, until Close.
func (s *Spool) commit() {
	for {
		wait := s.commitSome()
		if wait == nil {
			continue
		}
		select {
		case <-s.asked:
		case <-s.freed:
		case <-wait:
		case <-s.closing:
			for s.commitSome() == nil {
			}
			s.reject()
			close(s.committed)
			return
		}
	}
}

// reject answers who came before Close and waits for room.
func (s *Spool) reject() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.pending {
		r.answer <- sink.ErrClosed
	}
	s.pending = nil
}

// commitSome writes one group, and returns nil if there may be more. Otherwise it returns what to wait for, besides a request and
// room.
func (s *Spool) commitSome() (wait <-chan time.Time) {
	group, full := s.take()
	if len(group) == 0 && full == nil {
		return make(chan time.Time)
	}
	if full == nil {
		err := s.write(group)
		if err == nil || !disk.IsFull(err) {
			for _, r := range group {
				r.answer <- err
			}
			return nil
		}
		full = fmt.Errorf("%w: %w", ErrFull, err)
		s.report.Problem("disk full", err)
		s.putBack(group, full)
	}
	wake(s.stored) // delivering makes room
	if s.cfg.WhenFull == Block {
		return time.After(fullRetry)
	}
	s.mu.Lock()
	denied := s.pending
	s.pending = nil
	s.mu.Unlock()
	for _, r := range denied {
		r.answer <- full
	}
	return nil
}

// take takes the requests that share the next fsync; if the first has no room, it says so.
func (s *Spool) take() (group []*request, full error) {
	used := int64(2 * headerSize)
	for _, f := range s.log.Files() {
		used += f.Size
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	size := int64(0)
	for _, r := range s.pending {
		if used+size+r.size > s.cfg.MaxBytes || size+r.size > commitBytes && len(group) > 0 {
			break
		}
		group = append(group, r)
		size += r.size
	}
	if s.tight = len(group) == 0 && len(s.pending) > 0; s.tight {
		return nil, fmt.Errorf("%w: %d of %d bytes are used: the receiver is down or too slow", ErrFull, used, s.cfg.MaxBytes)
	}
	s.pending = append([]*request(nil), s.pending[len(group):]...)
	return group, nil
}

// putBack has a group wait on, but for those who would not.
func (s *Spool) putBack(group []*request, full error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var stay []*request
	for _, r := range group {
		if r.gone {
			r.answer <- full
		} else {
			stay = append(stay, r)
		}
	}
	s.pending = append(stay, s.pending...)
	s.tight = true
}

// write appends a group's events and makes them durable.
func (s *Spool) write(group []*request) error {
	files := s.log.Files()
	if len(files) > 0 && files[len(files)-1].Size >= s.fileSize() {
		if err := s.log.Rotate(); err != nil {
			return err
		}
	}
	now := time.Now()
	stamp := binary.LittleEndian.AppendUint64(nil, uint64(now.UnixMicro()))
	var payloads [][][]byte
	bytes := int64(0)
	for _, r := range group {
		for _, e := range r.events {
			payloads = append(payloads, [][]byte{stamp, e})
			bytes += int64(len(e))
		}
	}
	if _, err := s.log.Append(payloads...); err != nil {
		return fmt.Errorf("write to the spool: %w", err)
	}
	s.mu.Lock()
	if s.next == s.done+1 {
		s.oldest = now
	}
	s.next += uint64(len(payloads))
	s.bytes += bytes
	s.mu.Unlock()
	wake(s.stored)
	return nil
}

// fileSize is when a new file of the log is begun: room comes back a file at a time.
func (s *Spool) fileSize() int64 { return min(max(s.cfg.MaxBytes/16, 4<<10), 64<<20) }
