package diff

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	auditinternal "k8s.io/apiserver/pkg/apis/audit"
	"k8s.io/client-go/kubernetes/scheme"
	"pgregory.net/rapid"
)

// pods as JSON, YAML and protobuf, with and without what upstream leaves out or adds.
const (
	plainPod   = `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":"d"},"spec":{"containers":[{"name":"c","image":"i","resources":{}}]},"status":{}}`
	spacedPod  = "{ \"apiVersion\": \"v1\",\n \"kind\": \"Pod\", \"metadata\": {\"name\":\"p2\", \"uid\": \"u-1\", \"resourceVersion\": \"7\", \"labels\":{\"b\":\"<&>\\u2028\",\"a\":\"1\"},\n \"managedFields\":[{\"manager\":\"m\",\"operation\":\"Update\"}] }, \"unknown\": 1 }\n"
	yamlPod    = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: y\n  labels: {on: 'off', n: \"1\"}\nspec:\n  containers: [] # none\n"
	unnamedPod = `{"metadata":{"generateName":"g-"}}`
	configMap  = `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"c","managedFields":[{"manager":"m","time":"2020-01-01T00:00:00Z"}]},"data":{"a":"` + "\u2028<x>" + `"}}`
	deleteBody = `{"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0,"propagationPolicy":"Foreground","dryRun":["All"]}`
)

func protobufOf(obj runtime.Object, gv runtime.GroupVersioner) []byte {
	var b bytes.Buffer
	must(scheme.Codecs.EncoderForVersion(protobuf.NewSerializer(scheme.Scheme, scheme.Scheme), gv).Encode(obj, &b))
	return b.Bytes()
}

var protobufPod = protobufOf(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "pb", UID: "u-2", ManagedFields: managed}}, corev1.SchemeGroupVersion)

func zipped(s string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(s))
	must(w.Close())
	return b.Bytes()
}

var requestBodies = [][]byte{
	nil, []byte(plainPod), []byte(spacedPod), []byte(yamlPod), []byte(unnamedPod), []byte(configMap), []byte(deleteBody), protobufPod, {}, []byte("{"), []byte("\xff\x00"), []byte("null"), []byte(`"x"`), []byte("[]"), []byte(`{"metadata":{"name":"conflict"}}`),
	[]byte(`[{"op":"remove","path":"/a<b>"}]`), []byte("{} {}"), []byte("a: b"), []byte(`{"a":12345678901234567890.10,"a":1e400}`), []byte(" { \"x\" : 1 } "), zipped(plainPod), []byte(`{"kind":"Policy","apiVersion":"x/v1"}`), []byte(`{"kind":"Secret","apiVersion":"v1"}`),
	[]byte(`{"metadata":{"managedFields":[{"manager":"m"}],"name":"x"},"spec":{}}`), []byte("{\"metadata\":{\"name\":\"\xff\"}}"), []byte(`{"metadata":null}`), []byte(`{"metadata":{"name":1}}`),
}

var contentTypes = []string{"application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "", "application/json; charset=utf-8", "text/plain", "application/merge-patch+json", "application/json-patch+json", "application/strategic-merge-patch+json", "application/apply-patch+yaml", "application/cbor", ";;", "APPLICATION/JSON"}

var accepts = []string{"", "", "application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "text/xyz", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json", "*/*", "application/json;pretty=1"}

var callPaths = []string{
	"/api/v1/namespaces/d/pods", "/api/v1/namespaces/d/pods/x", "/api/v1/namespaces/d/pods/x/status", "/api/v1/namespaces/d/pods/x/eviction", "/api/v1/namespaces/d/pods/x/binding", "/api/v1/pods", "/api/v1/nodes", "/api/v1/nodes/n", "/api/v1/namespaces", "/api/v1/namespaces/n",
	"/api/v1/namespaces/d/configmaps/c", "/api/v1/namespaces/d/secrets", "/apis/apps/v1/namespaces/d/deployments/x", "/apis/apps/v1/namespaces/d/deployments", "/apis/apps/v1/namespaces/d/deployments/x/scale", "/api/v1/namespaces/d/widgets/x",
	"/api/v1/namespaces/d/pods/missing", "/api/v1/namespaces/d/pods/conflict", "/api/v1/namespaces/d/pods/toomany", "/api/v1/namespaces/d/pods/internal", "/api/v1/namespaces/d/pods/gone", "/api/v1/namespaces/d/pods/invalid", "/api/v1/namespaces/d/pods/nocontent", "/api/v1/namespaces/d/pods/nocode",
	"/api/v1/namespaces/d/pods/x/log", "/api/v1/namespaces/d/pods/x/exec", "/api/v1/namespaces/d/pods/x/attach", "/api/v1/namespaces/d/pods/x/portforward", "/api/v1/namespaces/d/services/x/proxy/a/b", "/api/v1/watch/pods", "/api/v1/proxy/nodes/n",
	"/api/v1/namespaces/forbidden/pods", "/api/v1/namespaces/broken/pods/x", "/forbidden", "/api", "/version", "/healthz", "/nothing", "/debug/pprof/heap", "/apis/apps/v1/watch", "//api//v1/pods", "/api/v1/namespaces/d/pods/%3Cx%3E", "/a%2Fb",
}

var callQueries = []string{"", "", "", "watch=true", "pretty=true", "timeout=5s", "timeout=abc", "timeout=0", "timeoutSeconds=5", "access_token=s3", "fieldSelector=metadata.name%3Dx", "fieldManager=m&force=true", "a=%3Cb%3E&c=d<e>", "command=sh&command=-c", "%zz", "dryRun=All"}

var statusLevels = []auditinternal.Level{auditinternal.LevelRequestResponse, auditinternal.LevelRequestResponse, auditinternal.LevelRequest, auditinternal.LevelMetadata, auditinternal.LevelNone}

// header makes a header of pairs.
func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			h.Add(pairs[i], pairs[i+1])
		}
	}
	return h
}

func deedNames() (names []string) {
	for name := range deeds {
		if name != "wait" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func drawCall(t *rapid.T) *call {
	c := &call{
		policy: &auditinternal.Policy{OmitStages: some(t, stages, 2, "omitStages"), OmitManagedFields: rapid.Bool().Draw(t, "omitManagedFields"), Rules: []auditinternal.PolicyRule{{Level: one(t, statusLevels, "level")}}},
		method: one(t, []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "GET", "POST", "PATCH"}, "method"),
		url:    one(t, callPaths, "path"),
		http2:  rapid.Bool().Draw(t, "http2"),
	}
	if rapid.IntRange(0, 5).Draw(t, "rules") == 5 { // sometimes the policy depends on what is asked
		c.policy.Rules = append([]auditinternal.PolicyRule{{Level: one(t, statusLevels, "level"), Users: []string{"jane"}, Verbs: []string{"get", "create"}}, {Level: one(t, statusLevels, "level"), NonResourceURLs: []string{"/api*"}}}, c.policy.Rules...)
	}
	if query := one(t, callQueries, "query"); query != "" {
		c.url += "?" + query
	}
	c.header = header("Authorization", one(t, []string{"Bearer jane", "Bearer jane", "Bearer admin", "Bearer ops", "Bearer anon", "Bearer empty", "", "Bearer wrong", "Basic dTpw", "Bearer a b", "bearer x"}, "authorization"),
		"Accept", one(t, accepts, "accept"), "User-Agent", one(t, []string{"kubectl/v1.36.3", "a<b>&c", strings.Repeat("ü", 600), "é", " "}, "user agent"))
	if c.method != "GET" && c.method != "HEAD" && c.method != "TRACE" || rapid.IntRange(0, 9).Draw(t, "odd body") == 9 && c.method == "GET" {
		c.body = one(t, requestBodies, "body")
		c.header.Set("Content-Type", one(t, contentTypes, "content type"))
		c.unsized = rapid.Bool().Draw(t, "unsized")
	}
	switch rapid.IntRange(0, 11).Draw(t, "special") {
	case 11, 10:
		c.header.Set(doHeader, one(t, deedNames(), "deed"))
	case 9:
		c.header.Set("Impersonate-User", one(t, []string{"bob", "system:serviceaccount:d:sa", "system:anonymous", ""}, "impersonate"))
		c.header["Impersonate-Group"] = some(t, []string{"g1", "system:authenticated", "<g>"}, 2, "groups")
		c.header["Impersonate-Extra-Example.com%2fa"] = some(t, []string{"1", "2"}, 2, "extra")
		if rapid.Bool().Draw(t, "uid") {
			c.header.Set("Impersonate-Uid", "u9")
		}
		c.header.Set("Authorization", one(t, []string{"Bearer admin", "Bearer ops", "Bearer jane"}, "authorization"))
	case 8:
		c.header.Set("Audit-Id", one(t, []string{"my-id", `a "q" <x>`, strings.Repeat("long", 50), "é"}, "audit id"))
	case 7:
		c.header.Set("X-Forwarded-For", one(t, []string{"1.1.1.1", "1.1.1.1, 010.2.2.2,x,::1", "unknown"}, "forwarded"))
		c.header.Set("X-Real-Ip", one(t, []string{"3.3.3.3", "1.1.1.1", "x"}, "real"))
	case 6:
		c.header.Set("X-Table", "1")
	case 5:
		c.header.Set("Accept-Encoding", "gzip")
		c.header.Set("Content-Encoding", one(t, []string{"", "gzip", "identity"}, "content encoding"))
	}
	return c
}

func TestRandomRequestsAreRecordedTheSame(t *testing.T) {
	p := newPair(t)
	check(t, 50, func(t *rapid.T) { p.compare(t, drawCall(t)) })
}
