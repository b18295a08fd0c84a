package server

import (
	"context"
	"fmt"
	"path/filepath"
	"reflect"
	"sync"

	"annals.dev/internal/alert"
)

// alertDir is where in the data directory it stands what people are still to be told, and the silences.
const alertDir = "alert"

// alerts is what tells people of findings. What goes wrong with it ends no server: events go on coming in, findings are found,
// and what was not told waits.
type alerts struct {
	mu      sync.Mutex // guards what follows
	url     string     // of the web UI
	config  alert.Config
	alerter *alert.Alerter
	running bool  // Run closes it, then
	failed  error // why nobody is told of anything at present
	changed chan struct{}
}

// openAlerter makes it, where it is not made yet. Without a configuration that can be read it is not: what waits for a
// destination that is not configured would be given up.
func (c *core) openAlerter() (*alert.Alerter, error) {
	l := c.watch.ready(c)
	a := &c.watch.alerts
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.alerter != nil {
		return a.alerter, nil
	}
	if l.fallback {
		return nil, fmt.Errorf("alerts: %s", c.watch.trouble())
	}
	a.config = l.config.Alerts
	return a.open(c, a.config)
}

func (a *alerts) open(c *core, cfg alert.Config) (*alert.Alerter, error) {
	a.alerter, a.failed = alert.New(cfg, alert.Deps{Ledger: c.ledger, Dir: filepath.Join(c.dir, alertDir), Log: c.log, URL: a.url})
	if a.failed != nil {
		a.alerter = nil
	}
	return a.alerter, a.failed
}

// use takes another configuration.
func (a *alerts) use(cfg alert.Config) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if reflect.DeepEqual(cfg, a.config) {
		return
	}
	a.config = cfg
	if a.changed != nil {
		close(a.changed)
		a.changed = nil
	}
}

// trouble is why nobody is told of anything at present, "" if they are.
func (a *alerts) trouble() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failed == nil {
		return ""
	}
	return a.failed.Error()
}

// close gives back what nothing ran with.
func (a *alerts) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.alerter == nil || a.running {
		return nil
	}
	err := a.alerter.Close()
	a.alerter = nil
	return err
}

// tellPeople runs until ctx ends, with whatever is configured.
func (c *core) tellPeople(ctx context.Context) error {
	a := &c.watch.alerts
	for ctx.Err() == nil {
		a.mu.Lock()
		changed := make(chan struct{})
		a.changed = changed
		a.mu.Unlock()
		alerter, err := c.openAlerter()
		if err == nil {
			err = a.run(ctx, alerter, changed)
		}
		if err == nil {
			continue
		}
		c.log.Error("nobody is told of what is found", "error", err)
		a.mu.Lock()
		a.failed = err
		a.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
	return nil
}

// run runs an alerter until ctx ends, its configuration has changed, or it fails.
func (a *alerts) run(ctx context.Context, alerter *alert.Alerter, changed <-chan struct{}) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-changed:
			stop()
		case <-ctx.Done():
		}
	}()
	a.mu.Lock()
	a.running = true
	a.mu.Unlock()
	err := alerter.Run(ctx)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.alerter, a.running = nil, false
	return err
}
