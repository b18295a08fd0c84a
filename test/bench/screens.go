package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"

	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
	"annals.dev/test/bench/repeat"
)

// screens measures what a screen of the web UI asks for, on a gigabyte and on c.large of them: against the clock, and against the
// plainest statement that DuckDB could be given for the same over the same files, in the same process.
func (c *config) screens(ctx context.Context, t *table) error {
	for _, times := range c.sizes {
		if err := c.screensOf(ctx, t, corpusFiles[0], times); err != nil {
			return err
		}
	}
	return c.screensOf(ctx, t, corpusFiles[2], 1) // of metadata alone: three times as many events
}

func (c *config) screensOf(ctx context.Context, t *table, name string, times int) error {
	var text bytes.Buffer
	if err := c.unpack(&text, name); err != nil {
		return err
	}
	source, err := repeat.New(withSessions(text.Bytes()))
	if err != nil {
		return err
	}
	copies := (largeBytes + source.Size() - 1) / source.Size()
	data := filepath.Join(c.dir, fmt.Sprint("screens-", times, "-", name))
	say("%s: %d copies, %.1f GB", data, copies*times, float64(copies*times)*float64(source.Size())/1e9)
	events, err := fillLedger(ctx, data, source, copies*times)
	if err != nil {
		return err
	}
	say("asking")
	got, err := c.askIn(ctx, data, "screens")
	if err != nil {
		return err
	}
	t.section(fmt.Sprintf("screens, %d GB of %s: %d events, %d values each, median with a new value, and with one asked for before (slowest; CPU), ms", times, name, events, screenRounds))
	for _, a := range got.Of {
		t.row(fmt.Sprintf("%s, %d rows", a.Name, a.Rows/screenRounds), fmt.Sprintf("%.1f, %.1f (%.1f; %.1f)", ms(a.First), ms(a.Median), ms(a.Max), ms(a.CPU)), a.Must)
	}
	t.row("memory after these (VmRSS; VmHWM)", fmt.Sprintf("%s; %s MiB", mib(got.RSS), mib(got.Peak)), "")
	return nil
}

// fillLedger makes a ledger of copies of a source without a server.
func fillLedger(ctx context.Context, data string, source *repeat.Source, copies int) (events int, err error) {
	if _, err := ledger.Init(data, ""); err != nil {
		return 0, err
	}
	l, err := ledger.Open(data, ledger.Options{})
	if err != nil {
		return 0, err
	}
	defer l.Close()
	read, write := io.Pipe()
	go func() { write.CloseWithError(source.WriteTo(write, copies, copyStep)) }()
	defer read.Close()
	b := ledger.Batch{Cluster: cluster, Origin: "webhook/cp-1"}
	flush := func() error {
		if len(b.Events) == 0 {
			return nil
		}
		got, err := l.Append(ctx, b)
		events += got.Accepted
		b.Events = nil
		return err
	}
	in := bufio.NewScanner(read)
	in.Buffer(make([]byte, 1<<20), maxLine)
	for in.Scan() {
		e := format.Event{Bytes: bytes.Clone(in.Bytes())}
		if err := e.View.Parse(e.Bytes); err != nil {
			return events, err
		}
		if b.Events = append(b.Events, e); len(b.Events) == batchEvents {
			if err := flush(); err != nil {
				return events, err
			}
		}
	}
	if err := in.Err(); err != nil {
		return events, err
	}
	if err := flush(); err != nil {
		return events, err
	}
	return events, l.Seal(ctx)
}
