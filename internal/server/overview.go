package server

import (
	"context"

	"annals.dev/internal/access"
	"annals.dev/internal/match"
	"annals.dev/internal/query"
)

// OverviewQuestion asks what happened in a range.
type OverviewQuestion struct{ Range }

// once is true of one event of every request: its last, or the only one that a failed sign-in leaves.
const once = "(stage:(ResponseComplete OR Panic) OR code:401 stage:ResponseStarted)"

func (c *core) overview(ctx context.Context, by *asker, q OverviewQuestion, _ func(nothing) error) (o Overview, err error) {
	of, err := c.rangeOf(ctx, by, q.Range)
	if err != nil {
		return o, err
	}
	o.Actors, o.Failing = []query.Value{}, []query.Value{}
	for _, n := range []struct {
		search string
		to     *int
	}{
		{"", &o.Events},
		{once + " code>=400", &o.Failures},
		{once + " code<400 resource:secrets verb:(get OR list OR watch)", &o.Secrets},
		{once + " (resource:pods/exec OR resource:pods/attach OR resource:pods/portforward)", &o.Sessions},
		{once + " code:(401 OR 403)", &o.Denied},
		{once + " code<400 verb:delete*", &o.Deletions},
		{once + " code<400 resource:(roles OR clusterroles OR rolebindings OR clusterrolebindings) verb:(create OR update OR patch OR delete*)", &o.Privileges},
	} {
		p, err := match.Parse(n.search)
		if err != nil {
			return o, err
		}
		one := of
		one.Query = match.And(of.Query, p)
		if *n.to, o.Cover, err = by.read.Count(ctx, one); err != nil {
			return o, notOfTheQuestion(ctx, err)
		}
	}
	o.Ledger, err = c.states(ctx, by)
	return o, err
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
