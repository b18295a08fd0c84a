package coverage

import (
	"math/rand/v2"
	"strings"
	"testing"

	"annals.dev/internal/detect"
	"annals.dev/internal/match"
	"annals.dev/policy"
)

func TestSuggest(t *testing.T) {
	rules := []*detect.Rule{
		rule(t, "verb:create resource:pods -subresource:* pod.privileged:true user:jane"),
		rule(t, "verb:(get OR list) resource:secrets ns:kube-system code<400 user:*"),
		rule(t, "resource:pods/exec ns:prod user:*"),
	}
	const want = `# The least that lets the rules fire. Each rule names what needs it; nothing else is recorded.
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
# verb:create resource:pods -subresource:* pod.privileged:true user:jane
- level: Request
  users: [jane]
  verbs: [create]
  resources:
  - group: ""
    resources: [pods]
  omitStages: [RequestReceived, ResponseStarted, Panic]
# resource:pods/exec ns:prod user:*
- level: Metadata
  resources:
  - group: ""
    resources: [pods/exec]
  namespaces: [prod]
  omitStages: [RequestReceived, ResponseComplete, Panic]
# verb:(get OR list) resource:secrets ns:kube-system code<400 user:*
- level: Metadata
  verbs: [get, list]
  resources:
  - group: ""
    resources: [secrets]
  namespaces: [kube-system]
  omitStages: [RequestReceived, ResponseStarted, Panic]
`
	s := Suggest(rules, nil)
	if s.YAML != want {
		t.Errorf("got\n%s\nwant\n%s", s.YAML, want)
	}
	if _, err := policy.Parse([]byte(s.YAML), policy.Options{}); err != nil {
		t.Error(err)
	}
	for _, r := range s.Results {
		if r.Verdict != Fires {
			t.Errorf("%s: %s %+v", r.Rule, r.Verdict, r.Blocked)
		}
	}
}

// Whatever the rules, they can all fire under what is suggested for them, but for those that never can.
func TestSuggestDifferential(t *testing.T) {
	r := random{rand.New(rand.NewPCG(3, 4))}
	fires := 0
	for n := range 6 {
		var rules []*detect.Rule
		for range 1 + r.IntN(3) {
			query := r.query(2)
			for strings.Contains(query, "level:") { // two rules can ask for two levels of the same request
				query = r.query(2)
			}
			where, err := match.Parse(query)
			if err != nil {
				t.Fatal(err)
			}
			rules = append(rules, &detect.Rule{ID: query, Title: query, Where: where})
		}
		s := Suggest(rules, nil)
		p, err := policy.Parse([]byte(s.YAML), policy.Options{})
		if err != nil {
			t.Fatalf("%v: %s", err, s.YAML)
		}
		for _, res := range Check(rules, &Policy{Policy: p}, nil).Results {
			switch res.Verdict {
			case Fires:
				fires++
			case Never, Beyond:
			default:
				t.Fatalf("set %d: %s: %s %+v\nunder\n%s", n, res.Rule, res.Verdict, res.Blocked, s.YAML)
			}
		}
	}
	if fires < 5 {
		t.Errorf("only %d rules fire", fires)
	}
}
