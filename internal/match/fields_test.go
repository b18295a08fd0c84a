package match

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestFields(t *testing.T) {
	all := Fields()
	if len(all) != len(fields) {
		t.Errorf("%d fields are listed of %d", len(all), len(fields))
	}
	kinds := map[string]Kind{
		"verb": Text, "responseStatus.code": Number, "hour": Number, "time": Time, "received": Time, "latency": Duration, "peer": Network,
		"ip": Network, "sourceIPs": List, "user.groups": List, "impersonatedUser.groups": List, "impersonatedUser.uid": Text, "user.extra": Object,
		"requestObject": Object, "mark": Mark, "weekday": Text, "cluster": Text, "position": Number,
	}
	for _, f := range all {
		if want, ok := kinds[f.Name]; ok && f.Kind != want {
			t.Errorf("%s is of kind %s, want %s", f.Name, f.Kind, want)
		}
		if !strings.HasSuffix(f.About, ".") && !strings.HasSuffix(f.About, "…") || strings.Count(f.About, ". ") > 0 {
			t.Errorf("%s: %q is not one sentence", f.Name, f.About)
		}
		for _, name := range append(f.Aliases, f.Name) {
			member := ""
			if f.Kind == Object {
				member = ".x"
			}
			value := "*"
			if f.Values != nil {
				value = f.Values[0]
			}
			if p, err := Parse(name + member + ":" + value); err != nil {
				t.Error(err)
			} else if want := f.Name + member; !strings.HasPrefix(p.String(), want) && !strings.HasPrefix(p.String(), f.Name+`["x"]`) {
				t.Errorf("%s means %s, want %s", name, p, want)
			}
		}
	}
	i := slices.IndexFunc(all, func(f Field) bool { return f.Name == "weekday" })
	if got := strings.Join(all[i].Values, " "); got != "monday tuesday wednesday thursday friday saturday sunday" {
		t.Errorf("the days are %s", got)
	}
	if i := slices.IndexFunc(all, func(f Field) bool { return slices.Contains(f.Aliases, "ns") && f.Aliases[0] == "ns" }); i < 0 {
		t.Error("ns is not the first short name of anything")
	}
}

// TestEventDocument holds the names in the field reference to the language, and its columns to those that the SQL page lists.
func TestEventDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/event.md")
	if err != nil {
		t.Fatal(err)
	}
	sql, err := os.ReadFile("../../docs/sql.md")
	if err != nil {
		t.Fatal(err)
	}
	names := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 9 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		inBackquotes := func(cell string) (all []string) {
			for i, part := range strings.Split(cell, "`") {
				if i%2 == 1 {
					all = append(all, part)
				}
			}
			return all
		}
		for _, name := range inBackquotes(cells[6]) {
			field, _, _ := strings.Cut(name, ":")
			field = strings.NewReplacer("PATH", "x", "KEY", "x").Replace(field)
			if _, err := Parse(field + ":*"); err != nil {
				t.Errorf("docs/event.md: %v", err)
			}
			names++
		}
		for _, column := range inBackquotes(cells[7]) {
			if !strings.Contains(string(sql), "| `"+column+"` |") {
				t.Errorf("docs/event.md has the column %s, which docs/sql.md does not", column)
			}
		}
	}
	if names < 30 {
		t.Errorf("found only %d names", names)
	}
}

// TestWhenAndWhence is a table of the fields that come from a part of another.
func TestWhenAndWhence(t *testing.T) {
	for _, tt := range []struct {
		query, event string
		want         bool
	}{
		{"peer:10.0.0.0/8", `{"sourceIPs":["203.0.113.9","10.0.0.1"]}`, true},
		{"peer:203.0.113.9", `{"sourceIPs":["203.0.113.9","10.0.0.1"]}`, false},
		{"ip:203.0.113.9", `{"sourceIPs":["203.0.113.9","10.0.0.1"]}`, true},
		{"peer:10.0.0.1", `{"sourceIPs":["::ffff:10.0.0.1"]}`, true},
		{"peer:*", `{"sourceIPs":[]}`, false},
		{"peer:*", `{"sourceIPs":["10.0.0.1",""]}`, false},
		{"peer:*", `{}`, false},
		{"-peer:10.0.0.0/8", `{}`, true},
		{"peer:10.0.0.1", `{"sourceIPs":[["10.0.0.1"]]}`, true},
		{"hour:23 weekday:saturday", `{"stageTimestamp":"2026-11-21T23:59:59.999999Z"}`, true},
		{"hour:0 weekday:sunday", `{"stageTimestamp":"2026-11-22T00:00:00.000000Z"}`, true},
		{"hour>=19 OR hour<7", `{"stageTimestamp":"2026-11-20T18:59:59.999999Z"}`, false},
		{"hour:23 weekday:wednesday", `{"stageTimestamp":"1969-12-31T23:00:00.000000Z"}`, true},
		{"weekday:monday", `{"stageTimestamp":"2026-11-23T12:00:00+14:00"}`, false}, // sunday in UTC
	} {
		p, err := Parse(tt.query)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := p.Match(testRow(t, []byte(tt.event), 0)); got != tt.want {
			t.Errorf("%s of %s is %v", tt.query, tt.event, got)
		}
	}
	for query, want := range map[string]string{
		"hour:24":          "hour is a number from 0 to 23",
		"hour>x":           `"x" is none`,
		"weekday:caturday": "weekday is one of friday, monday",
		"peer:10.1":        "neither an address nor a network",
		"peer>3":           "cannot be compared",
	} {
		if _, err := Parse(query); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", query, err)
		}
	}
}
