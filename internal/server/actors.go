package server

import (
	"context"
	"errors"
	"fmt"

	"annals.dev/internal/query/actor"
	sessionpkg "annals.dev/internal/query/session"
)

// who answers what is known of a user.
func (c *core) who(ctx context.Context, by *asker, q actor.Question, _ func(nothing) error) (p *actor.Profile, err error) {
	if q.Clusters, err = c.clustersOf(ctx, by, q.Clusters); err != nil {
		return nil, err
	}
	p, err = actor.Who(ctx, by.read, q)
	return p, ofActor(ctx, err)
}

// leastRole answers with the least roles that cover what a user did.
func (c *core) leastRole(ctx context.Context, by *asker, q actor.RoleQuestion, _ func(nothing) error) (r *actor.Role, err error) {
	if q.Clusters, err = c.clustersOf(ctx, by, q.Clusters); err != nil {
		return nil, err
	}
	r, err = actor.RBAC(ctx, by.read, q)
	return r, ofActor(ctx, err)
}

func ofActor(ctx context.Context, err error) error {
	if errors.Is(err, actor.ErrNoUser) {
		return &Error{Usage, err.Error()}
	}
	return notOfTheQuestion(ctx, err)
}

// sessions answers with the sessions of a range.
func (c *core) sessions(ctx context.Context, by *asker, q sessionpkg.Question, _ func(nothing) error) (s *sessionpkg.Sessions, err error) {
	if q.Clusters, err = c.clustersOf(ctx, by, q.Clusters); err != nil {
		return nil, err
	}
	if q.Limit < 0 {
		return nil, &Error{Usage, fmt.Sprintf("a limit of %d: give a number of sessions, or 0 for as many as an answer holds", q.Limit)}
	}
	s, err = sessionpkg.Find(ctx, by.read, q)
	return s, notOfTheQuestion(ctx, err)
}

// Who asks what is known of a user.
func (c *Client) Who(ctx context.Context, q actor.Question) (actor.Profile, error) {
	return ask[nothing, actor.Profile](ctx, c, "actors/profile", q, func(nothing) error { return nil })
}

// LeastRole asks for the least roles that cover what a user did.
func (c *Client) LeastRole(ctx context.Context, q actor.RoleQuestion) (actor.Role, error) {
	return ask[nothing, actor.Role](ctx, c, "actors/rbac", q, func(nothing) error { return nil })
}

// Sessions asks for sessions.
func (c *Client) Sessions(ctx context.Context, q sessionpkg.Question) (sessionpkg.Sessions, error) {
	return ask[nothing, sessionpkg.Sessions](ctx, c, "sessions", q, func(nothing) error { return nil })
}
