// Package sinktest is what every sink.Sink must do, as a test. Start with Run.
package sinktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"annals.dev/sink"
)

// Memory is a sink.Sink that keeps what it is given: the innermost one of a test. Its zero value is ready.
type Memory struct {
	// Fail is asked before the events are kept, and its error returned instead. Optional; it may block, or panic.
	Fail func(ctx context.Context, events [][]byte) error
	Name string // "memory", if empty

	mu      sync.Mutex
	batches [][][]byte
	closed  bool
}

func (m *Memory) Send(ctx context.Context, events ...[]byte) error {
	if m.Fail != nil {
		if err := m.Fail(ctx, events); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return sink.ErrClosed
	}
	var kept [][]byte
	for _, e := range events {
		kept = append(kept, bytes.Clone(e))
	}
	m.batches = append(m.batches, kept)
	return nil
}

func (m *Memory) Close(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return sink.ErrClosed
	}
	m.closed = true
	return nil
}

func (m *Memory) String() string {
	if m.Name == "" {
		return "memory"
	}
	return m.Name
}

// Batches are the Sends so far.
func (m *Memory) Batches() [][][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.batches)
}

// Events are all events so far, in order.
func (m *Memory) Events() (all [][]byte) {
	for _, b := range m.Batches() {
		all = append(all, b...)
	}
	return all
}

// Closed says whether Close was called.
func (m *Memory) Closed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.closed
}

// Subject is a sink to be tested.
type Subject struct {
	Sink sink.Sink
	// Events is what arrived at the far end, in order. It is called after Close.
	Events func() [][]byte
	// String is the name that the sink must have.
	String string
}

// Event is an event with a number: about size bytes, as audit.Event.AppendJSON would write it.
func Event(n, size int) []byte {
	e := fmt.Appendf(nil, `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"%08d-0000-4000-8000-000000000000",`+
		`"stage":"ResponseComplete","requestURI":"/api/v1/namespaces/default/pods","verb":"list","user":{"username":"jane"},`+
		`"requestReceivedTimestamp":"2026-11-21T00:16:30.152000Z","stageTimestamp":"2026-11-21T00:16:30.153000Z"`, n)
	if more := size - len(e) - len(`,"userAgent":""}`); more > 0 {
		e = fmt.Appendf(e, `,"userAgent":"%s"`, bytes.Repeat([]byte("u"), more))
	}
	return append(e, '}')
}

// Run tests sinks that lose nothing of a few hundred events; start makes a new one, whose far end is empty.
func Run(t *testing.T, start func(t *testing.T) Subject) {
	ctx := context.Background()
	shut := func(t *testing.T, s sink.Sink) {
		t.Helper()
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	t.Run("nothing", func(t *testing.T) {
		s := start(t)
		if err := s.Sink.Send(ctx); err != nil {
			t.Errorf("no events: %v", err)
		}
		shut(t, s.Sink)
		if got := s.Events(); len(got) != 0 {
			t.Errorf("no events were sent, and %q arrived", got)
		}
		if got := s.Sink.String(); got != s.String {
			t.Errorf("its name is %q, want %q", got, s.String)
		}
	})
	t.Run("order, and bytes that are the caller's again", func(t *testing.T) {
		s := start(t)
		var want [][]byte
		var mine [][]byte
		for i := 0; len(want) < 300; i++ {
			mine = mine[:0]
			for range 1 + i%7 {
				e := Event(len(want), 300+i)
				want, mine = append(want, bytes.Clone(e)), append(mine, e)
			}
			before := slices.Clone(mine)
			if err := s.Sink.Send(ctx, mine...); err != nil {
				t.Fatal(err)
			}
			for j, e := range mine {
				if &e[0] != &before[j][0] || !bytes.Equal(e, want[len(want)-len(mine)+j]) {
					t.Fatal("Send has changed the caller's events")
				}
				copy(e, bytes.Repeat([]byte("X"), len(e)))
				mine[j] = nil
			}
		}
		shut(t, s.Sink)
		compare(t, s.Events(), want)
	})
	t.Run("many at once", func(t *testing.T) {
		s := start(t)
		const senders, each = 8, 40
		var wg sync.WaitGroup
		for sender := range senders {
			wg.Go(func() {
				for i := range each {
					if err := s.Sink.Send(ctx, Event(sender*each+i, 400)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		shut(t, s.Sink)
		got := s.Events()
		seen := map[string]bool{}
		last := [senders]int{}
		for _, e := range got {
			n := 0
			if _, err := fmt.Sscanf(string(e[bytes.Index(e, []byte(`auditID":"`))+10:]), "%08d-", &n); err != nil || n/each >= senders {
				t.Fatalf("%.200q arrived", e)
			}
			if n%each < last[n/each] {
				t.Fatalf("event %d of a sender arrived after event %d", n%each, last[n/each])
			}
			last[n/each] = n % each
			seen[string(e)] = true
		}
		if len(got) != senders*each || len(seen) != senders*each {
			t.Errorf("%d events arrived, %d different ones, of %d", len(got), len(seen), senders*each)
		}
	})
	t.Run("after close", func(t *testing.T) {
		s := start(t)
		shut(t, s.Sink)
		if err := s.Sink.Close(ctx); !errors.Is(err, sink.ErrClosed) {
			t.Errorf("a second Close: %v", err)
		}
	})
	t.Run("sent after close", func(t *testing.T) {
		s := start(t)
		shut(t, s.Sink)
		// A mode that ignores errors ignores this one, too; a panic or an arrival would be wrong.
		if err := s.Sink.Send(ctx, Event(1, 0)); err != nil && !errors.Is(err, sink.ErrClosed) {
			t.Errorf("Send after Close: %v", err)
		}
		if got := s.Events(); len(got) != 0 {
			t.Errorf("%q arrived after Close", got)
		}
	})
	t.Run("closed in the middle", func(t *testing.T) {
		s := start(t)
		var wg sync.WaitGroup
		first := make(chan struct{})
		var mu sync.Mutex
		taken := map[string]bool{}
		for sender := range 4 {
			wg.Go(func() {
				for i := range 100 {
					e := Event(sender*100+i, 0)
					err := s.Sink.Send(ctx, e)
					if err == nil {
						mu.Lock()
						taken[string(e)] = true
						mu.Unlock()
					} else if !errors.Is(err, sink.ErrClosed) {
						t.Error(err)
					}
					if sender == 0 && i == 20 {
						close(first)
					}
				}
			})
		}
		<-first
		shut(t, s.Sink)
		wg.Wait()
		for _, e := range s.Events() {
			delete(taken, string(e))
		}
		if name := s.Sink.String(); len(taken) > 0 && !bytes.Contains([]byte(name), []byte("ignoreErrors")) {
			t.Errorf("%d events that Send took did not arrive", len(taken))
		}
	})
}

func compare(t *testing.T, got, want [][]byte) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if !bytes.Equal(got[i], want[i]) {
			t.Fatalf("event %d arrived as %.300q, want %.300q", i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d events arrived, want %d", len(got), len(want))
	}
}
