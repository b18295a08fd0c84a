package cli

import (
	"context"
	"fmt"

	"annals.dev/audit"
	"annals.dev/internal/detect"
	"annals.dev/internal/match"
)

// fed is what came of events that were fed to an engine.
type fed struct {
	out    *detect.Collect
	events int
}

// feed runs rules over the events of a file, in one cluster.
func (t *ruleTesting) feed(rules []*detect.Rule, path string) (*fed, error) {
	engine, problems := detect.NewEngine(rules, nil, detect.Options{})
	for _, p := range problems {
		t.say("%s", problemLine(p))
	}
	f, err := t.open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	x := &fed{out: new(detect.Collect)}
	bar := t.progress()
	_, err = eachEvent(f, path, func(v *audit.View) error {
		row := &match.Row{View: v, Cluster: "file", Origin: "file/" + path, Position: uint64(x.events), Received: v.Time}
		engine.Feed(row, x.out)
		x.events++
		bar.show(int64(x.events), 0, plural(x.events, "event"))
		return nil
	})
	bar.clear()
	if err != nil {
		return nil, err
	}
	if err := engine.Flush(context.Background(), x.out); err != nil {
		return nil, fmt.Errorf("windows: %w", err)
	}
	return x, nil
}
