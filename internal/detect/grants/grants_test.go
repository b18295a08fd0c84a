package grants_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"annals.dev/audit"
	"annals.dev/internal/detect"
	"annals.dev/internal/detect/grants"
	"annals.dev/internal/format"
	"annals.dev/internal/match"
)

type standing map[string]*detect.Finding

func (s standing) Find(f *detect.Finding)        { s[f.ID] = f }
func (s standing) Withdraw(w *detect.Withdrawal) { delete(s, w.ID) }

func (s standing) lines() (lines []string) {
	for _, f := range s {
		lines = append(lines, fmt.Sprintf("%s %s: %s", strings.TrimPrefix(f.Rule, "annals-grants-"), f.Severity, f.Summary))
	}
	slices.Sort(lines)
	return lines
}

var begin = time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)

// writing is an event in which a role or a binding is written. The body is the object as the server answered with it.
func writing(at int, verb, resource, namespace, name, body string) audit.Event {
	t := audit.MicroTime{Time: begin.Add(time.Duration(at) * time.Second)}
	e := audit.Event{
		Level: audit.LevelRequestResponse, AuditID: fmt.Sprintf("%s-%s-%d", verb, name, at), Stage: audit.StageResponseComplete, Verb: verb,
		User: audit.UserInfo{Username: "jane"}, SourceIPs: []string{"192.0.2.1"}, ResponseStatus: &audit.Status{Code: 200},
		ObjectRef:                &audit.ObjectReference{APIGroup: "rbac.authorization.k8s.io", Resource: resource, Namespace: namespace, Name: name},
		RequestReceivedTimestamp: t, StageTimestamp: t,
	}
	if body != "" {
		e.ResponseObject = audit.Span(body)
	}
	return e
}

func role(rules ...string) string {
	return `{"kind":"ClusterRole","metadata":{"name":"r"},"rules":[` + strings.Join(rules, ",") + `]}`
}

func allow(verbs, groups, resources string) string {
	split := func(s string) string { b, _ := json.Marshal(strings.Split(s, ",")); return string(b) }
	return fmt.Sprintf(`{"verbs":%s,"apiGroups":%s,"resources":%s}`, split(verbs), split(groups), split(resources))
}

func binding(roleName string, subjects ...string) string {
	var list []string
	for _, s := range subjects {
		kind, name, _ := strings.Cut(s, " ")
		ns, n, ok := strings.Cut(name, "/")
		if !ok {
			ns, n = "", name
		}
		list = append(list, fmt.Sprintf(`{"kind":%q,"name":%q,"namespace":%q}`, kind, n, ns))
	}
	return fmt.Sprintf(`{"kind":"ClusterRoleBinding","metadata":{"name":"b"},"roleRef":{"kind":"ClusterRole","name":%q},"subjects":[%s]}`, roleName, strings.Join(list, ","))
}

// using is a request that a binding allowed.
func using(at int, user, reason string) audit.Event {
	e := writing(at, "list", "secrets", "", "", "")
	e.ObjectRef.APIGroup, e.User.Username = "", user
	e.Annotations = map[string]string{"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": reason}
	return e
}

func feed(t *testing.T, g *grants.Grants, out detect.Output, events ...audit.Event) {
	t.Helper()
	var view audit.View
	for i := range events {
		if err := view.Parse(events[i].AppendJSON(nil)); err != nil {
			t.Fatal(err)
		}
		g.Feed(&match.Row{View: &view, Cluster: "c", Position: uint64(i), Dialect: format.V1}, out)
	}
}

func TestGrants(t *testing.T) {
	read, admin := allow("get,list", "", "pods"), allow("*", "*", "*")
	failed := writing(2, "update", "clusterroles", "", "r", role(admin))
	failed.ResponseStatus.Code = 403
	requestOnly := writing(2, "update", "clusterroles", "", "r", "")
	requestOnly.RequestObject = audit.Span(role(read, allow("get", "", "secrets")))
	dry := writing(2, "update", "clusterroles", "", "r", role(admin))
	dry.RequestURI = "/apis/rbac.authorization.k8s.io/v1/clusterroles/r?dryRun=All"
	feigned := writing(2, "update", "clusterroles", "", "r", role(admin))
	feigned.RequestURI = "/apis/rbac.authorization.k8s.io/v1/clusterroles/r?fieldManager=dryRun=All&xdryRun=All"
	toEve := `RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "cluster-admin" to User "eve"`
	toSA := `RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "view" to ServiceAccount "bot/ci"`
	made := writing(1, "create", "clusterroles", "", "r", role(read))
	given, widened := writing(1, "create", "clusterrolebindings", "", "b", binding("cluster-admin", "User eve")), writing(2, "update", "clusterroles", "", "r", role(admin))
	given.User.Username, widened.User.Username = "system:apiserver", "system:apiserver"
	for _, tt := range []struct {
		name   string
		events []audit.Event
		want   []string
	}{
		{"a new role is not wider than it was", []audit.Event{made}, nil},
		{"made wildcard by update", []audit.Event{made, writing(2, "update", "clusterroles", "", "r", role(admin))},
			[]string{"role critical: jane widened ClusterRole r by update: it now also allows * *.*"}},
		{"by patch, known from the response", []audit.Event{made, writing(2, "patch", "clusterroles", "", "r", role(read, allow("get", "", "secrets")))},
			[]string{"role high: jane widened ClusterRole r by patch: it now also allows get secrets"}},
		{"known from the request of an update", []audit.Event{made, requestOnly}, []string{"role high: jane widened ClusterRole r by update: it now also allows get secrets"}},
		{"said in other words", []audit.Event{made, writing(2, "update", "clusterroles", "", "r", role(allow("get", "", "pods"), allow("list", "", "pods")))}, nil},
		{"narrowed", []audit.Event{writing(1, "create", "clusterroles", "", "r", role(admin)), writing(2, "update", "clusterroles", "", "r", role(read))}, nil},
		{"a patch of which nothing is known, then a change", []audit.Event{made, writing(2, "patch", "clusterroles", "", "r", ""), writing(3, "update", "clusterroles", "", "r", role(admin))}, nil},
		{"refused", []audit.Event{made, failed}, nil},
		{"a dry run", []audit.Event{made, dry}, nil},
		{"what only looks like a dry run", []audit.Event{made, feigned}, []string{"role critical: jane widened ClusterRole r by update: it now also allows * *.*"}},
		{"deleted and made again", []audit.Event{made, writing(2, "delete", "clusterroles", "", "r", ""), writing(3, "create", "clusterroles", "", "r", role(admin))}, nil},
		{"a subject is added to a binding", []audit.Event{
			writing(1, "create", "clusterrolebindings", "", "b", binding("cluster-admin", "User ann")), writing(2, "patch", "clusterrolebindings", "", "b", binding("cluster-admin", "User ann", "User eve"))},
			[]string{"binding critical: jane gave User eve the ClusterRole cluster-admin by patch of ClusterRoleBinding b"}},
		{"granted, then used", []audit.Event{writing(1, "create", "clusterrolebindings", "", "b", binding("cluster-admin", "User eve")), using(60, "eve", toEve)},
			[]string{"used high: User eve, whom jane had given the ClusterRole cluster-admin 59s before, used it: list secrets"}},
		{"granted to a service account, then used", []audit.Event{writing(1, "create", "clusterrolebindings", "", "b", binding("view", "ServiceAccount ci/bot")), using(60, "system:serviceaccount:ci:bot", toSA)},
			[]string{"used low: ServiceAccount bot/ci, whom jane had given the ClusterRole view 59s before, used it: list secrets"}},
		{"used days later", []audit.Event{writing(1, "create", "clusterrolebindings", "", "b", binding("cluster-admin", "User eve")), using(2*86400, "eve", toEve)}, nil},
		{"what the API server grants when it starts", []audit.Event{given, using(60, "eve", toEve)}, nil},
		{"what the API server widens when it starts", []audit.Event{made, widened}, nil},
		{"used before", []audit.Event{using(0, "eve", toEve), writing(1, "create", "clusterrolebindings", "", "b", binding("cluster-admin", "User eve"))}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := standing{}
			feed(t, grants.New(), got, tt.events...)
			if diff := cmp.Diff(tt.want, got.lines()); diff != "" {
				t.Error("-want +got:\n" + diff)
			}
			// In any order, and with restarts between, the same findings stand.
			for seed := range uint64(6) {
				rnd := rand.New(rand.NewPCG(seed, 1))
				mixed := slices.Clone(tt.events)
				rnd.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
				again, g := standing{}, grants.New()
				for i := range mixed {
					feed(t, g, again, mixed[i])
					state, err := g.Save()
					if err != nil {
						t.Fatal(err)
					}
					g = grants.New()
					if err := g.Load(state); err != nil {
						t.Fatal(err)
					}
				}
				if diff := cmp.Diff(got.lines(), again.lines()); diff != "" {
					t.Errorf("in another order (-in order +mixed):\n%s", diff)
				}
			}
		})
	}
}

func FuzzBody(f *testing.F) {
	f.Add([]byte(role(allow("*", "*", "*"))), `RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "view" to ServiceAccount "bot/ci"`)
	f.Add([]byte(binding("x", "User a")), `RBAC: allowed by RoleBinding "b/ns" of Role "view" to Group "x"`)
	f.Fuzz(func(t *testing.T, body []byte, reason string) {
		if !audit.Span(body).Valid() {
			return
		}
		g := grants.New()
		feed(t, g, standing{}, writing(1, "update", "clusterroles", "", "r", string(body)), writing(2, "update", "clusterroles", "", "r", role(allow("*", "*", "*"))), using(3, "eve", reason))
		state, err := g.Save()
		if err != nil {
			t.Fatal(err)
		}
		if err := grants.New().Load(state); err != nil {
			t.Fatalf("it cannot read its own state: %v", err)
		}
	})
}
