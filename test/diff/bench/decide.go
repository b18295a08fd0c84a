package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	upstreampolicy "k8s.io/apiserver/pkg/audit/policy"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"annals.dev/audit"
	"annals.dev/policy"
	"annals.dev/test/diff/recorded"
)

// few is a number of requests that lie in the processor's cache when they are decided over and over, as what a server has
// just read does.
const few = 4096

// decide compares the two on requests of the recorded logs, in random order: on few, and on all of them, where both sides mostly
// wait for memory. Neither side remembers anything from one to the next.
func decide(c *config, t *table) error {
	events, err := recorded.Read(filepath.Join(c.corpus, "corpus", "normal-*.log.gz"))
	if err != nil {
		return err
	}
	order := rand.New(rand.NewPCG(1, 2))
	order.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	theirs := make([]authorizer.Attributes, len(events))
	ours := make([]policy.Attributes, len(events))
	for i, e := range events {
		a := recorded.Attributes(e)
		theirs[i] = a
		ours[i] = policy.Attributes{Verb: a.Verb, ResourceRequest: a.ResourceRequest, APIGroup: a.APIGroup, Resource: a.Resource, Subresource: a.Subresource,
			Namespace: a.Namespace, Name: a.Name, Path: a.Path}
		if e.User.Username != "" {
			ours[i].User = &e.User
		}
	}
	for _, p := range []struct {
		file  string
		least float64
	}{{"c-production", 2}, {"e-gke25", 4}, {"f-200-rules", 10}} {
		text, err := os.ReadFile(filepath.Join(c.corpus, "corpus", "policies", p.file+".yaml"))
		if err != nil {
			return err
		}
		their, err := upstreampolicy.LoadPolicyFromBytes(text)
		if err != nil {
			return err
		}
		our, err := policy.Parse(text, policy.Options{})
		if err != nil {
			return err
		}
		evaluator, compiled := upstreampolicy.NewPolicyRuleEvaluator(their), policy.Compile(our)
		for _, n := range []int{min(few, len(events)), len(events)} {
			again := max(1, 20*few/n)
			var levels [2]int // so that nobody can leave the work out
			costs, err := alternate(c.rounds,
				func() (int, error) {
					for range again {
						for i := range ours[:n] {
							levels[0] += compiled.Decide(&ours[i]).Level.Order()
						}
					}
					return again * n, nil
				},
				func() (int, error) {
					for range again {
						for _, a := range theirs[:n] {
							levels[1] += audit.Level(evaluator.EvaluatePolicyRule(a).Level).Order()
						}
					}
					return again * n, nil
				})
			if err != nil {
				return err
			}
			if levels[0] != levels[1] {
				return fmt.Errorf("%s: the two sides decide otherwise", p.file)
			}
			ratio, least := must(costs[1].time/costs[0].time, p.least)
			t.row(fmt.Sprintf("decide, %s (%d rules), on %d requests", p.file, len(our.Rules), n), nanos(costs[0]), nanos(costs[1]), ratio, least)
		}
	}
	return nil
}

func nanos(c cost) string { return fmt.Sprintf("%.0f ns, %.0f allocs", c.time, c.allocs) }
