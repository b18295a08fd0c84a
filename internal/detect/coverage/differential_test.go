package coverage

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"annals.dev/audit"
	"annals.dev/internal/detect"
	"annals.dev/internal/match"
	"annals.dev/policy"
)

// The words that policies, rules and requests of the test are made of.
var (
	someVerbs     = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}
	someTargets   = []string{"/pods", "/pods/exec", "/pods/log", "/secrets", "/namespaces", "apps/deployments", "apps/deployments/scale", "rbac.authorization.k8s.io/clusterroles", "/nodes", "/nodes/proxy", "stable.io/crontabs"}
	someSpaces    = []string{"prod", "kube-system", "dev"}
	someNames     = []string{"db", "web-0", "admin"}
	someUsers     = []string{"jane", "system:admin", "system:serviceaccount:prod:ci", "system:anonymous", "system:kube-proxy"}
	someGroups    = []string{"ops", "system:masters", "system:authenticated", "system:unauthenticated", "system:serviceaccounts"}
	somePaths     = []string{"/healthz", "/api", "/version", "/metrics", "/apis/apps"}
	somePatterns  = []string{"/healthz*", "/api*", "/version", "*", "/metrics"}
	someStages    = []audit.Stage{audit.StageRequestReceived, audit.StageResponseStarted, audit.StageResponseComplete, audit.StagePanic}
	recordLevels  = []audit.Level{audit.LevelNone, audit.LevelNone, audit.LevelMetadata, audit.LevelRequest, audit.LevelRequestResponse}
	someResources = []string{"pods", "pods/exec", "pods/*", "secrets", "*", "*/scale", "nodes/proxy", "namespaces"}
)

type random struct{ *rand.Rand }

func (r random) one(of []string) string { return of[r.IntN(len(of))] }

func (r random) some(of []string) (list []string) {
	for _, s := range of {
		if r.IntN(3) == 0 {
			list = append(list, s)
		}
	}
	return list
}

func (r random) policy() *policy.Policy {
	p := &policy.Policy{}
	maybe := func(of []string) []string {
		if r.IntN(3) == 0 {
			return r.some(of)
		}
		return nil
	}
	stages := func() (all []audit.Stage) {
		for _, s := range someStages {
			if r.IntN(5) == 0 {
				all = append(all, s)
			}
		}
		return all
	}
	p.OmitStages = stages()
	for range 1 + r.IntN(5) {
		rule := policy.Rule{Level: recordLevels[r.IntN(len(recordLevels))], Verbs: maybe(someVerbs), Users: maybe(someUsers), UserGroups: maybe(someGroups), OmitStages: stages()}
		switch r.IntN(4) {
		case 0:
			rule.NonResourceURLs = r.some(somePatterns)
		case 1:
			rule.Namespaces = append(r.some(someSpaces), "")
			fallthrough
		case 2:
			for range 1 + r.IntN(2) {
				g := policy.GroupResources{Group: r.one([]string{"", "", "apps", "*", "stable.io", "rbac.authorization.k8s.io"})}
				if g.Group == "" || g.Group == "*" {
					g.Resources = r.some(someResources)
				}
				if len(g.Resources) > 0 {
					g.ResourceNames = maybe(someNames)
				}
				rule.Resources = append(rule.Resources, g)
			}
		}
		p.Rules = append(p.Rules, rule)
	}
	return p
}

// query is a rule in the search language.
func (r random) query(depth int) string {
	if depth > 0 && r.IntN(3) > 0 {
		var parts []string
		for range 2 + r.IntN(2) {
			parts = append(parts, r.query(depth-1))
		}
		text := "(" + strings.Join(parts, r.one([]string{" ", " ", " OR "})) + ")"
		if r.IntN(5) == 0 {
			text = "-" + text
		}
		return text
	}
	text := ""
	switch r.IntN(20) {
	case 0, 1, 2:
		text = "verb:" + r.one(someVerbs)
	case 3, 4, 5:
		text = "resource:" + r.one([]string{"pods", "secrets", "deployments", "clusterroles", "namespaces", "nodes", "crontabs", "cron*"})
	case 6:
		text = "subresource:" + r.one([]string{"exec", "log", "scale", "*", "proxy"})
	case 7:
		text = "ns:" + r.one([]string{"prod", "kube-*", "dev", "*"})
	case 8:
		text = "name:" + r.one([]string{"db", "web-*", "admin"})
	case 9, 10:
		text = "user:" + r.one([]string{"jane", "system:*", "*:ci", "system:anonymous", "system:serviceaccount:*"})
	case 11:
		text = "group:" + r.one(someGroups)
	case 12:
		text = "code" + r.one([]string{":403", ">=400", "<300", ":101", ":401"})
	case 13:
		text = "stage:" + string(someStages[r.IntN(4)])
	case 14:
		text = "level:" + r.one([]string{"Metadata", "Request", "RequestResponse"})
	case 15:
		text = "pod.privileged:true"
	case 16:
		text = "request." + r.one([]string{"kind:Pod", "spec.hostNetwork:true", "spec:*"})
	case 17:
		text = "response.kind:" + r.one([]string{"Status", "Pod"})
	case 18:
		text = "agent:" + r.one([]string{"kubectl*", "curl"})
	case 19:
		text = "uri:" + r.one([]string{"/api/v1/*", "*command=*", "/healthz*"})
	}
	if r.IntN(4) == 0 {
		text = "-" + text
	}
	return text
}

// ask is a request such as a server may get, by other means than those of the package.
func (r random) ask() (a policy.Attributes, eventName string) {
	if r.IntN(12) > 0 {
		a.User = &audit.UserInfo{Username: r.one(append([]string{"eve"}, someUsers...))}
		if r.IntN(2) == 0 {
			a.User.Groups = r.some([]string{"ops", "system:masters", "friends"})
		}
		a.User.Groups = append(a.User.Groups, policy.ImpliedGroups(a.User.Username)...)
	}
	if r.IntN(6) == 0 {
		a.Path, a.Verb = r.one(append([]string{"/healthz/ping", "/elsewhere", "/debug/pprof/heap"}, somePaths...)), r.one([]string{"get", "post", "head"})
		return a, ""
	}
	t := r.one(append([]string{"stable.io/others", "batch/jobs"}, someTargets...))
	parts := strings.Split(t, "/")
	a.ResourceRequest, a.APIGroup, a.Resource = true, parts[0], parts[1]
	verbs := someVerbs
	if len(parts) > 2 {
		a.Subresource = parts[2]
		verbs = map[string][]string{"exec": {"get", "create"}, "log": {"get"}, "scale": {"get", "update", "patch"}, "proxy": {"get", "create", "update", "patch", "delete"}}[a.Subresource]
	}
	a.Verb = r.one(verbs)
	if a.Resource == "namespaces" && a.Verb == "deletecollection" {
		a.Verb = "delete"
	}
	listing := slices.Contains([]string{"list", "watch", "deletecollection"}, a.Verb)
	creates := a.Verb == "create" && a.Subresource == ""
	name := r.one(append([]string{"thing"}, someNames...))
	if !listing && !creates {
		a.Name = name
	}
	switch cluster := slices.Contains([]string{"nodes", "clusterroles"}, a.Resource); {
	case a.Resource == "namespaces":
		a.Namespace = a.Name
	case !cluster && !((a.Verb == "list" || a.Verb == "watch") && r.IntN(3) == 0):
		a.Namespace = r.one(append([]string{"elsewhere"}, someSpaces...))
	}
	if creates && r.IntN(2) == 0 {
		return a, name
	}
	return a, a.Name
}

// record is the event of a request, by other means than those of the package; nil if there is none at that stage.
func (r random) record(a *policy.Attributes, name string, level audit.Level, stage audit.Stage, outcome int) []byte {
	long := a.Verb == "watch" || slices.Contains([]string{"exec", "log", "proxy"}, a.Subresource) || strings.HasPrefix(a.Path, "/debug/pprof/")
	if (a.User == nil) != (stage == audit.StageResponseStarted) && (a.User == nil || !long) {
		return nil
	}
	stream := slices.Contains([]string{"exec", "log", "proxy"}, a.Subresource)
	e := map[string]any{"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": level, "stage": stage, "auditID": "x", "verb": a.Verb, "user": map[string]any{},
		"userAgent": []string{"kubectl/v1.36", "curl", "x"}[outcome%3], "requestURI": a.Path}
	if a.User != nil {
		e["user"] = a.User
	}
	if a.ResourceRequest {
		req := request{target: &target{group: a.APIGroup, resource: a.Resource, sub: a.Subresource}, verb: a.Verb, namespace: a.Namespace, name: a.Name}
		e["requestURI"] = req.uri()
		if outcome%2 == 0 && a.Subresource == "exec" {
			e["requestURI"] = req.uri() + "?command=sh"
		}
		ref := audit.ObjectReference{Resource: a.Resource, APIGroup: a.APIGroup, Subresource: a.Subresource, Namespace: a.Namespace, Name: a.Name}
		if stage != audit.StageRequestReceived {
			ref.Name = name
		}
		e["objectRef"] = ref
	}
	if stage == audit.StageRequestReceived {
		b, _ := json.Marshal(e)
		return b
	}
	code := []int{200, 403, 201, 404, 101, 500}[outcome%6]
	if a.User == nil {
		code = 401
	}
	if stage == audit.StagePanic {
		code = 500
	}
	e["responseStatus"] = map[string]any{"code": code}
	writes := slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, a.Verb) && a.ResourceRequest && !stream && a.User != nil
	if level.AtLeast(audit.LevelRequest) && writes {
		pod := map[string]any{"hostNetwork": true, "containers": []any{map[string]any{"name": "c", "image": "i", "securityContext": map[string]any{"privileged": true}}}}
		ofPods := a.Resource == "pods" || a.APIGroup == "stable.io"
		switch {
		case outcome%5 == 0 && ofPods && a.Verb != "delete" && a.Verb != "deletecollection":
			e["requestObject"] = map[string]any{"kind": "Pod", "spec": pod}
		case outcome%5 == 0 && a.Resource == "deployments" && a.Subresource == "" && (a.Verb == "create" || a.Verb == "update" || a.Verb == "patch"):
			e["requestObject"] = map[string]any{"kind": "Deployment", "spec": map[string]any{"template": map[string]any{"spec": pod}}}
		case outcome%5 == 1 && ofPods:
			e["requestObject"] = map[string]any{"kind": "Pod", "spec": map[string]any{}}
		case outcome%5 == 3:
			e["requestObject"] = map[string]any{"kind": "Other"}
		}
	}
	if level.AtLeast(audit.LevelRequestResponse) {
		e["responseObject"] = map[string]any{"kind": []string{"Status", "Pod", "Other"}[outcome%3]}
	}
	b, _ := json.Marshal(e)
	return b
}

// For random policies and rules: whatever fires on a request that is recorded, coverage says that it can; what coverage says
// that it can has a witness which the policy records and on which it fires; where coverage says that it fires for all, no
// request on which it would fire is lost; and what it says is true of no event is true of none.
func TestDifferential(t *testing.T) {
	r := random{rand.New(rand.NewPCG(5, 8))}
	const pairs, requests = 40, 300
	counts := map[Verdict]int{}
	fired, possible := 0, 0
	for n := range pairs {
		p, query := r.policy(), r.query(2)
		where, err := match.Parse(query)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		rule := &detect.Rule{ID: "r", Title: query, Where: where}
		res := Check([]*detect.Rule{rule}, &Policy{Policy: p, Name: "p"}, nil).Results[0]
		counts[res.Verdict]++
		said := func() string {
			b, _ := json.Marshal(p)
			return fmt.Sprintf("pair %d\nrule %s\npolicy %s\nverdict %s %+v", n, query, b, res.Verdict, res.Blocked)
		}
		evaluator := policy.Compile(p)
		if (res.Verdict == Fires || res.Verdict == Partly) && res.Witness == nil {
			possible++
		}
		if w := res.Witness; w != nil {
			var v audit.View
			if err := v.Parse(w.Event); err != nil {
				t.Fatal(err)
			}
			if !where.Match(&match.Row{View: &v, Cluster: w.Cluster, Received: v.Time}) {
				t.Fatalf("%s\nthe rule does not fire on the witness %s", said(), w.Event)
			}
			a := policy.AttributesOf(&v)
			if d := evaluator.Decide(&a); d.Level != audit.Level(v.Level) || d.Omit.Has(audit.Stage(v.Stage)) {
				t.Fatalf("%s\nthe policy records the witness %s at %s, but for stages %v", said(), w.Event, d.Level, d.Omit)
			}
		}
		for range requests {
			a, name := r.ask()
			d := evaluator.Decide(&a)
			outcome := r.IntN(30)
			does, would, panics := false, false, r.IntN(10) == 0
			for _, stage := range someStages {
				if stage == audit.StagePanic != panics && (stage == audit.StagePanic || stage == audit.StageResponseComplete) {
					continue // it ends in the one or in the other
				}
				matches := func(level audit.Level) bool {
					e := r.record(&a, name, level, stage, outcome)
					var v audit.View
					return e != nil && v.Parse(e) == nil && where.Match(&match.Row{View: &v, Cluster: "c"})
				}
				if full := matches(audit.LevelRequestResponse); full {
					would = true
				}
				if d.Level != audit.LevelNone && !d.Omit.Has(stage) && matches(d.Level) {
					does = true
				}
			}
			if does {
				fired++
			}
			switch {
			case does && (res.Verdict == Never || res.Verdict == Cannot):
				t.Fatalf("%s\nit fires on %+v by %+v, recorded at %s but for stages %v", said(), a, a.User, d.Level, d.Omit)
			case would && res.Verdict == Never:
				t.Fatalf("%s\nit is true of %+v by %+v", said(), a, a.User)
			case would && !does && res.Verdict == Fires && !panics:
				t.Fatalf("%s\nit does not fire on %+v by %+v, recorded at %s but for stages %v", said(), a, a.User, d.Level, d.Omit)
			}
		}
	}
	t.Logf("%v, %d events fired, %d possible without a witness", counts, fired, possible)
	for _, v := range []Verdict{Fires, Partly, Cannot, Never} {
		if counts[v] < 1 {
			t.Errorf("only %d rules of the test are %s", counts[v], v)
		}
	}
	if fired < 500 {
		t.Errorf("only %d events fired", fired)
	}
	if possible > pairs/20 {
		t.Errorf("of %d rules that fire no witness was found", possible)
	}
}
