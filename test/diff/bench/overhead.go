package main

import (
	"context"
	"fmt"
	"net/http"

	auditinternal "k8s.io/apiserver/pkg/apis/audit"

	"annals.dev/audit"
)

type nowhere struct{}

func (nowhere) Send(context.Context, ...[]byte) error             { return nil }
func (nowhere) Close(context.Context) error                       { return nil }
func (nowhere) String() string                                    { return "nowhere" }
func (nowhere) ProcessEvents(events ...*auditinternal.Event) bool { return true }

// overhead is what a request takes more than without auditing, with events that go nowhere.
func overhead(c *config, t *table) error {
	all, err := loadReplays(c)
	if err != nil {
		return err
	}
	for _, level := range []audit.Level{audit.LevelNone, audit.LevelMetadata} {
		handler, err := ourHandler(level, nowhere{})
		if err != nil {
			return err
		}
		costs, err := alternate(c.rounds, driven(http.HandlerFunc(endpoint), all, nil), driven(handler, all, nil), driven(upstreamChain(auditinternal.Level(level), nowhere{}), all, nil))
		if err != nil {
			return err
		}
		figure := func(c cost) string {
			return fmt.Sprintf("+%.0f ns, +%.1f allocs, +%.0f bytes", c.time-costs[0].time, c.allocs-costs[0].allocs, c.bytes-costs[0].bytes)
		}
		t.row(fmt.Sprintf("a request at %s, over %.0f ns bare", level, costs[0].time), figure(costs[1]), figure(costs[2]),
			fmt.Sprintf("%.1f ×", (costs[2].time-costs[0].time)/(costs[1].time-costs[0].time)), "")
	}
	return nil
}
