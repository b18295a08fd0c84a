package coverage

import (
	"slices"
	"strings"
	"testing"
)

func TestBody(t *testing.T) {
	cases := []struct {
		group, resource, sub, path string
		want                       Shape
		depth                      int
	}{
		{"", "pods", "", "spec.containers.securityContext.privileged", Bool, 4},
		{"", "pods", "", "spec.containers.securityContext.runAsUser", Number, 4},
		{"", "pods", "", "spec.containers.image", Text, 3},
		{"", "pods", "", "spec.containers.resources.limits.memory", Text, 5},
		{"", "pods", "", "metadata.labels.anything", Text, 3},
		{"", "pods", "", "metadata.creationTimestamp", Text, 2},
		{"", "pods", "", "spec", Object, 1},
		{"", "pods", "", "spec.contaners.image", Nowhere, 1},
		{"", "pods", "", "hostPath", Nowhere, 0},
		{"", "pods", "", "spec.hostPID.x", Nowhere, 2},
		{"", "pods", "binding", "target.name", Text, 2},
		{"apps", "deployments", "", "spec.template.spec.hostNetwork", Bool, 4},
		{"apps", "deployments", "scale", "spec.replicas", Number, 2},
		{"", "serviceaccounts", "token", "spec.expirationSeconds", Number, 2},
		{"", "services", "", "spec.ports.targetPort", Text, 3},
		{"rbac.authorization.k8s.io", "clusterroles", "", "rules.verbs", Text, 2},
		{"apps", "controllerrevisions", "", "data.whatever.there.is", Anything, 4},
		{"networking.k8s.io", "ingresses", "", "spec.tls", Object, 2},
	}
	for _, c := range cases {
		b := BodyOf(c.group, c.resource, c.sub)
		if b == nil {
			t.Errorf("%s/%s: no type is known", c.resource, c.sub)
			continue
		}
		if shape, depth := b.At(strings.Split(c.path, ".")); shape != c.want || depth != c.depth {
			t.Errorf("%s/%s %s: %v, %d; want %v, %d", c.resource, c.sub, c.path, shape, depth, c.want, c.depth)
		}
	}
	for _, unknown := range [][3]string{{"example.com", "widgets", ""}, {"apps", "pods", ""}, {"", "nothing", "scale"}} {
		if b := BodyOf(unknown[0], unknown[1], unknown[2]); b != nil {
			t.Errorf("%v: %s", unknown, b.Kind)
		}
	}
	pod := BodyOf("", "pods", "")
	if got := pod.Lists([]string{"spec", "containers", "securityContext", "capabilities", "add"}); !slices.Equal(got, []bool{false, true, false, false, true}) {
		t.Errorf("lists: %v", got)
	}
	if got := pod.Members([]string{"spec", "containers", "securityContext", "capabilities"}); !slices.Equal(got, []string{"add", "drop"}) {
		t.Errorf("members: %v", got)
	}
}
