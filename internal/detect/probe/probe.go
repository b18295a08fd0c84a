// Package probe looks by itself at what no audit event tells: the audit policy's file, and how many events the API server says
// that it made. What it sees is recorded as events of cluster annals, of which rules make findings. Start with Config and Run.
package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/uuid"

	"annals.dev/audit"
	"annals.dev/internal/disk"
	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
)

// Config is the part probes of watch.yaml.
type Config struct {
	Policies []string  `json:"policies,omitempty"` // audit policies' files on this machine
	Counters []Counter `json:"counters,omitempty"` // API servers that are asked how many events they made
}

// Counter is an API server whose metrics are read.
type Counter struct {
	Cluster   string `json:"cluster"`             // under which its events arrive
	Origin    string `json:"origin,omitempty"`    // by which they do: where a cluster has several API servers
	URL       string `json:"url"`                 // https://10.0.0.1:6443/metrics
	TokenFile string `json:"tokenFile,omitempty"` // a bearer token that may get /metrics
	CAFile    string `json:"caFile,omitempty"`    // that signed its certificate; otherwise the system's
	Within    string `json:"within,omitempty"`    // how long after it was made an event may take to arrive: "2m" where it is not said
}

// within is how long after it was made an event may take to arrive.
func (c Counter) within() (time.Duration, error) {
	if c.Within == "" {
		return counterWithin, nil
	}
	d, err := time.ParseDuration(c.Within)
	if err != nil || d < time.Second || d > time.Hour {
		return 0, fmt.Errorf("probes.counters: within %q is not how long an event may take to arrive: write 2m, 1s at least and 1h at most", c.Within)
	}
	return d, nil
}

// Deps are what a probe works with.
type Deps struct {
	Ledger *ledger.Ledger
	// Count says how many events of a cluster have a time from from up to but without until, and came by an origin, if it is not "".
	Count func(ctx context.Context, cluster, origin string, from, until time.Time) (int, error)
	Dir   string // the data directory; what is kept over a restart lies in detect/ below it
	Log   *slog.Logger
}

// Probe looks at what it was told to.
type Probe struct {
	cfg  Config
	deps Deps
	seen map[string]string // digest of each policy's file
}

const (
	policyEvery   = 10 * time.Second
	counterEvery  = 30 * time.Second // or a quarter of the time that events may take, where that is less
	counterWithin = 2 * time.Minute
)

// New makes a probe.
func New(cfg Config, deps Deps) (*Probe, error) {
	for i, p := range cfg.Policies {
		abs, err := filepath.Abs(p)
		if err != nil {
			return nil, fmt.Errorf("probes.policies: %w", err)
		}
		cfg.Policies[i] = abs
	}
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	return &Probe{cfg: cfg, deps: deps, seen: map[string]string{}}, nil
}

// Check says what is wrong with a configuration.
func (cfg Config) Check() error {
	for _, c := range cfg.Counters {
		if !ledger.ClusterName.MatchString(c.Cluster) || c.Cluster == ledger.Own {
			return fmt.Errorf("probes.counters: cluster %q is not the name of a cluster whose events arrive", c.Cluster)
		}
		u, err := url.Parse(c.URL)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
			return fmt.Errorf("probes.counters: url %q is not the address of an API server's metrics: write https://HOST:6443/metrics", c.URL)
		}
		if u.Scheme == "http" && c.TokenFile != "" {
			return fmt.Errorf("probes.counters: a token is not sent in clear to %s: write https", c.URL)
		}
		if _, err := c.within(); err != nil {
			return err
		}
	}
	return nil
}

// Run looks until ctx ends.
func (p *Probe) Run(ctx context.Context) error {
	var all sync.WaitGroup
	if len(p.cfg.Policies) > 0 {
		if err := p.load(); err != nil {
			p.deps.Log.Error("what is known of audit policies' files", "error", err)
		}
		all.Go(func() { p.follow(ctx) })
	}
	for _, c := range p.cfg.Counters {
		all.Go(func() { p.count(ctx, c) })
	}
	<-ctx.Done()
	all.Wait()
	return nil
}

func (p *Probe) follow(ctx context.Context) {
	tick := time.NewTicker(policyEvery)
	defer tick.Stop()
	for {
		for _, file := range p.cfg.Policies {
			if err := p.look(ctx, file); err != nil && ctx.Err() == nil {
				p.deps.Log.Error("an audit policy's file", "file", file, "error", err)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

const stateFile = "detect/policies.json"

func (p *Probe) load() error {
	b, err := disk.ReadFile(disk.OS(p.deps.Dir), stateFile)
	if err != nil {
		return nil // nothing is known yet, or no longer: what is there now is looked at as new
	}
	return json.Unmarshal(b, &p.seen)
}

func (p *Probe) save() error {
	b, err := json.Marshal(p.seen)
	if err != nil {
		return err
	}
	d := disk.OS(p.deps.Dir)
	if err := d.MkdirAll("detect"); err != nil {
		return err
	}
	return disk.WriteFile(d, stateFile, b)
}

// user is who does what a probe records.
const user = "system:annals:probe"

// record appends an event to cluster annals.
func (p *Probe) record(ctx context.Context, verb, resource, name string, at time.Time, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	t := audit.MicroTime{Time: at.UTC()}
	e := audit.Event{
		Level: audit.LevelRequest, AuditID: uuid.NewString(), Stage: audit.StageResponseComplete, RequestURI: "/apis/annals.dev/v1/" + resource + "/" + url.PathEscape(name), Verb: verb,
		User: audit.UserInfo{Username: user}, ObjectRef: &audit.ObjectReference{Resource: resource, Name: name, APIGroup: "annals.dev", APIVersion: "v1"},
		RequestObject: b, RequestReceivedTimestamp: t, StageTimestamp: t,
	}
	own := format.Event{Bytes: e.AppendJSON(nil)}
	if err := own.View.Parse(own.Bytes); err != nil {
		return err
	}
	_, err = p.deps.Ledger.Append(ctx, ledger.Batch{Cluster: ledger.Own, Origin: "annals/probe", Events: []format.Event{own}})
	return err
}
