package spool

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"annals.dev/internal/wal"
	"annals.dev/sink"
)

// saveEvery is how long the position on disk may lag behind while events flow. What lies between is delivered again after a crash.
const saveEvery = time.Second

// deliver gives what is in the log to the sink within, until Close. It is the only goroutine that reads the log.
func (s *Spool) deliver() {
	d := delivery{Spool: s, reader: s.log.Reader(s.done + 1)}
	defer d.reader.Close()
	defer d.save()
	for {
		batch, err := d.read()
		switch {
		case len(batch) > 0:
			if !d.send(batch, d.cfg.MinBackoff) {
				return
			}
		case errors.Is(err, io.EOF):
			d.save()
			if d.trim() {
				continue // and the reader lets go of what was dropped
			}
			select {
			case <-s.stored:
			case <-s.committed:
				if d.empty() {
					return
				}
			}
		default:
			s.report.Problem("read", err)
			if !d.pause(s.cfg.MaxBackoff) {
				return
			}
		}
	}
}

// delivery is what the deliver goroutine alone has.
type delivery struct {
	*Spool
	reader *wal.Reader
	held   []byte // the frame that did not fit into the last batch; the reader's until it reads on
	saved  time.Time
}

// read gives the next events, bounded in number and bytes; or why there are none.
func (d *delivery) read() (batch [][]byte, err error) {
	var all []byte
	var ends []int
	for len(ends) < d.cfg.MaxBatchSize {
		payload := d.held
		if payload == nil {
			e, nerr := d.reader.Next()
			if nerr != nil {
				err = nerr // it comes again, if it is not passing
				break
			}
			payload = e.Payload
		}
		event := payload[stampSize:]
		if len(ends) > 0 && int64(len(all)+len(event)) > d.cfg.MaxBatchBytes {
			d.held = payload
			break
		}
		if len(ends) == 0 {
			d.mu.Lock()
			d.oldest = arrival(payload)
			d.mu.Unlock()
		}
		d.held = nil
		all = append(all, event...)
		ends = append(ends, len(all))
	}
	from := 0
	for _, to := range ends {
		batch = append(batch, all[from:to:to])
		from = to
	}
	return batch, err
}

// halveAfter is how many times a batch is tried as it is. The receiver may be down; or it may be that it cannot manage so much in
// time, and then never will.
const halveAfter = 3

// send delivers events until they are taken or put aside; false is the end. wait is the pause after the next failure.
func (d *delivery) send(events [][]byte, wait time.Duration) bool {
	half := len(events) / 2
	for tries := 1; ; tries++ {
		err := d.try(events)
		if err == nil {
			d.target.Metrics.Delivered(d.target.Plugin, len(events))
			d.ack(events)
			return true
		}
		if refused, ok := errors.AsType[*sink.RefusedError](err); ok {
			if half > 0 {
				return d.send(events[:half], d.cfg.MinBackoff) && d.send(events[half:], d.cfg.MinBackoff)
			}
			if err = d.putAside(events[0], refused.Reason); err == nil {
				d.ack(events)
				return true
			}
		}
		if d.ctx.Err() == nil {
			d.report.Problem("delivery", err)
		}
		if !d.pause(wait) {
			return false
		}
		wait = min(2*wait, d.cfg.MaxBackoff)
		if tries >= halveAfter && half > 0 {
			return d.send(events[:half], wait) && d.send(events[half:], d.cfg.MinBackoff)
		}
	}
}

// try is one Send to the sink within. One that panics is tried again as one that fails is: nothing says that it is the events.
func (d *delivery) try(events [][]byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if err := d.ctx.Err(); err != nil {
		return err
	}
	return d.within.Send(d.ctx, events...)
}

// pause waits, and a little longer by chance, so that many nodes do not come back at once; false if the spool closes.
func (d *delivery) pause(wait time.Duration) bool {
	timer := time.NewTimer(wait + rand.N(wait/5+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-d.closing:
		return false
	}
}

// ack says that events are done with.
func (d *delivery) ack(events [][]byte) {
	d.mu.Lock()
	d.done += uint64(len(events))
	for _, e := range events {
		d.bytes -= int64(len(e))
	}
	if d.done+1 == d.next {
		d.oldest = time.Time{}
	}
	d.mu.Unlock()
	if time.Since(d.saved) >= saveEvery {
		d.save()
	}
	d.trim()
}

func (d *delivery) empty() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done+1 == d.next
}

// save makes the position durable. If that fails, more is delivered twice after a crash, and nothing else.
func (d *delivery) save() {
	d.saved = time.Now()
	if d.position.done == d.done {
		return
	}
	next := position{log: d.position.log, done: d.done}
	if err := next.save(d.d); err != nil {
		d.report.Problem("position", err)
		return
	}
	d.position = next
}

// trim removes files of the log that are delivered; the last one only if somebody wants the room.
func (d *delivery) trim() (dropped bool) {
	d.mu.Lock()
	done, tight := d.done, d.tight
	d.mu.Unlock()
	files := d.log.Files()
	if len(files) == 0 {
		return false
	}
	last := files[len(files)-1]
	if tight && last.Frames > 0 && last.First+last.Frames-1 <= done {
		if err := d.log.Rotate(); err != nil { // on a full disk those before may go all the same, and then this one
			d.report.Problem("make room", err)
		}
		files = d.log.Files()
	}
	before := files[0].File
	for _, f := range files[:len(files)-1] {
		if f.First+f.Frames-1 > done {
			break
		}
		before = f.File + 1
	}
	if before == files[0].File {
		return false
	}
	if err := d.log.Drop(before); err != nil {
		d.report.Problem("make room", err)
		return false
	}
	wake(d.freed)
	return true
}
