package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	upstreamaudit "k8s.io/apiserver/pkg/audit"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/kubernetes/scheme"

	"annals.dev/audit"
	"annals.dev/test/diff/recorded"
)

// replay is a recorded request and its answer, ready to be made again.
type replay struct {
	request *http.Request // a template
	verb    string
	user    *audit.UserInfo
	their   *user.DefaultInfo
	body    []byte
	code    int
	answer  []byte

	// What kube-apiserver's endpoint has anyway when it tells the audit log.
	object, result runtime.Object
	gv             schema.GroupVersion
	gvr            schema.GroupVersionResource
	subresource    string
}

type replayKey struct{}

// codecs write objects of any kind as kube-apiserver's do, but for the conversion from its internal kinds, which would cost it
// more.
var codecs = serializer.WithoutConversionCodecFactory{CodecFactory: scheme.Codecs}

var methods = map[string]string{"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE", "deletecollection": "DELETE"}

// sample is which of the requests are taken: with all, there would be only a few, long garbage collections in a round.
const sample, repeats = 4, 6

// loadReplays takes requests of the log that has all bodies, each a few times.
func loadReplays(c *config) ([]*replay, error) {
	events, err := recorded.Read(filepath.Join(c.corpus, "corpus", "normal-full.log.gz"))
	if err != nil {
		return nil, err
	}
	var all []*replay
	for i, e := range events {
		if e.Stage != audit.StageResponseComplete || e.ResponseStatus == nil || i/2%sample > 0 { // a request has two events, mostly
			continue
		}
		u, err := url.Parse(e.RequestURI)
		if err != nil {
			continue
		}
		r := &replay{verb: e.Verb, user: &e.User, body: e.RequestObject, code: int(e.ResponseStatus.Code), answer: e.ResponseObject}
		r.their = &user.DefaultInfo{Name: e.User.Username, UID: e.User.UID, Groups: e.User.Groups, Extra: e.User.Extra}
		method := methods[e.Verb]
		if method == "" {
			method = "GET"
		}
		if ref := e.ObjectRef; ref != nil {
			r.gvr, r.subresource = schema.GroupVersionResource{Group: ref.APIGroup, Version: ref.APIVersion, Resource: ref.Resource}, ref.Subresource
		}
		if e.Verb != "patch" {
			r.object = object(r.body)
		}
		if r.result = object(r.answer); r.result == nil {
			r.answer = nil
		}
		r.gv = schema.GroupVersion{Group: r.gvr.Group, Version: r.gvr.Version}
		header := http.Header{"User-Agent": {e.UserAgent}, "Accept": {"application/json"}}
		if r.body != nil {
			header.Set("Content-Type", contentType(e.Verb))
		}
		r.request = (&http.Request{Method: method, URL: u, RequestURI: e.RequestURI, Proto: "HTTP/2.0", ProtoMajor: 2, Header: header, Host: "h", RemoteAddr: "10.0.0.1:4711", ContentLength: int64(len(r.body))}).
			WithContext(context.WithValue(context.Background(), replayKey{}, r))
		all = append(all, r)
	}
	return slices.Repeat(all, repeats), nil
}

func contentType(verb string) string {
	if verb == "patch" {
		return "application/strategic-merge-patch+json"
	}
	return "application/json"
}

// object decodes a body, nil if it has none.
func object(b []byte) runtime.Object {
	if len(b) == 0 {
		return nil
	}
	discovery := schema.GroupVersionKind{Version: "v1"} // what discovery answers at /api says no version
	if obj, _, err := scheme.Codecs.UniversalDeserializer().Decode(b, &discovery, nil); err == nil {
		return obj
	}
	obj, _, err := unstructured.UnstructuredJSONScheme.Decode(b, nil, nil)
	if err != nil {
		return nil
	}
	return obj
}

// writer is a http.ResponseWriter that keeps nothing.
type writer struct{ header http.Header }

func (w *writer) Header() http.Header         { return w.header }
func (w *writer) Write(b []byte) (int, error) { return len(b), nil }
func (w *writer) WriteHeader(int)             {}
func (w *writer) Flush()                      {}

// body is a request's body.
type body struct{ bytes.Reader }

func (*body) Close() error { return nil }

// drive makes all the requests to a handler, one after another. What the driver itself takes is the same on all sides.
func drive(h http.Handler, all []*replay) {
	w := &writer{header: http.Header{}}
	var b body
	for _, r := range all {
		clear(w.header)
		request := *r.request
		request.Header = make(http.Header, len(r.request.Header)+2)
		for k, v := range r.request.Header {
			request.Header[k] = v
		}
		request.Body = http.NoBody
		if r.body != nil {
			b.Reset(r.body)
			request.Body = &b
		}
		h.ServeHTTP(w, &request)
	}
}

// endpoint reads the request and writes the answer, as it was recorded.
func endpoint(w http.ResponseWriter, r *http.Request) { serve(w, r, false) }

// telling is the endpoint that tells upstream's audit log what kube-apiserver's endpoints tell it. The objects are decoded
// already, as kube-apiserver has them at that moment.
func telling(w http.ResponseWriter, r *http.Request) { serve(w, r, true) }

func serve(w http.ResponseWriter, r *http.Request, tell bool) {
	x := r.Context().Value(replayKey{}).(*replay)
	if r.Body != http.NoBody {
		buffer := make([]byte, len(x.body))
		io.ReadFull(r.Body, buffer)
		r.Body.Read(buffer[:0])
		if tell && x.verb == "patch" {
			upstreamaudit.LogRequestPatch(r.Context(), buffer)
		} else if tell && x.object != nil {
			upstreamaudit.LogRequestObject(r.Context(), x.object, x.gv, x.gvr, x.subresource, codecs)
		}
	}
	if x.answer == nil {
		w.WriteHeader(x.code)
		return
	}
	if tell {
		upstreamaudit.LogResponseObject(r.Context(), x.result, gvOf(x), codecs)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(x.code)
	w.Write(x.answer)
}

func gvOf(x *replay) schema.GroupVersion {
	if _, ok := x.result.(*metav1.Status); ok {
		return schema.GroupVersion{Version: "v1"}
	}
	return x.result.GetObjectKind().GroupVersionKind().GroupVersion()
}

type upstreamAuthenticator struct{}

func (upstreamAuthenticator) AuthenticateRequest(r *http.Request) (*authenticator.Response, bool, error) {
	return &authenticator.Response{User: r.Context().Value(replayKey{}).(*replay).their}, true, nil
}

type ourAuthenticator struct{}

func (ourAuthenticator) Authenticate(r *http.Request) (*audit.UserInfo, error) {
	return r.Context().Value(replayKey{}).(*replay).user, nil
}
