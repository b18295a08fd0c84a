package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// zstdRounds is how often zstd runs before the server does its work, and as often again after it.
const zstdRounds = 5

// taken is what it took a server to take events in.
type taken struct {
	delivered
	sizes
	cpu     cpu
	receive time.Duration // until the last event was acknowledged
	settle  time.Duration // until all was sealed and merged
	peak    int64         // memory
}

// take has a new server take a log in, and leaves the ledger behind.
func (c *config) take(ctx context.Context, name, profile string, log io.Reader) (t taken, err error) {
	s, err := c.start(ctx, name, profile)
	if err != nil {
		return t, err
	}
	t, err = s.take(ctx, log)
	if serr := s.stop(); err == nil {
		err = serr
	}
	if err != nil {
		return t, err
	}
	t.sizes, err = sizesOf(s.data)
	return t, err
}

func (s *annals) take(ctx context.Context, log io.Reader) (t taken, err error) {
	before, err := cpuOf(s.cmd.Process.Pid)
	if err != nil {
		return t, err
	}
	begun := time.Now()
	if t.delivered, err = s.deliver(ctx, log); err != nil {
		return t, err
	}
	t.receive = time.Since(begun)
	say("delivered %d events in %.1f s; waiting until they are sealed and merged", t.Lines, t.receive.Seconds())
	if err := s.settle(ctx); err != nil {
		return t, err
	}
	t.settle = time.Since(begun)
	if t.cpu, err = cpuOf(s.cmd.Process.Pid); err != nil {
		return t, err
	}
	t.cpu.user -= before.user
	t.cpu.system -= before.system
	t.peak, err = memoryOf(s.cmd.Process.Pid, "VmHWM")
	return t, err
}

// ingest measures what it takes to take the corpus in, and to keep it.
func (c *config) ingest(ctx context.Context, table *table) error {
	path := filepath.Join(c.dir, "C.log")
	if _, err := c.unpackTo(path, corpusFiles...); err != nil {
		return err
	}
	defer os.Remove(path)
	var fast, alone []time.Duration
	run := func(times *[]time.Duration) error {
		user, _, err := zstd(ctx, 1, path)
		*times = append(*times, user)
		return err
	}
	yardstick := func() error {
		for range zstdRounds {
			if err := run(&fast); err != nil {
				return err
			}
			if err := onOneProcessor(func() error { return run(&alone) }); err != nil {
				return err
			}
		}
		return nil
	}
	say("ingest: zstd")
	if err := yardstick(); err != nil {
		return err
	}
	log, err := os.Open(path)
	if err != nil {
		return err
	}
	defer log.Close()
	say("ingest: annals")
	t, err := c.take(ctx, "C", c.profile, log)
	if err != nil {
		return err
	}
	if err := yardstick(); err != nil {
		return err
	}
	_, packed, err := zstd(ctx, 3, path)
	if err != nil {
		return err
	}
	unit := median(fast)
	n := float64(t.Accepted)
	table.section(fmt.Sprintf("C: %d events, %.0f MB, by webhook in lists of %d, %d under way, %d segments", t.Accepted, float64(t.Bytes)/1e6, batchEvents, inFlight, t.segmentFiles))
	table.row("user time of zstd -1 -T1; kept to one processor", spread(fast)+"; "+spread(alone), "")
	table.row("CPU of the server until sealed and merged", fmt.Sprintf("%.2f s (user %.2f, system %.2f)", t.cpu.total().Seconds(), t.cpu.user.Seconds(), t.cpu.system.Seconds()), "")
	table.must("× zstd -1", float64(t.cpu.total())/float64(unit), "%.1f", 6, "≤ 6, mark 4")
	table.row("× zstd -1, kept to one processor", fmt.Sprintf("%.1f", float64(t.cpu.total())/float64(median(alone))), "")
	table.row("until acknowledged", fmt.Sprintf("%.1f s, %.0f events/s", t.receive.Seconds(), n/t.receive.Seconds()), "")
	table.row("until sealed and merged", fmt.Sprintf("%.1f s; the last are sealed when the oldest is a minute old", t.settle.Seconds()), "")
	table.must("VmHWM of the server, MiB", float64(t.peak)/(1<<20), "%.0f", 1024, "< 1024")
	perEvent := float64(packed) / n
	table.row("zstd -3", fmt.Sprintf("%.1f bytes an event", perEvent), "")
	table.row("segments; log; everything", fmt.Sprintf("%.1f; %.2f; %.1f bytes an event", float64(t.segments)/n, float64(t.log)/n, float64(t.whole)/n), "")
	table.must("× zstd -3, everything", float64(t.whole)/float64(packed), "%.2f", 0.6, "≤ 0.6, mark 0.45")
	return nil
}

func spread(of []time.Duration) string {
	return fmt.Sprintf("%.2f s (%.2f to %.2f)", median(of).Seconds(), slices.Min(of).Seconds(), slices.Max(of).Seconds())
}
