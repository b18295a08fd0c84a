package match

import (
	"strings"
	"testing"
)

func TestSQL(t *testing.T) {
	for _, tt := range []struct{ query, want string }{
		{"", `true`},
		{"-*", `false`},
		{"verb:get", `"verb" = 'get'`},
		{"-verb:get", `(NOT coalesce("verb" = 'get', false))`},
		{"-(verb:get ns:prod)", `((NOT coalesce("verb" = 'get', false)) OR (NOT coalesce("namespace" = 'prod', false)))`},
		{"-(verb:get OR -ns:prod)", `("namespace" = 'prod' AND (NOT coalesce("verb" = 'get', false)))`},
		{"verb:(get OR list) OR ns:prod", `("verb" IN ('get', 'list') OR "namespace" = 'prod')`},
		{"user:it's", `"username" = 'it''s'`},
		{`user:"'; DROP TABLE events; --"`, `"username" = '''; DROP TABLE events; --'`},
		{"user:*", `"username" <> ''`},
		{"user:a*", `starts_with("username", 'a')`},
		{"user:*a", `suffix("username", 'a')`},
		{"user:*a*", `contains("username", 'a')`},
		{`user:a_%\*b`, `("username" LIKE 'a\_\%\\%b' ESCAPE '\')`},
		{"code>=400", `"code" >= 400`},
		{"code<400", `("code" <= 399 AND "code" <> 0)`},
		{"code:*", `"code" <> 0`},
		{"time>=2026-11-21", `"time" >= TIMESTAMP '2026-11-21 00:00:00.000000'`},
		{"time:*", `"time" IS NOT NULL`},
		{"requestReceivedTimestamp<=1970-01-01T00:00:01Z", `epoch_us("time") - "latency" <= 1000000`},
		{"latency>1s", `"latency" >= 1000001`},
		{"id:99d809eb-6562-49d3-a758-e75e6f018e00", `"auditID" = '99d809eb-6562-49d3-a758-e75e6f018e00'::UUID`},
		{"id:99D809EB-6562-49d3-a758-e75e6f018e00", `"auditIDText" = '99D809EB-6562-49d3-a758-e75e6f018e00'`},
		{"id:00000000-0000-0000-0000-000000000000", `"auditIDText" = '00000000-0000-0000-0000-000000000000'`},
		{"id:my*", `starts_with(coalesce("auditID"::VARCHAR, "auditIDText"), 'my')`},
		{"mark:salvaged", `("marks" & 1) <> 0`},
		{"-mark:*", `(NOT coalesce(("marks" & 65535) <> 0, false))`},
		{"dialect:gke", `"dialect" = 2`},
		{"group:sre", `(CASE WHEN contains("groups", '\') OR contains("groups", '{') THEN annals_test('user.groups:sre', "groups") ELSE contains("groups", '"sre"') END)`},
		{"group:system:*", `(CASE WHEN contains("groups", '\') OR contains("groups", '{') THEN annals_test('user.groups:system:*', "groups") ELSE contains("groups", '"system:') END)`},
		{`group:","`, `annals_test('user.groups:,', "groups")`},
		{"ip:10.1.0.0/20", `(CASE WHEN contains("sourceIPs", '"10.1.') OR contains("sourceIPs", ':') OR contains("sourceIPs", '\') THEN annals_test('ip:10.1.0.0/20', "sourceIPs") ELSE false END)`},
		{"annotations.a/b:it's", `(CASE WHEN contains("annotations", '"a/b"') OR contains("annotations", '\u') OR contains("annotations", '\/') THEN annals_test('annotations.a/b:"it''s"', "annotations") ELSE false END)`},
		{"peer:10.1.0.0/20", `(CASE WHEN contains("sourceIPs", '"10.1.') OR contains("sourceIPs", ':') OR contains("sourceIPs", '\') THEN annals_test('peer:10.1.0.0/20', "sourceIPs") ELSE false END)`},
		{"hour>=19", `hour("time") >= 19`},
		{"weekday:sunday", `isodow("time") = 7`},
		{"decision:forbid", `"decision" = 'forbid'`},
		{"cluster:prod", `"cluster" = 'prod'`},
	} {
		p, err := Parse(tt.query)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := p.SQL(); got != tt.want {
			t.Errorf("%q is the SQL\n%s, want\n%s", tt.query, got, tt.want)
		}
	}
	p, err := Parse(`"foo bar"`)
	if err != nil {
		t.Fatal(err)
	}
	if sql := p.SQL(); !strings.HasPrefix(sql, `annals_words('"foo bar"', "level", "stage", `) || strings.Count(sql, ",") != Functions[1].Params-1 {
		t.Error(sql)
	}
}
