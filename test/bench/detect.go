package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"annals.dev/audit"
	"annals.dev/internal/detect"
	"annals.dev/internal/detect/baseline"
	"annals.dev/internal/detect/gaps"
	"annals.dev/internal/detect/grants"
	"annals.dev/internal/detect/pack"
	"annals.dev/internal/format"
	"annals.dev/internal/match"
)

// detection measures how fast rules are decided over recorded events, by one goroutine, from the event's bytes on: what is read
// of an event is part of it. The packs of others stand beside the corpus, in packs; without them there are our rules alone.
func (c *config) detection(ctx context.Context, t *table) error {
	packs, err := rulesOf(c.corpus)
	if err != nil {
		return err
	}
	times10, err := tenTimes(packs)
	if err != nil {
		return err
	}
	for _, log := range []string{"normal-metadata.log.gz", "normal-full.log.gz"} {
		say("rules over %s", log)
		var b bytes.Buffer
		if err := c.unpack(&b, log); err != nil {
			return err
		}
		lines := bytes.Split(bytes.TrimSpace(b.Bytes()), []byte("\n"))
		t.section(fmt.Sprintf("Rules over %s: %d events of %d bytes", log, len(lines), b.Len()/len(lines)))
		var read, sets, with, many [3]float64
		for i := range with { // in turn, so that what else the machine does hits all alike
			if read[i], err = perSecond(len(lines), func() error { return eachEvent(lines, func(*match.Row) {}) }); err != nil {
				return err
			}
			if sets[i], err = c.feed(ctx, lines, packs, nil); err != nil {
				return err
			}
			if with[i], err = c.feed(ctx, lines, packs, detectors()); err != nil {
				return err
			}
			if many[i], err = c.feed(ctx, lines, times10, nil); err != nil {
				return err
			}
		}
		alone, err := perSecond(len(lines)/20, func() error {
			return eachEvent(lines[:len(lines)/20], func(r *match.Row) {
				for _, rule := range packs {
					if rule.Where != nil {
						_ = rule.Where.Match(r)
					}
				}
			})
		})
		if err != nil {
			return err
		}
		must := ""
		if log == "normal-metadata.log.gz" {
			must = "at least 150,000"
		}
		best := func(a [3]float64) float64 { return max(a[0], a[1], a[2]) }
		t.row("events read, without rules, per second and core", fmt.Sprintf("%.0f", best(read)), "")
		rate := fmt.Sprintf("%.0f", best(sets))
		if must != "" && best(sets) < 150_000 {
			rate += " **missed**"
		}
		t.row(fmt.Sprintf("with %d rules", len(packs)), rate, must)
		t.row("with these and what is kept of actors, grants and gaps", fmt.Sprintf("%.0f", best(with)), "")
		rate = fmt.Sprintf("%.0f, %.2f of that", best(many), best(many)/best(sets))
		if best(many) < best(sets)/2 {
			rate += " **missed**"
		}
		t.row(fmt.Sprintf("with %d rules, no two with the same condition", len(times10)), rate, "at least 0.5 of that")
		t.row("for comparison: the same rules one by one", fmt.Sprintf("%.0f", alone), "")
	}
	return nil
}

func detectors() []detect.Detector {
	g, err := gaps.New(gaps.Config{}, time.Now())
	if err != nil {
		panic(err) // it is configured by nothing
	}
	return []detect.Detector{grants.New(), baseline.New(), g}
}

// rulesOf are ours, and the packs beside a corpus.
func rulesOf(corpus string) ([]*detect.Rule, error) {
	var cfg pack.Config
	for _, p := range []string{"falco", "sigma"} {
		path := filepath.Join(corpus, "..", "packs", p)
		if _, err := os.Stat(path); err == nil {
			cfg.Paths = append(cfg.Paths, path)
		}
	}
	cfg.Falco.Matching = "all"
	p, err := pack.Load(cfg)
	if err != nil {
		return nil, err
	}
	return p.Rules, nil
}

// tenTimes are rules and nine more of each, which ask something more of an event that no other rule asks: whether one of two texts
// stands within it, which no index answers. No recorded event has them, so as few findings are made as of the rules alone.
func tenTimes(rules []*detect.Rule) ([]*detect.Rule, error) {
	all := append([]*detect.Rule{}, rules...)
	for i, r := range rules {
		if r.Where == nil {
			continue
		}
		for k := range 9 {
			more, err := match.Parse(fmt.Sprintf("uri:*variant-%d-%d* OR agent:*other-%d-%d*", i, k, k, i))
			if err != nil {
				return nil, err
			}
			v := *r
			v.ID, v.First, v.Where = fmt.Sprintf("%s-%d", r.ID, k), "", match.And(r.Where, more)
			all = append(all, &v)
		}
	}
	return all, nil
}

// feed feeds an engine with events and gives how many per second and core.
func (c *config) feed(ctx context.Context, lines [][]byte, rules []*detect.Rule, detectors []detect.Detector) (float64, error) {
	e, _ := detect.NewEngine(rules, detectors, detect.Options{})
	n := 0
	return perSecond(len(lines), func() error {
		var err error
		_ = eachEvent(lines, func(r *match.Row) {
			e.Feed(r, discard{})
			if n++; n%1000 == 0 && err == nil {
				err = e.Advance(ctx, r.Cluster, time.Now(), discard{})
			}
		})
		return err
	})
}

type discard struct{}

func (discard) Find(*detect.Finding)        {}
func (discard) Withdraw(*detect.Withdrawal) {}

func eachEvent(lines [][]byte, f func(*match.Row)) error {
	var view audit.View
	row := match.Row{View: &view, Cluster: "bench", Origin: "webhook/bench", Dialect: format.V1}
	for i, line := range lines {
		if err := view.Parse(line); err != nil {
			return err
		}
		row.Position, row.Received = uint64(i), view.Time
		f(&row)
	}
	return nil
}

// perSecond is how many of n per second of CPU f manages, the collection of garbage included.
func perSecond(n int, f func() error) (float64, error) {
	runtime.GC()
	before, err := ownCPU()
	if err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	after, err := ownCPU()
	return float64(n) / (after - before).Seconds(), err
}
