package alert

import (
	"context"
	"errors"
	"log/slog"

	"annals.dev/internal/ledger"
)

// Deps are what an Alerter works with.
type Deps struct {
	Ledger *ledger.Ledger
	Dir    string       // its own directory, DATA/alert: made if it is missing
	Log    *slog.Logger // optional
	URL    string       // of the web UI, for links; optional

	Source Source                               // of findings; nil: the ledger's cluster annals
	Record func(context.Context, Outcome) error // nil: into the ledger
}

// Alerter tells people of findings. All its methods may be called by many goroutines.
type Alerter struct {
	cfg  Config
	deps Deps
}

// New reads the configuration, and what was left undone when it last ran. A directory that is new begins at the end of cluster
// annals: what was found before alerts were switched on is not told.
func New(cfg Config, deps Deps) (*Alerter, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if deps.Dir == "" {
		return nil, errors.New("alerts: a directory is needed for what is not delivered yet")
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	return &Alerter{cfg: cfg, deps: deps}, nil
}

// Run delivers until ctx ends. Call it once. Its error says why it cannot go on: then nobody is told anything more.
func (a *Alerter) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
