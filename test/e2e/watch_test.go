package e2e

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"annals.dev/test/e2e/kube"
)

// watchPolicy records what erin does as a policy of level Metadata would, and all else whole.
const watchPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: Metadata
  users: [erin]
- level: RequestResponse
`

// TestWatch attacks a real API server, and has what was done found: as it happens, after a kill, and anew from the API server's
// own log. Of what is grave a receiver must be told, once.
func TestWatch(t *testing.T) {
	t.Parallel()
	a, receiver := newAnnals(t), newHearer(t)
	a.watches(`
alerts:
  destinations:
  - {name: hook, kind: webhook, url: "` + receiver.url + `", maxPerMinute: 6000}
  routes:
  - {severity: high, to: [hook], grouping: {by: [rule, user], wait: 0s, interval: 1s}}
`)
	a.serve()
	p := a.paste("prod")
	policy := t.TempDir() + "/policy.yaml"
	must(t, os.WriteFile(policy, []byte(watchPolicy), 0o600))
	s := kube.Start(t, kube.Options{LogDir: p.logs, Flags: append(p.flags, "--audit-policy-file="+policy, "--audit-webhook-initial-backoff=2s", keepLogs)})
	admin := kube.Client(t, s.Admin())
	setUp(t, admin)
	workday(t, s)
	quietUntil := time.Now()
	k := kube.StartKubelet(t, s, admin)
	mallory, erin := newAttacker(t, s, "mallory"), newAttacker(t, s, "erin")
	for _, x := range []*attacker{mallory, erin} {
		x.makeVictims(admin, k)
	}
	waitForAdmin(t, mallory, erin)

	for _, at := range attacks {
		at.do(mallory)
	}
	a.hasFound(attacks, mallory, func(at attack) []found { return at.whole })
	// The other half of the attacks come while nobody watches, and what the first half made is being told.
	before := receiver.count()
	for _, at := range attacks[:len(attacks)/2] {
		at.do(erin)
	}
	eventually(t, "somebody is told", func() error {
		if receiver.count() == before {
			return fmt.Errorf("%d messages", before)
		}
		return nil
	})
	a.kill()
	for _, at := range attacks[len(attacks)/2:] {
		at.do(erin)
	}
	a.serve()
	a.hasFound(attacks, erin, func(at attack) []found { return at.names })
	for _, at := range failures {
		at.do(mallory)
	}
	a.hasFound(failures, mallory, func(at attack) []found { return at.whole })
	nothingDropped(t, s)

	s.Stop()
	all := a.sameAsImported(s)
	a.tells(receiver)
	quiet(t, all, quietUntil)
	a.stop()
	a.must("verify")
}

func newAttacker(t *testing.T, s *kube.Server, user string) *attacker {
	as := s.As(user, "staff")
	return &attacker{t: t, s: s, as: as, cs: kube.Client(t, as), user: user, thing: user + "-"}
}

// setUp makes what a cluster has before anybody works in it.
func setUp(t *testing.T, admin *kubernetes.Clientset) {
	t.Helper()
	for _, ns := range []string{shop, "prod"} {
		_, err := admin.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: meta(ns)}, metav1.CreateOptions{})
		must(t, err)
	}
	// ClusterRole edit is empty here: it is a controller that fills it.
	_, err := admin.RbacV1().Roles(shop).Create(ctx, &rbacv1.Role{ObjectMeta: meta("developer"), Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"pods", "services", "configmaps", "events"}, Verbs: []string{"get", "list", "watch", "create", "update", "patch", "delete"}},
		{APIGroups: []string{"apps"}, Resources: []string{"deployments", "deployments/scale", "replicasets"}, Verbs: []string{"get", "list", "watch", "create", "update", "patch", "delete"}},
	}}, metav1.CreateOptions{})
	must(t, err)
	_, err = admin.RbacV1().RoleBindings(shop).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: meta("alice"), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "developer"},
		Subjects: []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: alice}},
	}, metav1.CreateOptions{})
	must(t, err)
	_, err = admin.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta("operators"), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects: []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: "mallory"}, {Kind: "User", APIGroup: rbacv1.GroupName, Name: "erin"}},
	}, metav1.CreateOptions{})
	must(t, err)
}

// workday is what somebody does who may edit a namespace.
func workday(t *testing.T, s *kube.Server) {
	t.Helper()
	as := s.As(alice, "staff")
	canRead(t, as)
	kubectl(t, s, []command{
		{as, strings.Replace(manifest, "%d", "1", 1), "apply -f -", ""},
		{as, strings.Replace(manifest, "%d", "2", 1), "apply -f -", ""},
		{as, "", "get deployments,services,pods -n shop", ""},
		{as, "", "scale deployment/till -n shop --replicas=0", ""},
		{as, "", "create configmap settings -n shop --from-literal=color=blue", ""},
		{as, "", "label configmap settings -n shop seen=yes", ""},
		{as, "", "describe deployment till -n shop", ""},
		{as, "", "auth can-i create pods -n shop", ""},
		{as, "", "delete configmap settings -n shop", ""},
		{as, "", "get nodes", "orbidden"},
	})
}

// waitForAdmin waits until attackers may do what they are about to do.
func waitForAdmin(t *testing.T, attackers ...*attacker) {
	t.Helper()
	for _, x := range attackers {
		eventually(t, x.user+" is an administrator", func() error {
			_, err := x.cs.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
			return err
		})
	}
}

// hasFound waits until each attack is found, and tells how long after it was made.
func (a *annals) hasFound(attacks []attack, x *attacker, of func(attack) []found) {
	a.t.Helper()
	began := time.Now()
	var took []string
	seen := map[found]bool{}
	eventually(a.t, "attacks are found", func() error {
		all, err := a.findings("--cluster", "prod")
		if err != nil {
			return err
		}
		var missing []error
		for _, at := range attacks {
			for _, want := range of(at) {
				f := want.in(all, x)
				switch {
				case f == nil:
					missing = append(missing, fmt.Errorf("%s: no finding of %s with %s", at.name, want.rule, want.technique))
				case !seen[want]:
					seen[want] = true
					took = append(took, fmt.Sprintf("%s: %d ms after the request", want.rule, f.Recorded.Sub(f.Time).Milliseconds()))
				}
			}
		}
		return errors.Join(missing...)
	})
	a.t.Logf("by %s, within %s:\n%s", x.user, time.Since(began).Round(10*time.Millisecond), strings.Join(took, "\n"))
}

// in is the finding that is wanted.
func (w found) in(all []finding, x *attacker) *finding {
	user := w.user
	if user == "" {
		user = x.user
	}
	at := slices.IndexFunc(all, func(f finding) bool {
		return f.RuleName == w.rule && slices.Contains(f.Techniques, w.technique) && (user == "?" || f.User == user) && (w.object == "" || f.Name == x.thing+w.object)
	})
	if at < 0 {
		return nil
	}
	return &all[at]
}

// sameAsImported: whoever has the API server's log imported finds what was found as it happened, down to the IDs.
func (a *annals) sameAsImported(s *kube.Server) (all []finding) {
	a.t.Helper()
	b := newAnnals(a.t)
	b.must("import", "--cluster", "prod", s.AuditLog)
	want, err := b.findings("--cluster", "prod")
	must(a.t, err)
	eventually(a.t, "what was found as it happened is what is found in the log", func() error {
		if all, err = a.findings("--cluster", "prod"); err != nil {
			return err
		}
		if d := unequal(all, want); d != "" {
			return errors.New(d)
		}
		return nil
	})
	if len(all) == 0 {
		a.t.Error("nothing was found")
	}
	a.t.Logf("%d findings, both as it happened and by import", len(all))
	return all
}

// tells: the receiver was told of each grave finding once, and of nothing else.
func (a *annals) tells(r *hearer) {
	a.t.Helper()
	grave := 0
	eventually(a.t, "the receiver was told of all", func() error {
		all, err := a.findings("--withdrawn")
		if err != nil {
			return err
		}
		told := r.of()
		grave = 0
		for i := range all {
			f := &all[i]
			n := told[f.ID]
			delete(told, f.ID)
			switch {
			case !f.atLeast("high"):
				if n != 0 {
					a.t.Fatalf("told of: %s", f)
				}
			case n > 1:
				a.t.Fatalf("told under %d keys: %s", n, f)
			case n == 0:
				return fmt.Errorf("not told: %s", f)
			default:
				grave++
			}
		}
		if len(told) > 0 {
			return fmt.Errorf("told of what nobody found: %v", told)
		}
		return nil
	})
	a.t.Logf("%d grave findings in %d messages; %d came again under their key", grave, r.count(), len(r.twice))
}

// quiet: the start of an API server, and what people ordinarily do, is nothing to look into.
func quiet(t *testing.T, all []finding, until time.Time) {
	t.Helper()
	minor := map[string]int{}
	for i := range all {
		switch f := &all[i]; {
		case f.Time.After(until):
		case f.atLeast("medium"):
			t.Errorf("found in ordinary work: %s", f)
		default:
			minor[f.RuleName+", "+f.Severity]++
		}
	}
	t.Logf("found in ordinary work: %v", minor)
}
