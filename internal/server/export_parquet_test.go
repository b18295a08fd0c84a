package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	duck "github.com/duckdb/duckdb-go-bindings"
	"github.com/google/go-cmp/cmp"
	pq "github.com/parquet-go/parquet-go"

	"annals.dev/internal/query"
)

// readParquet has another reader give the cells of a file, null as "".
func readParquet(t *testing.T, file []byte) (rows []map[string]string, groups int) {
	t.Helper()
	f, err := pq.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range f.RowGroups() {
		groups++
		r := g.Rows()
		buf := make([]pq.Row, 100)
		for err = nil; err == nil; {
			var n int
			n, err = r.ReadRows(buf)
			for _, row := range buf[:n] {
				cells := map[string]string{}
				for _, v := range row {
					switch c := parquetColumns[v.Column()]; {
					case v.IsNull():
					case v.Kind() == pq.Int64:
						cells[c.Name] = strconv.FormatInt(v.Int64(), 10)
					default:
						cells[c.Name] = string(v.ByteArray())
					}
				}
				rows = append(rows, cells)
			}
		}
		r.Close()
	}
	return rows, groups
}

// asParquet is what a line of a JSONL export is in a Parquet file.
func asParquet(t *testing.T, line []byte) map[string]string {
	t.Helper()
	var e query.Event
	if err := json.Unmarshal(line, &e); err != nil {
		t.Fatal(err)
	}
	cells := map[string]string{}
	set := func(name, value string) {
		if value != "" {
			cells[name] = value
		}
	}
	for _, c := range csvColumns {
		set(c.name, c.of(&e))
	}
	if e.Latency != nil {
		cells["latencyMicroseconds"] = strconv.FormatInt(time.Duration(*e.Latency*1e9).Round(time.Microsecond).Microseconds(), 10)
		delete(cells, "latencySeconds")
	}
	cells["time"], cells["received"] = strconv.FormatInt(e.Time.UnixMicro(), 10), strconv.FormatInt(e.Received.UnixMicro(), 10)
	var of map[string]json.RawMessage
	if len(e.Event) > 0 {
		if err := json.Unmarshal(e.Event, &of); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"annotations", "responseStatus", "requestObject", "responseObject"} {
		set(name, string(of[name]))
	}
	return cells
}

// A Parquet file holds what the lines do.
func TestParquetExport(t *testing.T) {
	c := newCore(t)
	team(t, c)
	spoilt(t, c, "prod")
	srv := serve(t, c)
	for _, q := range []struct {
		who, params string
		rows        int
		bodies      bool
	}{
		{"admin", "", 302, true}, {"reader", "query=verb:create", 61, false}, {"scoped", "query=verb:create&clusters=prod", 40, true}, {"admin", "query=nosuchword", 0, false},
	} {
		_, lines := call(t, srv, q.who, "GET", "/api/v1/export?archive=none&format=jsonl&"+q.params, "")
		resp, file := call(t, srv, q.who, "GET", "/api/v1/export?archive=none&format=parquet&"+q.params, "")
		if resp.StatusCode != 200 || resp.Trailer.Get(trailerCount) != fmt.Sprint(q.rows) {
			t.Fatalf("%s %s: %d %v %.200s", q.who, q.params, resp.StatusCode, resp.Trailer, file)
		}
		var want []map[string]string
		for line := range bytes.Lines([]byte(lines)) {
			want = append(want, asParquet(t, line))
		}
		got, _ := readParquet(t, []byte(file))
		if d := cmp.Diff(want, got); d != "" || len(got) != q.rows {
			t.Errorf("%s %s: %d rows (-lines +parquet):\n%s", q.who, q.params, len(got), d)
		}
		if bodies := strings.Contains(fmt.Sprint(got), "hush"); bodies != q.bodies {
			t.Errorf("%s %s: bodies: %v", q.who, q.params, bodies)
		}
	}
}

// DuckDB, too, finds in the file what the lines say.
func TestParquetExportInDuckDB(t *testing.T) {
	c := newCore(t)
	team(t, c)
	srv := serve(t, c)
	dir := t.TempDir()
	for _, format := range []string{"parquet", "jsonl"} {
		_, file := call(t, srv, "admin", "GET", "/api/v1/export?archive=none&format="+format, "")
		if err := os.WriteFile(filepath.Join(dir, "events."+format), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var db duck.Database
	var con duck.Connection
	if duck.Open("", &db) != duck.StateSuccess || duck.Connect(db, &con) != duck.StateSuccess {
		t.Fatal("DuckDB does not open")
	}
	defer duck.Close(&db)
	defer duck.Disconnect(&con)
	const columns = `SELECT time, cluster, "position", "user", verb, resource, namespace, name, code, stage, sentence, %s::JSON::VARCHAR AS body`
	file := strings.NewReplacer("PARQUET", fmt.Sprintf(columns, "requestObject")+" FROM '"+dir+"/events.parquet'",
		"LINES", fmt.Sprintf(columns, "event.requestObject")+" FROM read_json('"+dir+"/events.jsonl')")
	for _, sql := range []string{
		`SELECT error(x::VARCHAR) FROM (PARQUET EXCEPT ALL LINES) x`, `SELECT error(x::VARCHAR) FROM (LINES EXCEPT ALL PARQUET) x`,
		`SELECT CASE WHEN count(*) = 300 AND count(body) = 60 AND typeof(any_value(time)) = 'TIMESTAMP' THEN 1 ELSE error('counts') END FROM (PARQUET)`,
	} {
		var res duck.Result
		if duck.Query(con, file.Replace(sql), &res) != duck.StateSuccess {
			t.Errorf("%s: %s", sql, duck.ResultError(&res))
		}
		duck.DestroyResult(&res)
	}
}

// Row groups are of a bounded size, whatever the events are, and strings that are no text keep nobody from reading.
func TestParquetGroups(t *testing.T) {
	for _, c := range []struct {
		events, body, groups int
	}{{0, 0, 0}, {1, 0, 1}, {groupRows, 10, 1}, {2*groupRows + 1, 0, 3}, {9, groupBytes / 4, 3}} {
		var file bytes.Buffer
		f, err := newParquetFile(&file)
		if err != nil {
			t.Fatal(err)
		}
		body := `{"a":"` + strings.Repeat("x", c.body) + `"}`
		for n := range c.events {
			e := query.Event{Position: uint64(n), Time: time.UnixMicro(int64(n)), User: "a\xffb", Sentence: fmt.Sprint(n),
				Event: []byte(`{"user":{"groups":["g"]},"responseObject":` + body + `,"annotations":7}`)}
			if err := f.row(e); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.close(); err != nil {
			t.Fatal(err)
		}
		rows, groups := readParquet(t, file.Bytes())
		if len(rows) != c.events || groups != c.groups {
			t.Errorf("%d events of %d bytes: %d rows in %d groups, want %d", c.events, c.body, len(rows), groups, c.groups)
		}
		for n, row := range rows {
			if row["position"] != fmt.Sprint(n) || row["time"] != fmt.Sprint(n) || row["sentence"] != fmt.Sprint(n) || row["user"] != "a\uFFFDb" ||
				row["groups"] != `["g"]` || row["annotations"] != "7" || row["responseObject"] != body {
				t.Fatalf("row %d: %.300v", n, row)
			}
		}
	}
}
