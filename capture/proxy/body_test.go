package proxy

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"

	"annals.dev/audit"
)

func protobufOf(t testing.TB, obj runtime.Object, version, kind string) []byte {
	t.Helper()
	gv, err := schema.ParseGroupVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	obj.GetObjectKind().SetGroupVersionKind(gv.WithKind(kind))
	var b bytes.Buffer
	if err := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme).Encode(obj, &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestDecodeBody(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "x", Namespace: "d"}, Spec: corev1.PodSpec{NodeName: "n"}}
	cases := []struct {
		name, contentType string
		body              []byte
		want              string // of the JSON; "" is not recorded
		fails             bool
	}{
		{"pod", protobufType, protobufOf(t, pod, "v1", "Pod"), `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"x","namespace":"d"},"spec":{"containers":null,"nodeName":"n"},"status":{}}`, false},
		{"with parameters", "Application/vnd.Kubernetes.protobuf; charset=x", protobufOf(t, pod, "v1", "Pod"), `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"x","namespace":"d"},"spec":{"containers":null,"nodeName":"n"},"status":{}}`, false},
		{"status", protobufType, protobufOf(t, &metav1.Status{Status: "Failure", Message: "no", Code: 403}, "v1", "Status"), `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"no","code":403}`, false},
		{"delete options of a group", protobufType, protobufOf(t, &metav1.DeleteOptions{DryRun: []string{"All"}}, "apps/v1", "DeleteOptions"), `{"kind":"DeleteOptions","apiVersion":"apps/v1","dryRun":["All"]}`, false},
		{"partial metadata", protobufType, protobufOf(t, &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "x"}}, "meta.k8s.io/v1", "PartialObjectMetadata"), `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"x"}}`, false},
		{"an empty list", protobufType, protobufOf(t, &corev1.PodList{}, "v1", "PodList"), `{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[]}`, false},
		{"an unknown type", protobufType, protobufOf(t, pod, "example.com/v1", "Thing"), "", true},
		{"no protobuf", protobufType, []byte("k8s\x00\xff\xff"), "", true},
		{"nothing", protobufType, nil, "", true},
		{"JSON", "application/json", []byte(`{"kind":"Pod","apiVersion":"v1"}`), `{"kind":"Pod","apiVersion":"v1"}`, false},
		{"JSON without a kind, which the API server takes too", "application/json", []byte(`{"metadata":{}}`), `{"metadata":{}}`, false},
		{"a patch", "application/json-patch+json", []byte(`[{"op":"remove","path":"/x"}]`), `[{"op":"remove","path":"/x"}]`, false},
		{"apply", "application/apply-patch+yaml", []byte("kind: Pod\napiVersion: v1\n"), `{"apiVersion":"v1","kind":"Pod"}`, false},
		{"CBOR", "application/cbor", []byte("\xd9\xd9\xf7\xa1\x64kind\x63Pod"), `{"kind":"Pod"}`, false},
		{"text", "text/plain", []byte("x"), "", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, ok, err := DecodeBody(c.contentType, c.body)
			if (err != nil) != c.fails || ok != (c.want != "") {
				t.Fatalf("%s, %v, %v", got, ok, err)
			}
			if !ok {
				return
			}
			var a, b any
			if err := json.Unmarshal(got, &a); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(c.want), &b); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(b, a); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// In both directions, and what cannot be decoded is marked, not lost.
func TestProtobufThroughTheProxy(t *testing.T) {
	g := newRig(t, Passthrough, nil)
	pod := protobufOf(t, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "x"}}, "v1", "Pod")
	thing := protobufOf(t, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "x"}}, "example.com/v1", "Thing")
	for path, body := range map[string][]byte{"/api/v1/namespaces/d/pods": pod, "/apis/example.com/v1/things": thing} {
		g.handle(path, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", protobufType)
			w.WriteHeader(http.StatusCreated)
			w.Write(body)
		})
		res := g.do(t, g.h2, "POST", path, strings.NewReader(string(body)), asJane, "Content-Type: "+protobufType)
		if got := text(t, res); got != string(body) {
			t.Errorf("%s: the client got %q", path, got)
		}
	}
	for i := range 2 {
		e := g.events.stage(t, audit.StageResponseComplete, i)
		switch e.ObjectRef.Resource {
		case "pods":
			if !strings.Contains(string(e.RequestObject), `"name":"x"`) || !strings.Contains(string(e.ResponseObject), `"kind":"Pod"`) || e.ObjectRef.Name != "x" {
				t.Errorf("%s, %s, %+v", e.RequestObject, e.ResponseObject, e.ObjectRef)
			}
		case "things":
			if len(e.Annotations) < 2 {
				t.Errorf("nothing says that there were bodies: %v", e.Annotations)
			}
		}
	}
}

func FuzzDecodeBody(f *testing.F) {
	f.Add(protobufType, protobufOf(f, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "x"}}, "v1", "Pod"))
	f.Add(protobufType, protobufOf(f, &metav1.Status{Code: 403}, "v1", "Status"))
	f.Add("application/json", []byte(`{}`))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		got, ok, err := DecodeBody(contentType, body)
		if ok && (err != nil || !json.Valid(got)) {
			t.Errorf("%q, %v", got, err)
		}
		if s, ok := decodeStatus(protobufType, body); ok && s == nil {
			t.Error("no status")
		}
	})
}
