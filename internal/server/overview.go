package server

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"

	"annals.dev/internal/access"
	"annals.dev/internal/match"
	"annals.dev/internal/query"
)

// OverviewQuestion asks what happened in a range.
type OverviewQuestion struct{ Range }

// once is true of one event of every request: its last, or the only one that a failed sign-in leaves.
var once = constant("(stage:(ResponseComplete OR Panic) OR code:401 stage:ResponseStarted)")

var denied = constant("code:(401 OR 403)")

// constant parses a search that stands in the source.
func constant(s string) *match.Predicate {
	p, err := match.Parse(s)
	if err != nil {
		panic(err)
	}
	return p
}

const topActors = 10

// overview counts requests, each once, in one pass by what they did, and two by who did it. Events are of all stages.
func (c *core) overview(ctx context.Context, by *asker, q OverviewQuestion, _ func(nothing) error) (Overview, error) {
	o := Overview{Actors: []query.Value{}, Failing: []query.Value{}, Ledger: []LedgerState{}}
	of, err := c.rangeOf(ctx, by, q.Range)
	if err != nil {
		return o, err
	}
	if o.Events, o.Cover, err = by.read.Count(ctx, of); err != nil {
		return o, notOfTheQuestion(ctx, err)
	}
	of.Query = match.And(of.Query, once)
	groups, cov, err := by.read.Groups(ctx, of, []string{"verb", "resource", "subresource", "code"}, math.MaxInt)
	if err != nil {
		return o, notOfTheQuestion(ctx, err)
	}
	if !cov.Complete {
		o.Cover = cov
	}
	for _, g := range groups {
		o.add(g.Values[0], g.Values[1], g.Values[2], g.Values[3], g.Count)
	}
	if o.Actors, _, err = by.read.Top(ctx, of, "user", topActors); err != nil {
		return o, notOfTheQuestion(ctx, err)
	}
	of.Query = match.And(of.Query, denied)
	if o.Failing, _, err = by.read.Top(ctx, of, "user", topActors); err != nil {
		return o, notOfTheQuestion(ctx, err)
	}
	o.Ledger, err = c.states(ctx, by)
	return o, err
}

// add counts n requests that were alike.
func (o *Overview) add(verb, resource, subresource, code string, n int) {
	status, _ := strconv.Atoi(code) // none is 0
	deletes := strings.HasPrefix(verb, "delete")
	if status >= 400 {
		o.Failures += n
	}
	if status == 401 || status == 403 {
		o.Denied += n
	}
	if resource == "pods" && slices.Contains([]string{"exec", "attach", "portforward"}, subresource) {
		o.Sessions += n
	}
	if status == 0 || status >= 400 {
		return
	}
	if resource == "secrets" && slices.Contains([]string{"get", "list", "watch"}, verb) {
		o.Secrets += n
	}
	if deletes {
		o.Deletions += n
	}
	if slices.Contains([]string{"roles", "clusterroles", "rolebindings", "clusterrolebindings"}, resource) &&
		(deletes || slices.Contains([]string{"create", "update", "patch"}, verb)) {
		o.Privileges += n
	}
}

// MeQuestion asks who asks.
type MeQuestion struct{}

func (c *core) me(ctx context.Context, by *asker, _ MeQuestion, _ func(nothing) error) (Me, error) {
	clusters, err := c.clusters(ctx, by)
	auditor, admin := by.Role.AtLeast(access.Auditor), by.Role.AtLeast(access.Admin)
	return Me{
		Name: by.Name, Role: string(by.Role), Scope: by.ScopeText, Bodies: by.Bodies, Expires: by.Expires, Anonymous: by.Demo,
		CanSQL: true, CanProve: by.Bodies, CanVerify: auditor, CanImport: admin, CanTokens: admin,
		Version: buildVersion(), Clusters: clusters,
	}, err
}
