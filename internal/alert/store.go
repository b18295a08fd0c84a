package alert

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"annals.dev/internal/disk"
	"annals.dev/internal/wal"
)

const (
	queueDir    = "queue"
	silenceFile = "silences.json"
)

// store keeps the state: each change is a frame of a log, durable before it counts. One goroutine uses it at a time.
type store struct {
	log   *wal.Log
	state *state
	size  int64 // of the frames since the state was last written whole
	whole int64 // and of that
	least int64 // that is worth writing it whole again

	opened wal.Report
}

// openStore reads the state. fresh says that there is none: nothing was written yet.
func openStore(d disk.FS, least int64) (s *store, fresh bool, err error) {
	if err := d.MkdirAll("."); err != nil {
		return nil, false, err
	}
	s = &store{state: newState(), least: least}
	fresh = true
	replay := func(e wal.Entry) error {
		var c change
		if err := json.Unmarshal(e.Payload, &c); err != nil {
			return fmt.Errorf("frame %d: %w", e.Seq, err)
		}
		if c.Whole != nil {
			fresh, s.whole, s.size = false, int64(len(e.Payload)), 0
		} else {
			s.size += int64(len(e.Payload))
		}
		s.state.apply(&c)
		return nil
	}
	s.log, s.opened, err = wal.Open(d, queueDir, replay)
	if errors.Is(err, fs.ErrNotExist) {
		if err = wal.Create(d, queueDir); err == nil {
			s.log, s.opened, err = wal.Open(d, queueDir, replay)
		}
	}
	if err != nil {
		return nil, false, fmt.Errorf("what is not delivered yet cannot be read (findings stay in the ledger; without the directory %s delivery begins with what is found from now on): %w", queueDir, err)
	}
	return s, fresh, nil
}

// commit makes a change durable and then true.
func (s *store) commit(c *change) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if _, err := s.log.Append([][]byte{text}); err != nil {
		return err
	}
	s.state.apply(c)
	if c.Whole != nil {
		s.whole, s.size = int64(len(text)), 0
		return nil
	}
	if s.size += int64(len(text)); s.size > max(s.least, 2*s.whole) {
		return s.compact()
	}
	return nil
}

// compact writes the state whole into a new file, and drops those before it.
func (s *store) compact() error {
	if err := s.log.Rotate(); err != nil {
		return unlessFull(err)
	}
	text, err := json.Marshal(&change{Whole: s.state})
	if err != nil {
		return err
	}
	places, err := s.log.Append([][]byte{text})
	if err != nil {
		return unlessFull(err)
	}
	s.whole, s.size = int64(len(text)), 0
	return unlessFull(s.log.Drop(places[0].File))
}

// unlessFull lets a full disk pass where what failed can wait.
func unlessFull(err error) error {
	if canWait(err) {
		return nil
	}
	return err
}

// canWait says that it may be tried again when there is room. A log that has failed takes nothing more, whatever the reason was.
func canWait(err error) bool { return disk.IsFull(err) && !errors.Is(err, wal.ErrFailed) }
