package server

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"annals.dev/internal/detect"
	"annals.dev/internal/detect/baseline"
	"annals.dev/internal/detect/grants"
	"annals.dev/internal/detect/past"
	"annals.dev/internal/query"
)

// newDetectors are the detectors in Go, fresh: each keeps what it knows.
func newDetectors() []detect.Detector {
	return []detect.Detector{grants.New(), baseline.New()}
}

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
	return []part{{"alerts", c.tellPeople, none}, {"watch", w.Run, none}, {"rules", func(ctx context.Context) error { return c.followRules(ctx, reload) }, none}}, nil
}

// lookEvery is how often files of rules are looked at.
const lookEvery = 2 * time.Second

// followRules reads the rules anew when their files have changed, and when it is told to.
func (c *core) followRules(ctx context.Context, reload <-chan struct{}) error {
	seen := c.watch.ready(c).files
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-reload:
			seen = ""
		case <-t.C:
		}
		if seen == c.ruleFiles() {
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
