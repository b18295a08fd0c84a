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

	changes bool // it changes something: POST alone asks it
	endless bool // it may take as long as somebody reads
}

// question makes a route of a question.
func question[Q, Item, End any](name string, role access.Role, about string, f func(ctx context.Context, by *asker, q Q, emit func(Item) error) (End, error)) route {
	return route{name: name, about: about, role: role, q: reflect.TypeFor[Q](), item: reflect.TypeFor[Item](), end: reflect.TypeFor[End](),
		Handler: answer(func(ctx context.Context, q Q, emit func(Item) error) (End, error) {
			return f(ctx, askerOf(ctx), q, emit)
		})}
}

// change makes a route of something that changes what there is: a link must not be enough to do it, so POST alone does.
func change[Q, Item, End any](name string, role access.Role, about string, f func(ctx context.Context, by *asker, q Q, emit func(Item) error) (End, error)) route {
	r := question(name, role, about, f)
	r.changes = true
	return r
}

// long makes a question one that goes on for as long as somebody reads the answer.
func long(r route) route {
	r.endless = true
	return r
}

// routes are all questions but those whose bodies are more than a question, or whose answers are files.
func (c *core) routes() []route {
	return []route{
		question("events", access.Reader, "Find events.", c.search),
		long(question("tail", access.Reader, "The newest events, and then each as it arrives.", c.tail)),
		question("hits", access.Reader, "Count events by time.", c.hits),
		question("facets", access.Reader, "Count events by the values of fields.", c.facets),
		question("values", access.Reader, "Values of a field, for completion.", c.values),
		question("fields", access.Reader, "The fields of the search language.", c.fields),
		question("event", access.Reader, "One event, all stages of its request, and what proves it.", c.event),
		question("neighbours", access.Reader, "The events around one: of the same actor, object or time.", c.neighbours),
		question("overview", access.Reader, "What happened, and whether the record is whole.", c.overview),
		question("actors/profile", access.Reader, "What is known of a user: from where, with what, on what, and by which bindings.", c.who),
		question("actors/baseline", access.Reader, "What is usual for a user: actions, namespaces, networks, clients, hours.", c.baselines),
		question("actors/rbac", access.Reader, "The least roles that allow what a user did.", c.leastRole),
		question("sessions", access.Reader, "Shells, port-forwards and the like, each joined from its events.", c.sessions),
		question("ask", access.Reader, "Ask a named question, or list them.", c.askNamed),
		question("objects/history", access.Reader, "The versions of an object, each with the request that made it.", c.history),
		question("objects/diff", access.Reader, "What differs between two versions of an object.", c.diff),
		question("objects/blame", access.Reader, "Who last set each line of an object.", c.blame),
		question("sql", access.Reader, "Answer one SELECT over the view events.", c.sql),
		question("proof", access.Reader, "Make the proof of an event.", c.prove),
		question("ledger", access.Reader, "How the record of each cluster is.", c.ledgerStates),
		question("ledger/checkpoint", access.Auditor, "Sign the tree head of a cluster.", c.checkpoint),
		long(question("ledger/verify", access.Auditor, "Hold the ledger against its signatures.", c.verify)),
		question("findings", access.Reader, "What rules found, the newest first.", c.findings),
		question("findings/groups", access.Reader, "What rules found, in groups.", c.findingGroups),
		question("findings/finding", access.Reader, "One finding: why, by which events, its rule, who was told, and what proves it.", c.finding),
		long(question("findings/tail", access.Reader, "The newest findings, and then each as it is recorded.", c.tailFindings)),
		question("rules", access.Reader, "List the rules, and count what each found.", c.listRules),
		question("rules/rule", access.Reader, "One rule with its text.", c.oneRule),
		long(question("rules/hunt", access.Reader, "Run rules over what happened.", c.hunt)),
		question("rules/coverage", access.Auditor, "Whether rules can fire under an audit policy, and what of it prevents them.", c.coverage),
		question("rules/attack", access.Reader, "The techniques of ATT&CK, with the rules that look for each and what they found.", c.attack),
		change("rules/save", access.Admin, "Save a search as a rule.", c.saveRule),
		change("rules/remove", access.Admin, "Remove a search that was saved as a rule.", c.removeRule),
		question("silences", access.Auditor, "List the silences.", c.listSilences),
		change("silences/create", access.Auditor, "Have nobody told of some findings for a while.", c.createSilence),
		change("silences/expire", access.Auditor, "End a silence.", c.expireSilence),
		question("alerts", access.Auditor, "Who was told of what, and how each destination fares.", c.listAlerts),
		change("alerts/test", access.Admin, "Send a test to a destination of alerts.", c.testAlert),
		question("status", access.Auditor, "How the server is.", c.status),
		question("me", access.Reader, "Who asks, and what they may do.", c.me),
		question("tokens/list", access.Admin, "List the tokens.", c.listTokens),
		change("tokens/create", access.Admin, "Make a token.", c.createToken),
		change("tokens/revoke", access.Admin, "End a token.", c.revokeToken),
	}
}
