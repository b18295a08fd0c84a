package sigma

import (
	"strings"
	"testing"

	"annals.dev/internal/detect"
	"annals.dev/internal/match"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestRule reads all that a rule says of itself.
func TestRule(t *testing.T) {
	const text = `title: Exec into a pod
id: 22222222-0000-4000-8000-000000000001
name: exec
status: test
description: |
    Somebody runs a command in a pod.
license: DRL-1.1
author: Jane Doe, Max
references:
    - https://example.com/exec
falsepositives: Administrators
level: HIGH
tags:
    - attack.t1609
    - attack.T1552.007
    - attack.privilege_escalation
    - attack.lateral-movement
    - attack.g0016
    - attack.ta0002
    - cve.2026-1234
fields: [verb, requestURI]
logsource: {product: kubernetes, service: audit}
custom: anything
detection:
    selection:
        objectRef.subresource: exec
    condition: selection
`
	rules, problems := Parse([]detect.File{{Name: "a/exec.yml", Data: []byte("# ours\n---\n" + text)}}, Options{})
	if len(rules) != 1 || len(problems) != 0 {
		t.Fatal(show(problems))
	}
	r := rules[0]
	want := &detect.Rule{
		ID: "22222222-0000-4000-8000-000000000001", Name: "exec", Title: "Exec into a pod", Version: r.Version, Language: detect.Sigma, Severity: detect.High,
		About: "Somebody runs a command in a pod.", Status: "test", Author: "Jane Doe, Max", License: "DRL-1.1",
		References: []string{"https://example.com/exec"}, FalsePositives: []string{"Administrators"},
		Techniques: []string{"T1609", "T1552.007"}, Tactics: []string{"privilege-escalation", "lateral-movement"},
		Tags: []string{"attack.t1609", "attack.T1552.007", "attack.privilege_escalation", "attack.lateral-movement", "attack.g0016", "attack.ta0002", "cve.2026-1234"},
		File: "a/exec.yml", Line: 3, Text: "---\n" + text,
	}
	if diff := cmp.Diff(want, r, cmpopts.IgnoreFields(detect.Rule{}, "Where", "Fields")); diff != "" {
		t.Error(diff)
	}
	if len(r.Version) != 12 || len(r.Fields) != 2 || r.Fields[1].Name() != "requestURI" {
		t.Errorf("version %q, fields %v", r.Version, r.Fields)
	}
}

// TestIDs: a rule without an ID is known by its name, or its title.
func TestIDs(t *testing.T) {
	for text, want := range map[string]string{
		"title: A b\nid: x\nname: y\n": "x", "title: A b\nname: y\n": "sigma/y", "title: A b\n": "sigma/A b",
	} {
		if r := one(t, text+"logsource: {product: kubernetes, service: audit}\ndetection: {a: {verb: get}, condition: a}\n"); r.ID != want || r.Severity != detect.Medium {
			t.Errorf("%s: %s, %s", text, r.ID, r.Severity)
		}
	}
	for text, want := range map[string]string{"title: A b\nid: x\n": "x", "title: A b\n": "search/A b"} {
		if r := one(t, text+"search: verb:get\n"); r.ID != want || r.Language != detect.Search {
			t.Errorf("%s: %s, %s", text, r.ID, r.Language)
		}
	}
}

// TestSearch reads a search that was saved as a rule.
func TestSearch(t *testing.T) {
	r := one(t, "title: Failed reads\nid: s\nlevel: low\ntags: [attack.t1613]\nfalsepositives: [Typing errors]\ndescription: d\nsearch: verb:get code>=400 -user:system:*\n")
	if r.Severity != detect.Low || r.Language != detect.Search || len(r.Techniques) != 1 || r.About != "d" || len(r.FalsePositives) != 1 {
		t.Errorf("%+v", r)
	}
	if !r.Where.Match(row(t, `{"verb":"get","responseStatus":{"code":403}}`)) || r.Where.Match(row(t, `{"verb":"get"}`)) {
		t.Error("it matches other events than the search")
	}
	if other := one(t, "title: x\nid: s\nsearch: verb:get code>400\n"); other.Version == r.Version {
		t.Error("another search has the same version")
	}
}

// TestVersion: a version changes with what a rule finds, and with nothing else.
func TestVersion(t *testing.T) {
	version := func(text string) string {
		rules, problems := parseText(text, testPlaceholders)
		if len(rules) == 0 || len(problems) > 0 {
			t.Fatalf("%s:\n%s", text, show(problems))
		}
		return rules[0].Version
	}
	plain := version(ruleText("verb: [get, list]"))
	for _, same := range []string{"verb: [list, get]", "verb: [GET, list, get]", "'verb': ['get', \"list\"]", "- verb: [get, list]"} {
		if version(ruleText(same)) != plain {
			t.Errorf("%s has another version than what means the same", same)
		}
	}
	renamed := strings.NewReplacer("title: t", "title: u\nlevel: high\ndescription: d", "selection", "other").Replace(ruleText("verb: [get, list]"))
	if version(renamed) != plain {
		t.Error("the version depends on names")
	}
	seen := map[string]string{"plain": plain}
	for name, text := range map[string]string{
		"values": ruleText("verb: [get, watch]"), "cased": ruleText("verb|cased: [get, list]"), "and": ruleText("user.groups|all: [get, list]"),
		"filter": ruleText("verb: [get, list]") + "---\ntitle: f\nlogsource: {product: kubernetes}\nfilter: {rules: any, a: {ns: x}, condition: a}\n",
		"more":   ruleText("verb: [get, list]\nns: x"), "placeholder": ruleText("verb: [get, list]\nuser.username|expand: '%admins%'"),
		"re": ruleText("verb|re: 'get'"), "re i": ruleText("verb|re|i: 'get'"), "starts": ruleText("verb|startswith: get"), "one": ruleText("verb: get"), "neq": ruleText("verb|neq: get"),
	} {
		v := version(text)
		for other, of := range seen {
			if of == v {
				t.Errorf("%s and %s have the same version", name, other)
			}
		}
		seen[name] = v
	}
	rules, _ := parseText(ruleText("user.username|expand: '%admins%'"), map[string][]string{"admins": {"alice"}})
	others, _ := parseText(ruleText("user.username|expand: '%admins%'"), map[string][]string{"admins": {"bob"}})
	if rules[0].Version == others[0].Version {
		t.Error("what is configured for a placeholder is not part of the version")
	}
	// A correlation's holds those of its rules, and all that it says itself.
	const many = "title: m\nid: m\ncorrelation: {type: event_count, rules: [r], group-by: [user], timespan: 1m, condition: {gte: 5}}\n---\n"
	of := version(many + ruleText("verb: get"))
	for _, text := range []string{
		many + ruleText("verb: list"), strings.Replace(many, "1m", "2m", 1) + ruleText("verb: get"), strings.Replace(many, "gte: 5", "gt: 5", 1) + ruleText("verb: get"),
		strings.Replace(many, "user", "ns", 1) + ruleText("verb: get"), strings.Replace(many, "event_count", "temporal", 1) + ruleText("verb: get"),
	} {
		if version(text) == of {
			t.Errorf("the same version has %s", text)
		}
	}
}

// leaves are the tests of a rule.
func leaves(r *detect.Rule) (all []match.Leaf) {
	r.Where.Fold(func(l match.Leaf) match.Truth {
		all = append(all, l)
		return match.Maybe
	})
	return all
}

// TestKeys: equal tests have the same key, whoever wrote them, and say what they look at.
func TestKeys(t *testing.T) {
	for _, c := range []struct {
		selection, key, field string
		exact                 []string
	}{
		{"verb: Delete", "verb: delete", "verb", []string{"delete"}},
		{"verb: [list, GET, get]", "verb: (get, list)", "verb", []string{"get", "list"}},
		{"resource: pods", "objectRef.resource: pods", "objectRef.resource", []string{"pods"}},
		{"verb|cased: delete", "verb|cased: delete", "verb", []string{"delete"}},
		{"code: 403", "responseStatus.code: 403", "responseStatus.code", []string{"403"}},
		{"code: '403'", "responseStatus.code: 403", "responseStatus.code", []string{"403"}},
		{"requestURI|contains: /BIN/sh", "requestURI: */bin/sh*", "requestURI", nil},
		{"requestURI: '**/bin/sh*'", "requestURI: */bin/sh*", "requestURI", nil},
		{"requestURI: ['a*', b]", "requestURI: (a*, b)", "requestURI", nil},
		{`userAgent: 'a, b'`, `userAgent: "a, b"`, "userAgent", []string{"a, b"}},
		{`userAgent: gte 400`, `userAgent: "gte 400"`, "userAgent", []string{"gte 400"}},
		{`requestObject.n: 5`, `requestObject.n: 5`, "requestObject.n", nil},
		{`userAgent: 'a\*'`, `userAgent: a\*`, "userAgent", []string{"a*"}},
		{"requestURI|re|i: '^/x'", `requestURI: re "(?i)^/x"`, "requestURI", nil},
		{"sourceIPs|cidr: 10.1.2.3/8", "sourceIPs: cidr 10.0.0.0/8", "sourceIPs", nil},
		{"code|gte: 400", "responseStatus.code: gte 400", "responseStatus.code", nil},
		{"time|hour|lt: 7", "time: hour lt 7", "time", nil},
		{"time|hour: 7", "time: hour 7", "time", nil},
		{"ns|exists: true", "objectRef.namespace|exists: true", "objectRef.namespace", nil},
		{"ns|neq: null", "not objectRef.namespace: null", "objectRef.namespace", nil},
		{"user.username|fieldref|startswith: name", "user.username|fieldref|startswith: objectRef.name", "", nil},
		{"- Curl", "keyword: (curl)", "", nil},
		{"'|cased': Curl", "keyword|cased: (Curl)", "", nil},
	} {
		ls := leaves(one(t, ruleText(c.selection)))
		if len(ls) != 1 || ls[0].String() != c.key || ls[0].Field() != c.field || !cmp.Equal(c.exact, ls[0].Exact()) {
			t.Errorf("%s: %d tests, %q of %q, exactly %q", c.selection, len(ls), ls[0].String(), ls[0].Field(), ls[0].Exact())
		}
	}
}

// TestOwn: only rules that name the cluster of our own events see them.
func TestOwn(t *testing.T) {
	for _, c := range []struct {
		text string
		want bool
	}{
		{ruleText("cluster: annals"), true}, {ruleText("cluster: [prod, Annals]"), true}, {ruleText("cluster: prod"), false}, {ruleText("ns: annals"), false},
		{ruleText("cluster: '*'"), false}, {"title: t\nsearch: cluster:annals resource:findings\n", true}, {"title: t\nsearch: cluster:prod\n", false},
	} {
		if r := one(t, c.text); r.Own != c.want {
			t.Errorf("%s: %v", c.text, r.Own)
		}
	}
	rules, _ := parseText(ruleText("cluster: annals")+"---\ntitle: c\nid: c\ncorrelation: {type: event_count, rules: [r], timespan: 1m, condition: {gte: 5}}\n", nil)
	if len(rules) != 2 || !rules[1].Own {
		t.Error("a correlation over such a rule does not see them")
	}
}

// TestActions: several documents of a file share what a global one says.
func TestActions(t *testing.T) {
	rules, problems := parseText(`action: global
logsource: {product: kubernetes, service: audit}
level: high
detection:
  selection: {objectRef.resource: secrets}
  condition: selection
---
title: Read
detection:
  selection: {verb: get}
---
title: Listed
detection:
  selection: {verb: list}
---
action: repeat
title: Watched
detection:
  selection: {verb: watch}
---
action: reset
---
title: Other
logsource: {product: kubernetes, service: audit}
detection: {a: {verb: delete}, condition: a}
`, nil)
	if len(problems) > 0 {
		t.Fatal(show(problems))
	}
	var got []string
	for _, r := range rules {
		for _, l := range leaves(r) {
			got = append(got, r.Title+" "+string(r.Severity)+" "+l.String())
		}
	}
	if diff := cmp.Diff([]string{
		"Read high verb: get", "Read high objectRef.resource: secrets", "Listed high verb: list", "Listed high objectRef.resource: secrets",
		"Watched high verb: watch", "Watched high objectRef.resource: secrets", "Other medium verb: delete",
	}, got); diff != "" {
		t.Error(diff)
	}
}

// TestActionIDs: rules that share a title by an action have IDs of their own.
func TestActionIDs(t *testing.T) {
	rules, problems := parseText("action: global\ntitle: Shared\nlogsource: {product: kubernetes, service: audit}\n---\ndetection: {a: {verb: get}, condition: a}\n"+
		"---\ndetection: {a: {verb: list}, condition: a}\n---\nid: own\ndetection: {a: {verb: watch}, condition: a}\n---\naction: repeat\ndetection: {a: {verb: patch}}\n", nil)
	var ids []string
	for _, r := range rules {
		ids = append(ids, r.ID)
	}
	if diff := cmp.Diff([]string{"sigma/Shared", "sigma/Shared/2", "own", "own/2"}, ids); diff != "" || len(problems) > 0 {
		t.Errorf("%s\n%s", diff, show(problems))
	}
}

// TestYAML: what YAML has for writing less, and files as others write them.
func TestYAML(t *testing.T) {
	for name, text := range map[string]string{
		"aliases": "title: t\nlogsource: {product: kubernetes, service: audit}\ndetection:\n  a: {verb: &v [get, list]}\n  b: {verb: *v}\n  condition: a and b\n",
		"merge":   "title: t\nlogsource: {product: kubernetes, service: audit}\ndetection:\n  a: &a {verb: get}\n  b:\n    <<: *a\n    ns: x\n  condition: a or b\n",
		"merges":  "title: t\nlogsource: {product: kubernetes, service: audit}\ndetection:\n  a: &a {verb: get}\n  b: &b {ns: x}\n  c: {<<: [*a, *b]}\n  condition: a or b or c\n",
		"CRLF":    strings.ReplaceAll(ruleText("verb: get"), "\n", "\r\n"),
		"BOM":     "\ufeff" + ruleText("verb: get"),
		"markers": "%YAML 1.2\n--- # here\n" + ruleText("verb: get") + "...\n",
		"tail":    strings.TrimSuffix(ruleText("verb: get"), "\n"),
	} {
		rules, problems := parseText(text, nil)
		if len(rules) != 1 || len(problems) > 0 {
			t.Errorf("%s: %d rules\n%s", name, len(rules), show(problems))
		} else if !rules[0].Where.Match(row(t, `{"verb":"get"}`)) {
			t.Errorf("%s: it does not match", name)
		}
	}
}

// TestPublicNeverTrue: of the public pack, five rules can never find anything, and it is said why.
func TestPublicNeverTrue(t *testing.T) {
	rules, problems := publicPack(t)
	if len(rules) != 16 {
		t.Errorf("%d rules are used, want 16", len(rules))
	}
	titles := map[string]string{}
	for _, r := range rules {
		titles[r.ID] = r.Title
		if r.Author == "" {
			t.Errorf("%s: its author is lost", r.Title)
		}
	}
	dead := map[string]bool{}
	for _, p := range problems {
		if p.Kind != warning || p.Line == 0 {
			t.Errorf("%+v", p)
		}
		if strings.Contains(p.Message, "never finds anything") {
			dead[titles[p.Rule]] = true
		}
	}
	if diff := cmp.Diff(map[string]bool{
		"Container With A hostPath Mount Created": true, "Kubernetes Potential Enumeration Activity": true, "Privileged Container Deployed": true,
		"RBAC Permission Enumeration Attempt": true, "Potential Sidecar Injection Into Running Deployment": true,
	}, dead); diff != "" {
		t.Error(diff)
	}
}
