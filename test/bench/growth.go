package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"annals.dev/test/bench/repeat"
)

// A ledger of R holds copies of the first recorded log, a gigabyte of them, one every ten minutes.
const (
	largeBytes = 1_000_000_000
	copyStep   = 10 * time.Minute
)

// questions measures how long answers take, and what becomes of that in a larger ledger.
func (c *config) questions(ctx context.Context, t *table) error {
	var text bytes.Buffer
	if err := c.unpack(&text, corpusFiles[0]); err != nil {
		return err
	}
	source, err := repeat.New(withSessions(text.Bytes()))
	if err != nil {
		return err
	}
	copies := (largeBytes + source.Size() - 1) / source.Size()
	r, err := c.takeCopies(ctx, "R", source, copies)
	if err != nil {
		return fmt.Errorf("R: %w", err)
	}
	if slices.Contains(c.only, "search") {
		if err := c.search(ctx, t, r, copies); err != nil {
			return fmt.Errorf("search: %w", err)
		}
	}
	if slices.Contains(c.only, "growth") {
		if err := c.growth(ctx, t, source, r, copies); err != nil {
			return fmt.Errorf("growth: %w", err)
		}
	}
	return nil
}

// withSessions makes of reads of logs exec sessions, and of refusals failed logins: the recorded log has neither, and a question
// for what is nowhere measures little.
func withSessions(text []byte) []byte {
	text = bytes.ReplaceAll(text, []byte(`"apiVersion":"v1","subresource":"log"}`), []byte(`"apiVersion":"v1","subresource":"exec"}`))
	return bytes.ReplaceAll(text, []byte(`"code":403}`), []byte(`"code":401}`))
}

// takeCopies has a server take copies of a source in.
func (c *config) takeCopies(ctx context.Context, name string, source *repeat.Source, copies int) (taken, error) {
	say("%s: %d copies, %.1f GB", name, copies, float64(copies)*float64(source.Size())/1e9)
	read, write := io.Pipe()
	go func() { write.CloseWithError(source.WriteTo(write, copies, copyStep)) }()
	defer read.Close()
	profile := ""
	if c.profile != "" {
		profile = c.profile + "." + name
	}
	return c.take(ctx, name, profile, read)
}

func (c *config) search(ctx context.Context, t *table, r taken, copies int) error {
	say("search")
	data := filepath.Join(c.dir, "R")
	all, err := c.askIn(ctx, data, "search")
	if err != nil {
		return err
	}
	t.section(fmt.Sprintf("R: %d events, %.2f GB, %d segments, warm, %d values each, median (slowest; CPU), ms", r.Accepted, float64(r.Bytes)/1e9, r.segmentFiles, rounds))
	for _, a := range all.Of {
		t.must(fmt.Sprintf("%s, %d rows", a.Name, a.Rows/rounds), ms(a.Median), "%.1f"+fmt.Sprintf(" (%.1f; %.1f)", ms(a.Max), ms(a.CPU)), 10, "< 10, VictoriaLogs "+others[a.Name])
	}
	words, err := c.askIn(ctx, data, "words")
	if err != nil {
		return err
	}
	for _, a := range words.Of {
		t.must(fmt.Sprintf("%s, %d searches, the slowest (`%s`)", a.Name, len(texts), a.Slowest), ms(a.Max), "%.1f"+fmt.Sprintf(" (median %.1f; CPU %.1f)", ms(a.Median), ms(a.CPU)), 100, "< 100")
	}
	return nil
}

func (c *config) growth(ctx context.Context, t *table, source *repeat.Source, r taken, copies int) error {
	big, err := c.takeCopies(ctx, "large", source, copies*c.large)
	if err != nil {
		return err
	}
	say("growth")
	small, err := c.askIn(ctx, filepath.Join(c.dir, "R"), "hour")
	if err != nil {
		return err
	}
	large, err := c.askIn(ctx, filepath.Join(c.dir, "large"), "hour")
	if err != nil {
		return err
	}
	t.section(fmt.Sprintf("%d × R: %d events, %.1f GB, %d segments, beside R; searches bounded to an hour: × R (median, R's; CPU, R's), ms", c.large, big.Accepted, float64(big.Bytes)/1e9, big.segmentFiles))
	for _, a := range small.Of {
		b := large.get(a.Name)
		if a.Rows != b.Rows {
			return fmt.Errorf("%s: the small ledger answers with %d rows, the large one with %d", a.Name, a.Rows, b.Rows)
		}
		ratio := float64(b.Median) / float64(a.Median)
		t.must(fmt.Sprintf("%s, %d rows", a.Name, a.Rows/rounds), ratio, "%.2f ×"+fmt.Sprintf(" (%.1f, %.1f; %.1f, %.1f)", ms(b.Median), ms(a.Median), ms(b.CPU), ms(a.CPU)), 1.5, "≤ 1.5 ×")
	}
	t.row("memory after these questions (VmRSS; VmHWM)", fmt.Sprintf("%s; %s MiB, was %s; %s", mib(large.RSS), mib(large.Peak), mib(small.RSS), mib(small.Peak)), "no more")
	t.row("VmHWM of the server that took it in", fmt.Sprintf("%s MiB, was %s", mib(big.peak), mib(r.peak)), "no more")
	t.row("CPU of the server, s per GB", fmt.Sprintf("%.1f, was %.1f", big.perGB(), r.perGB()), "")
	t.row("bytes an event, everything", fmt.Sprintf("%.1f, was %.1f", float64(big.whole)/float64(big.Accepted), float64(r.whole)/float64(r.Accepted)), "")
	return nil
}

func (t taken) perGB() float64   { return t.cpu.total().Seconds() / (float64(t.Bytes) / 1e9) }
func ms(d time.Duration) float64 { return d.Seconds() * 1e3 }
func mib(n int64) string         { return fmt.Sprintf("%.0f", float64(n)/(1<<20)) }
