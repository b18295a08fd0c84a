package actor

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"annals.dev/audit"
	"annals.dev/internal/query"
	"annals.dev/internal/query/querytest"
)

var update = flag.Bool("update", false, "write what is found to testdata")

// recorded are events from a real API server: those of a few users, and all about bindings. Bodies are those of bindings alone.
func recorded(tb testing.TB) [][]byte { return querytest.Events(tb, "testdata/events.jsonl.gz") }

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("-want +got; -update writes it:\n%s", diff)
	}
}

// TestWho: profiles of recorded users. Their figures were counted by hand, such as
//
//	zcat testdata/events.jsonl.gz | jq -r 'select(.user.username == "alice@example.com") | .auditID' | sort -u | wc -l
//	… | jq -r 'select(.user.username == "alice@example.com" and .stage == "ResponseComplete" and .responseStatus.code >= 400) | .auditID' | sort -u | wc -l
//	… | jq -r 'select(.user.username == "jane@example.com" and .impersonatedUser == null and .stage == "ResponseComplete") |
//	     .annotations["authorization.k8s.io/reason"]' | sort | uniq -c
func TestWho(t *testing.T) {
	r := querytest.Ledger(t, "prod", recorded(t)).Reader
	for _, tt := range []struct {
		user                        string
		events, failures, forbidden int
	}{
		{"alice@example.com", 426, 45, 2},
		{"jane@example.com", 545, 19, 0},
		{"bob@contractor.example", 293, 11, 3},
		{"sa:ci/deployer", 300, 0, 0},
		{"system:node:node-3", 120, 2, 1},
		{"system:serviceaccount:kube-system:cert-manager", 0, 0, 0}, // others acted as it
	} {
		t.Run(tt.user, func(t *testing.T) {
			p, err := Who(context.Background(), r, Question{User: tt.user})
			if err != nil {
				t.Fatal(err)
			}
			if p.Events != tt.events || p.Failures != tt.failures || p.Forbidden != tt.forbidden {
				t.Errorf("%d events, %d failures, %d forbidden; want %d, %d, %d", p.Events, p.Failures, p.Forbidden, tt.events, tt.failures, tt.forbidden)
			}
			days := 0
			for _, d := range p.Days {
				days += d.Requests
			}
			if days != p.Events {
				t.Errorf("%d requests in days", days)
			}
			p.Cover.Seconds = 0
			text, err := json.MarshalIndent(p, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "who-"+strings.NewReplacer(":", "-", "/", "-").Replace(tt.user)+".json", string(text)+"\n")
		})
	}
}

// checksOf are what an authorizer was asked, and allowed, about one user's requests.
func checksOf(tb testing.TB, events [][]byte, user string) (checks []check) {
	tb.Helper()
	for _, raw := range events {
		var v audit.View
		var e audit.Event
		if v.Parse(raw) != nil || e.UnmarshalFrom(&v) != nil {
			continue
		}
		as := e.ImpersonatedUser
		if as != nil && e.User.Username == user {
			l := newLeast()
			l.impersonate(as)
			for ns, rules := range l.scopes {
				for at, verbs := range rules {
					for name := range verbs["impersonate"].of {
						checks = append(checks, check{verb: "impersonate", group: at.group, resource: at.resource, namespace: ns, name: name})
					}
				}
			}
		}
		if (as == nil && e.User.Username != user || as != nil && as.Username != user) || e.Annotations["authorization.k8s.io/decision"] != "allow" {
			continue
		}
		a := access{verb: e.Verb}
		if o := e.ObjectRef; o != nil && o.Resource != "" {
			a.group, a.resource, a.subresource, a.namespace, a.name = o.APIGroup, o.Resource, o.Subresource, o.Namespace, o.Name
		} else {
			a.path, _, _ = strings.Cut(e.RequestURI, "?")
		}
		if e.ResponseStatus != nil {
			a.code = int(e.ResponseStatus.Code)
		}
		if !everybodys(user, a) {
			checks = append(checks, asked(a)...)
		}
	}
	slices.SortFunc(checks, func(a, b check) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(checks)
}

// covers fails unless the roles of a user allow all it was seen to be allowed, and nothing in them is for nothing.
func covers(t *testing.T, r *query.Reader, user string, checks []check) (granted int) {
	t.Helper()
	role, err := RBAC(context.Background(), r, RoleQuestion{Question: Question{User: user}})
	if err != nil {
		t.Fatal(err)
	}
	hold(t, read(t, user, role.YAML), checks)
	return len(checks)
}

// TestRolesOfRecorded: the claim, for every user of the recording.
func TestRolesOfRecorded(t *testing.T) {
	events := recorded(t)
	r := querytest.Ledger(t, "prod", events).Reader
	n := 0
	for _, user := range users(events) {
		t.Run(user, func(t *testing.T) { n += covers(t, r, user, checksOf(t, events, user)) })
	}
	if n < 150 {
		t.Errorf("%d different accesses in all", n)
	}
	for _, user := range []string{"jane@example.com", "alice@example.com", "bob@contractor.example"} {
		role, err := RBAC(context.Background(), r, RoleQuestion{Question: Question{User: user}})
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "rbac-"+user+".yaml", role.YAML+"# "+strings.Join(role.Notes, "\n# ")+"\n")
	}
	bob, err := RBAC(context.Background(), r, RoleQuestion{Question: Question{User: "bob@contractor.example"}, Denied: true})
	if err != nil {
		t.Fatal(err)
	}
	if !read(t, bob.User, bob.YAML).allows(check{verb: "create", resource: "pods/exec", namespace: "prod", name: "web-647ffdfc8-mhd4f"}) {
		t.Errorf("what was denied is not covered:\n%s", bob.YAML)
	}
}

func users(events [][]byte) []string {
	seen := make(map[string]bool)
	for _, raw := range events {
		var v audit.View
		if v.Parse(raw) == nil {
			seen[v.User.Username.String()] = true
			seen[v.ImpersonatedUser.Username.String()] = true
		}
	}
	delete(seen, "")
	var all []string
	for u := range seen {
		all = append(all, u)
	}
	slices.Sort(all)
	return all
}

// TestRolesOfCorpus: the same for every user of the recorded corpus, and the figures of every profile against a plain count.
func TestRolesOfCorpus(t *testing.T) {
	dir := os.Getenv("ANNALS_CORPUS")
	if dir == "" {
		t.Skip("ANNALS_CORPUS is not set: make corpus DIR=… runs this over the recorded corpus")
	}
	for _, name := range []string{"normal-full", "normal-metadata", "normal-gce"} {
		t.Run(name, func(t *testing.T) {
			f, err := os.Open(filepath.Join(dir, "corpus", name+".log.gz"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			z, err := gzip.NewReader(f)
			if err != nil {
				t.Fatal(err)
			}
			in := bufio.NewReaderSize(z, 1<<20)
			var events [][]byte
			for {
				line, err := in.ReadBytes('\n')
				if len(bytes.TrimSpace(line)) > 0 {
					var v audit.View
					if err := v.Parse(line); err != nil {
						t.Fatal(err)
					}
					var e audit.Event
					if err := e.UnmarshalFrom(&v); err != nil {
						t.Fatal(err)
					}
					e.RequestObject, e.ResponseObject = nil, nil // what is asked here does not need them
					events = append(events, e.AppendJSON(nil))
				}
				if err != nil {
					break
				}
			}
			r := querytest.Ledger(t, "prod", events).Reader
			n, requests := 0, 0
			all := users(events)
			for _, user := range all {
				n += covers(t, r, user, checksOf(t, events, user))
				ids := make(map[string]bool)
				for _, raw := range events {
					var v audit.View
					if v.Parse(raw) == nil && v.User.Username.String() == user {
						ids[v.AuditID.String()] = true
					}
				}
				p, err := Who(context.Background(), r, Question{User: user})
				if err != nil {
					t.Fatal(err)
				}
				if p.Events != len(ids) {
					t.Errorf("%s: %d requests, and %d audit IDs", user, p.Events, len(ids))
				}
				requests += p.Events
			}
			t.Logf("%d users, %d requests, %d different accesses", len(all), requests, n)
		})
	}
}

// bindingEvent writes an event about a binding, with bodies.
func bindingEvent(n int, verb, kind, namespace, name, request, response string) []byte {
	resource := strings.ToLower(kind) + "s"
	body := func(member, text string) string {
		if text == "" {
			return ""
		}
		return fmt.Sprintf(`,%q:%s`, member, text)
	}
	at := fmt.Sprintf("2026-11-20T08:00:%02d.000000Z", n)
	return fmt.Appendf(nil, `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"00000000-0000-4000-8000-%012d","stage":"ResponseComplete","requestURI":"/x","verb":%q,"user":{"username":"root"},"objectRef":{"resource":%q,"namespace":%q,"name":%q,"apiGroup":"rbac.authorization.k8s.io","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":200}%s%s,"requestReceivedTimestamp":%q,"stageTimestamp":%[9]q}`,
		n, verb, resource, namespace, name, body("requestObject", request), body("responseObject", response), at, at)
}

// TestUnusedGrants: bindings that bodies show, and no request used.
func TestUnusedGrants(t *testing.T) {
	object := func(kind, namespace, name, subjects string) string {
		return fmt.Sprintf(`{"kind":%q,"apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":%q,"namespace":%q},"roleRef":{"kind":"ClusterRole","name":"edit"},"subjects":[%s]}`, kind, name, namespace, subjects)
	}
	const jane, dev, other = `{"kind":"User","name":"jane"}`, `{"kind":"Group","name":"dev"}`, `{"kind":"User","name":"bob"}`
	const robot, here = `{"kind":"ServiceAccount","name":"robot","namespace":"ci"}`, `{"kind":"ServiceAccount","name":"robot"}`
	rb, crb := "RoleBinding", "ClusterRoleBinding"
	request := func(n int, user, reason string) []byte {
		return fmt.Appendf(nil, `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"00000000-0000-4000-9000-%012d","stage":"ResponseComplete","requestURI":"/x","verb":"get","user":{"username":%q,"groups":["dev"]},"objectRef":{"resource":"pods","namespace":"a","name":"x"},"responseStatus":{"metadata":{},"code":200},"requestReceivedTimestamp":"2026-11-20T09:00:00.000000Z","stageTimestamp":"2026-11-20T09:00:00.000000Z","annotations":{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":%q}}`,
			n, user, reason)
	}
	events := [][]byte{
		bindingEvent(1, "create", rb, "a", "used", object(rb, "a", "used", jane), ""),
		bindingEvent(2, "create", rb, "a", "mine", object(rb, "a", "mine", other+","+jane), ""),
		bindingEvent(3, "create", crb, "", "groups", "", object(crb, "", "groups", dev)),
		bindingEvent(4, "create", rb, "a", "others", object(rb, "a", "others", other), ""),
		bindingEvent(5, "create", rb, "a", "gone", object(rb, "a", "gone", jane), ""),
		bindingEvent(6, "delete", rb, "a", "gone", "", ""),
		bindingEvent(7, "create", rb, "a", "taken", object(rb, "a", "taken", jane), ""),
		bindingEvent(8, "update", rb, "a", "taken", object(rb, "a", "taken", other), object(rb, "a", "taken", other)),
		bindingEvent(9, "create", rb, "b", "swept", object(rb, "b", "swept", jane), ""),
		bindingEvent(10, "deletecollection", rb, "b", "", "", ""),
		bindingEvent(11, "create", rb, "b", "after", object(rb, "b", "after", jane), ""),
		bindingEvent(12, "list", crb, "", "", "", `{"kind":"ClusterRoleBindingList","items":[{"metadata":{"name":"listed"},"roleRef":{"kind":"ClusterRole","name":"view"},"subjects":[`+jane+`]},{"metadata":{"name":"groups"},"roleRef":{"kind":"ClusterRole","name":"edit"},"subjects":[`+other+`]}]}`),
		bindingEvent(13, "patch", rb, "a", "patched", `{"subjects":[`+jane+`]}`, object(rb, "a", "patched", jane)),
		bindingEvent(14, "patch", rb, "a", "blind", `{"subjects":[`+jane+`]}`, ""),
		bindingEvent(15, "create", rb, "ci", "robots", object(rb, "ci", "robots", here), ""),
		bindingEvent(16, "create", rb, "a", "robots", object(rb, "a", "robots", robot), ""),
		bindingEvent(17, "create", rb, "a", "elsewhere", object(rb, "a", "elsewhere", here), ""),
		request(1, "jane", `RBAC: allowed by RoleBinding "used/a" of ClusterRole "edit" to User "jane"`),
		request(2, "system:serviceaccount:ci:robot", ``),
	}
	r := querytest.Ledger(t, "prod", events).Reader
	for user, want := range map[string][]string{
		"jane":        {"RoleBinding a/mine prod/1", "RoleBinding a/patched prod/12", "RoleBinding b/after prod/10", "ClusterRoleBinding listed prod/11"},
		"sa:ci/robot": {"RoleBinding a/robots prod/15", "RoleBinding ci/robots prod/14"},
		"bob":         {"RoleBinding a/mine prod/1", "RoleBinding a/others prod/3", "RoleBinding a/taken prod/7", "ClusterRoleBinding groups prod/11"},
	} {
		p, err := Who(context.Background(), r, Question{User: user})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, g := range p.Grants {
			if g.Unused {
				got = append(got, g.Binding+" "+g.Where)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", user, diff)
		}
		if !slices.ContainsFunc(p.Notes, func(n string) bool { return strings.HasPrefix(n, "1 changes of bindings") }) {
			t.Errorf("%s: nothing is said of the patch without an answer: %q", user, p.Notes)
		}
	}
}

// TestNear: a name that nothing is known of, and what was surely meant.
func TestNear(t *testing.T) {
	r := querytest.Ledger(t, "prod", recorded(t)).Reader
	for name, want := range map[string]string{
		"alice": "alice@example.com", "jane@exmaple.com": "jane@example.com", "deployer": "system:serviceaccount:ci:deployer", "sa:ci/deploy": "system:serviceaccount:ci:deployer", "qqqqqqqqqqqq": "",
	} {
		p, err := Who(context.Background(), r, Question{User: name})
		if err != nil {
			t.Fatal(err)
		}
		if first := strings.Join(p.Near[:min(1, len(p.Near))], ""); first != want {
			t.Errorf("%s: %q, want %s", name, p.Near, want)
		}
		role, err := RBAC(context.Background(), r, RoleQuestion{Question: Question{User: name}})
		if err != nil || role.YAML != "" || !slices.Equal(role.Near, p.Near) {
			t.Errorf("%s: %v, %+v", name, err, role)
		}
	}
	if _, err := Who(context.Background(), r, Question{}); err != ErrNoUser {
		t.Errorf("without a user: %v", err)
	}
}

// TestScope: nothing outside of what a reader may see is in a profile or a role, not as a number and not as a name.
func TestScope(t *testing.T) {
	events := recorded(t)[:100]
	ask := func(t *testing.T, p *querytest.Pair) {
		for _, user := range []string{"jane@example.com", "nobody"} {
			p.Same(t, "who "+user, func(r *query.Reader) (any, error) { return Who(context.Background(), r, Question{User: user}) })
			for _, all := range []bool{false, true} {
				p.Same(t, "rbac "+user, func(r *query.Reader) (any, error) {
					return RBAC(context.Background(), r, RoleQuestion{Question: Question{User: user}, All: all, Denied: all})
				})
			}
		}
	}
	for i, scope := range []string{"ns:prod", "user:jane@example.com OR as:jane@example.com", "stage:ResponseComplete -resource:configmaps", "resource:*bindings"} {
		t.Run(scope, func(t *testing.T) {
			ask(t, querytest.Scoped(t, rand.New(rand.NewPCG(41, uint64(i))), scope, i%2 == 0, events))
		})
	}
	t.Run("without bodies", func(t *testing.T) { ask(t, querytest.Bodiless(t, rand.New(rand.NewPCG(42, 0)), "", events)) })
}
