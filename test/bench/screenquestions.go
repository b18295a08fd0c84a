package main

import (
	"context"
	"fmt"
	"time"

	"annals.dev/internal/match"
	"annals.dev/internal/query"
)

// screenRounds is how many values each of these is asked with: some read all events of the ledger.
const screenRounds = 5

// questionsOfScreens are what the first screen asks when a search is typed: of everything, of most, of few, of a word, and all
// of it again for a reader whose scope is one namespace, without bodies.
func questionsOfScreens(e *query.Engine, v *values) ([]question, error) {
	scope, err := match.Parse("ns:kube-system")
	if err != nil {
		return nil, err
	}
	var all []question
	for _, who := range []struct {
		name string
		r    *query.Reader
	}{{"", e.As(query.All)}, {"scoped: ", e.As(query.Sight{Scope: scope})}} {
		all = append(all, firstScreen(who.name, who.r, v)...)
		all = append(all, typing(who.name, who.r, v)...)
		all = append(all, plain(who.name, who.r)...)
	}
	return all, nil
}

func firstScreen(name string, r *query.Reader, v *values) (all []question) {
	for _, text := range []string{"*", "verb:get", "resource:secrets code<400", "kubelet"} {
		// Rows that matched are remembered: nothing is asked twice that is not meant to be.
		but := func(what string) asked { return v.but(fmt.Sprintf("%s -name:%q", text, what)) }
		must := func(what, most string) question {
			return question{name: fmt.Sprintf("%s%s, `%s`", name, what, text), must: most, n: screenRounds}
		}
		results := must("newest 100", "< 300")
		results.ask = timing(but("results"), func(ctx context.Context, of query.Range) (n int, err error) {
			_, err = r.Search(ctx, query.Search{Range: of, Limit: 100, Wide: true}, func(*query.Row) error { n++; return nil })
			return n, err
		})
		hits := must("histogram by code-class", "< 100")
		hits.ask = timing(but("hits"), func(ctx context.Context, of query.Range) (int, error) {
			h, err := r.Hits(ctx, of, query.HitsOptions{By: "code-class"})
			return len(h.Series), err
		})
		facets := must("facets", "< 100")
		facets.ask = timing(but("facets"), func(ctx context.Context, of query.Range) (n int, err error) {
			f, _, err := r.Facets(ctx, of, nil, 10, false)
			for _, x := range f {
				n += len(x.Values)
			}
			return n, err
		})
		all = append(all, results, hits, facets)
	}
	return all
}

// typing is what is asked while somebody types, and around an event that is open.
func typing(name string, r *query.Reader, v *values) (all []question) {
	everything := func(int) (string, query.Range) { return "*", query.Range{} }
	for _, field := range []string{"user", "name", "uri"} {
		all = append(all, question{name: name + "values of " + field, n: screenRounds, must: "never waits", ask: timing(everything, func(ctx context.Context, of query.Range) (int, error) {
			values, _, err := r.Values(ctx, of, field, "k", 20)
			return len(values), err
		})})
	}
	middle := v.from.Add(v.to.Sub(v.from) / 2)
	for _, by := range []string{`user:%q`, `resource:pods ns:%q`, `*%.0s`} {
		around := func(i int) (string, query.Range) {
			what := v.users[i%len(v.users)]
			if by[0] == 'r' {
				what = "kube-system"
			}
			return fmt.Sprintf(by, what), query.Range{}
		}
		all = append(all, question{name: name + "neighbours, `" + by + "`", n: screenRounds, must: "< 1000 at 10 GB", ask: timing(around, func(ctx context.Context, of query.Range) (n int, err error) {
			for _, oldest := range []bool{false, true} {
				s := query.Search{Range: of, Limit: 5, OldestFirst: oldest, Wide: true, After: &query.Cursor{Time: middle, Cluster: cluster}}
				if _, err = r.Search(ctx, s, func(*query.Row) error { n++; return nil }); err != nil {
					break
				}
			}
			return n, err
		})})
	}
	return all
}

// plain are statements that read the columns that facets and histograms do, in the plainest way.
func plain(name string, r *query.Reader) (all []question) {
	for _, s := range []struct{ name, sql string }{
		{"twelve GROUP BY", `SELECT count(*) FROM (SELECT verb, resource, namespace, name, "user", code, sourceIPs[-1] AS ip, userAgent, decision, stage, level, cluster FROM events) GROUP BY GROUPING SETS (verb, resource, namespace, name, "user", code, ip, userAgent, decision, stage, level, cluster)`},
		{"one GROUP BY", `SELECT verb, count(*) FROM events GROUP BY verb`},
		{"one count", `SELECT count(*) FROM events WHERE verb = 'get'`},
	} {
		all = append(all, question{name: name + "for comparison, SQL, " + s.name, n: screenRounds, ask: func(ctx context.Context, _ int) (n int, took time.Duration, text string, err error) {
			begun := time.Now()
			_, err = r.SQL(ctx, query.Statement{SQL: s.sql}, func([]query.ResultColumn) error { return nil }, func([]any) error { n++; return nil })
			return n, time.Since(begun), s.name, err
		}})
	}
	return all
}

func timing(a asked, f func(ctx context.Context, r query.Range) (int, error)) func(context.Context, int) (int, time.Duration, string, error) {
	return timed("", a, f).ask
}
