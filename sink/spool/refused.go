package spool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"annals.dev/audit"
	"annals.dev/internal/disk"
	"annals.dev/sink"
)

// refusedFile has the events that the receiver refused for good, a JSON object a line: time, sink, reason, and either event, whose
// value is the event's bytes as they are, or base64, for bytes that are not a JSON object in one line. As large as the log may
// be, it may be too; after that delivery waits until it is moved away, or, where the spool may drop, such events are only counted.
const refusedFile = "refused.jsonl"

func (d *delivery) putAside(event []byte, reason string) error {
	kept, err := d.appendRefused(event, reason)
	switch {
	case err != nil:
		return fmt.Errorf("put a refused event aside in %s: %w", refusedFile, err)
	case kept:
		d.target.Lost(sink.CauseRefused, 1, fmt.Errorf("put aside in %s: %s", refusedFile, reason))
	default:
		full := fmt.Errorf("%s has reached %d bytes: move it away; the event was refused: %s", refusedFile, d.cfg.MaxBytes, reason)
		if d.cfg.WhenFull != Drop {
			return full
		}
		d.report.Lost(sink.CauseFull, 1, full)
	}
	return nil
}

func (d *delivery) appendRefused(event []byte, reason string) (kept bool, err error) {
	f, err := d.d.OpenRW(refusedFile)
	if errors.Is(err, fs.ErrNotExist) {
		if f, err = d.d.Create(refusedFile); err == nil {
			err = d.d.SyncDir(".")
		}
	}
	if err != nil {
		return false, err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	size, err := f.Size()
	if err != nil {
		return false, err
	}
	line, err := d.refusedLine(f, size, event, reason)
	if err != nil || size > 0 && size+int64(len(line)) > d.cfg.MaxBytes { // one always fits, or it would wait for ever
		return false, err
	}
	if _, err = f.WriteAt(line, size); err == nil {
		err = f.Sync()
	}
	if err != nil {
		return false, errors.Join(err, f.Truncate(size))
	}
	return true, nil
}

// refusedLine begins with a newline if the line before has none: a power cut left it half written.
func (d *delivery) refusedLine(f disk.File, size int64, event []byte, reason string) (line []byte, err error) {
	if size > 0 {
		var end [1]byte
		if _, err := f.ReadAt(end[:], size-1); err != nil {
			return nil, err
		}
		if end[0] != '\n' {
			line = append(line, '\n')
		}
	}
	head := struct {
		Time   time.Time `json:"time"`
		Sink   string    `json:"sink"`
		Reason string    `json:"reason"`
		Base64 []byte    `json:"base64,omitempty"`
	}{time.Now().UTC(), d.target.Plugin, reason, nil}
	var v audit.View
	whole := v.Parse(event) == nil && !bytes.ContainsAny(event, "\r\n")
	if !whole {
		head.Base64 = event
	}
	text, err := json.Marshal(head)
	if err != nil {
		return nil, err
	}
	line = append(line, text...)
	if whole {
		line = append(append(append(line[:len(line)-1], `,"event":`...), event...), '}')
	}
	return append(line, '\n'), nil
}
