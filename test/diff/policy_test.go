package diff

import (
	"annals.dev/test/diff/recorded"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	auditinternal "k8s.io/apiserver/pkg/apis/audit"
	"k8s.io/apiserver/pkg/apis/audit/validation"
	upstreampolicy "k8s.io/apiserver/pkg/audit/policy"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"pgregory.net/rapid"

	"annals.dev/audit"
	"annals.dev/policy"
)

// The words of policies and requests are few, so that they meet.
var (
	users      = []string{"", "alice", "bob", "system:admin", "*", "ALICE"}
	groups     = []string{"", "devs", "ops", "system:authenticated", "*"}
	verbs      = []string{"", "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "proxy", "*"}
	apiGroups  = []string{"", "apps", "batch", "*", "example.com"}
	resources  = []string{"", "pods", "pods/log", "pods/*", "*/log", "*", "*/*", "*/", "/", "/*", "/log", "pods/", "a/b/c", "a", "a/*", "*/b/c", "*s", "nodes", "nodes/proxy"}
	plain      = []string{"", "pods", "nodes", "a", "a/b", "*", "pods/log"}
	subs       = []string{"", "", "log", "proxy", "b", "b/c", "*", "/"}
	names      = []string{"", "x", "y", "*", "x*"}
	namespaces = []string{"", "d", "kube-system", "*"}
	specs      = []string{"/api", "/api*", "/api/*", "/apis/*", "*", "/", "/*", "/healthz", "/healthz/etcd", "/a/b/*"}
	paths      = []string{"", "/", "/api", "/api/", "/api/v1", "/apis", "/apis/apps", "/healthz", "/healthz/etcd", "/a/b", "/a/b/c", "*", "api", "/*"}
	levels     = []auditinternal.Level{auditinternal.LevelNone, auditinternal.LevelMetadata, auditinternal.LevelRequest, auditinternal.LevelRequestResponse}
	stages     = []auditinternal.Stage{auditinternal.StageRequestReceived, auditinternal.StageResponseStarted, auditinternal.StageResponseComplete, auditinternal.StagePanic}
)

// some draws up to n of these, with repeats; often none.
func some[T any](t *rapid.T, from []T, n int, label string) []T {
	if !rapid.Bool().Draw(t, label+"?") {
		return nil
	}
	return rapid.SliceOfN(rapid.SampledFrom(from), 0, n).Draw(t, label)
}

func one[T any](t *rapid.T, from []T, label string) T { return rapid.SampledFrom(from).Draw(t, label) }

// drawPolicy draws a policy that upstream accepts.
func drawPolicy(t *rapid.T) *auditinternal.Policy {
	p := &auditinternal.Policy{OmitStages: some(t, stages, 4, "omitStages"), OmitManagedFields: rapid.Bool().Draw(t, "omitManagedFields")}
	for range rapid.IntRange(1, 6).Draw(t, "rules") {
		p.Rules = append(p.Rules, drawRule(t))
	}
	return p
}

func drawRule(t *rapid.T) auditinternal.PolicyRule {
	r := auditinternal.PolicyRule{
		Level:      one(t, levels, "level"),
		Users:      some(t, users, 3, "users"),
		UserGroups: some(t, groups, 3, "userGroups"),
		Verbs:      some(t, verbs, 4, "verbs"),
		OmitStages: some(t, stages, 4, "omitStages"),
	}
	switch one(t, []string{"all", "resources", "urls"}, "what") {
	case "resources":
		r.Namespaces = some(t, namespaces, 3, "namespaces")
		for range rapid.IntRange(0, 3).Draw(t, "resources") {
			g := auditinternal.GroupResources{Group: one(t, apiGroups, "group"), Resources: some(t, resources, 4, "resources")}
			if len(g.Resources) > 0 {
				g.ResourceNames = some(t, names, 3, "resourceNames")
			}
			r.Resources = append(r.Resources, g)
		}
	case "urls":
		r.NonResourceURLs = some(t, specs, 3, "nonResourceURLs")
	}
	if yes := rapid.IntRange(0, 2).Draw(t, "omitManagedFields"); yes > 0 {
		omit := yes == 1
		r.OmitManagedFields = &omit
	}
	return r
}

func drawAttributes(t *rapid.T) *authorizer.AttributesRecord {
	a := &authorizer.AttributesRecord{Verb: one(t, verbs, "verb"), APIVersion: "v1"}
	if rapid.IntRange(0, 7).Draw(t, "user") > 0 {
		a.User = &user.DefaultInfo{Name: one(t, users, "name"), Groups: some(t, groups, 4, "groups")}
	}
	if rapid.Bool().Draw(t, "resource request") {
		a.ResourceRequest = true
		a.APIGroup = one(t, apiGroups, "group")
		a.Resource = one(t, plain, "resource")
		a.Subresource = one(t, subs, "subresource")
		a.Namespace = one(t, namespaces, "namespace")
		a.Name = one(t, names, "name")
	}
	a.Path = one(t, paths, "path")
	return a
}

// ourPolicy is the policy as our type has it.
func ourPolicy(p *auditinternal.Policy) *policy.Policy {
	out := &policy.Policy{OmitStages: ourStages(p.OmitStages), OmitManagedFields: p.OmitManagedFields}
	for _, r := range p.Rules {
		rule := policy.Rule{
			Level: audit.Level(r.Level), Users: r.Users, UserGroups: r.UserGroups, Verbs: r.Verbs, Namespaces: r.Namespaces,
			NonResourceURLs: r.NonResourceURLs, OmitStages: ourStages(r.OmitStages), OmitManagedFields: r.OmitManagedFields,
		}
		for _, g := range r.Resources {
			rule.Resources = append(rule.Resources, policy.GroupResources(g))
		}
		out.Rules = append(out.Rules, rule)
	}
	return out
}

func ourStages(in []auditinternal.Stage) (out []audit.Stage) {
	for _, s := range in {
		out = append(out, audit.Stage(s))
	}
	return out
}

func ourAttributes(a *authorizer.AttributesRecord) *policy.Attributes {
	out := &policy.Attributes{
		Verb: a.Verb, ResourceRequest: a.ResourceRequest, APIGroup: a.APIGroup, Resource: a.Resource, Subresource: a.Subresource,
		Namespace: a.Namespace, Name: a.Name, Path: a.Path,
	}
	if a.User != nil {
		out.User = &audit.UserInfo{Username: a.User.GetName(), UID: a.User.GetUID(), Groups: a.User.GetGroups(), Extra: a.User.GetExtra()}
	}
	return out
}

// verdict is what a decision says, for comparison.
func verdict(level string, has func(audit.Stage) bool, omitManagedFields bool) string {
	var omit []audit.Stage
	for _, s := range stages {
		if has(audit.Stage(s)) {
			omit = append(omit, audit.Stage(s))
		}
	}
	return fmt.Sprintf("%s, without %v, omitManagedFields %v", level, omit, omitManagedFields)
}

func ourVerdict(e *policy.Evaluator, a *authorizer.AttributesRecord) string {
	d := e.Decide(ourAttributes(a))
	return verdict(string(d.Level), d.Omit.Has, d.OmitManagedFields)
}

// evaluator is upstream's. It changes the policy that it is given, so it gets one of its own.
func evaluator(p *auditinternal.Policy) func(*authorizer.AttributesRecord) string {
	e := upstreampolicy.NewPolicyRuleEvaluator(p.DeepCopy())
	return func(a *authorizer.AttributesRecord) string {
		c := e.EvaluatePolicyRule(a)
		return verdict(string(c.Level), func(s audit.Stage) bool { return slices.Contains(c.OmitStages, auditinternal.Stage(s)) }, c.OmitManagedFields)
	}
}

// decision is a case of deciding.
type decision struct {
	policy     *auditinternal.Policy
	attributes *authorizer.AttributesRecord
}

func (d decision) String() string {
	p, _ := json.Marshal(ourPolicy(d.policy))
	a, _ := json.Marshal(ourAttributes(d.attributes))
	return fmt.Sprintf("%s\n%s", p, a)
}

func TestRandomPoliciesDecideTheSame(t *testing.T) {
	const requests = 8 // of each policy
	check(t, 400/requests, func(t *rapid.T) {
		p := drawPolicy(t)
		if errs := validation.ValidatePolicy(p); len(errs) > 0 {
			t.Fatalf("the test draws policies that upstream refuses: %v", errs)
		}
		ours, upstream := policy.Compile(ourPolicy(p)), evaluator(p)
		for range requests {
			a := drawAttributes(t)
			same(t, "policy.decision", ourVerdict(ours, a), upstream(a), decision{p, a})
		}
		compared.Add(requests - 1)
	})
}

// recordedAttributes are those of the requests in the recorded logs.
func recordedAttributes(t *testing.T) (all []*authorizer.AttributesRecord) {
	pattern := "../../audit/testdata/normal-*.log.gz"
	if dir := os.Getenv("ANNALS_CORPUS"); dir != "" {
		pattern = filepath.Join(dir, "corpus", "normal-*.log.gz")
	}
	events, err := recorded.Read(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		all = append(all, recorded.Attributes(e))
	}
	return all
}

func TestRecordedRequestsAreDecidedTheSame(t *testing.T) {
	requests := recordedAttributes(t)
	check(t, 2, func(t *rapid.T) {
		p := drawPolicy(t)
		for i := range p.Rules { // so that some rules meet real requests
			r, a := &p.Rules[i], one(t, requests, "request")
			if a.User != nil && len(r.Users) > 0 {
				r.Users = append(r.Users, a.User.GetName())
			}
			if len(r.Resources) > 0 && a.ResourceRequest {
				r.Resources = append(r.Resources, auditinternal.GroupResources{Group: a.APIGroup, Resources: []string{a.Resource, a.Resource + "/*"}})
			}
			if len(r.NonResourceURLs) > 0 && !a.ResourceRequest {
				r.NonResourceURLs = append(r.NonResourceURLs, a.Path)
			}
		}
		ours, upstream := policy.Compile(ourPolicy(p)), evaluator(p)
		for range 100 {
			a := one(t, requests, "request")
			same(t, "policy.decision", ourVerdict(ours, a), upstream(a), decision{p, a})
		}
		compared.Add(99)
	})
}
