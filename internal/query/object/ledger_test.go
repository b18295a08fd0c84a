package object

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/query"
	"annals.dev/internal/query/querytest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// line writes an event as the API server does.
func line(n int, resource, group, ns, name, verb, sub, level, user, uri, request, response string) []byte {
	at := time.Date(2026, 11, 20, 8, 0, n, 0, time.UTC).Format("2006-01-02T15:04:05.000000Z")
	before := time.Date(2026, 11, 20, 8, 0, n, 0, time.UTC).Add(-5 * time.Millisecond).Format("2006-01-02T15:04:05.000000Z")
	ref := map[string]string{"resource": resource, "namespace": ns, "name": name, "apiVersion": "v1"}
	for k, v := range map[string]string{"apiGroup": group, "subresource": sub} {
		if v != "" {
			ref[k] = v
		}
	}
	if name == "" {
		delete(ref, "name")
	}
	r, _ := json.Marshal(ref)
	bodies := ""
	if request != "" {
		bodies += `"requestObject":` + request + ","
	}
	if response != "" {
		bodies += `"responseObject":` + response + ","
	}
	return fmt.Appendf(nil, `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"%s","auditID":"%08x-0000-4000-8000-000000000000","stage":"ResponseComplete","requestURI":"%s","verb":"%s","user":{"username":"%s"},"sourceIPs":["10.0.0.1"],"userAgent":"kubectl","objectRef":%s,"responseStatus":{"metadata":{},"code":200},%s"requestReceivedTimestamp":"%s","stageTimestamp":"%s"}`,
		level, n+1, uri, verb, user, r, bodies, before, at)
}

// story is a config map's life, as three people and a policy that changed made it.
func story() [][]byte {
	const head = `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"app","namespace":"shop","uid":"u1","resourceVersion":"%d","creationTimestamp":"2026-11-20T08:00:00Z"%s},"data":{"level":"%s","conf":"%s"}}`
	whole := func(rv int, more, level, conf string) string { return fmt.Sprintf(head, rv, more, level, conf) }
	cm := func(n int, verb, level, user, request, response string) []byte {
		return line(n, "configmaps", "", "shop", "app", verb, "", level, user, "/api/v1/namespaces/shop/configmaps/app", request, response)
	}
	return [][]byte{
		cm(0, "create", "RequestResponse", "alice", "{}", whole(10, "", "info", `a = 1\nb = 2\n`)),
		cm(1, "patch", "RequestResponse", "bob", `{"data":{"level":"debug"}}`, whole(11, "", "debug", `a = 1\nb = 2\n`)),
		cm(2, "patch", "Request", "carol", `{"metadata":{"labels":{"team":"shop"}}}`, ""),
		cm(3, "update", "RequestResponse", "alice", "{}", whole(13, `,"labels":{"team":"shop"}`, "debug", `a = 1\nb = 3\nc = 4\n`)),
		cm(4, "patch", "Metadata", "bob", "", ""),
		cm(5, "patch", "Request", "carol", `[{"op":"replace","path":"/data/level","value":"warn"}]`, ""),
		cm(6, "get", "Metadata", "bob", "", ""),
		line(7, "pods", "", "shop", "", "create", "", "RequestResponse", "rs", "/api/v1/namespaces/shop/pods", `{"metadata":{"generateName":"web-"}}`,
			`{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web-x1","namespace":"shop","uid":"p1","resourceVersion":"20"},"spec":{"nodeName":"n"}}`),
		line(8, "pods", "", "shop", "", "deletecollection", "", "RequestResponse", "alice", "/api/v1/namespaces/shop/pods", "{}",
			`{"kind":"PodList","apiVersion":"v1","items":[{"metadata":{"name":"web-x1","namespace":"shop","uid":"p1"}}]}`),
		line(9, "widgets", "example.com", "shop", "blue", "create", "", "Metadata", "alice", "/apis/example.com/v1/namespaces/shop/widgets", "", ""),
	}
}

func cm(name string) Question {
	return Question{Ref: Ref{Resource: "cm", Namespace: "shop", Name: name}}
}

func TestGolden(t *testing.T) {
	side := querytest.Ledger(t, "prod", story())
	ctx := context.Background()
	var b strings.Builder
	life, err := History(ctx, side.Reader, cm("app"))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range life.Versions {
		fmt.Fprintf(&b, "== version %d %s by %s at %s: %s", v.Number, v.Known, v.Event.User, v.Time.Format(time.TimeOnly), v.Summary)
		if v.Why != "" {
			fmt.Fprintf(&b, " (%s)", v.Why)
		}
		fmt.Fprintf(&b, "\n%s", v.Object)
		for _, c := range v.Changes {
			fmt.Fprintf(&b, "change %+v\n", c)
		}
	}
	for _, pair := range [][2]int{{0, 1}, {1, 4}, {4, 6}, {4, 5}} {
		d, err := Diff(ctx, side.Reader, DiffQuestion{Question: cm("app"), From: pair[0], To: pair[1]})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "== diff %d..%d\n", d.From.Number, d.To.Number)
		for _, l := range d.Lines {
			fmt.Fprintf(&b, "%3d %3d %s%s\n", l.Before, l.After, l.Op, l.Text)
		}
	}
	blamed, err := Blame(ctx, side.Reader, cm("app"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "== blame at %d\n", blamed.At.Number)
	for _, l := range blamed.Lines {
		fmt.Fprintf(&b, "%d %s %s\n", l.Version, l.Op, l.Text)
	}
	const path = "testdata/story.golden"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestNames(t *testing.T) {
	side := querytest.Ledger(t, "prod", story())
	for _, tt := range []struct {
		ref      Ref
		want     Ref
		versions int
		says     string // in an error, or a note
	}{
		{ref: Ref{Resource: "configmap", Namespace: "shop", Name: "app"}, want: Ref{"prod", "configmaps", "", "shop", "app"}, versions: 6},
		{ref: Ref{Resource: "ConfigMap", Name: "app"}, want: Ref{"prod", "configmaps", "", "shop", "app"}, versions: 6},
		{ref: Ref{Resource: "po", Name: "web-x1", Namespace: "shop"}, want: Ref{"prod", "pods", "", "shop", "web-x1"}, versions: 2},
		{ref: Ref{Resource: "Widget", Name: "blue"}, want: Ref{"prod", "widgets", "example.com", "shop", "blue"}, versions: 1},
		{ref: Ref{Resource: "widgets.example.com", Name: "blue"}, want: Ref{"prod", "widgets", "example.com", "shop", "blue"}, versions: 1},
		{ref: Ref{Resource: "cm", Namespace: "shop", Name: "apq"}, want: Ref{"", "configmaps", "", "shop", "apq"}, says: "there are: app"},
		{ref: Ref{Resource: "secret", Namespace: "shop", Name: "blue"}, want: Ref{"", "secrets", "", "shop", "blue"}, says: "widgets.example.com/blue in namespace shop"},
		{ref: Ref{Resource: "cm", Name: ""}, says: "name the object"},
		{ref: Ref{Resource: "cm", Name: "a\x00"}, says: "is no name of anything"},
		{ref: Ref{Resource: "cm", Name: `a"b\`, Namespace: "*"}, want: Ref{"", "configmaps", "", "*", `a"b\`}, says: "nothing was found"},
	} {
		life, err := History(context.Background(), side.Reader, Question{Ref: tt.ref})
		var usage *UsageError
		switch {
		case errors.As(err, &usage):
			if tt.says == "" || !strings.Contains(usage.Message, tt.says) {
				t.Errorf("%v: %v", tt.ref, err)
			}
			continue
		case err != nil:
			t.Fatal(err)
		}
		if life.Ref != tt.want || len(life.Versions) != tt.versions || !strings.Contains(strings.Join(life.Notes, "; "), tt.says) {
			t.Errorf("%v is %v, with %d versions; %q", tt.ref, life.Ref, len(life.Versions), life.Notes)
		}
	}
}

func TestOneOfSeveralClustersIsChosen(t *testing.T) {
	p := querytest.Scoped(t, rand.New(rand.NewPCG(3, 4)), "ns:shop", true, many())
	_, err := History(context.Background(), p.Sides[0].Reader, cm("app"))
	if err == nil || !strings.Contains(err.Error(), "choose one (--cluster, cluster): prod, stage") {
		t.Errorf("an object in several clusters: %v", err)
	}
}

// many are the story of two namespaces, several times: enough for all clusters of a pair.
func many() (events [][]byte) {
	for i := range 8 {
		for _, raw := range story() {
			id := fmt.Sprintf(`"auditID":"%04x`, i)
			raw = bytes.Replace(raw, []byte(`"auditID":"0000`), []byte(id), 1)
			if i%3 == 2 {
				raw = bytes.ReplaceAll(raw, []byte(`"shop"`), []byte(`"vault"`))
			}
			events = append(events, raw)
		}
	}
	return events
}

// TestWhatIsOutOfScopeDecidesNothing: two ledgers that a reader cannot tell apart answer alike, about objects in and out of scope.
func TestWhatIsOutOfScopeDecidesNothing(t *testing.T) {
	for name, p := range map[string]*querytest.Pair{
		"scope":             querytest.Scoped(t, rand.New(rand.NewPCG(5, 6)), "ns:shop", true, many()),
		"scope, no bodies":  querytest.Scoped(t, rand.New(rand.NewPCG(7, 8)), "ns:shop -verb:get", false, many()),
		"no bodies":         querytest.Bodiless(t, rand.New(rand.NewPCG(9, 10)), "", many()),
		"scope by the user": querytest.Scoped(t, rand.New(rand.NewPCG(11, 12)), "user:(alice OR carol)", true, many()),
	} {
		for i, q := range []Question{
			{Ref: Ref{Cluster: "prod", Resource: "cm", Namespace: "shop", Name: "app"}}, {Ref: Ref{Resource: "cm", Namespace: "vault", Name: "app"}},
			{Ref: Ref{Resource: "cm", Name: "ap"}}, {Ref: Ref{Cluster: "stage", Resource: "pods", Name: "web-x1"}}, {Ref: Ref{Resource: "widgets", Name: "blue"}},
			{Ref: Ref{Cluster: "prod", Resource: "cm", Namespace: "shop", Name: "app"}, Reads: true, Status: true, ManagedFields: true},
			{Ref: Ref{Cluster: "vault", Resource: "word", Name: "x"}}, {Ref: Ref{Resource: "side0word3", Name: "1"}},
		} {
			asked := fmt.Sprintf("%s: %+v", name, q)
			p.Same(t, "history "+asked, func(r *query.Reader) (any, error) { return History(context.Background(), r, q) })
			if i > 1 { // the others are found in the same way
				continue
			}
			p.Same(t, "diff "+asked, func(r *query.Reader) (any, error) { return Diff(context.Background(), r, DiffQuestion{Question: q}) })
			p.Same(t, "blame "+asked, func(r *query.Reader) (any, error) { return Blame(context.Background(), r, q) })
		}
	}
}

func TestWithoutTheRightToBodiesNothingIsKnown(t *testing.T) {
	p := querytest.Bodiless(t, rand.New(rand.NewPCG(13, 14)), "", story())
	q := cm("app")
	q.Cluster = "prod"
	life, err := History(context.Background(), p.Sides[0].Reader, q)
	if err != nil {
		t.Fatal(err)
	}
	if len(life.Versions) == 0 {
		t.Fatal("no versions")
	}
	for _, v := range life.Versions {
		if v.Known != Unknown || v.Object != "" || len(v.Changes) > 0 || !strings.Contains(v.Why, "not yours to see") {
			t.Errorf("version %d is told as %s, %s: %s", v.Number, v.Known, v.Why, v.Object)
		}
	}
}

// TestManyVersions: an object that is written all the time is told by its newest versions, numbered from the first.
func TestManyVersions(t *testing.T) {
	var events [][]byte
	for i := range 1200 {
		events = append(events, line(i, "leases", "coordination.k8s.io", "kube-system", "l", "update", "", "RequestResponse", "kubelet", "/x", "{}",
			fmt.Sprintf(`{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","metadata":{"name":"l","uid":"u","resourceVersion":"%d"},"spec":{"renewTime":"%d"}}`, i+1, i)))
	}
	side := querytest.Ledger(t, "prod", events)
	q := Question{Ref: Ref{Resource: "lease", Name: "l"}, Limit: 10}
	life, err := History(context.Background(), side.Reader, q)
	if err != nil {
		t.Fatal(err)
	}
	if len(life.Versions) != 10 || life.Versions[9].Number != 1200 || life.Versions[0].Number != 1191 || !life.Cover.LimitReached {
		t.Errorf("%d versions, from %d; limit reached: %v", len(life.Versions), life.Versions[0].Number, life.Cover.LimitReached)
	}
	d, err := Diff(context.Background(), side.Reader, DiffQuestion{Question: q, From: 2, To: 3})
	if err != nil || len(d.Changes) != 1 || d.Changes[0].After != `"2"` {
		t.Errorf("%v, %v", d, err)
	}
	if _, err := Diff(context.Background(), side.Reader, DiffQuestion{Question: q, From: 2, To: 1201}); err == nil || !strings.Contains(err.Error(), "1 to 1200") {
		t.Errorf("a version that there is not: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := History(ctx, side.Reader, q); err == nil {
		t.Error("who has gone was answered")
	}
}
