package server

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"annals.dev/internal/detect"
	"annals.dev/internal/detect/baseline"
	"annals.dev/internal/detect/gaps"
	"annals.dev/internal/detect/grants"
	"annals.dev/internal/detect/past"
	"annals.dev/internal/detect/probe"
	"annals.dev/internal/match"
	"annals.dev/internal/query"
)

// detectors are those in Go. Each keeps what it knows.
type detectors struct {
	grants   *grants.Grants
	baseline *baseline.Baseline
	gaps     *gaps.Gaps
}

func newDetectors(cfg WatchConfig) (d detectors, err error) {
	d = detectors{grants: grants.New(), baseline: baseline.New()}
	d.gaps, err = gaps.New(cfg.Silence, time.Now())
	return d, err
}

func (d detectors) all() []detect.Detector { return []detect.Detector{d.grants, d.baseline, d.gaps} }

// watching are the parts that watch and tell people, the last that events come to first.
func (c *core) watching(reload <-chan struct{}) ([]part, error) {
	w, err := c.openWatcher()
	if err != nil {
		return nil, err
	}
	if _, err := c.openAlerter(); err != nil {
		return nil, err
	}
	none := func() {}
	probes, err := probe.New(c.watch.ready(c).config.Probes, probe.Deps{Ledger: c.ledger, Dir: c.dir, Log: c.log, Count: c.countEvents})
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	return []part{{"alerts", c.tellPeople, none}, {"watch", w.Run, none}, {"probes", probes.Run, none}, {"rules", func(ctx context.Context) error { return c.followRules(ctx, reload) }, none}}, nil
}

// countEvents says how many events of a cluster, by one origin if it is not "", have a time in a span.
func (c *core) countEvents(ctx context.Context, cluster, origin string, from, until time.Time) (int, error) {
	of := query.Range{Clusters: []string{cluster}, Since: from, Until: until}
	if origin != "" {
		p, err := match.Parse("origin:" + strconv.Quote(origin))
		if err != nil {
			return 0, fmt.Errorf("origin %q: %w", origin, err)
		}
		of.Query = p
	}
	n, _, err := c.engine.As(query.All).Count(ctx, of)
	return n, err
}

// lookEvery is how often files of rules are looked at.
const lookEvery = 2 * time.Second

// followRules reads the rules anew when their files have changed, and when it is told to.
func (c *core) followRules(ctx context.Context, reload <-chan struct{}) error {
	seen := c.watch.ready(c).files
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for {
		told := false
		select {
		case <-ctx.Done():
			return nil
		case <-reload:
			told = true
		case <-t.C:
		}
		if !told && seen == c.ruleFiles() {
			continue
		}
		// Whoever writes several files is perhaps not done yet.
		time.Sleep(100 * time.Millisecond)
		if seen = c.ruleFiles(); c.reloadRules(ctx) == nil {
			seen = c.watch.ready(c).files
		}
	}
}

// ruleFiles are the files that say what is watched for, as they are now.
func (c *core) ruleFiles() string {
	cfg := c.watch.ready(c).config
	c.watch.mu.Lock()
	file := c.watch.file
	c.watch.mu.Unlock()
	return stamps(watchFile(file, c.dir)) + stamps(rulePaths(cfg, c.dir)...)
}

// watchFile is the file of what is watched for.
func watchFile(file, dir string) string {
	if file == "" {
		return filepath.Join(dir, WatchFile)
	}
	return file
}

// rulePaths are where rules lie. The folder of saved ones may come to be later.
func rulePaths(cfg WatchConfig, dir string) []string {
	paths := slices.Clone(cfg.Rules.Paths)
	if own := filepath.Join(dir, rulesDir); !slices.Contains(paths, own) {
		paths = append(paths, own)
	}
	return paths
}

// stamps are files, and those in folders, with their sizes and times.
func stamps(paths ...string) string {
	var all strings.Builder
	note := func(path string) {
		if info, err := os.Stat(path); err == nil && !info.IsDir() { // of what a link leads to
			fmt.Fprintln(&all, path, info.Size(), info.ModTime().UnixNano())
		}
	}
	for _, root := range paths {
		note(root)
		// What cannot be read is found out when it is read.
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && path != root {
				note(path)
			}
			return nil
		})
	}
	return all.String()
}

// past is the record, for windows of which an event came late.
func (c *core) past() detect.History { return past.History{Reader: c.engine.As(query.All)} }
