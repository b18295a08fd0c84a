package server

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// What the panels of the dashboard ask for is there: each address is asked, and each column is found where the panel looks for it.
func TestGrafanaLedger(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(deploy, "grafana-ledger.json"))
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct {
				URL        string
				Parser     string
				Root       string `json:"root_selector"`
				URLOptions struct {
					Headers []struct{ Key, Value string }
				} `json:"url_options"`
				Columns []struct{ Selector, Type string }
			}
		}
	}
	if err := json.Unmarshal(b, &dashboard); err != nil {
		t.Fatal(err)
	}
	c := newCore(t)
	team(t, c)
	srv := serve(t, c)
	targets := 0
	for _, search := range []string{"", "ns:(team-a OR team-b)"} {
		fill := strings.NewReplacer("${__from:date:iso}", "2026-11-21T00:00:00.000Z", "${__to:date:iso}", "2026-11-21T06:00:00.000Z", "${query:percentencode}", url.PathEscape(search))
		for _, p := range dashboard.Panels {
			for _, target := range p.Targets {
				targets++
				path := fill.Replace(target.URL)
				if strings.Contains(path, "$") || target.Parser != "backend" || len(target.URLOptions.Headers) != 1 {
					t.Errorf("%s: %s", p.Title, path)
				}
				h := target.URLOptions.Headers[0]
				resp, text := call(t, srv, "reader", "GET", path, "", h.Key, h.Value)
				var answer any
				if err := json.Unmarshal([]byte(text), &answer); err != nil || resp.StatusCode != 200 {
					t.Errorf("%s: %s: %d %.300s: %v", p.Title, path, resp.StatusCode, text, err)
					continue
				}
				rows, ok := selected(answer, target.Root).([]any)
				if !ok {
					rows = []any{selected(answer, target.Root)}
				}
				if len(rows) == 0 || len(target.Columns) == 0 {
					t.Errorf("%s: no rows at %s: %.300s", p.Title, target.Root, text)
				}
				for _, col := range target.Columns {
					found := false
					for _, row := range rows {
						switch v := selected(row, col.Selector).(type) {
						case float64:
							found = found || col.Type == "number"
						case string:
							found = found || col.Type == "string" || col.Type == "timestamp" && strings.HasSuffix(v, "Z")
						case bool:
							found = found || col.Type == "string"
						}
					}
					if !found {
						t.Errorf("%s: no row has %s as a %s: %.300s", p.Title, col.Selector, col.Type, text)
					}
				}
			}
		}
	}
	if targets < 20 {
		t.Errorf("%d panels were asked", targets)
	}
}

// selected follows a path of names and numbers.
func selected(v any, path string) any {
	for _, step := range strings.Split(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}
