package server

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"annals.dev/internal/query"
)

// nothing is the item of an answer that has none.
type nothing struct{}

func (c *core) checkpoint(ctx context.Context, by *asker, q CheckpointQuestion, _ func(nothing) error) (Note, error) {
	cluster, err := c.oneCluster(ctx, by, q.Cluster)
	if err != nil {
		return Note{}, err
	}
	text, err := c.ledger.Checkpoint(cluster)
	return Note{cluster, text}, err
}

// oneCluster is the named cluster, or the only one beside Annals' own.
func (c *core) oneCluster(ctx context.Context, by *asker, name string) (string, error) {
	var named []string
	if name != "" {
		named = []string{name}
	}
	known, err := c.clustersOf(ctx, by, named)
	switch {
	case err != nil:
		return "", err
	case slices.Equal(known, query.Nowhere):
		return "", &Error{Usage, "there are no events yet"}
	case len(known) > 1:
		return "", &Error{Usage, fmt.Sprintf("say which cluster, with --cluster: %s", strings.Join(known, ", "))}
	}
	return known[0], nil
}

func (c *core) prove(ctx context.Context, by *asker, q ProveQuestion, _ func(nothing) error) (Proof, error) {
	if !by.Bodies {
		return Proof{}, &Error{Forbidden, "a proof holds the event's bytes, the bodies of request and response with them: it needs a token that may see bodies"}
	}
	stages, _, err := c.stagesOf(ctx, by, EventQuestion{Cluster: q.Cluster, ID: q.ID}, Summary)
	if err != nil {
		return Proof{}, err
	}
	last := stages[len(stages)-1]
	p := Proof{Cluster: last.Cluster, Position: last.Position, Stages: len(stages)}
	p.File, err = c.ledger.Prove(ctx, p.Cluster, p.Position)
	return p, err
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
	st.Watching = c.watch.status(c)
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
