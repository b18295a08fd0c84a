package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/ledger"
)

// answer gives a statement's rows, each value as JSON.
func answer(ctx context.Context, e *Engine, sql string) (columns []ResultColumn, rows [][]string, err error) {
	_, err = e.As(All).SQL(ctx, Statement{SQL: sql}, func(c []ResultColumn) error { columns = c; return nil }, func(values []any) error {
		row := make([]string, len(values))
		for i, v := range values {
			b, err := json.Marshal(v)
			if err != nil {
				return err
			}
			row[i] = string(b)
		}
		rows = append(rows, row)
		return nil
	})
	return columns, rows, err
}

// newMixed is a ledger of two clusters, one of them with a segment.
func newMixed(tb testing.TB) (*ledger.Ledger, string) {
	l, dir := newLedger(tb)
	for n := range 100 {
		add(tb, l, "prod", request(n, "get", "pods", fmt.Sprint("user", n%4), "sealed"))
	}
	seal(tb, l)
	for n := range 50 {
		add(tb, l, "prod", request(100+n, "delete", "secrets", "eve", "hot"))
		add(tb, l, "stage", request(200+n, "list", "secrets", "bob", "hot"))
	}
	return l, dir
}

func TestSQL(t *testing.T) {
	l, dir := newMixed(t)
	e := newEngine(t, l, dir)
	for _, tt := range []struct {
		sql  string
		want [][]string
	}{
		{"select count(*) from events", [][]string{{"200"}}},
		{"from events select cluster, count(*) group by all order by all;", [][]string{{`"prod"`, "150"}, {`"stage"`, "50"}}},
		{"select user, verb, resource, code, position from events where cluster = 'prod' and time > '2026-11-20 08:02:28' -- the last",
			[][]string{{`"eve"`, `"delete"`, `"secrets"`, "202", "149"}}},
		{"select groups, sourceIPs[1], requestObject->>'word', requestObject, responseObject, latency, marks, impersonatedUser, reason, annotations->>'$.\"authorization.k8s.io/decision\"', auditID from events where position = 0 and cluster = 'prod'",
			[][]string{{`["system:authenticated"]`, `"10.0.0.0"`, `"sealed"`, `"{\"word\":\"sealed\"}"`, "null", `"1ms"`, "[]", "null", `"it's \"fine\""`, `"allow"`, `"00000001-0000-4000-8000-000000000000"`}}},
		{"select requestObject->>'word', count(*) from events group by 1 order by 1", [][]string{{`"hot"`, "100"}, {`"sealed"`, "100"}}},
		{"with w as (select * from events where verb = 'list'), v as (select name from w) select count(distinct name) from v", [][]string{{"50"}}},
		{"with recursive t(n) as (select 1 union all select n + 1 from t where n < 5) select sum(n) from t", [][]string{{"15"}}},
		{"select a.n, b.n from range(2) a(n), (values (7)) b(n) where exists (select 1 from events) order by 1", [][]string{{"0", "7"}, {"1", "7"}}},
		{"select verb, rank() over (order by count(*) desc) from events group by 1 order by 2, 1", [][]string{{`"get"`, "1"}, {`"delete"`, "2"}, {`"list"`, "2"}}},
		{"select 1 union all select 2 except select 1", [][]string{{"2"}}},
		{"select time_bucket(interval 5 minute, time) b, count(*) filter (verb = 'get') from events group by 1 order by 1 limit 1", [][]string{{`"2026-11-20T08:00:00Z"`, "100"}}},
		{"select 1.50, 2::hugeint, 170141183460469231731687303715884105727::hugeint, {'a': 1, 'b': [2, null]}, map {'k': 1}, date '2026-11-20', null, true, 0.5::double, 'x'::blob, uuid '00000001-0000-4000-8000-000000000000', interval '1 month 2 days'",
			[][]string{{"1.50", "2", "170141183460469231731687303715884105727", `{"a":1,"b":[2,null]}`, `{"k":1}`, `"2026-11-20"`, "null", "true", "0.5", `"eA=="`, `"00000001-0000-4000-8000-000000000000"`, `"1 months 2 days"`}}},
		{"select list_transform([1, 2], lambda x: x + 1), [x for x in ['a']], columns(c -> c = 'verb') from events limit 1", [][]string{{"[2,3]", `["a"]`, `"get"`}}},
		{"select count(*) from (describe events)", [][]string{{fmt.Sprint(len(View))}}},
	} {
		_, got, err := answer(context.Background(), e, tt.sql)
		if err != nil {
			t.Errorf("%s: %v", tt.sql, err)
		} else if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.sql, diff)
		}
	}
}

// TestView holds the view against what View says of it, for sealed and unsealed rows.
func TestView(t *testing.T) {
	l, dir := newMixed(t)
	e := newEngine(t, l, dir)
	columns, _, err := answer(context.Background(), e, "select * from events limit 0")
	if err != nil {
		t.Fatal(err)
	}
	var want []ResultColumn
	for _, c := range View {
		want = append(want, ResultColumn{c.Name, c.Type})
	}
	if diff := cmp.Diff(want, columns); diff != "" {
		t.Errorf("(-View +duckdb)\n%s", diff)
	}
	if columns, rows, err := answer(context.Background(), newEngine(t, firstLedger(t), dir), "select * from events"); err != nil || len(columns) != len(View) || rows != nil {
		t.Errorf("an empty ledger: %v, %v, %v", columns, rows, err)
	}
}

func firstLedger(tb testing.TB) *ledger.Ledger { l, _ := newLedger(tb); return l }

// TestWalls tries to climb them.
func TestWalls(t *testing.T) {
	l, dir := newMixed(t)
	e := newEngine(t, l, dir)
	segments, err := filepath.Glob(filepath.Join(dir, "clusters/prod/segments/*.parquet"))
	if err != nil || len(segments) == 0 {
		t.Fatal(segments, err)
	}
	seg := segments[0]
	before, err := os.ReadFile(seg)
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		// statements that are no SELECT
		"copy events to '/tmp/out.csv'", "copy (select 1) to '" + seg + "'", "copy (select 1 a) to '" + dir + "/x.parquet' (format parquet)",
		"attach '/tmp/x.db'", "attach ':memory:' as m", "detach main", "use memory", "set threads = 1", "set global enable_external_access = true",
		"reset all", "pragma database_list", "pragma show_tables", "pragma enable_logging", "install httpfs", "load httpfs", "force install httpfs from 'x'",
		"export database '/tmp/x'", "import database '/tmp/x'", "create table x as select 1", "create view v as select 1", "create macro m() as 1",
		"create function f(x) as x", "create type t as enum ('a')", "create secret s (type s3)", "create sequence s", "insert into events select 1",
		"update events set verb = 'x'", "delete from events", "drop view events", "alter view events rename to e", "call pragma_version()",
		"checkpoint", "vacuum", "analyze", "begin", "commit", "explain select 1", "explain analyze select 1", "prepare p as select 1", "execute p",
		"deallocate p", "comment on view events is 'x'", "pivot events on verb using count(*)", "show tables", "show all tables", "show databases",
		"set variable x = 1", "summarize '" + seg + "'", "describe '" + seg + "'", "describe table '/etc/passwd'",
		// more than one
		"select 1; select 2", "select 1; copy events to '/tmp/x'", "select 1; drop view events", "; ; select 1; pragma version",
		// parameters
		"select ?", "select $1", "select $x",
		// tables that are not events
		"from '/etc/passwd'", "select * from '" + seg + "'", `select * from "` + seg + `"`, "from '*.csv'", "from 'https://example.com/x.parquet'",
		"from duckdb_settings", "from duckdb_tables", "from sqlite_master", "from sqlite_schema", "from pg_catalog.pg_class", "from pg_class",
		"from pragma_database_list", "from information_schema.tables", "from information_schema.columns", "from memory.main.events",
		"from main.events", "from system.main.duckdb_tables", "from temp.events", "table duckdb_tables", "from events at (version => 1)",
		"from duckdb_views v, events", "select (select count(*) from duckdb_tables)", "select * from events where exists (from sqlite_master)",
		"select * from events e, lateral (select * from duckdb_tables) t", "select 1 union all select count(*) from sqlite_master",
		"select * from events order by (select max(sql) from sqlite_master)", "select [(select max(sql) from sqlite_master) for x in [1]]",
		"select list_transform([1], lambda x: (select count(*) from duckdb_tables))", "select * from (values ((select count(*) from sqlite_master)))",
		"select count(*) filter (exists (from duckdb_tables)) from events", "select sum(position) over (order by (select count(*) from duckdb_tables)) from events",
		"select * from (from sqlite_master) unpivot (x for y in (name))", "select * exclude (verb) replace ((select max(sql) from sqlite_master) as user) from events",
		"select * from events limit (select count(*) from duckdb_tables)", "select * from range((select count(*) from duckdb_tables))",
		// names given by WITH that reach further than they do
		"with sqlite_master as (select * from sqlite_master) from sqlite_master", "with x as (from x) from x", `with "/etc/passwd" as (select 1) from "/etc/passwd"`,
		"select * from duckdb_tables where exists (with duckdb_tables as (select 1) from duckdb_tables)", "with a as (with t as (select 1) from t) from t",
		"with events as (select 1) from events", "with recursive t as (from t2 union all from t), t2 as (select 1) from t", "from t where exists (with t as (select 1) from t)",
		// table functions
		"from read_csv('/etc/passwd')", "from read_csv_auto('/etc/passwd')", "from read_text('/etc/passwd')", "from read_blob('/etc/passwd')",
		"from read_json('/etc/passwd')", "from read_json_objects('/etc/passwd')", "from read_ndjson('/etc/passwd')", "from read_parquet('" + seg + "')",
		"from parquet_scan('" + seg + "')", "from parquet_metadata('" + seg + "')", "from parquet_schema('" + seg + "')", "from parquet_file_metadata('" + seg + "')",
		"from glob('/*')", "from sniff_csv('/etc/passwd')", "from read_duckdb('/tmp/x')", "from query('select 1')", "from query('copy events to ''/tmp/x''')",
		"from query_table('duckdb_tables')", "from duckdb_settings()", "from duckdb_functions()", "from duckdb_secrets()", "from duckdb_logs()",
		"from duckdb_views()", "from duckdb_memory()", "from pragma_version()", "from pragma_table_info('events')", "from enable_logging()",
		"from json_execute_serialized_sql(json_serialize_sql('select 1'))", "from test_all_types()", "from repeat('x', 10)", "from repeat_row(1, num_rows = 3)",
		"from annals_hot(1)", "from ANNALS_HOT(1)", `from "annals_hot"(1)`, "from system.main.range(3)", "from pg_catalog.unnest([1])", "from icu_calendar_names()",
		"from which_secret('x', 's3')", "from checkpoint()", "from force_checkpoint()", "from summary((from events))", "from arrow_scan(1, 2, 3)", "from seq_scan('events')",
		// functions
		"select getenv('HOME')", "select current_setting('threads')", "select getvariable('x')", "select nextval('s')", "select write_log('x')",
		"select repeat('x', 1000000000)", "select lpad('x', 1000000000, 'y')", "select range(1000000000)", "select generate_series(1, 1000000000)",
		"select format('{:1000000000d}', 1)", "select printf('%1000000000d', 1)", "select list_resize([1], 1000000000)", "select bar(1, 0, 1, 1000000000)",
		"select json_serialize_sql('select 1')", "select json_serialize_plan('select 1')", "select json_deserialize_sql('{}')", "select current_query()",
		"select pg_sleep(1)", "select sleep_ms(1000)", "select setseed(0.5)", "select stats(1)", "select vector_type(1)", "select error('x')",
		"select system.main.getenv('HOME')", "select main.current_setting('threads')", "select 'threads'.current_setting()", "select list_transform(['threads'], lambda x: current_setting(x))",
		"select annals_test('x', 'y')", "select * from events where length(getenv('HOME')) > 0", "select first(current_setting('threads')) over ()",
		"select * from events qualify getenv('HOME') = 'x'", "select 1 group by current_setting('threads')", "select 1 having current_setting('threads') = 'x'",
		"select pg_get_viewdef(1)", "select has_table_privilege('events', 'select')", "select txid_current()", "select inet_server_addr()", "select st_astext('x')",
	} {
		t.Run(sql, func(t *testing.T) {
			_, rows, err := answer(context.Background(), e, sql)
			var refused *RefusedError
			var said *Error
			switch {
			case err == nil:
				t.Errorf("climbed: %q", rows)
			case errors.As(err, &refused):
			case errors.As(err, &said) && strings.HasPrefix(said.Message, "Parser Error"), errors.As(err, &said) && strings.HasPrefix(said.Message, "syntax error"):
			default:
				t.Errorf("stopped late: %v", err)
			}
		})
	}
	after, err := os.ReadFile(seg)
	if err != nil || string(after) != string(before) {
		t.Errorf("the segment changed: %v", err)
	}
}

// TestSecondWall runs statements that the walk refuses without it: the DuckDB of statements stops them, or they are no SELECT.
func TestSecondWall(t *testing.T) {
	l, dir := newMixed(t)
	e := newEngine(t, l, dir)
	for _, sql := range []string{
		"from read_text('/etc/passwd')", "from '/etc/passwd'", "from glob('/etc/*')", "from annals_hot(424242)", "copy (select 1) to '/tmp/annals-wall.csv'",
		"set enable_external_access = true", "attach '/tmp/annals-wall.db'", "install httpfs", "from read_csv('" + dir + "/ledger.json')", "from 'https://example.com/x.parquet'",
	} {
		err := e.As(All).isolated(context.Background(), Statement{}, func(c *conn, _ *Coverage) error {
			return c.answer(context.Background(), sql, func([]ResultColumn) error { return nil }, func(v []any) error { return fmt.Errorf("climbed: %v", v) })
		})
		if err == nil || strings.HasPrefix(err.Error(), "climbed") {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func TestSQLBounds(t *testing.T) {
	l, dir := newMixed(t)
	e, err := New(l.Snapshot, Options{Dir: dir, SQLMemory: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for _, sql := range []string{
		"select a.range, hash(a.range) h from range(50000000) a order by h desc, 1 limit 1000000",
		"select count(distinct (range, hash(range))) from range(20000000)",
		"with recursive t as (select 'xxxxxxxxxxxxxxxx' s union all select s || s from t) select max(strlen(s)) from t",
	} {
		_, _, err := answer(context.Background(), e, sql)
		var tooMuch *MemoryError
		if !errors.As(err, &tooMuch) {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if _, _, err := answer(context.Background(), e, "select '"+strings.Repeat("x", MaxStatement)+"'"); err == nil || !strings.Contains(err.Error(), "more than the 65536") {
		t.Error(err)
	}
	if _, _, err := answer(context.Background(), e, "select 1\x00; drop view events"); err == nil || !strings.Contains(err.Error(), "zero byte") {
		t.Error(err)
	}
	deep := strings.Repeat("abs(", 5000) + "1" + strings.Repeat(")", 5000)
	if _, _, err := answer(context.Background(), e, "select "+deep); err == nil {
		t.Error("a statement nested 5,000 deep was answered")
	}
}

func TestSQLCancelled(t *testing.T) {
	l, dir := newMixed(t)
	e := newEngine(t, l, dir)
	for _, sql := range []string{
		"with recursive t(n) as (select 1 union all select n + 1 from t) select max(n) from t",
		"select count(*) from range(100000000) a, range(100000000) b where a.range + b.range = 7",
	} {
		ctx, cancel := context.WithCancel(context.Background())
		running := make(chan error)
		go func() {
			_, _, err := answer(ctx, e, sql)
			running <- err
		}()
		for len(e.sqlTurn) == 0 {
			time.Sleep(time.Millisecond)
		}
		waiting, stop := context.WithCancel(context.Background())
		stop()
		if _, _, err := answer(waiting, e, "select 1"); !errors.Is(err, context.Canceled) {
			t.Errorf("waiting for its turn: %v", err)
		}
		cancel()
		if err := <-running; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if _, rows, err := answer(context.Background(), e, "select count(*) from events"); err != nil || rows[0][0] != "200" {
		t.Errorf("after that: %v, %v", rows, err)
	}
	stop := errors.New("enough")
	n := 0
	_, err := e.As(All).SQL(context.Background(), Statement{SQL: "select * from range(100000000)"}, func([]ResultColumn) error { return nil }, func([]any) error {
		if n++; n == 5 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || n != 5 {
		t.Errorf("stopped by its reader: %v after %d rows", err, n)
	}
}
