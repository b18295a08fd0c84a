package server

import (
	"encoding/json"
	"fmt"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/query"
)

// Each figure of the first screen is what the search finds that it stands for.
func TestOverviewCountsWhatSearchesFind(t *testing.T) {
	c := newCore(t)
	team(t, c)
	text := func(n int, stage, verb, resource, subresource string, code int) string {
		return fmt.Sprintf(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"1a6bd2a4-0000-4000-8000-%012d","stage":%q,"requestURI":"/x","verb":%q,"user":{"username":"eve"},"objectRef":{"resource":%q,"subresource":%q,"namespace":"team-a","name":"x"},"responseStatus":{"code":%d},"requestReceivedTimestamp":"2026-11-21T02:00:00.000000Z","stageTimestamp":"2026-11-21T02:00:00.%06dZ"}`, n/2, stage, verb, resource, subresource, code, n)
	}
	var some []string
	for i, x := range []struct {
		stage, verb, resource, subresource string
		code                               int
	}{
		{"ResponseStarted", "create", "pods", "exec", 101}, {"ResponseComplete", "create", "pods", "exec", 101},
		{"ResponseStarted", "get", "pods", "portforward", 403}, {"ResponseComplete", "get", "pods", "portforward", 403},
		{"ResponseStarted", "list", "secrets", "", 401}, {"RequestReceived", "list", "secrets", "", 0},
		{"ResponseComplete", "deletecollection", "pods", "", 200}, {"ResponseComplete", "delete", "rolebindings", "", 200},
		{"ResponseComplete", "patch", "clusterroles", "", 200}, {"ResponseComplete", "patch", "clusterroles", "", 409},
		{"Panic", "get", "pods", "", 500}, {"ResponseStarted", "watch", "secrets", "", 200},
	} {
		some = append(some, text(i, x.stage, x.verb, x.resource, x.subresource, x.code))
	}
	add(t, c, "prod", some...)
	srv := serve(t, c)
	for _, who := range []string{"admin", "scoped"} {
		for _, narrow := range []string{"", "verb:(get OR create)", "kubectl"} {
			_, text := call(t, srv, who, "GET", "/api/v1/overview?query="+url.QueryEscape(narrow), "", "Accept", "application/json")
			var got struct{ End Overview }
			if err := json.Unmarshal([]byte(text), &got); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			count := func(search string) int {
				_, text := call(t, srv, who, "GET", "/api/v1/hits?query="+url.QueryEscape("("+search+") "+narrow), "", "Accept", "application/json")
				var h struct{ End query.Hits }
				if err := json.Unmarshal([]byte(text), &h); err != nil {
					t.Fatalf("%v: %s", err, text)
				}
				return h.End.Total
			}
			one := "(" + once.String() + ") "
			want := Overview{
				Events: count("time>2000-01-01"), Failures: count(one + "code>=400"), Denied: count(one + "code:(401 OR 403)"),
				Secrets: count(one + "code<400 resource:secrets verb:(get OR list OR watch)"), Deletions: count(one + "code<400 verb:delete*"),
				Sessions:   count(one + "(resource:pods/exec OR resource:pods/attach OR resource:pods/portforward)"),
				Privileges: count(one + "code<400 resource:(roles OR clusterroles OR rolebindings OR clusterrolebindings) verb:(create OR update OR patch OR delete*)"),
			}
			o := got.End
			o.Actors, o.Failing, o.Ledger, o.Cover = nil, nil, nil, nil
			if d := cmp.Diff(want, o); d != "" || o.Events == 0 {
				t.Errorf("%s, %q (-searches +overview):\n%s", who, narrow, d)
			}
			if narrow == "" && (got.End.Actors[0].Value != "jane" || got.End.Failing[len(got.End.Failing)-1].Value != "eve" && who == "admin") {
				t.Errorf("%s: %+v", who, got.End)
			}
			for _, s := range got.End.Ledger {
				if who == "scoped" && (s.Cluster != "prod" || s.Events != 0 || !s.LastEvent.IsZero() || s.Proof.Checkpoint != 0 || !s.Proof.At.IsZero()) {
					t.Errorf("a scoped reader is told %+v", s)
				}
			}
		}
	}
}
