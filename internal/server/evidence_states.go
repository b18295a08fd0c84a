package server

import (
	"context"
	"os"
	"slices"
	"sync"
	"time"

	"annals.dev/internal/ledger"
)

// verdicts are what the last verification of each whole cluster found, since the server began. The zero value is empty.
type verdicts struct {
	mu sync.Mutex
	of map[string]verdict
}

const verdictOK = "ok"

type verdict struct {
	at   time.Time
	text string // ok, or what was wrong
}

func (v *verdicts) put(report *ledger.Report, at time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.of == nil {
		v.of = map[string]verdict{}
	}
	for _, k := range report.Clusters {
		found := verdict{at.UTC(), verdictOK}
		for _, f := range report.Findings {
			if f.Cluster == "" || f.Cluster == k.Cluster {
				found.text = string(f.Kind) + ": " + f.What
				break
			}
		}
		v.of[k.Cluster] = found
	}
}

func (v *verdicts) get(cluster string) verdict {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.of[cluster]
}

// LedgerQuestion asks how the record is. Items are LedgerState.
type LedgerQuestion struct{}

func (c *core) ledgerStates(ctx context.Context, by *asker, _ LedgerQuestion, emit func(LedgerState) error) (nothing, error) {
	states, err := c.states(ctx, by)
	for _, s := range states {
		if err := emit(s); err != nil {
			return nothing{}, err
		}
	}
	return nothing{}, err
}

// states tells how the clusters are that there are for whoever asks. Whoever has a scope is told no figures.
func (c *core) states(ctx context.Context, by *asker) ([]LedgerState, error) {
	clusters, err := c.clusters(ctx, by)
	if err != nil {
		return nil, err
	}
	stats := c.ledger.Stats().Clusters
	states := make([]LedgerState, 0, len(clusters))
	for _, name := range clusters {
		s := LedgerState{Cluster: name, Proof: c.proofOf(by, name)}
		if i := slices.IndexFunc(stats, func(k ledger.ClusterStats) bool { return k.Name == name }); i >= 0 && by.ScopeText == "" {
			k := stats[i]
			s.Events, s.LastEvent, s.LastArrival = k.Size, moment(k.LastEvent), moment(k.LastArrival)
			s.Proof.Signed = k.Checkpoint == k.Size
		}
		states = append(states, s)
	}
	return states, nil
}

// proofOf says what proves the events of a cluster. Signed is left to the caller.
func (c *core) proofOf(by *asker, cluster string) ProofState {
	found := c.judged.get(cluster)
	p := ProofState{Verified: found.at, Verdict: found.text, PublicKey: c.ledger.Description().PublicKey}
	if by.ScopeText != "" {
		if p.Verdict != "" && p.Verdict != verdictOK {
			p.Verdict = "not ok: an auditor can see what was found" // what was found tells of numbers and other clusters
		}
		return p
	}
	p.Checkpoint = c.checkpointSize(cluster)
	if info, err := os.Stat(checkpointPath(c.dir, cluster)); err == nil {
		p.At = info.ModTime().UTC()
	}
	return p
}

// checkpointSize is how many events of a cluster the last written checkpoint covers.
func (c *core) checkpointSize(cluster string) uint64 {
	for _, k := range c.ledger.Stats().Clusters {
		if k.Name == cluster {
			return k.Checkpoint
		}
	}
	return 0
}
