package diff

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"pgregory.net/rapid"

	"annals.dev/capture"
	"annals.dev/test/diff/upstream"
)

var methods = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "get", "FOO", ""}

// segments are what paths are made of.
var segments = []string{"api", "apis", "API", "v1", "apps", "batch", "namespaces", "namespace", "pods", "nodes", "d", "x", "status", "finalize", "log", "exec", "proxy", "watch", "redirect", "", "a:b:80", "..", ".", "%2F", "é", "scale", "pod s"}

// queries are parameters of URLs.
var queries = []string{
	"watch", "watch=1", "watch=true", "watch=false", "watch=0", "watch=FALSE", "watch=x", "watch=", "watch=t", "watch=1&watch=0", "watch=0&watch=1", "Watch=1", "watch=%20true", "watch=on",
	"fieldSelector=metadata.name%3Dx", "fieldSelector=metadata.name=x", "fieldSelector=metadata.name%3D%3Dx", "fieldSelector=metadata.name!%3Dx", "fieldSelector=metadata.name%3D", "fieldSelector=a%3Db,metadata.name%3Dx",
	"fieldSelector=metadata.name%3Dx,metadata.name%3Dy", "fieldSelector=metadata.namespace%3Dd", "fieldSelector=x", "fieldSelector=metadata.name%3Da/b", "fieldSelector=metadata.name%3D..", "fieldSelector=metadata.name%3D%25",
	"fieldSelector=metadata.name%3Dx%5C,y", "fieldSelector=metadata.name%3Dx%5C", "fieldSelector=,metadata.name%3Dx,", "fieldSelector=%20metadata.name%3D%20x", "fieldSelector=metadata.name%3D.", "fieldSelector=", "fieldSelector",
	"fieldSelector=metadata.name%3Dx&fieldSelector=metadata.name%3Dy", "labelSelector=a%3Db", "labelSelector=%25%25", "labelSelector=a%20in%20(b", "limit=5", "limit=x", "limit=-1", "timeoutSeconds=x", "timeoutSeconds=1", "continue=c",
	"resourceVersion=1", "resourceVersionMatch=Exact", "allowWatchBookmarks=x", "allowWatchBookmarks=true", "sendInitialEvents=x", "sendInitialEvents=true", "pretty=true", "%zz", "a=%", ";", "a;b", "shardSelector=x",
}

// drawURL draws a URL of the kind that clients send, and of others.
func drawURL(t *rapid.T) *url.URL {
	var parts []string
	if rapid.Bool().Draw(t, "api") {
		parts = append(parts, one(t, [][]string{{"api", "v1"}, {"apis", "apps", "v1"}}, "version")...)
		if rapid.Bool().Draw(t, "namespaced") {
			parts = append(parts, "namespaces", one(t, []string{"d", ""}, "namespace"))
		}
	}
	parts = append(parts, rapid.SliceOfN(rapid.SampledFrom(segments), 0, 7).Draw(t, "path")...)
	u := &url.URL{Scheme: "http", Host: "h", Path: "/" + strings.Join(parts, "/")}
	u.RawQuery = strings.Join(rapid.SliceOfN(rapid.SampledFrom(queries), 0, 3).Draw(t, "query"), "&")
	return u
}

type infoCase struct{ method, url string }

func (c infoCase) String() string { return c.method + " " + c.url }

func sameInfo(t fails, method string, u *url.URL) {
	t.Helper()
	of := infoCase{method, u.String()}
	theirs, theirErr := upstream.Resolver.NewRequestInfo(&http.Request{Method: method, URL: u, Header: http.Header{}})
	ours, ourErr := capture.KubernetesRequestInfo(&http.Request{Method: method, URL: u, Header: http.Header{}})
	same(t, "requestinfo.error", fmt.Sprint(ourErr), fmt.Sprint(theirErr), of)
	if theirErr != nil || ourErr != nil {
		return
	}
	a, b := fmt.Sprintf("resource %v, %q, path %q", ours.ResourceRequest, ours.Verb, ours.Path), fmt.Sprintf("resource %v, %q, path %q", theirs.IsResourceRequest, theirs.Verb, theirs.Path)
	if theirs.IsResourceRequest {
		a += fmt.Sprintf(", %q %q %q %q %q %q", ours.APIGroup, ours.APIVersion, ours.Resource, ours.Subresource, ours.Namespace, ours.Name)
		b += fmt.Sprintf(", %q %q %q %q %q %q", theirs.APIGroup, theirs.APIVersion, theirs.Resource, theirs.Subresource, theirs.Namespace, theirs.Name)
	}
	same(t, "requestinfo", a, b, of)
	same(t, "longrunning", fmt.Sprint(capture.KubernetesLongRunning(nil, ours)), fmt.Sprint(upstream.LongRunning(nil, theirs)), of)
}

// urls are those that kube-apiserver's behaviour is written down for.
var urls = []string{
	"GET /api/v1/namespaces/foo", "POST /api/v1/namespaces", "DELETE /api/v1/namespaces/foo", "GET /api/v1/namespaces/foo/status", "PUT /api/v1/namespaces/foo/finalize", "GET /api/v1/pods?fieldSelector=metadata.name%3Dx",
	"GET /api/v1/pods?watch=1", "GET /api/v1/watch/pods", "GET /api/v1/namespaces/d/pods/x?watch=true", "OPTIONS /api/v1/pods", "HEAD /api/v1/namespaces/d/pods/x", "GET /api/v1/namespaces/d/pods/x/log?follow=true",
	"POST /api/v1/namespaces/d/pods/x/exec?command=sh", "GET /api/v1/namespaces/d/services/http:web:80/proxy/a/b?c=d", "GET /api/v1/nodes/n1/proxy/run/x", "GET /apis", "GET /apis/apps", "GET /apis/apps/v1",
	"GET /apis/apps/v1/deployments", "GET /api/v1", "GET /healthz/etcd", "GET /apis/apps/v1/namespaces/d/deployments/x/scale", "DELETE /api/v1/namespaces/d/pods", "PATCH /api/v1/nodes/n/status", "GET //api/v1/pods",
	"GET /api/v1/namespaces//pods", "GET /API/v1/pods", "GET /api/v1/proxy/namespaces/d/pods/x", "GET /apis/apps/v1/watch", "TRACE /api/v1/pods/x", "GET /api/v1/watch/namespaces/d/pods/x", "GET /api/v1/watch", "GET /api/v1/proxy",
	"GET /debug/pprof/profile", "GET /debug/pprof", "GET /", "GET", "GET /api/v1/namespaces", "GET /api/v1/namespaces/", "GET /api/v1/redirect/namespaces/d/pods/x",
}

func TestTheURLsAreReadTheSame(t *testing.T) {
	for _, s := range urls {
		method, target, _ := strings.Cut(s, " ")
		u, err := url.Parse("http://h" + target)
		must(err)
		sameInfo(t, method, u)
	}
}

func TestRandomURLsAreReadTheSame(t *testing.T) {
	check(t, 200, func(t *rapid.T) { sameInfo(t, one(t, methods, "method"), drawURL(t)) })
}

// addresses are what stands in headers and comes from connections.
var addresses = []string{
	"1.2.3.4", "10.0.0.1", "010.1.2.3", "::1", "2001:db8::1", "2001:DB8:0:0::1", "::ffff:1.2.3.4", "[::1]", "fe80::1%eth0", "1.2.3.4:80", "1.2.3", "1.2.3.4.5", "256.1.1.1", "unknown", "", "  5.6.7.8  ", "\t9.9.9.9",
	"0x1.2.3.4", "1.2.3.04", "::", "::ffff:0:0", "é", "::1.2.3.4", "00001.2.3.4", "1.2.3.00004",
}

var peers = []string{"1.2.3.4:1", "127.0.0.1:4711", "[::1]:80", "[fe80::1%eth0]:80", "@", "", "1.2.3.4", "::1", "[::ffff:1.2.3.4]:80", "010.1.2.3:80", "host:80", "[2001:DB8::1]:80", ":80", "1.2.3.4:", "1.2.3.4:x"}

func TestRandomSourceIPsAreTheSame(t *testing.T) {
	check(t, 100, func(t *rapid.T) {
		r := &http.Request{Header: http.Header{}, RemoteAddr: one(t, peers, "peer")}
		for range rapid.IntRange(0, 2).Draw(t, "X-Forwarded-For") {
			r.Header.Add("X-Forwarded-For", strings.Join(rapid.SliceOfN(rapid.SampledFrom(addresses), 0, 4).Draw(t, "list"), ","))
		}
		for range rapid.IntRange(0, 2).Draw(t, "X-Real-Ip") {
			r.Header.Add("X-Real-Ip", one(t, addresses, "address"))
		}
		var theirs []string
		for _, ip := range utilnet.SourceIPs(r) {
			theirs = append(theirs, ip.String())
		}
		same(t, "sourceips", fmt.Sprintf("%q", capture.ForwardedSourceIPs(r)), fmt.Sprintf("%q", theirs), fmt.Sprintf("%q %v", r.RemoteAddr, r.Header))
	})
}
