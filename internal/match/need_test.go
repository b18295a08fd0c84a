package match

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// needed writes a need with the words it is made of, which must be among those given.
func needed(n *Need, known map[uint32]string) string {
	list := func(all []*Need, op string) string {
		var out []string
		for _, c := range all {
			out = append(out, needed(c, known))
		}
		slices.Sort(out)
		return "(" + strings.Join(out, op) + ")"
	}
	switch {
	case n == nil:
		return ""
	case n.Any != nil:
		return list(n.Any, "|")
	case n.All != nil:
		return list(n.All, "&")
	}
	return known[n.Word]
}

func TestNeed(t *testing.T) {
	known := map[uint32]string{}
	for w := range strings.FieldsSeq("a b c my pod secrets get list foo bar spec hostnetwork true groups x y z user 12345678-abcd-1234-1234-123456789012") {
		known[HashWord([]byte(w))] = w
	}
	for _, tt := range []struct{ query, want string }{
		{"", ""},
		{"foo", "foo"},
		{"foo*", ""},
		{"foo-ba*", "foo"},
		{`"foo bar"`, "(bar&foo)"},
		{"foo OR bar", "(bar|foo)"},
		{"foo OR -bar", ""},
		{"foo -bar", "foo"},
		{"-foo", ""},
		{"resource:secrets verb:(get OR list)", "((get|list)&secrets)"},
		{"name:my-pod", "(my&pod)"},
		{"name:my-pod*", "my"},
		{"name:my-pod-*", "(my&pod)"},
		{"name:*my-pod", "pod"},
		{"name:foo.12345678-abcd-*", "foo"},
		{"name:foo-12345678-abcd*", "foo"},
		{"name:*-abcd-foo", "foo"},
		{"name:foo-12345678*", "foo"},
		{"name:*/foo/bar/*", "(bar&foo)"},
		{"name:12345678-abcd-1234-1234-123456789012", "12345678-abcd-1234-1234-123456789012"},
		{`name:"my\\npod"`, ""},
		{"request.spec.hostNetwork:true", "(hostnetwork&spec&true)"},
		{"request.spec.hostNetwork:*", "(hostnetwork&spec)"},
		{"as:user impersonatedUser.groups:x", "(groups&user&x)"},
		{"annotations.x/y:z*", "(x&y)"},
		{"cluster:foo origin:bar id:x position:5 code>=400 time>=2026-11-21 ip:10.0.0.1 mark:salvaged", ""},
	} {
		p, err := Parse(tt.query)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := needed(p.Need(), known); got != tt.want {
			t.Errorf("%q needs %s, want %s", tt.query, got, tt.want)
		}
	}
}

func TestColumnsAndRanges(t *testing.T) {
	for _, tt := range []struct {
		query, cols, rest string
		from, to          int64
		id                string
	}{
		{"", "", "", math.MinInt64, math.MaxInt64, ""},
		{"verb:get foo ns:prod", "verb:get objectRef.namespace:prod", "foo", math.MinInt64, math.MaxInt64, ""},
		{"foo OR verb:get", "", "foo OR verb:get", math.MinInt64, math.MaxInt64, ""},
		{"-request.a:x annotations.a:x", "annotations.a:x", "-requestObject.a:x", math.MinInt64, math.MaxInt64, ""},
		{"time>=1970-01-02 time<1970-01-03 time<1970-01-04", "time>=1970-01-02T00:00:00Z time<=1970-01-02T23:59:59.999999Z time<=1970-01-03T23:59:59.999999Z", "", 86400e6, 2*86400e6 - 1, ""},
		{`as:* OR code:403 -decision:* "cannot"`, "impersonatedUser.username:* OR responseStatus.code:403 -annotations.authorization.k8s.io/decision:*",
			`impersonatedUser.username:* OR responseStatus.code:403 -annotations.authorization.k8s.io/decision:* cannot`, math.MinInt64, math.MaxInt64, ""},
		{"verb:get OR cannot", "", "verb:get OR cannot", math.MinInt64, math.MaxInt64, ""},
		{"-(verb:get cannot)", "", "-(verb:get cannot)", math.MinInt64, math.MaxInt64, ""},
		{"time>=1970-01-02 OR id:x", "time>=1970-01-02T00:00:00Z OR auditID:x", "", math.MinInt64, math.MaxInt64, ""},
		{"-time<1970-01-02", "-time<=1970-01-01T23:59:59.999999Z", "", math.MinInt64, math.MaxInt64, ""},
		{"received>=1970-01-02 -id:x id:y", "received>=1970-01-02T00:00:00Z -auditID:x auditID:y", "", math.MinInt64, math.MaxInt64, "y"},
		{"id:y*", "auditID:y*", "", math.MinInt64, math.MaxInt64, ""},
	} {
		p, err := Parse(tt.query)
		if err != nil {
			t.Error(err)
			continue
		}
		cols, rest := p.Columns()
		restText := ""
		if rest != nil {
			restText = rest.String()
		}
		from, to := p.TimeRange()
		id, ok := p.AuditID()
		if cols.String() != tt.cols || restText != tt.rest || from != tt.from || to != tt.to || id != tt.id || ok != (id != "") {
			t.Errorf("%q: columns %q, rest %q, time %d to %d, id %q", tt.query, cols, restText, from, to, id)
		}
	}
	a, b := And(All, mustParse(t, "a OR b"), mustParse(t, "c d")), mustParse(t, "(a OR b) c d")
	if a.String() != b.String() {
		t.Errorf("%q is not %q", a, b)
	}
}

func mustParse(t *testing.T, query string) *Predicate {
	p, err := Parse(query)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
