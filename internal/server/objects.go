package server

import (
	"context"
	"errors"

	"annals.dev/internal/query/object"
)

// history tells an object's versions; the end holds them all.
func (c *core) history(ctx context.Context, by *asker, q object.Question, _ func(nothing) error) (*object.Life, error) {
	clusters, err := c.objectClusters(ctx, by, q.Ref)
	if err != nil {
		return nil, err
	}
	life, err := object.History(ctx, by.read, q, clusters...)
	if err != nil {
		return nil, ofObject(ctx, err)
	}
	for i := range life.Versions {
		c.alsoFrom(&life.Versions[i])
	}
	return life, nil
}

// diff tells what differs between two versions.
func (c *core) diff(ctx context.Context, by *asker, q object.DiffQuestion, _ func(nothing) error) (*object.Difference, error) {
	clusters, err := c.objectClusters(ctx, by, q.Ref)
	if err != nil {
		return nil, err
	}
	d, err := object.Diff(ctx, by.read, q, clusters...)
	return d, ofObject(ctx, err)
}

// blame tells who last set each line.
func (c *core) blame(ctx context.Context, by *asker, q object.Question, _ func(nothing) error) (*object.Blamed, error) {
	clusters, err := c.objectClusters(ctx, by, q.Ref)
	if err != nil {
		return nil, err
	}
	b, err := object.Blame(ctx, by.read, q, clusters...)
	return b, ofObject(ctx, err)
}

// objectClusters are those to look in.
func (c *core) objectClusters(ctx context.Context, by *asker, ref object.Ref) ([]string, error) {
	var named []string
	if ref.Cluster != "" {
		named = []string{ref.Cluster}
	}
	return c.clustersOf(ctx, by, named)
}

func (c *core) alsoFrom(v *object.Version) {
	if v.Event.Cluster != "" {
		v.Event.AlsoFrom = c.ledger.Seen(v.Event.Cluster, v.Event.Position)
	}
}

func ofObject(ctx context.Context, err error) error {
	var usage *object.UsageError
	if errors.As(err, &usage) {
		return &Error{Usage, usage.Message}
	}
	return notOfTheQuestion(ctx, err)
}

// History asks for an object's versions.
func (c *Client) History(ctx context.Context, q object.Question) (object.Life, error) {
	return ask[nothing, object.Life](ctx, c, "objects/history", q, func(nothing) error { return nil })
}

// Diff asks what differs between two versions of an object.
func (c *Client) Diff(ctx context.Context, q object.DiffQuestion) (object.Difference, error) {
	return ask[nothing, object.Difference](ctx, c, "objects/diff", q, func(nothing) error { return nil })
}

// Blame asks who last set each line of an object.
func (c *Client) Blame(ctx context.Context, q object.Question) (object.Blamed, error) {
	return ask[nothing, object.Blamed](ctx, c, "objects/blame", q, func(nothing) error { return nil })
}
