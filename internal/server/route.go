package server

import (
	"context"
	"net/http"
	"reflect"

	"annals.dev/internal/access"
	"annals.dev/internal/query"
)

// asker is somebody who asks, with the questions in their hands: what they may see is in read.
type asker struct {
	access.Caller
	read *query.Reader
}

type askerKey struct{}

// askerOf is who a request is from. Whatever lets requests in puts it there: without it nothing is answered.
func askerOf(ctx context.Context) *asker {
	by, _ := ctx.Value(askerKey{}).(*asker)
	return by
}

func withAsker(ctx context.Context, by *asker) context.Context {
	return context.WithValue(ctx, askerKey{}, by)
}

// askerFor gives a caller its questions.
func (c *core) askerFor(who access.Caller) *asker {
	return &asker{who, c.engine.As(query.Sight{Scope: who.Scope, Bodies: who.Bodies})}
}

// route is one question of the API: where it is asked, by whom, and what its answer is made of.
type route struct {
	name         string      // /api/v1/<name>
	about        string      // one sentence, for the API's description
	role         access.Role // the least that may ask
	q, item, end reflect.Type
	http.Handler
}

// ask makes a route of a question.
func question[Q, Item, End any](name string, role access.Role, about string, f func(ctx context.Context, by *asker, q Q, emit func(Item) error) (End, error)) route {
	return route{name, about, role, reflect.TypeFor[Q](), reflect.TypeFor[Item](), reflect.TypeFor[End](),
		answer(func(ctx context.Context, q Q, emit func(Item) error) (End, error) {
			return f(ctx, askerOf(ctx), q, emit)
		})}
}

// routes are all questions but those whose bodies are more than a question.
func (c *core) routes() []route {
	return []route{
		question("events", access.Reader, "Find events.", c.search),
		question("sql", access.Reader, "Answer one SELECT over the view events.", c.sql),
		question("ledger/checkpoint", access.Auditor, "Sign the tree head of a cluster.", c.checkpoint),
		question("ledger/verify", access.Auditor, "Hold the ledger against its signatures.", c.verify),
		question("proof", access.Reader, "Make the proof of an event.", c.prove),
		question("status", access.Auditor, "How the server is.", c.status),
		question("tokens/list", access.Admin, "List the tokens.", c.listTokens),
		question("tokens/create", access.Admin, "Make a token.", c.createToken),
		question("tokens/revoke", access.Admin, "End a token.", c.revokeToken),
	}
}
