package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"

	"gopkg.in/natefinch/lumberjack.v2"
	auditinternal "k8s.io/apiserver/pkg/apis/audit"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	upstreamaudit "k8s.io/apiserver/pkg/audit"
	upstreamlog "k8s.io/apiserver/plugin/pkg/audit/log"

	"annals.dev/audit"
	"annals.dev/capture"
	"annals.dev/policy"
	"annals.dev/sink"
	"annals.dev/sink/logfile"
	"annals.dev/test/diff/upstream"
)

// upstreamChain is upstream's side.
func upstreamChain(level auditinternal.Level, s upstreamaudit.Sink) http.Handler {
	p := &auditinternal.Policy{Rules: []auditinternal.PolicyRule{{Level: level}}}
	return upstream.Audit(http.HandlerFunc(telling), upstream.Config{Policy: p, Sink: s, Authenticator: upstreamAuthenticator{}})
}

// ourHandler is ours.
func ourHandler(level audit.Level, s sink.Sink) (http.Handler, error) {
	p := &policy.Policy{Rules: []policy.Rule{{Level: level}}}
	return capture.New(http.HandlerFunc(endpoint), capture.Config{Policy: p, Sink: s, Authenticate: ourAuthenticator{}, SourceIPs: capture.ForwardedSourceIPs})
}

// counting counts the events that pass, on both sides.
type counting struct {
	sink.Sink
	n atomic.Int64
}

func (c *counting) Send(ctx context.Context, events ...[]byte) error {
	c.n.Add(int64(len(events)))
	return c.Sink.Send(ctx, events...)
}

type upstreamCounting struct {
	upstreamaudit.Sink
	n atomic.Int64
}

func (c *upstreamCounting) ProcessEvents(events ...*auditinternal.Event) bool {
	c.n.Add(int64(len(events)))
	return c.Sink.ProcessEvents(events...)
}

// record compares handler and log file, and says what of it is the driver and the endpoint alone.
func record(c *config, t *table) error {
	all, err := loadReplays(c)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(c.dir, "annals-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, level := range []audit.Level{audit.LevelMetadata, audit.LevelRequestResponse} {
		log, err := logfile.New(logfile.Config{Path: filepath.Join(dir, "ours.log"), MaxSize: 100 << 20, MaxBackups: 1})
		if err != nil {
			return err
		}
		ours := &counting{Sink: sink.Blocking(log, nil, nil)}
		file := &lumberjack.Logger{Filename: filepath.Join(dir, "upstream.log"), MaxSize: 100, MaxBackups: 1}
		theirs := &upstreamCounting{Sink: upstreamlog.NewBackend(file, upstreamlog.FormatJson, auditv1.SchemeGroupVersion)}
		handler, err := ourHandler(level, ours)
		if err != nil {
			return err
		}
		chain := upstreamChain(auditinternal.Level(level), theirs)
		costs, err := alternate(c.rounds, driven(http.HandlerFunc(endpoint), all, nil), driven(handler, all, ours.n.Load), driven(chain, all, theirs.n.Load))
		if err != nil {
			return err
		}
		if ours.n.Load() != theirs.n.Load() {
			return fmt.Errorf("we made %d events, upstream %d", ours.n.Load(), theirs.n.Load())
		}
		if err := log.Close(context.Background()); err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
		perEvent := float64(len(all)) / (float64(ours.n.Load()) / float64(c.rounds+1))
		report(t, "log file, mode blocking, "+string(level), costs, perEvent)
		if err := recordBatches(c, t, level, dir, all, perEvent); err != nil {
			return err
		}
	}
	return nil
}

// recordBatches has a queue before the log file.
func recordBatches(c *config, t *table, level audit.Level, dir string, all []*replay, perEvent float64) error {
	costs, err := alternate(c.rounds, driven(http.HandlerFunc(endpoint), all, nil),
		func() (int, error) {
			log, err := logfile.New(logfile.Config{Path: filepath.Join(dir, "ours.log"), MaxSize: 100 << 20, MaxBackups: 1})
			if err != nil {
				return 0, err
			}
			return oursByQueue(level, log, 1, all)
		},
		func() (int, error) {
			file := &lumberjack.Logger{Filename: filepath.Join(dir, "upstream.log"), MaxSize: 100, MaxBackups: 1}
			n, err := upstreamByQueue(auditinternal.Level(level), upstreamlog.NewBackend(file, upstreamlog.FormatJson, auditv1.SchemeGroupVersion), false, all)
			return n, errors.Join(err, file.Close())
		})
	if err != nil {
		return err
	}
	report(t, "log file, mode batch, "+string(level), costs, perEvent)
	return nil
}

// report prints events per processor second, without what driver and endpoint take by themselves.
func report(t *table, what string, costs []cost, requestsPerEvent float64) {
	own := costs[0].time * requestsPerEvent // of each event
	ours, theirs := costs[1].time-own, costs[2].time-own
	ratio, least := must(theirs/ours, 5)
	figure := func(c cost, net float64) string {
		return fmt.Sprintf("%.0f events/s (%.0f with the driver), %.1f allocs", 1e9/net, 1e9/c.time, c.allocs-costs[0].allocs*requestsPerEvent)
	}
	t.row(what, figure(costs[1], ours), figure(costs[2], theirs), ratio, least)
}

// driven makes all the requests; an operation is an event, or a request where there are none.
func driven(h http.Handler, all []*replay, events func() int64) func() (int, error) {
	return func() (int, error) {
		if events == nil {
			drive(h, all)
			return len(all), nil
		}
		before := events()
		drive(h, all)
		return int(events() - before), nil
	}
}
