package server

import (
	"context"

	"annals.dev/internal/detect/baseline"
	"annals.dev/internal/query/actor"
)

// BaselineQuestion asks what is usual for a user. Items are baseline.Profile, one of each cluster that knows them.
type BaselineQuestion struct {
	User     string   `json:"user"`
	Clusters []string `json:"clusters,omitempty"`
}

// BaselineEnd says why there is nothing, if there is nothing.
type BaselineEnd struct {
	Needs int    `json:"needs"` // days on which somebody must have been active before anything is called unusual
	Why   string `json:"why,omitempty"`
}

// baselines answers with what is usual for a user.
func (c *core) baselines(ctx context.Context, by *asker, q BaselineQuestion, emit func(baseline.Profile) error) (end BaselineEnd, err error) {
	end.Needs = baseline.Needs
	if q.User == "" {
		return end, &Error{Usage, "say whose baseline: user"}
	}
	clusters, err := c.clustersOf(ctx, by, q.Clusters)
	if err != nil {
		return end, err
	}
	if by.Scope != nil {
		end.Why = "a baseline is made of all events of a cluster, and you may see a part of them"
		return end, nil
	}
	c.watch.mu.Lock()
	known := c.watch.baseline
	c.watch.mu.Unlock()
	if known == nil {
		end.Why = "nothing watches at present"
		return end, nil
	}
	n := 0
	for _, name := range clusters {
		if p, ok := known.Profile(name, actor.Name(q.User)); ok {
			n++
			if err := emit(*p); err != nil {
				return end, err
			}
		}
	}
	if n == 0 {
		end.Why = "nothing is known of this user yet"
	}
	return end, nil
}

// Baselines asks what is usual for a user, in each cluster that knows them.
func (c *Client) Baselines(ctx context.Context, q BaselineQuestion) (all []baseline.Profile, end BaselineEnd, err error) {
	all = []baseline.Profile{}
	end, err = ask[baseline.Profile, BaselineEnd](ctx, c, "actors/baseline", q, func(p baseline.Profile) error {
		all = append(all, p)
		return nil
	})
	return all, end, err
}
