package server

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	none := func() {}
	return []part{{"alerts", c.tellPeople, none}, {"watch", w.Run, none}, {"rules", func(ctx context.Context) error { return c.followRules(ctx, reload) }, none}}, nil
}

// lookEvery is how often files of rules are looked at.
const lookEvery = 2 * time.Second

// followRules reads the rules anew when their files have changed, and when it is told to.
func (c *core) followRules(ctx context.Context, reload <-chan struct{}) error {
	seen := c.ruleFiles()
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
		now := c.ruleFiles()
		if now == seen {
			continue
		}
		// Whoever writes several files is perhaps not done yet.
		time.Sleep(100 * time.Millisecond)
		seen = c.ruleFiles()
		_ = c.reloadRules(ctx) // it has said so, and shows it
	}
}

// ruleFiles are all files that say what is watched for, with their sizes and times.
func (c *core) ruleFiles() string {
	var all strings.Builder
	note := func(path string, info fs.FileInfo, err error) {
		if err == nil {
			fmt.Fprintln(&all, path, info.Size(), info.ModTime().UnixNano())
		}
	}
	c.watch.mu.Lock()
	file := c.watch.file
	c.watch.mu.Unlock()
	if file == "" {
		file = filepath.Join(c.dir, WatchFile)
	}
	info, err := os.Stat(file)
	note(file, info, err)
	// The folder of saved rules may come to be later.
	for _, root := range append(c.watch.ready(c).config.Rules.Paths, filepath.Join(c.dir, rulesDir)) {
		if info, err := os.Stat(root); err == nil && !info.IsDir() {
			note(root, info, nil)
			continue
		}
		// What cannot be read is found out when it is read.
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				info, err := os.Stat(path) // of what a link leads to
				note(path, info, err)
			}
			return nil
		})
	}
	return all.String()
}

// past is the record, for windows of which an event came late.
func (c *core) past() detect.History { return past.History{Reader: c.engine.As(query.All)} }
