package capture

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"annals.dev/policy"

	"github.com/google/go-cmp/cmp"
)

// resource is a RequestInfo that is for one.
func resource(verb, group, version, namespace, resource, subresource, name string) RequestInfo {
	return RequestInfo{APIVersion: version, Attributes: policy.Attributes{ResourceRequest: true, Verb: verb, APIGroup: group,
		Namespace: namespace, Resource: resource, Subresource: subresource, Name: name}}
}

func other(verb string) RequestInfo { return RequestInfo{Attributes: policy.Attributes{Verb: verb}} }

func TestKubernetesRequestInfo(t *testing.T) {
	for _, c := range []struct {
		method, url string
		want        RequestInfo
	}{
		// Paths.
		{"GET", "/api/v1/namespaces", resource("list", "", "v1", "", "namespaces", "", "")},
		{"GET", "/api/v1/namespaces/n", resource("get", "", "v1", "n", "namespaces", "", "n")},
		{"POST", "/api/v1/namespaces", resource("create", "", "v1", "", "namespaces", "", "")},
		{"GET", "/api/v1/namespaces/n/status", resource("get", "", "v1", "n", "namespaces", "status", "n")},
		{"PUT", "/api/v1/namespaces/n/status", resource("update", "", "v1", "n", "namespaces", "status", "n")},
		{"PUT", "/api/v1/namespaces/n/finalize", resource("update", "", "v1", "n", "namespaces", "finalize", "n")},
		{"GET", "/api/v1/namespaces/n/pods", resource("list", "", "v1", "n", "pods", "", "")},
		{"GET", "/api/v1/namespaces/n/pods/p", resource("get", "", "v1", "n", "pods", "", "p")},
		{"HEAD", "/api/v1/namespaces/n/pods/p", resource("get", "", "v1", "n", "pods", "", "p")},
		{"GET", "/api/v1/pods", resource("list", "", "v1", "", "pods", "", "")},
		{"HEAD", "/api/v1/pods", resource("list", "", "v1", "", "pods", "", "")},
		{"OPTIONS", "/api/v1/pods", resource("", "", "v1", "", "pods", "", "")},
		{"BREW", "/api/v1/pods", resource("", "", "v1", "", "pods", "", "")},
		{"get", "/api/v1/pods", resource("", "", "v1", "", "pods", "", "")},
		{"GET", "//api/v1/pods", resource("list", "", "v1", "", "pods", "", "")},
		{"GET", "/api/v1/pods/", resource("list", "", "v1", "", "pods", "", "")},
		{"GET", "/api/v1/namespaces//pods", resource("list", "", "v1", "", "pods", "", "")},
		{"GET", "/api/v1/namespaces/n//p", resource("get", "", "v1", "n", "", "", "p")},
		{"GET", "/api//pods", resource("list", "", "", "", "pods", "", "")},
		{"GET", "/apis/batch/v1/namespaces/n/jobs/j/status", resource("get", "batch", "v1", "n", "jobs", "status", "j")},
		{"POST", "/apis/extensions/v1beta3/namespaces/n/pods", resource("create", "extensions", "v1beta3", "n", "pods", "", "")},
		{"GET", "/apis/batch/v1/jobs/j/scale/more", resource("get", "batch", "v1", "", "jobs", "scale", "j")},

		// Verbs.
		{"PATCH", "/api/v1/namespaces/n/pods/p", resource("patch", "", "v1", "n", "pods", "", "p")},
		{"DELETE", "/api/v1/namespaces/n/pods/p", resource("delete", "", "v1", "n", "pods", "", "p")},
		{"DELETE", "/api/v1/namespaces/n/pods", resource("deletecollection", "", "v1", "n", "pods", "", "")},
		{"DELETE", "/api/v1/nodes", resource("deletecollection", "", "v1", "", "nodes", "", "")},
		{"DELETE", "/api/v1/namespaces", resource("deletecollection", "", "v1", "", "namespaces", "", "")},
		{"DELETE", "/apis/apps/v1/namespaces/n/pods", resource("deletecollection", "apps", "v1", "n", "pods", "", "")},
		{"POST", "/api/v1/namespaces/n/pods/p/exec?command=sh", resource("create", "", "v1", "n", "pods", "exec", "p")},
		{"GET", "/api/v1/namespaces/n/pods/p/exec?command=sh", resource("get", "", "v1", "n", "pods", "exec", "p")},
		{"GET", "/api/v1/namespaces/n/services/http:web:80/proxy/a/b", resource("get", "", "v1", "n", "services", "proxy", "http:web:80")},
		{"GET", "/api/v1/nodes/n1/proxy/run/x", resource("get", "", "v1", "", "nodes", "proxy", "n1")},

		// Verbs in the path.
		{"GET", "/api/v1/proxy/namespaces/n/pods/p", resource("proxy", "", "v1", "n", "pods", "", "p")},
		{"GET", "/api/v1/proxy/namespaces/n/pods/p/no/subresource", resource("proxy", "", "v1", "n", "pods", "", "p")},
		{"GET", "/api/v1/watch/pods", resource("watch", "", "v1", "", "pods", "", "")},
		{"POST", "/api/v1/watch/pods", resource("watch", "", "v1", "", "pods", "", "")},
		{"GET", "/api/v1/watch/namespaces/n/pods", resource("watch", "", "v1", "n", "pods", "", "")},
		{"GET", "/apis/g/v1/watch/things/x?fieldSelector=metadata.name=y", resource("watch", "g", "v1", "", "things", "", "x")},
		{"GET", "/apis/g/v1/watch/things?fieldSelector=metadata.name=y", resource("watch", "g", "v1", "", "things", "", "")},

		// Watches.
		{"GET", "/api/v1/pods?watch=true", resource("watch", "", "v1", "", "pods", "", "")},
		{"GET", "/api/v1/pods?watch", resource("watch", "", "v1", "", "pods", "", "")},
		{"GET", "/api/v1/pods?watch=no", resource("watch", "", "v1", "", "pods", "", "")},
		{"GET", "/api/v1/pods?watch=False", resource("list", "", "v1", "", "pods", "", "")},
		{"GET", "/api/v1/pods?watch=0&watch=1", resource("list", "", "v1", "", "pods", "", "")},
		{"GET", "/api/v1/namespaces/n/pods?watch=1", resource("watch", "", "v1", "n", "pods", "", "")},
		{"GET", "/api/v1/namespaces/n/pods/p?watch=1", resource("get", "", "v1", "n", "pods", "", "p")},
		{"GET", "/api/v1/pods?watch=1&limit=many", resource("watch", "", "v1", "", "pods", "", "")},

		// Names from field selectors.
		{"GET", "/apis/g/v1/r?fieldSelector=metadata.name=x", resource("list", "g", "v1", "", "r", "", "x")},
		{"GET", "/apis/g/v1/r?fieldSelector=metadata.name%3D%3Dx", resource("list", "g", "v1", "", "r", "", "x")},
		{"GET", "/apis/g/v1/r?watch=true&fieldSelector=metadata.name=x", resource("watch", "g", "v1", "", "r", "", "x")},
		{"GET", "/apis/g/v1/r?fieldSelector=metadata.name!=x", resource("list", "g", "v1", "", "r", "", "")},
		{"GET", "/apis/g/v1/r?fieldSelector=foo=bar&labelSelector=baz=qux", resource("list", "g", "v1", "", "r", "", "")},
		{"GET", "/apis/g/v1/r?fieldSelector=metadata.name=x,foo", resource("list", "g", "v1", "", "r", "", "")},
		{"GET", "/apis/g/v1/r?fieldSelector=metadata.name=x,foo&watch=true", resource("watch", "g", "v1", "", "r", "", "")},
		{"GET", "/apis/g/v1/r?fieldSelector=metadata.name=x,foo&watch=false", resource("list", "g", "v1", "", "r", "", "")},
		{"DELETE", "/apis/g/v1/r?fieldSelector=metadata.name=x", resource("deletecollection", "g", "v1", "", "r", "", "")},
		{"GET", "/apis/g/v1/r?fieldSelector=metadata.name=a&fieldSelector=metadata.name=b", resource("list", "g", "v1", "", "r", "", "a")},
		{"GET", "/apis/g/v1/r?fieldSelector=metadata.name=b,metadata.name=a", resource("list", "g", "v1", "", "r", "", "a")},
		{"GET", "/apis/g/v1/r/x?fieldSelector=metadata.name=y", resource("get", "g", "v1", "", "r", "", "x")},
		{"GET", "/apis/g/v1/r?fieldSelector=metadata.name=a%2Fb", resource("list", "g", "v1", "", "r", "", "")},
		{"GET", "/apis/g/v1/r?fieldSelector=metadata.name=..", resource("list", "g", "v1", "", "r", "", "")},
		{"GET", `/apis/g/v1/r?fieldSelector=metadata.name=a\,b`, resource("list", "g", "v1", "", "r", "", "a,b")},
		{"GET", `/apis/g/v1/r?fieldSelector=metadata.name=a\b`, resource("list", "g", "v1", "", "r", "", "")},
		{"GET", `/apis/g/v1/r?fieldSelector=metadata.name=a\`, resource("list", "g", "v1", "", "r", "", "")},
		{"GET", "/apis/g/v1/r?fieldSelector=metadata.name=x&limit=many", resource("list", "g", "v1", "", "r", "", "")},
		{"GET", "/apis/g/v1/r?fieldSelector=metadata.name=x&timeoutSeconds=5s", resource("list", "g", "v1", "", "r", "", "")},
		{"GET", "/apis/g/v1/r?fieldSelector=metadata.name=x&labelSelector=a+b", resource("list", "g", "v1", "", "r", "", "")},
		{"GET", "/apis/g/v1/r?fieldSelector=metadata.name=x&labelSelector=a+in+(b,c),!d", resource("list", "g", "v1", "", "r", "", "x")},

		// Not for resources.
		{"GET", "/", other("get")},
		{"GET", "", other("get")},
		{"POST", "/healthz", other("post")},
		{"BREW", "/coffee", other("brew")},
		{"GET", "/api", other("get")},
		{"GET", "/api/v1", other("get")},
		{"GET", "/api/v1/", other("get")},
		{"GET", "/apis", other("get")},
		{"GET", "/apis/apps/v1", other("get")},
		{"GET", "/apis/apps/v1/", other("get")},
		{"GET", "/apis/v1/pods", other("get")},
		{"GET", "/badapi/v1/pods", other("get")},
		{"GET", "/API/v1/pods", other("get")},
	} {
		path, query, _ := strings.Cut(c.url, "?")
		u := &url.URL{Path: path, RawQuery: query}
		c.want.Path = u.Path
		got, err := KubernetesRequestInfo(&http.Request{Method: c.method, URL: u})
		if err != nil {
			t.Errorf("%s %s: %v", c.method, c.url, err)
		} else if diff := cmp.Diff(&c.want, got); diff != "" {
			t.Errorf("%s %s: %s", c.method, c.url, diff)
		}
	}
	for _, path := range []string{"/api/v1/watch", "/apis/apps/v1/watch/", "/api/v1/proxy"} {
		u := &url.URL{Path: path}
		_, err := KubernetesRequestInfo(&http.Request{Method: "GET", URL: u})
		if want := "unable to determine kind and namespace from url, " + path; err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
}

func TestKubernetesLongRunning(t *testing.T) {
	for path, want := range map[string]bool{
		"/api/v1/pods": false, "/api/v1/pods?watch=1": true, "/api/v1/namespaces/n/pods/p": false,
		"/api/v1/namespaces/n/pods/p/log": true, "/api/v1/namespaces/n/pods/p/exec": true, "/api/v1/namespaces/n/pods/p/attach": true,
		"/api/v1/namespaces/n/pods/p/portforward": true, "/api/v1/nodes/n/proxy/x": true, "/api/v1/proxy/nodes/n": true,
		"/api/v1/namespaces/n/pods/p/status": false, "/debug/pprof/profile": true, "/debug/pprof": false, "/exec": false,
	} {
		u, err := url.Parse(path)
		if err != nil {
			t.Fatal(err)
		}
		r := &http.Request{Method: "GET", URL: u}
		info, err := KubernetesRequestInfo(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := KubernetesLongRunning(r, info); got != want {
			t.Errorf("%s is long-running: %v, want %v", path, got, want)
		}
	}
}

func TestValidLabelSelector(t *testing.T) {
	for _, s := range []string{"", " ", "a", "!a", "a=b", "a==b", "a!=b", "a=", "a=,b", "a in (b)", "a in (b, c)", "a in (,)", "a in ()",
		"a notin (b,,c)", "x.io/a=b", "a>1", "a < 10", "a,b,!c", "in", "in in (in)", "a=in", "A_b.c-d=1", "a=b \x00junk", "a,b ",
		"a in (b) , c"} {
		if !validLabelSelector(s) {
			t.Errorf("%q is refused", s)
		}
	}
	for _, s := range []string{",", "a,", "a b", "a=b c", "!", "!a=b", "=b", "a=(b)", "a in b", "a in (b", "a in (b c)", "a in (b=c)", "a>x", "a<-1", "a>+1",
		"a>", "a>9223372036854775808", "a=b\x00junk", "a=-b", "a=b-", "a=ä", "ä", "/a", "x/", "X.io/a", "a/b/c", "a>=1", "a=<b", "(a)", "a,,b", "a notin",
		"0123456789012345678901234567890123456789012345678901234567890123", "a=0123456789012345678901234567890123456789012345678901234567890123"} {
		if validLabelSelector(s) {
			t.Errorf("%q is accepted", s)
		}
	}
}

func FuzzRequestInfo(f *testing.F) {
	f.Add("GET", "/api/v1/namespaces/n/pods", "watch=1&fieldSelector=metadata.name=x,a!=b&labelSelector=a in (b)")
	f.Add("DELETE", "/apis/g/v1/watch/namespaces/n/r/x/y/z", "limit=1")
	f.Add("x", "//api//", `fieldSelector=\,=`)
	f.Fuzz(func(t *testing.T, method, path, query string) {
		info, err := KubernetesRequestInfo(&http.Request{Method: method, URL: &url.URL{Path: path, RawQuery: query}})
		switch {
		case err != nil && !info.ResourceRequest:
			t.Errorf("%v of a request that is not for a resource", err)
		case err != nil:
		case !info.ResourceRequest && (info.Resource != "" || info.Name != "" || info.APIGroup != ""):
			t.Errorf("%q is not for a resource, but %+v", path, info)
		case info.Verb == "get" && info.ResourceRequest && info.Name == "":
			t.Errorf("%q is a get without a name", path)
		}
	})
}
