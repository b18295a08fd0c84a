package spool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"annals.dev/internal/disk"
	"annals.dev/internal/disk/sim"
	"annals.dev/sink"
	"annals.dev/sink/sinktest"
)

func TestRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		poison := map[int][]byte{3: sinktest.Event(3, 0), 11: []byte("garbage \xff\n"), 12: []byte(`{"pretty":` + "\n1}")}
		m := &sinktest.Memory{}
		calls := 0
		m.Fail = func(_ context.Context, batch [][]byte) error {
			calls++
			for i, e := range batch {
				for _, p := range poison {
					if bytes.Equal(e, p) {
						return fmt.Errorf("webhook: %w", &sink.RefusedError{Reason: fmt.Sprintf("400: item %d", i)})
					}
				}
			}
			return nil
		}
		d := sim.New(1)
		s := start(t, d, Config{MaxBatchSize: 64}, m)
		var all, want [][]byte
		for i := range 64 {
			if p, ok := poison[i]; ok {
				all = append(all, p)
			} else {
				all = append(all, sinktest.Event(i, 0))
				want = append(want, sinktest.Event(i, 0))
			}
		}
		must(t, s.Send(ctx, all...))
		must(t, s.Close(ctx))
		if got := m.Events(); !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("%d events arrived, want %d in order", len(got), len(want))
		}
		if calls > 40 {
			t.Errorf("%d calls to find three of 64", calls)
		}
		aside := readRefused(t, d)
		if len(aside) != 3 || !bytes.Equal(aside[0], poison[3]) || !bytes.Equal(aside[1], poison[11]) || !bytes.Equal(aside[2], poison[12]) {
			t.Errorf("put aside: %q", aside)
		}
		b, err := disk.ReadFile(d, refusedFile)
		must(t, err)
		if !strings.HasPrefix(string(b), `{"time":"`) || !strings.Contains(string(b), `"sink":"memory","reason":"400: item 0","event":{"kind":"Event"`) {
			t.Errorf("%s", b)
		}
	})
}

// readRefused is the events put aside. A line that a power cut left half written is passed over.
func readRefused(t testing.TB, d disk.FS) (all [][]byte) {
	t.Helper()
	b, err := disk.ReadFile(d, refusedFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	must(t, err)
	for line := range bytes.Lines(b) {
		var l struct {
			Event  json.RawMessage
			Base64 []byte
		}
		if json.Unmarshal(line, &l) != nil {
			continue
		}
		if l.Event == nil {
			l.Event = l.Base64
		}
		all = append(all, l.Event)
	}
	return all
}

// Where nothing may be dropped, nothing is: a full file of refused events holds up delivery until it is moved away.
func TestRefusedWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := sim.New(1)
		refuse := func(context.Context, [][]byte) error { return &sink.RefusedError{Reason: "400"} }
		s := start(t, d, Config{MaxBytes: 6 << 10, WhenFull: Refuse}, &sinktest.Memory{Fail: refuse})
		var taken, aside [][]byte
		for i := range 60 {
			if s.Send(ctx, events(i, 1)...) == nil {
				taken = append(taken, sinktest.Event(i, 0))
			}
			synctest.Wait()
		}
		if len(taken) == 60 {
			t.Error("it was never full")
		}
		for range 20 {
			aside = append(aside, readRefused(t, d)...)
			if err := d.Remove(refusedFile); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Minute)
		}
		if !slices.EqualFunc(taken, aside, bytes.Equal) {
			t.Errorf("%d events were taken, %d put aside", len(taken), len(aside))
		}
		must(t, s.Close(ctx))
	})
}

// The file of refused events is bounded, and a half line in it is ended.
func TestRefusedIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := sim.New(1)
		f, err := d.Create(refusedFile)
		must(t, err)
		_, err = f.WriteAt([]byte(`{"time":"20`), 0)
		must(t, err)
		metrics := sink.NewMetrics()
		refuse := func(context.Context, [][]byte) error { return &sink.RefusedError{Reason: "400"} }
		s := start(t, d, Config{MaxBytes: 6 << 10, WhenFull: Drop, Metrics: metrics}, &sinktest.Memory{Fail: refuse})
		for i := range 30 {
			must(t, s.Send(ctx, events(i, 1)...))
		}
		must(t, s.Close(ctx))
		b, err := disk.ReadFile(d, refusedFile)
		must(t, err)
		if got := readRefused(t, d); len(b) > 6<<10 || len(got) < 5 || len(got) > 20 || !bytes.HasPrefix(b, []byte("{\"time\":\"20\n{")) {
			t.Errorf("%d events in %d bytes: %.200q", len(got), len(b), b)
		}
	})
}
