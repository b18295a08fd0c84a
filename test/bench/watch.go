package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"annals.dev/internal/server"
)

// watchRounds is how often both servers take the log in.
const watchRounds = 3

// watching measures what it costs a server to look at the events that it takes in, with our rules: two servers take the same log
// in side by side, so that what else the machine does hits both alike, and one of them watches for nothing. Then that one's
// ledger is a backlog for a server that watches.
func (c *config) watching(ctx context.Context, t *table) error {
	path := filepath.Join(c.dir, "W.log")
	if _, err := c.unpackTo(path, "normal-metadata.log.gz"); err != nil {
		return err
	}
	defer os.Remove(path)
	var with, without, ratios []float64
	var took, caughtUp time.Duration
	var events int
	for round := range watchRounds {
		var seeing, blind taken
		backlog, err := c.create(ctx, fmt.Sprintf("blind-%d", round))
		if err != nil {
			return err
		}
		g, gctx := errgroup.WithContext(ctx)
		g.Go(func() (err error) {
			s, err := c.create(gctx, fmt.Sprintf("seeing-%d", round))
			if err == nil {
				seeing, err = c.takeBy(gctx, s, c.profile, path)
			}
			return err
		})
		g.Go(func() (err error) {
			blind, err = c.takeBy(gctx, backlog, "", path, "blind")
			return err
		})
		if err := g.Wait(); err != nil {
			return err
		}
		events = seeing.Accepted
		a, b := seeing.cpu.total().Seconds(), blind.cpu.total().Seconds()
		say("with rules %.2f s, without %.2f s", a, b)
		with, without, ratios = append(with, a), append(without, b), append(ratios, a/b)
		if round == 0 {
			say("rules over the backlog")
			if took, caughtUp, err = c.catchUp(ctx, backlog); err != nil {
				return err
			}
		}
	}
	t.section(fmt.Sprintf("Watching while normal-metadata.log.gz comes in: %d events by webhook, CPU of the server until all is looked at, sealed and merged", events))
	t.row("with our rules; without", fmt.Sprintf("%.2f s; %.2f s (medians of %d, side by side)", median(with), median(without), watchRounds), "")
	t.must("× without", median(ratios), "%.2f", 1.3, "≤ 1.3")
	t.row("a backlog is looked at", fmt.Sprintf("%.0f events per second of CPU, the server's start included; %.1f s", float64(events)/took.Seconds(), caughtUp.Seconds()), "")
	return nil
}

// takeBy has this program serve a ledger and take a log in.
func (c *config) takeBy(ctx context.Context, s *annals, profile, path string, more ...string) (t taken, err error) {
	args, err := s.own(profile, more...)
	if err != nil {
		return t, err
	}
	log, err := os.Open(path)
	if err != nil {
		return t, err
	}
	defer log.Close()
	if err := c.serve(ctx, s, args); err != nil {
		return t, err
	}
	t, err = s.take(ctx, log)
	if serr := s.stop(); err == nil {
		err = serr
	}
	return t, err
}

// catchUp has a server look at a ledger that nothing looked at, and gives its CPU and the time.
func (c *config) catchUp(ctx context.Context, s *annals) (used, took time.Duration, err error) {
	args, err := s.own("")
	if err != nil {
		return 0, 0, err
	}
	begun := time.Now()
	if err := c.serve(ctx, s, args); err != nil {
		return 0, 0, err
	}
	defer func() {
		if serr := s.stop(); err == nil {
			err = serr
		}
	}()
	client, err := server.Connect(ctx, s.data, slog.New(slog.DiscardHandler))
	if err != nil {
		return 0, 0, err
	}
	defer client.Close()
	for {
		st, err := client.Status(ctx)
		if err != nil {
			return 0, 0, err
		}
		behind := uint64(1)
		for _, k := range st.Watching.Clusters {
			if k.Cluster == cluster {
				behind = k.Behind
			}
		}
		if behind == 0 {
			break
		}
		select {
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	took = time.Since(begun)
	u, err := cpuOf(s.cmd.Process.Pid)
	return u.total(), took, err
}
