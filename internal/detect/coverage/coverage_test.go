package coverage

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/detect"
	"annals.dev/internal/match"
	"annals.dev/policy"
)

const testPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users: [system:kube-proxy]
- level: None
  resources: [{group: "", resources: [secrets]}]
  namespaces: [kube-system]
- level: None
  nonResourceURLs: ["/healthz*"]
- level: Metadata
  omitStages: [ResponseStarted]
  resources: [{group: "", resources: [pods/exec, nodes]}]
- level: Request
  resources: [{group: "", resources: [pods]}]
- level: Metadata
`

func parse(t *testing.T, yaml string) *Policy {
	t.Helper()
	p, err := policy.Parse([]byte(yaml), policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &Policy{Policy: p, Name: "policy.yaml", Lines: policy.Lines([]byte(yaml))}
}

func rule(t *testing.T, query string) *detect.Rule {
	t.Helper()
	p, err := match.Parse(query)
	if err != nil {
		t.Fatal(err)
	}
	return &detect.Rule{ID: query, Title: query, Where: p}
}

func TestVerdicts(t *testing.T) {
	cases := []struct {
		query   string
		verdict Verdict
		blocked string // line of the policy, cause, what
	}{
		{"verb:create resource:pods pod.privileged:true -user:system:*", Fires, ""},
		{"verb:create resource:pods pod.privileged:true", Partly, "5 none create pods"},
		{"verb:create resource:deployments pod.privileged:true user:jane", Cannot, "17 level create deployments.apps"},
		{"resource:secrets verb:get user:jane", Partly, "7 none get secrets"},
		{"resource:secrets verb:get ns:kube-system", Cannot, "5 none get secrets; 7 none get secrets"},
		{"resource:pods/exec stage:ResponseStarted user:jane", Cannot, "12 stage get, create pods/exec"},
		{"resource:pods/exec user:jane", Fires, ""},
		{"stage:RequestReceived user:jane resource:pods verb:get -subresource:*", Cannot, "15 stage get pods"},
		{"verb:create resource:ingresses user:jane -request.spec.tls:*", Blind, "17 blind create ingresses.networking.k8s.io"},
		{"verb:create resource:pods user:jane -request.spec.tls:*", Fires, ""},
		{"user:system:kube-proxy", Cannot, ""},
		{"uri:/healthz* verb:get -resource:* user:jane", Cannot, "10 none get /healthz, /healthzx"},
		{"code:401 resource:services -user:*", Fires, ""},
		{"code:401 resource:nodes -user:* -subresource:*", Cannot, "12 stage any verb of nodes"},
		{"verb:replace", Never, ""},
		{"resource:pod user:jane", Fires, ""}, // somebody else's
		{"code:200 code:403", Never, ""},
		{"verb:create verb:delete", Never, ""},
		{"resource:nodes ns:prod", Never, ""},
		{"verb:list resource:pods pod.privileged:true", Never, ""},
		{"user:system:serviceaccount:* user:*:default verb:get resource:pods", Fires, ""},
		{"verb:(create OR update) resource:pods -subresource:* user:jane -request:* level:Metadata", Beyond, ""},
		{"verb:create user:jane ((resource:pods pod.privileged:true) OR (resource:deployments (agent:curl* OR pod.privileged:true)))", Partly,
			"17 level create deployments.apps (" + "verb:create user.username:jane objectRef.resource:deployments pod.privileged:true)"},
	}
	p := parse(t, testPolicy)
	for _, c := range cases {
		t.Run(c.query, func(t *testing.T) {
			res := Check([]*detect.Rule{rule(t, c.query)}, p, nil).Results[0]
			var blocked []string
			for _, b := range res.Blocked {
				s := fmt.Sprintf("%d %s %s", b.Line, b.Cause, strings.Join(b.What, "; "))
				if b.Alternative != "" {
					s += " (" + b.Alternative + ")"
				}
				blocked = append(blocked, s)
			}
			if res.Verdict != c.verdict {
				t.Errorf("%s, want %s: %v", res.Verdict, c.verdict, blocked)
			}
			if got := strings.Join(blocked, "; "); c.blocked != "" && got != c.blocked {
				t.Errorf("blocked: %s\nwant:    %s", got, c.blocked)
			}
			if (res.Verdict == Fires || res.Verdict == Partly) != (res.Witness != nil) {
				t.Errorf("the witness is %+v", res.Witness)
			}
		})
	}
}

func TestCorrelations(t *testing.T) {
	p := parse(t, testPolicy)
	fires, cannot := rule(t, "resource:pods/exec user:jane"), rule(t, "resource:secrets ns:kube-system")
	made := func(kind detect.CorrelationKind, of *detect.RuleExpr, rules ...*detect.Rule) Verdict {
		c := &detect.Rule{ID: "c", Correlation: &detect.Correlation{Kind: kind, Of: of, Timespan: time.Minute}}
		for _, r := range rules {
			c.Correlation.Rules = append(c.Correlation.Rules, r.ID)
		}
		return Check(append([]*detect.Rule{c}, rules...), p, nil).Results[0].Verdict
	}
	got := []Verdict{
		made(detect.EventCount, nil, fires), made(detect.EventCount, nil, cannot), made(detect.EventCount, nil, fires, cannot),
		made(detect.Temporal, nil, fires, cannot), made(detect.TemporalOrdered, nil, fires),
		made(detect.Temporal, &detect.RuleExpr{Or: []*detect.RuleExpr{{Rule: fires.ID}, {Rule: cannot.ID}}}, fires, cannot),
	}
	want := []Verdict{Fires, Cannot, Partly, Cannot, Fires, Partly}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
