package query_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"annals.dev/internal/match"
	"annals.dev/internal/match/matchtest"
	"annals.dev/internal/query"
	"annals.dev/internal/query/querytest"
)

// scopes are such as people give, and stranger ones.
var scopes = []string{
	"ns:kube-system", "cluster:prod", "ns:default OR user:kubernetes-admin", "cluster:stage -resource:secrets", "verb:(get OR list) code<400",
	"group:system:masters", "user:system:* -user:system:anonymous", "ip:127.0.0.1", "-ns:*", "stage:ResponseComplete latency>1ms", "resource:nosuchthing",
	"position>=100", "time<2026-11-21T01:00:00Z", "agent:kubectl*", "origin:webhook/cp-1",
}

func events(tb testing.TB) (all [][]byte) {
	tb.Helper()
	f, err := os.Open("../match/testdata/events.jsonl.gz")
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		tb.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		all = append(all, bytes.TrimSuffix(line, []byte("\n")))
	}
	return all
}

// TestScope: whatever a reader with a scope asks, the answer is the same whatever else is in the ledger.
func TestScope(t *testing.T) {
	all := events(t)
	for i, scope := range scopes {
		t.Run(scope, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(11, uint64(i)))
			p := querytest.Scoped(t, rng, scope, i%3 > 0, all)
			askEverything(t, rng, p)
		})
	}
}

// TestBodies: whatever a reader without bodies asks, the answer is the same whatever they hold.
func TestBodies(t *testing.T) {
	all := events(t)
	for i, scope := range []string{"", "ns:kube-system", "-user:system:*"} {
		t.Run("scope "+scope, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(12, uint64(i)))
			askEverything(t, rng, querytest.Bodiless(t, rng, scope, all))
		})
	}
}

// asks is how many times each kind of question is asked of each pair: ANNALS_ASKS, or a few.
func asks(tb testing.TB) int {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("ANNALS_ASKS"), "2"))
	if err != nil {
		tb.Fatalf("ANNALS_ASKS is not a number: %v", err)
	}
	return n
}

func askEverything(t *testing.T, rng *rand.Rand, p *querytest.Pair) {
	ctx, n := context.Background(), asks(t)
	for range n {
		text := matchtest.Random(rng, p.Events)
		predicate, err := match.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		of := query.Range{Query: predicate}
		if rng.IntN(3) == 0 {
			of.Since = time.Date(2026, 11, 21, 0, 30+rng.IntN(30), 0, 0, time.UTC)
		}
		if rng.IntN(3) == 0 {
			of.Until = time.Date(2026, 11, 21, 1, rng.IntN(30), 0, 0, time.UTC)
		}
		if rng.IntN(4) == 0 {
			of.Clusters = []string{[]string{"prod", "stage", "team", "vault", "annals", "nowhere"}[rng.IntN(6)]}
		}
		field := query.Facets()[rng.IntN(len(query.Facets()))]
		askAll(ctx, t, rng, p, text, of, field)
		if t.Failed() {
			t.FailNow()
		}
	}
	for _, i := range first(rng.Perm(len(statements)), n) {
		sql := statements[i]
		p.Same(t, sql, func(r *query.Reader) (any, error) { return rowsOf(ctx, r, sql) })
	}
}

func first(of []int, n int) []int { return of[:min(n, len(of))] }

func askAll(ctx context.Context, t *testing.T, rng *rand.Rand, p *querytest.Pair, text string, of query.Range, field string) {
	s := query.Search{Range: of, Limit: rng.IntN(12), OldestFirst: rng.IntN(2) == 0, Wide: rng.IntN(2) == 0, Bytes: rng.IntN(2) == 0}
	what := fmt.Sprintf("%s (%+v)", text, s)
	p.Same(t, "search "+what, func(r *query.Reader) (any, error) { return searched(ctx, r, s) })
	s.After = &query.Cursor{Time: time.Date(2026, 11, 21, 0, 52, 30, 0, time.UTC), Cluster: "prod", Position: 40}
	p.Same(t, "search behind "+what, func(r *query.Reader) (any, error) { return searched(ctx, r, s) })
	p.Same(t, "count "+what, func(r *query.Reader) (any, error) {
		n, cov, err := r.Count(ctx, of)
		return []any{n, cov}, err
	})
	p.Same(t, "top "+field+" "+what, func(r *query.Reader) (any, error) {
		v, cov, err := r.Top(ctx, of, field, 5)
		return []any{v, cov}, err
	})
	p.Same(t, "hits by "+field+" "+what, func(r *query.Reader) (any, error) { return r.Hits(ctx, of, query.HitsOptions{By: field, Top: 2}) })
	p.Same(t, "histogram "+what, func(r *query.Reader) (any, error) {
		b, cov, err := r.Histogram(ctx, of, time.Minute)
		return []any{b, cov}, err
	})
	rare := rng.IntN(2) == 0
	p.Same(t, "facets "+what, func(r *query.Reader) (any, error) {
		f, cov, err := r.Facets(ctx, of, nil, 5, rare)
		return []any{f, cov}, err
	})
	prefix := []string{"", "s", "side", "system:", "k", "1"}[rng.IntN(6)]
	p.Same(t, "values of "+field+" "+prefix+" "+what, func(r *query.Reader) (any, error) {
		v, cov, err := r.Values(ctx, of, field, prefix, 5)
		return []any{v, cov}, err
	})
	p.Same(t, "groups "+what, func(r *query.Reader) (any, error) {
		g, cov, err := r.Groups(ctx, of, []string{field, "verb"}, 7)
		return []any{g, cov}, err
	})
}

func searched(ctx context.Context, r *query.Reader, s query.Search) (any, error) {
	var rows []any
	cov, err := r.Search(ctx, s, func(row *query.Row) error {
		rows = append(rows, *row)
		if s.Wide && s.Bytes {
			rows = append(rows, row.Event(query.Whole), row.Event(query.Evidence))
		}
		return nil
	})
	return []any{rows, cov}, err
}

func rowsOf(ctx context.Context, r *query.Reader, sql string) (any, error) {
	var columns []query.ResultColumn
	rows := []string{}
	cov, err := r.SQL(ctx, query.Statement{SQL: sql}, func(c []query.ResultColumn) error { columns = c; return nil }, func(values []any) error {
		rows = append(rows, fmt.Sprint(values...))
		return nil
	})
	return []any{columns, rows, cov}, err
}

// statements try to see what is not in scope: by errors, by order of evaluation, by samples, by what is true of all events.
var statements = []string{
	`SELECT * FROM events ORDER BY cluster, position`,
	`SELECT count(*), count(requestObject), count(responseObject), min(time), max(time), count(DISTINCT cluster) FROM events`,
	`SELECT sum(CAST(name AS INTEGER)) FROM events WHERE name LIKE '%word%' OR length(name) < 2`,
	`SELECT CAST("user" AS BIGINT) FROM events WHERE "user" LIKE '%word%'`,
	`SELECT CAST(apiGroup AS BIGINT) FROM events WHERE apiGroup LIKE '%.io' AND apiGroup LIKE 'side%'`,
	`SELECT CASE WHEN "user" LIKE 'side%' THEN CAST("user" AS INTEGER) ELSE 0 END AS x FROM events ORDER BY x LIMIT 1`,
	`SELECT count(*) FROM events WHERE 1 / (code - 200) > 0 OR name = 'side0word1'`,
	`SELECT code // (length(verb) - 3) AS x, count(*) FROM events GROUP BY x ORDER BY x NULLS FIRST`,
	`SELECT verb, count(*), list(name ORDER BY position, cluster)[1:3] FROM events GROUP BY verb ORDER BY verb NULLS FIRST`,
	`SELECT list_sum(list_transform(list("user" ORDER BY cluster, position), lambda u: CAST(coalesce(length(u), 0) AS INTEGER))) FROM events`,
	`SELECT position - lag(position) OVER (PARTITION BY cluster ORDER BY position) AS d, count(*) FROM events GROUP BY d ORDER BY d`,
	`DESCRIBE SELECT * FROM events`,
	`SELECT column_name, column_type, "min", "max", count FROM (SUMMARIZE SELECT * FROM events) ORDER BY column_name`,
	`SELECT name FROM events WHERE verb = 'side0word3'`,
	`SELECT count(*) FROM (SELECT * FROM events LIMIT 1000000)`,
	`SELECT count(*) FROM (SELECT * FROM events USING SAMPLE 100 PERCENT)`,
	`WITH RECURSIVE t(n, v) AS (SELECT 0, min(verb) FROM events UNION ALL SELECT n + 1, (SELECT min(verb) FROM events WHERE verb > v) FROM t WHERE n < 20 AND v IS NOT NULL) SELECT * FROM t ORDER BY n`,
	`SELECT a.verb, count(*) FROM events a JOIN events b USING (auditID) GROUP BY 1 ORDER BY 1 NULLS FIRST`,
	`SELECT v, count(*) FROM events, unnest(sourceIPs) AS u(v) GROUP BY v ORDER BY v`,
	`SELECT k, count(*) FROM events, unnest(json_keys(annotations)) AS t(k) GROUP BY k ORDER BY k`,
	`SELECT requestObject->>'kind', count(*) FROM events GROUP BY 1 ORDER BY 1 NULLS FIRST`,
	`SELECT cluster, marks, count(*) FROM events GROUP BY ALL ORDER BY ALL`,
	`SELECT DISTINCT origin FROM events ORDER BY origin`,
	`SELECT max(code), min(code), max(latency), max(received) FROM events`,
	`SELECT time FROM events ORDER BY time DESC, cluster, position LIMIT 3`,
	`SELECT name FROM events ORDER BY name DESC NULLS LAST LIMIT 3`,
	`SELECT approx_count_distinct("user") FROM events`,
	`SELECT error FROM (SELECT TRY_CAST(name AS INTEGER) AS error FROM events) WHERE error IS NOT NULL ORDER BY error`,
	`SELECT strptime(name, '%Y') FROM events WHERE name LIKE 'side%'`,
	`PIVOT (SELECT verb, stage FROM events WHERE verb IN ('get', 'list')) ON verb IN ('get', 'list') USING count(*) GROUP BY stage ORDER BY stage`,
	`SELECT * FROM (SELECT 1 AS x) WHERE EXISTS (SELECT 1 FROM events WHERE namespace LIKE '%side%')`,
	`SELECT json_extract(responseStatus, '$.code') AS c, count(*) FROM events GROUP BY c ORDER BY CAST(c AS VARCHAR)`,
}

// TestSample: rows that are given in no order are in scope, however few are asked for.
func TestSample(t *testing.T) {
	all := events(t)
	rng := rand.New(rand.NewPCG(13, 1))
	p := querytest.Scoped(t, rng, "user:system:*", true, all)
	for _, sql := range []string{
		`SELECT "user" FROM events LIMIT 5`, `SELECT "user" FROM events USING SAMPLE 5`, `SELECT "user" FROM events USING SAMPLE 50 PERCENT (bernoulli)`,
		`SELECT "user" FROM events TABLESAMPLE SYSTEM (50 PERCENT)`, `SELECT any_value("user") FROM events`, `SELECT "user" FROM events OFFSET 3`,
	} {
		for _, s := range p.Sides {
			n := 0
			_, err := s.Reader.SQL(t.Context(), query.Statement{SQL: sql}, func([]query.ResultColumn) error { return nil }, func(v []any) error {
				if n++; !strings.HasPrefix(v[0].(string), "system:") {
					return fmt.Errorf("%v is shown", v[0])
				}
				return nil
			})
			if err != nil || n == 0 && !strings.Contains(sql, "SYSTEM") {
				t.Errorf("%s: %d rows, %v", sql, n, err)
			}
		}
	}
}
