package format

import (
	"strings"
	"testing"

	"annals.dev/audit"
	"github.com/google/go-cmp/cmp"
)

// object is what a test compares of an object reference.
type object struct {
	Verb, Group, Version, Resource, Namespace, Name, Subresource, URI string
	Code                                                              int32
}

func objectOf(v *audit.View) object {
	r := &v.ObjectRef
	return object{
		v.Verb.String(), r.APIGroup.String(), r.APIVersion.String(), r.Resource.String(), r.Namespace.String(), r.Name.String(),
		r.Subresource.String(), v.RequestURI.String(), v.ResponseStatus.Code,
	}
}

func view(t *testing.T, d Dialect, s string) *audit.View {
	t.Helper()
	var v audit.View
	if _, err := View(d, []byte(s), &v, nil); err != nil {
		t.Fatal(err)
	}
	return &v
}

// TestGKEObject reads method and resource names, where others go wrong.
func TestGKEObject(t *testing.T) {
	for _, tc := range []struct {
		method, resource string
		want             object
	}{
		{"io.k8s.core.v1.pods.exec.create", "core/v1/namespaces/prod/pods/web/exec", object{Verb: "create", Version: "v1", Resource: "pods", Namespace: "prod", Name: "web", Subresource: "exec"}},
		{"io.k8s.core.v1.nodes.list", "core/v1/nodes", object{Verb: "list", Version: "v1", Resource: "nodes"}},
		{"io.k8s.core.v1.nodes.status.patch", "core/v1/nodes/n1/status", object{Verb: "patch", Version: "v1", Resource: "nodes", Name: "n1", Subresource: "status"}},
		{"io.k8s.core.v1.namespaces.get", "core/v1/namespaces/kube-system", object{Verb: "get", Version: "v1", Resource: "namespaces", Namespace: "kube-system", Name: "kube-system"}},
		{"io.k8s.core.v1.namespaces.finalize.update", "core/v1/namespaces/kube-system/finalize", object{Verb: "update", Version: "v1", Resource: "namespaces", Namespace: "kube-system", Name: "kube-system", Subresource: "finalize"}},
		{"io.k8s.core.v1.namespaces.list", "core/v1/namespaces", object{Verb: "list", Version: "v1", Resource: "namespaces"}},
		{"io.k8s.core.v1.secrets.list", "core/v1/namespaces/kube-system/secrets", object{Verb: "list", Version: "v1", Resource: "secrets", Namespace: "kube-system"}},
		{"com.example.v1.status.list", "example.com/v1/namespaces/kube-system/status", object{Verb: "list", Group: "example.com", Version: "v1", Resource: "status", Namespace: "kube-system"}},
		{"io.k8s.authorization.rbac.v1.roles.update", "rbac.authorization.k8s.io/v1/namespaces/a/roles/r", object{Verb: "update", Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles", Namespace: "a", Name: "r"}},
		{"io.k8s.apps.v1.deployments.scale.get", "apps/v1/namespaces/a/deployments/d/scale", object{Verb: "get", Group: "apps", Version: "v1", Resource: "deployments", Namespace: "a", Name: "d", Subresource: "scale"}},
		{"com.example.v1beta1.foos.create", "example.com/v1beta1/foos/x", object{Verb: "create", Group: "example.com", Version: "v1beta1", Resource: "foos", Name: "x"}},
		{"io.k8s.get", "readyz", object{Verb: "get", URI: "/readyz"}},
		{"io.k8s.post", "HNAP1", object{Verb: "post", URI: "/HNAP1"}},
		{"io.k8s.get", "apis/apps/v1", object{Verb: "get", URI: "/apis/apps/v1"}},
		{"io.k8s.core.v1..get", "core/v1", object{Verb: "get"}},
		{"", "", object{}},
		{"x", "core/v1/a/b/c/d/e", object{Verb: "x", URI: "/core/v1/a/b/c/d/e"}},
	} {
		got := objectOf(view(t, GKE, `{"insertId":"a","protoPayload":{"methodName":`+quoted(tc.method)+`,"resourceName":`+quoted(tc.resource)+`}}`))
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s of %s:\n%s", tc.method, tc.resource, diff)
		}
	}
}

// TestGKEStatus says how it ended without making anything up.
func TestGKEStatus(t *testing.T) {
	for payload, want := range map[string]audit.Status{
		`"x":1`:                                  {},
		`"status":{}`:                            {Code: 200},
		`"status":{"code":5,"message":"no"}`:     {Code: 404, Message: "no"},
		`"status":{"code":6}`:                    {Code: 409},
		`"status":{"code":7}`:                    {Code: 403},
		`"status":{"code":16}`:                   {Code: 401},
		`"status":{"code":99}`:                   {Code: 500},
		`"status":{"code":422}`:                  {Code: 422},
		`"authorizationInfo":[{"granted":true}]`: {},
		`"authorizationInfo":[{"granted":false}],"status":{}`:                                                                          {Code: 403},
		`"authorizationInfo":[{"permission":"x"}]`:                                                                                     {Code: 403},
		`"authorizationInfo":[{"permission":"x"}],"status":{"code":5}`:                                                                 {Code: 404},
		`"status":{},"response":{"@type":"core.k8s.io/v1.Status","status":"Failure","reason":"Conflict","message":"m","code":409}`:     {Code: 409, Status: "Failure", Reason: "Conflict", Message: "m"},
		`"status":{},"response":{"@type":"core.k8s.io/v1.Status","status":"Success"}`:                                                  {Code: 200, Status: "Success"},
		`"responseJson":"{\"@type\":\"x\",\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"code\":422}","status":{}`: {Code: 422, Status: "Failure"},
		`"status":{"code":3},"response":{"@type":"core.k8s.io/v1.Pod","kind":"Pod","code":1}`:                                          {Code: 400},
	} {
		v := view(t, GKE, `{"insertId":"a","protoPayload":{`+payload+`}}`)
		got := audit.Status{Code: v.ResponseStatus.Code, Message: v.ResponseStatus.Message.String(), Status: v.ResponseStatus.Status.String(), Reason: v.ResponseStatus.Reason.String()}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", payload, diff)
		}
	}
}

func TestGKERest(t *testing.T) {
	v := view(t, GKE, `{"insertId":"other","operation":{"id":"a","first":true},"timestamp":"2018-10-25T14:09:12.5Z","receiveTimestamp":"2019-10-25T14:09:12.5Z",
		"labels":{"authorization.k8s.io/decision":"allow","command.gke.io/dryRun":"true"},
		"protoPayload":{"request":{"@type":"x","b":{"@type":"kept"}},"response":{"@type":"x"},"authenticationInfo":{"principalEmail":"u"},"requestMetadata":{"callerIp":"::1","callerSuppliedUserAgent":"ua"}}}`)
	if got := factOf(v); got != (fact{AuditID: "a", Stage: "ResponseStarted", User: "u", Level: "Request", Time: 1540476552500000, Decision: "allow"}) {
		t.Errorf("%+v", got)
	}
	if string(v.RequestObject) != `{"b":{"@type":"kept"}}` || v.ResponseObject != nil || string(v.SourceIPs) != `["::1"]` || v.UserAgent.String() != "ua" || v.RequestTime != 0 ||
		!strings.Contains(string(v.Annotations), "dryRun") {
		t.Errorf("%+v", v)
	}
	for _, bad := range []string{`{}`, `{"insertId":"a"}`, `{"protoPayload":{}}`, `{"insertId":"a","protoPayload":[]}`} {
		var v audit.View
		if _, err := View(GKE, []byte(bad), &v, nil); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
}

// TestRequestOf reads URIs as kube-apiserver does.
func TestRequestOf(t *testing.T) {
	for _, tc := range []struct {
		method, uri string
		want        object
	}{
		{"GET", "/api/v1/namespaces/default/pods", object{Verb: "list", Version: "v1", Resource: "pods", Namespace: "default"}},
		{"GET", "/api/v1/pods?watch=true", object{Verb: "watch", Version: "v1", Resource: "pods"}},
		{"GET", "/api/v1/watch/pods", object{Verb: "watch", Version: "v1", Resource: "pods"}},
		{"HEAD", "/api/v1/namespaces/default", object{Verb: "get", Version: "v1", Resource: "namespaces", Namespace: "default", Name: "default"}},
		{"PUT", "/api/v1/namespaces/default/finalize", object{Verb: "update", Version: "v1", Resource: "namespaces", Namespace: "default", Name: "default", Subresource: "finalize"}},
		{"POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", object{Verb: "create", Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterrolebindings"}},
		{"PATCH", "/apis/apps/v1/namespaces/a/deployments/d/scale", object{Verb: "patch", Group: "apps", Version: "v1", Resource: "deployments", Namespace: "a", Name: "d", Subresource: "scale"}},
		{"DELETE", "/api/v1/namespaces/a/secrets", object{Verb: "deletecollection", Version: "v1", Resource: "secrets", Namespace: "a"}},
		{"DELETE", "/api/v1/namespaces/a/secrets/s%2Fx", object{Verb: "delete", Version: "v1", Resource: "secrets", Namespace: "a", Name: "s/x"}},
		{"watch", "/api/v1/pods", object{Verb: "watch", Version: "v1", Resource: "pods"}},
		{"GET", "/healthz?verbose", object{Verb: "get"}},
		{"GET", "/api/v1", object{Verb: "get"}},
		{"GET", "/apis/apps/v1", object{Verb: "get"}},
		{"", "", object{}},
	} {
		verb, ref := requestOf(tc.method, tc.uri)
		got := object{Verb: verb}
		if ref != nil {
			got = object{verb, ref.APIGroup, ref.APIVersion, ref.Resource, ref.Namespace, ref.Name, ref.Subresource, "", 0}
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s %s:\n%s", tc.method, tc.uri, diff)
		}
	}
}

func TestLegacy(t *testing.T) {
	v := view(t, LegacyText, `2017-06-15T21:50:50.25-04:00 AUDIT: id="a" stage="ResponseComplete" ip="::1" method="delete" user="x \"y\" é" groups="\"a,b\",\"c\"" as="z" asgroups="\"q\"" user-agent="kubectl" namespace="n" uri="/api/v1/namespaces/n/pods/p" response="409"`)
	if got := factOf(v); got != (fact{AuditID: "a", Stage: "ResponseComplete", Verb: "delete", User: `x "y" é`, Resource: "pods", Namespace: "n", Name: "p", Code: 409, Time: 1497577850250000}) {
		t.Errorf("%+v", got)
	}
	if string(v.User.Groups) != `["a,b","c"]` || v.ImpersonatedUser.Username.String() != "z" || string(v.ImpersonatedUser.Groups) != `["q"]` || v.RequestTime != 0 {
		t.Errorf("%+v", v)
	}
	v = view(t, LegacyText, "2017-06-15T21:50:50Z AUDIT: id=\"a\" ip=\"<unknown>\" method=\"GET\" user=\"<none>\" groups=\"<none>\" as=\"<self>\" asgroups=\"<lookup>\" namespace=\"<none>\" uri=\"/healthz\"\n2017-06-15T21:50:52Z AUDIT: id=\"a\" response=\"<deferred>\"")
	if got := factOf(v); got != (fact{AuditID: "a", Stage: "ResponseComplete", Verb: "get", Time: 1497563452000000}) || v.RequestTime != 1497563450000000 || v.SourceIPs != nil || v.ImpersonatedUser.Raw != nil {
		t.Errorf("%+v %+v", got, v)
	}
}

// TestLegacyPairs joins what belongs together, in whatever order it comes, and keeps what stays alone.
func TestLegacyPairs(t *testing.T) {
	request := func(id string) string {
		return `2017-03-21T03:57:09.1-04:00 AUDIT: id="` + id + `" ip="::1" method="GET" user="u" uri="/api/v1/pods"`
	}
	response := func(id string) string { return `2017-03-21T03:57:09.2-04:00 AUDIT: id="` + id + `" response="200"` }
	lines := []string{request("a"), request("b"), response("b"), response("x"), response("a"), request("c"), request("d"), request("d"), response("d")}
	items := all(t, NewReader(strings.NewReader(strings.Join(lines, "\n")+"\n"), "f"))
	var got []string
	for _, it := range items {
		got = append(got, it.Bytes)
	}
	want := []string{request("b") + "\n" + response("b"), response("x"), request("a") + "\n" + response("a"), request("d"), request("d") + "\n" + response("d"), request("c")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if items[1].Stage != "ResponseComplete" || items[5].Stage != "RequestReceived" || items[2].Offset != 0 {
		t.Errorf("%+v", items)
	}
}

func TestElasticAndViaQ(t *testing.T) {
	v := view(t, Elastic, `{"kubernetes":{"audit":{"auditID":"a","stage":"Panic","annotations":{"authorization_k8s_io/decision":"forbid","mutation_webhook_admission_k8s_io/round_0_index_1":"x","plain_one":"y"}}}}`)
	want := `{"authorization.k8s.io/decision":"forbid","mutation.webhook.admission.k8s.io/round_0_index_1":"x","plain_one":"y"}`
	if string(v.Annotations) != want || v.Decision.String() != "forbid" {
		t.Errorf("%s", v.Annotations)
	}
	v = view(t, ViaQ, `{"level":"info","auditID":"a","stage":"Panic","openshift_audit_level":"Request","hostname":"n"}`)
	if v.Level.String() != "Request" {
		t.Errorf("level %s", v.Level)
	}
	items := all(t, NewReader(strings.NewReader(`{"level":"default","auditID":"a","stage":"Panic"}`), "f"))
	if len(items) != 1 || items[0].Dialect != V1 || items[0].Marks != 0 {
		t.Errorf("an event whose level is odd: %+v", items)
	}
}

func TestAKSTable(t *testing.T) {
	v := view(t, AKSTable, `{"AuditId":"a","Stage":"Panic","Verb":"get","User":"{\"username\":\"u\"}","SourceIps":"[\"::1\"]","ObjectRef":"","ResponseStatus":"{\"code\":404}","ResponseObject":"skipped-too-big-size-object","StageReceivedTime":"2018-10-25 14:09:12.5"}`)
	if got := factOf(v); got != (fact{AuditID: "a", Stage: "Panic", Verb: "get", User: "u", Code: 404, Time: 1540476552500000}) {
		t.Errorf("%+v", got)
	}
	if string(v.ResponseObject) != `"skipped-too-big-size-object"` || string(v.SourceIPs) != `["::1"]` {
		t.Errorf("%s %s", v.ResponseObject, v.SourceIPs)
	}
}

func TestViewUnknownDialect(t *testing.T) {
	var v audit.View
	if _, err := View(100, []byte(good), &v, nil); err == nil {
		t.Error("dialect 100 is known")
	}
	if _, err := View(Unreadable, []byte(good), &v, nil); err != nil || v.AuditID != nil {
		t.Errorf("quarantined bytes say %s, %v", v.AuditID, err)
	}
	if _, err := View(V1, []byte("x"), &v, nil); err == nil {
		t.Error("text is an event")
	}
}

func TestTimes(t *testing.T) {
	const want = 1540476552581000
	for _, s := range []string{
		`"2018-10-25T14:09:12.581Z"`, `"2018-10-25 14:09:12.581"`, `"2018-10-25T14:09:12.581"`, `1540476552.581`, `1540476552581`,
		`"1540476552581000000"`, `1540476552581000`, `"2018-10-25T16:09:12.581+02:00"`,
	} {
		if got := timeOf([]byte(s)); got != want {
			t.Errorf("%s is %d, want %d", s, got, want)
		}
	}
	for _, s := range []string{"", "1", "true", `"x"`, "{}", `""`, `"2018"`, "1e300", "-5", `"2018-99-99T14:09:12"`} {
		if got := timeOf([]byte(s)); got != 0 {
			t.Errorf("%s is %d", s, got)
		}
	}
}
