package policy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"annals.dev/audit"
)

func TestAttributesOf(t *testing.T) {
	for _, tt := range []struct {
		name, event string
		want        Attributes
	}{
		{"a pod", `{"verb":"get","requestURI":"/api/v1/namespaces/d/pods/x?a=b","user":{"username":"ada","uid":"1","groups":["p","q"]},"objectRef":{"resource":"pods","namespace":"d","name":"x","apiVersion":"v1"}}`,
			Attributes{User: &audit.UserInfo{Username: "ada", UID: "1", Groups: []string{"p", "q"}}, Verb: "get", ResourceRequest: true, Resource: "pods", Namespace: "d", Name: "x"}},
		{"a subresource", `{"verb":"create","requestURI":"/api/v1/namespaces/d/pods/x/binding","user":{},"objectRef":{"resource":"pods","namespace":"d","name":"x","subresource":"binding"}}`,
			Attributes{Verb: "create", ResourceRequest: true, Resource: "pods", Subresource: "binding", Namespace: "d", Name: "x"}},
		{"created: the name is the body's", `{"verb":"create","requestURI":"/apis/apps/v1/namespaces/d/deployments?dryRun=All","objectRef":{"apiGroup":"apps","resource":"deployments","namespace":"d","name":"x"}}`,
			Attributes{Verb: "create", ResourceRequest: true, APIGroup: "apps", Resource: "deployments", Namespace: "d"}},
		{"created: the namespace is the body's", `{"verb":"create","requestURI":"/api/v1/pods","objectRef":{"resource":"pods","namespace":"d","name":"x"}}`,
			Attributes{Verb: "create", ResourceRequest: true, Resource: "pods"}},
		{"a namespace created", `{"verb":"create","requestURI":"/api/v1/namespaces","objectRef":{"resource":"namespaces","name":"d"}}`,
			Attributes{Verb: "create", ResourceRequest: true, Resource: "namespaces"}},
		{"created in a namespace called as the resource", `{"verb":"create","requestURI":"/api/v1/namespaces/pods/pods","objectRef":{"resource":"pods","namespace":"pods","name":"pods"}}`,
			Attributes{Verb: "create", ResourceRequest: true, Resource: "pods", Namespace: "pods"}},
		{"created elsewhere", `{"verb":"create","requestURI":"/mine/v1/things","objectRef":{"resource":"things","name":"x"}}`,
			Attributes{Verb: "create", ResourceRequest: true, Resource: "things", Name: "x"}},
		{"a namespace", `{"verb":"get","requestURI":"/api/v1/namespaces/d","objectRef":{"resource":"namespaces","namespace":"d","name":"d"}}`,
			Attributes{Verb: "get", ResourceRequest: true, Resource: "namespaces", Namespace: "d", Name: "d"}},
		{"a list by name", `{"verb":"list","requestURI":"/api/v1/pods?fieldSelector=metadata.name%3Dx","objectRef":{"resource":"pods","name":"x"}}`,
			Attributes{Verb: "list", ResourceRequest: true, Resource: "pods", Name: "x"}},
		{"a path", `{"verb":"get","requestURI":"/healthz/a%20b?verbose","user":{"groups":["system:unauthenticated"]}}`,
			Attributes{User: &audit.UserInfo{Groups: []string{"system:unauthenticated"}}, Verb: "get", Path: "/healthz/a b"}},
		{"no URI", `{"verb":"get","requestURI":"%zz?x"}`, Attributes{Verb: "get", Path: "%zz"}},
		{"escapes", `{"verb":"g\u0065t","objectRef":{"name":"\"x\""}}`, Attributes{Verb: "get", ResourceRequest: true, Name: `"x"`}},
		{"nothing", `{}`, Attributes{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var v audit.View
			if err := v.Parse([]byte(tt.event)); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, AttributesOf(&v)); d != "" {
				t.Error(d)
			}
		})
	}
}

func FuzzAttributesOf(f *testing.F) {
	f.Add([]byte(`{"verb":"create","requestURI":"/api/v1/namespaces/a/pods","user":{"groups":["a",1]},"objectRef":{"resource":"pods","name":"x"}}`))
	f.Add([]byte(`{"verb":"create","requestURI":"/apis///","objectRef":{}}`))
	p, err := Load("testdata/rules-25.yaml", Options{})
	if err != nil {
		f.Fatal(err)
	}
	e := Compile(p)
	f.Fuzz(func(t *testing.T, b []byte) {
		var v audit.View
		if v.Parse(b) != nil {
			return
		}
		a := AttributesOf(&v)
		if a.ResourceRequest == (v.ObjectRef.Raw == nil) {
			t.Errorf("%s: %+v", b, a)
		}
		if got, want := e.Decide(&a), naive(p, &a); got != want {
			t.Errorf("%s: %+v, the rules say %+v", b, got, want)
		}
	})
}

func TestImpliedGroups(t *testing.T) {
	for user, want := range map[string]string{
		"jane":                            "system:authenticated",
		"":                                "system:authenticated",
		"system:anonymous":                "system:unauthenticated",
		"system:serviceaccount:ci:runner": "system:serviceaccounts system:serviceaccounts:ci system:authenticated",
		"system:serviceaccount:ci":        "system:authenticated",
		"system:serviceaccount::x":        "system:authenticated",
	} {
		if got := strings.Join(ImpliedGroups(user), " "); got != want {
			t.Errorf("%q: %s, want %s", user, got, want)
		}
	}
}
