package policy

import (
	"testing"

	"annals.dev/audit"
)

const (
	no       = audit.LevelNone
	metadata = audit.LevelMetadata
	request  = audit.LevelRequest
	full     = audit.LevelRequestResponse
)

// TestFirstMatch has the cases of upstream's own tests of its evaluator, over requests and rules of ours.
func TestFirstMatch(t *testing.T) {
	ada := &audit.UserInfo{Username: "ada@example.com", Groups: []string{"people", "engineers"}}
	requests := map[string]Attributes{
		"pod":       {User: ada, Verb: "get", ResourceRequest: true, Namespace: "shop", Resource: "pods", Name: "till-0"},
		"role":      {User: ada, Verb: "get", ResourceRequest: true, APIGroup: "rbac.authorization.k8s.io", Resource: "clusterroles", Name: "view"},
		"url":       {User: ada, Verb: "get", Path: "/logs/node.log"},
		"log":       {User: ada, Verb: "get", ResourceRequest: true, Namespace: "shop", Resource: "pods", Subresource: "log", Name: "till-0"},
		"nobody":    {Verb: "get", ResourceRequest: true, Namespace: "shop", Resource: "pods", Name: "till-0"},
		"subupdate": {User: ada, Verb: "update", ResourceRequest: true, APIGroup: "rbac.authorization.k8s.io", Resource: "clusterroles", Subresource: "status", Name: "own"},
	}
	resources := func(group string, resources ...string) []GroupResources {
		return []GroupResources{{Group: group, Resources: resources}}
	}
	const rbac = "rbac.authorization.k8s.io"
	rules := map[string]Rule{
		"all":            {Level: metadata},
		"creations":      {Level: request, Verbs: []string{"create"}},
		"ada":            {Level: metadata, Users: []string{"ada@example.com"}},
		"people":         {Level: metadata, UserGroups: []string{"people"}},
		"machines":       {Level: request, UserGroups: []string{"system:serviceaccounts"}},
		"pods":           {Level: full, Verbs: []string{"get"}, Resources: resources("", "pods")},
		"logs":           {Level: request, Verbs: []string{"get"}, Resources: resources("", "pods/log")},
		"core":           {Level: request, Verbs: []string{"get"}, Resources: resources("", "*")},
		"any log":        {Level: request, Verbs: []string{"get"}, Resources: resources("", "*/log")},
		"pods and below": {Level: request, Verbs: []string{"get"}, Resources: resources("", "pods/*")},
		"roles":          {Level: full, Verbs: []string{"get"}, Resources: resources(rbac, "clusterroles"), Namespaces: []string{""}},
		"any status":     {Level: full, Verbs: []string{"update"}, Resources: resources("*", "*/status")},
		"log files":      {Level: full, Verbs: []string{"get"}, NonResourceURLs: []string{"/logs*"}},
		"metrics":        {Level: request, Verbs: []string{"get"}, NonResourceURLs: []string{"/metrics"}},
		"one role":       {Level: request, Resources: []GroupResources{{rbac, []string{"clusterroles"}, []string{"view"}}}},
		"not received":   {Level: request, OmitStages: []audit.Stage{audit.StageRequestReceived}},
		"only panics":    {Level: request, OmitStages: []audit.Stage{audit.StageRequestReceived, audit.StageResponseStarted, audit.StageResponseComplete}},
	}
	received, started, complete := StagesOf(audit.StageRequestReceived), StagesOf(audit.StageResponseStarted), StagesOf(audit.StageResponseComplete)
	two := []audit.Stage{audit.StageRequestReceived, audit.StageResponseStarted}
	for _, tt := range []struct {
		request string
		rules   []string
		level   audit.Level
		rule    int
		omit    Stages // that the rule adds
	}{
		{"pod", []string{"all"}, metadata, 0, 0},
		{"pod", []string{"creations"}, no, -1, 0},
		{"pod", []string{"ada"}, metadata, 0, 0},
		{"pod", []string{"people"}, metadata, 0, 0},
		{"pod", []string{"machines"}, no, -1, 0},
		{"pod", []string{"pods"}, full, 0, 0},
		{"pod", []string{"roles"}, no, -1, 0},
		{"pod", []string{"log files"}, no, -1, 0},
		{"pod", []string{"metrics"}, no, -1, 0},
		{"pod", []string{"metrics", "machines", "all"}, metadata, 2, 0},
		{"pod", []string{"metrics", "pods", "all"}, full, 1, 0},
		{"pod", []string{"logs", "pods"}, full, 1, 0},

		{"role", []string{"all"}, metadata, 0, 0},
		{"role", []string{"creations"}, no, -1, 0},
		{"role", []string{"ada"}, metadata, 0, 0},
		{"role", []string{"people"}, metadata, 0, 0},
		{"role", []string{"machines"}, no, -1, 0},
		{"role", []string{"pods"}, no, -1, 0},
		{"role", []string{"roles"}, full, 0, 0},
		{"role", []string{"one role", "roles"}, request, 0, 0},
		{"role", []string{"log files"}, no, -1, 0},
		{"role", []string{"metrics"}, no, -1, 0},
		{"role", []string{"metrics", "machines", "all"}, metadata, 2, 0},
		{"role", []string{"metrics", "roles", "all"}, full, 1, 0},
		{"role", []string{"logs", "pods"}, no, -1, 0},

		{"url", []string{"all"}, metadata, 0, 0},
		{"url", []string{"creations"}, no, -1, 0},
		{"url", []string{"ada"}, metadata, 0, 0},
		{"url", []string{"people"}, metadata, 0, 0},
		{"url", []string{"machines"}, no, -1, 0},
		{"url", []string{"pods"}, no, -1, 0},
		{"url", []string{"roles"}, no, -1, 0},
		{"url", []string{"log files"}, full, 0, 0},
		{"url", []string{"metrics"}, no, -1, 0},
		{"url", []string{"metrics", "machines", "all"}, metadata, 2, 0},
		{"url", []string{"log files", "roles", "all"}, full, 0, 0},
		{"url", []string{"logs", "pods"}, no, -1, 0},

		{"log", []string{"logs", "pods"}, request, 0, 0},
		{"log", []string{"core"}, request, 0, 0},
		{"log", []string{"any log"}, request, 0, 0},
		{"log", []string{"pods and below"}, request, 0, 0},

		{"nobody", []string{"ada"}, no, -1, 0},
		{"nobody", []string{"ada", "all"}, metadata, 1, 0},
		{"nobody", []string{"people"}, no, -1, 0},
		{"nobody", []string{"people", "all"}, metadata, 1, 0},
		{"subupdate", []string{"any status"}, full, 0, 0},

		{"pod", []string{"not received", "pods", "all"}, request, 0, received},
		{"pod", []string{"only panics", "pods", "all"}, request, 0, received | started | complete},
		{"role", []string{"not received", "pods", "all"}, request, 0, received},
		{"role", []string{"only panics", "pods", "all"}, request, 0, received | started | complete},
		{"url", []string{"not received", "pods", "all"}, request, 0, received},
		{"url", []string{"only panics", "pods", "all"}, request, 0, received | started | complete},
		{"url", []string{"all", "not received", "pods"}, metadata, 0, 0},
	} {
		for _, always := range [][]audit.Stage{nil, two} {
			p := &Policy{OmitStages: always}
			for _, r := range tt.rules {
				p.Rules = append(p.Rules, rules[r])
			}
			a := requests[tt.request]
			want := Decision{Level: tt.level, Omit: tt.omit | StagesOf(always...), Rule: tt.rule}
			if got := Compile(p).Decide(&a); got != want {
				t.Errorf("%s by %q: %+v, want %+v", tt.request, tt.rules, got, want)
			}
			if got := naive(p, &a); got != want {
				t.Errorf("%s by %q, rule by rule: %+v, want %+v", tt.request, tt.rules, got, want)
			}
		}
	}
}

// TestMatch has what upstream was seen to make of patterns that are easily misread.
func TestMatch(t *testing.T) {
	resource := func(resources ...string) Rule { return Rule{Resources: []GroupResources{{Resources: resources}}} }
	pods := Attributes{Verb: "get", ResourceRequest: true, Namespace: "d", Resource: "pods", Name: "x"}
	logs, list := pods, Attributes{Verb: "list", ResourceRequest: true, Resource: "pods"}
	logs.Subresource = "log"
	named := func(name string) Rule {
		return Rule{Resources: []GroupResources{{Resources: []string{"pods"}, ResourceNames: []string{name}}}}
	}
	url := func(u string) Rule { return Rule{NonResourceURLs: []string{u}} }
	path := func(p string) Attributes { return Attributes{Verb: "get", Path: p} }
	for _, tt := range []struct {
		name string
		rule Rule
		a    Attributes
		want bool
	}{
		{"pods/* is pods too", resource("pods/*"), pods, true},
		{"pods/* is pods/log", resource("pods/*"), logs, true},
		{"*/* is not pods/log", resource("*/*"), logs, false},
		{"*/* is not pods", resource("*/*"), pods, false},
		{"*/log", resource("*/log"), logs, true},
		{"*/log is not pods", resource("*/log"), pods, false},
		{"*/ is not pods", resource("*/"), pods, false},
		{"pods/log", resource("pods/log"), logs, true},
		{"pods is not pods/log", resource("pods"), logs, false},
		{"* is pods/log", resource("*"), logs, true},
		{"a slash in the resource", resource("a/b"), Attributes{ResourceRequest: true, Resource: "a/b"}, true},
		{"a short subresource", resource("a/b"), Attributes{ResourceRequest: true, Resource: "a", Subresource: "b"}, true},
		{"a slash in the subresource", resource("a/b/c"), Attributes{ResourceRequest: true, Resource: "a", Subresource: "b/c"}, true},
		{"the core group is not all groups", Rule{Resources: []GroupResources{{}}}, Attributes{ResourceRequest: true, APIGroup: "apps", Resource: "deployments"}, false},
		{"all of the core group", Rule{Resources: []GroupResources{{}}}, logs, true},
		{"names without resources are not asked", Rule{Resources: []GroupResources{{ResourceNames: []string{"y"}}}}, pods, true},
		{"a list has no name", named("x"), list, false},
		{"an empty name is a list's", named(""), list, true},
		{"the next element may match", Rule{Resources: []GroupResources{{Resources: []string{"pods"}, ResourceNames: []string{"y"}}, {Resources: []string{"pods"}}}}, pods, true},
		{"/api* is /api", url("/api*"), path("/api"), true},
		{"/api* is /apis/x", url("/api*"), path("/apis/x"), true},
		{"/api/* is not /api", url("/api/*"), path("/api"), false},
		{"* is any path", url("*"), path("/x"), true},
		{"* is no resource", url("*"), pods, false},
		{"stars at the end are one", url("/x**"), path("/xy"), true},
		{"a path is exact", url("/healthz"), path("/healthz/etcd"), false},
		{"an empty path", url(""), path(""), true},
		{"a star is no verb", Rule{Verbs: []string{"*"}}, pods, false},
		{"a star is no user", Rule{Users: []string{"*"}}, Attributes{User: &audit.UserInfo{Username: "ada"}}, false},
		{"a user without a name is somebody", Rule{Users: []string{""}}, Attributes{User: &audit.UserInfo{}}, true},
		{"nobody is not", Rule{Users: []string{""}}, Attributes{}, false},
		{"no namespace is for resources only", Rule{Namespaces: []string{""}}, path("/x"), false},
		{"no namespace is all namespaces too", Rule{Namespaces: []string{""}}, list, true},
		{"a namespace is in itself", Rule{Namespaces: []string{"d"}}, Attributes{ResourceRequest: true, Namespace: "d", Resource: "namespaces", Name: "d"}, true},
		{"a star is no namespace", Rule{Namespaces: []string{"*"}}, pods, false},
		{"resources go before paths", Rule{Namespaces: []string{"d"}, NonResourceURLs: []string{"/x"}}, path("/x"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.rule.Level = metadata
			p := &Policy{Rules: []Rule{tt.rule}}
			if got := Compile(p).Decide(&tt.a).Level == metadata; got != tt.want {
				t.Errorf("compiled: %v, want %v", got, tt.want)
			}
			s := Explain(p, &tt.a)[0]
			if s.Matched != tt.want || s.Decided != tt.want {
				t.Errorf("explained: %+v, want %v", s, tt.want)
			}
		})
	}
}

func TestOmitManagedFields(t *testing.T) {
	yes, not := true, false
	for _, tt := range []struct {
		policy bool
		rule   *bool
		want   bool
	}{{false, nil, false}, {true, nil, true}, {true, &not, false}, {false, &yes, true}, {false, &not, false}, {true, &yes, true}} {
		p := &Policy{OmitManagedFields: tt.policy, Rules: []Rule{{Level: full, Verbs: []string{"get"}, OmitManagedFields: tt.rule}}}
		if got := Compile(p).Decide(&Attributes{Verb: "get"}); got.OmitManagedFields != tt.want {
			t.Errorf("policy %v, rule %v: %v", tt.policy, tt.rule, got.OmitManagedFields)
		}
		if got := Compile(p).Decide(&Attributes{Verb: "put"}); got.OmitManagedFields != tt.policy || got.Rule != -1 {
			t.Errorf("policy %v, no rule: %+v", tt.policy, got)
		}
	}
}

func TestStages(t *testing.T) {
	const (
		received, started  = audit.StageRequestReceived, audit.StageResponseStarted
		complete, panicked = audit.StageResponseComplete, audit.StagePanic
	)
	for _, tt := range []struct{ of, has []audit.Stage }{
		{nil, nil},
		{[]audit.Stage{received}, []audit.Stage{received}},
		{[]audit.Stage{received, received}, []audit.Stage{received}},
		{[]audit.Stage{panicked, started, received}, []audit.Stage{received, started, panicked}},
		{[]audit.Stage{"", "Other", "requestreceived"}, nil},
		{allStages, []audit.Stage{received, started, complete, panicked}},
	} {
		s := StagesOf(tt.of...)
		n := 0
		for _, stage := range tt.has {
			if n++; !s.Has(stage) {
				t.Errorf("%v does not have %s", tt.of, stage)
			}
		}
		for _, stage := range append(allStages, "", "Other") {
			if s.Has(stage) {
				n--
			}
		}
		if n != 0 {
			t.Errorf("%v has %d other stages", tt.of, -n)
		}
	}
}
