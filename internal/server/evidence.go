package server

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
	"annals.dev/internal/query"
)

// nothing is the item of an answer that has none.
type nothing struct{}

func (c *core) checkpoint(_ context.Context, _ *asker, q CheckpointQuestion, _ func(nothing) error) (Note, error) {
	cluster, err := c.oneCluster(q.Cluster)
	if err != nil {
		return Note{}, err
	}
	text, err := c.ledger.Checkpoint(cluster)
	return Note{cluster, text}, err
}

// oneCluster is the named cluster, or the only one beside Annals' own.
func (c *core) oneCluster(name string) (string, error) {
	if name != "" {
		return name, c.checkClusters([]string{name})
	}
	sizes := c.sizes(nil)
	delete(sizes, ledger.Own)
	switch len(sizes) {
	case 0:
		return "", &Error{Usage, "there are no events yet"}
	case 1:
		for name := range sizes {
			return name, nil
		}
	}
	return "", &Error{Usage, fmt.Sprintf("say which cluster, with --cluster: %s", strings.Join(slices.Sorted(maps.Keys(sizes)), ", "))}
}

func (c *core) prove(ctx context.Context, by *asker, q ProveQuestion, _ func(nothing) error) (p Proof, err error) {
	if position, err := strconv.ParseUint(q.ID, 10, 63); err == nil {
		if p.Cluster, err = c.oneCluster(q.Cluster); err != nil {
			return p, err
		}
		p.Position, p.Stages = position, 1
	} else if err := c.findID(ctx, by, q, &p); err != nil {
		return p, err
	}
	p.File, err = c.ledger.Prove(ctx, p.Cluster, p.Position)
	return p, err
}

// findID looks for the last event of an audit ID.
func (c *core) findID(ctx context.Context, by *asker, q ProveQuestion, p *Proof) error {
	predicate, err := match.Parse(`auditID:"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(q.ID) + `"`)
	if err != nil {
		return err
	}
	var clusters []string
	if q.Cluster != "" {
		clusters = []string{q.Cluster}
	}
	if err := c.checkClusters(clusters); err != nil {
		return err
	}
	_, err = by.read.Search(ctx, query.Search{Range: query.Range{Query: predicate, Clusters: clusters}, OldestFirst: true}, func(r *query.Row) error {
		if p.Stages > 0 && r.Cluster != p.Cluster {
			return &Error{Usage, fmt.Sprintf("clusters %s and %s both have events with audit ID %s: choose with --cluster", p.Cluster, r.Cluster, q.ID)}
		}
		p.Cluster, p.Position = r.Cluster, r.Position
		p.Stages++
		return nil
	})
	if err == nil && p.Stages == 0 {
		err = &Error{Failed, fmt.Sprintf("there is no event with audit ID %q", q.ID)}
	}
	return err
}

func (c *core) status(context.Context, *asker, StatusQuestion, func(nothing) error) (Status, error) {
	s := c.ledger.Stats()
	st := Status{Version: buildVersion(), PID: os.Getpid(), Started: c.started, SealFailed: s.SealFailed, LogBytes: s.LogBytes, Clusters: []ClusterStatus{}}
	if s.Failed != nil {
		st.Failed = s.Failed.Error()
	}
	for _, k := range s.Clusters {
		k := ClusterStatus{Name: k.Name, Events: k.Size, Unsealed: k.Hot, Unsigned: k.Size - k.Checkpoint, LastEvent: moment(k.LastEvent), LastArrival: moment(k.LastArrival)}
		st.Clusters = append(st.Clusters, k)
	}
	for _, m := range c.metrics.All() {
		if m.Name != "annals_follow_behind_bytes" {
			continue
		}
		f := Followed{Behind: m.Value}
		for i := 0; i+1 < len(m.Labels); i += 2 {
			switch m.Labels[i] {
			case "cluster":
				f.Cluster = m.Labels[i+1]
			case "path":
				f.Path = m.Labels[i+1]
			}
		}
		st.Followed = append(st.Followed, f)
	}
	return st, nil
}

func moment(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// Checkpoint signs the tree head of a cluster.
func (c *Client) Checkpoint(ctx context.Context, q CheckpointQuestion) (Note, error) {
	return ask[nothing, Note](ctx, c, "ledger/checkpoint", q, nil)
}

// Prove makes the proof of an event.
func (c *Client) Prove(ctx context.Context, q ProveQuestion) (Proof, error) {
	return ask[nothing, Proof](ctx, c, "proof", q, nil)
}

// Status tells how the server is, or the directory that was opened.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return ask[nothing, Status](ctx, c, "status", StatusQuestion{}, nil)
}
