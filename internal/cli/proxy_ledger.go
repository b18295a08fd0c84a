package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
	"annals.dev/internal/source"
	"annals.dev/sink"
)

// A ledger that is busy takes more within a moment; one whose disk is full does not.
const (
	busyFor   = 5 * time.Second
	busyEvery = 50 * time.Millisecond
)

// ledgerSink puts captured events into a ledger. Send returns when they are durable.
type ledgerSink struct {
	to              source.Appender
	cluster, origin string

	mu     sync.RWMutex // held for reading by Send
	closed bool
}

func (s *ledgerSink) String() string { return "ledger" }

// Close waits for what is under way. The ledger belongs to whoever opened it.
func (s *ledgerSink) Close(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

func (s *ledgerSink) Send(ctx context.Context, events ...[]byte) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return sink.ErrClosed
	}
	text := bytes.Join(events, []byte("\n"))
	list := format.NewListReader(bytes.NewReader(text), int64(len(text)))
	kept := 0
	for {
		read, err := list.Next(0)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = s.append(ctx, ledger.Batch{Cluster: s.cluster, Origin: s.origin, Events: read})
		}
		if err != nil {
			return &sink.PartialError{Lost: len(events) - kept, Err: fmt.Errorf("ledger: %w", err)}
		}
		kept += len(read)
	}
}

func (s *ledgerSink) append(ctx context.Context, b ledger.Batch) error {
	for begun := time.Now(); ; {
		_, err := s.to.Append(ctx, b)
		if !errors.Is(err, ledger.ErrBusy) || time.Since(begun) > busyFor {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(busyEvery):
		}
	}
}
