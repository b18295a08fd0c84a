package capture_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"annals.dev/audit"
	"annals.dev/capture"
	"annals.dev/policy"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"
)

const (
	requestNote  = "audit.annals.dev/request-object"
	responseNote = "audit.annals.dev/response-object"
	pods         = "/api/v1/namespaces/d/pods"
)

func zipped(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, s)
	z.Close()
	return b.String()
}

func cborOf(t *testing.T, v any) string {
	b, err := cbor.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRequestBodies(t *testing.T) {
	pod := map[string]any{"kind": "Pod", "apiVersion": "v1", "metadata": map[string]any{"name": "p", "n": 1}}
	for _, c := range []struct {
		name, method, path string
		level              audit.Level
		contentType, body  string
		encoding           string
		read               int // how much of it the handler reads; 0: all
		object, note       string
		ref                string // name/namespace/uid/resourceVersion
	}{
		{name: "json", method: "POST", path: pods, body: `{ "kind":"Pod", "metadata":{"name":"p","uid":"u"} , "x":1.0, "y":"<" }`,
			object: `{"kind":"Pod","metadata":{"name":"p","uid":"u"},"x":1.0,"y":"\u003c"}`, ref: "p/d/u/"},
		{name: "json at Metadata", method: "POST", path: pods, level: audit.LevelMetadata, body: `{"metadata":{"name":"p","resourceVersion":"7","namespace":"other"}}`, ref: "p/d//7"},
		{name: "json at Minimal", method: "POST", path: pods, level: policy.LevelMinimal, body: `{"metadata":{"name":"p"}}`, ref: "p/d//"},
		{name: "update keeps the URL's name", method: "PUT", path: pods + "/q", body: `{"metadata":{"name":"p","uid":"u\u002d1"}}`, object: `{"metadata":{"name":"p","uid":"u\u002d1"}}`, ref: "q/d/u-1/"},
		{name: "cluster-wide", method: "POST", path: "/api/v1/namespaces", body: `{"metadata":{"name":"n"}}`, object: `{"metadata":{"name":"n"}}`, ref: "n///"},
		{name: "generateName", method: "POST", path: pods, body: `{"metadata":{"generateName":"p-"}}`, object: `{"metadata":{"generateName":"p-"}}`, ref: "/d//"},
		{name: "twice", method: "POST", path: pods, body: `{"metadata":{"name":"a","uid":"u"},"metadata":{"name":"b","name":"c"}}`, object: `{"metadata":{"name":"a","uid":"u"},"metadata":{"name":"b","name":"c"}}`, ref: "c/d/u/"},
		{name: "wrong types", method: "POST", path: pods, body: `{"metadata":{"name":7,"uid":null}}`, object: `{"metadata":{"name":7,"uid":null}}`, ref: "/d//"},
		{name: "metadata is no object", method: "POST", path: pods, body: `{"metadata":[1]}`, object: `{"metadata":[1]}`, ref: "/d//"},
		{name: "delete", method: "DELETE", path: pods + "/q", body: `{"kind":"DeleteOptions","metadata":{"uid":"no"}}`, object: `{"kind":"DeleteOptions","metadata":{"uid":"no"}}`, ref: "q/d//"},
		{name: "delete at Metadata", method: "DELETE", path: pods + "/q", level: audit.LevelMetadata, body: `{}`, ref: "q/d//"},
		{name: "get", method: "GET", path: pods + "/q", body: `{}`, ref: "q/d//"},
		{name: "exec", method: "POST", path: pods + "/q/exec", body: `{}`, ref: "q/d//"},
		{name: "empty", method: "POST", path: pods, ref: "/d//"},
		{name: "yaml", method: "POST", path: pods, contentType: "application/yaml", body: "metadata:\n  name: p\nb: on\n", object: `{"b":true,"metadata":{"name":"p"}}`, ref: "p/d//"},
		{name: "cbor", method: "POST", path: pods, contentType: "application/cbor", body: cborOf(t, pod), object: `{"apiVersion":"v1","kind":"Pod","metadata":{"n":1,"name":"p"}}`, ref: "p/d//"},
		{name: "cbor with its tag", method: "POST", path: pods, contentType: "application/cbor", body: "\xd9\xd9\xf7" + cborOf(t, pod), object: `{"apiVersion":"v1","kind":"Pod","metadata":{"n":1,"name":"p"}}`, ref: "p/d//"},
		{name: "protobuf", method: "POST", path: pods, contentType: "application/vnd.kubernetes.protobuf", body: "k8s\x00x",
			note: "undecodable: Kubernetes' protobuf, whose kinds of objects are not known here", ref: "/d//"},
		{name: "broken cbor", method: "POST", path: pods, contentType: "application/cbor", body: "\xa1", note: "undecodable: unexpected EOF", ref: "/d//"},
		{name: "broken json", method: "POST", path: pods, body: `{"metadata":{"name":"p"},`, object: `"{\"metadata\":{\"name\":\"p\"},"`, note: "undecodable: not JSON", ref: "p/d//"},
		{name: "too large at Metadata", method: "POST", path: pods, level: audit.LevelMetadata, body: `{"metadata":{"name":"p"},"x":"` + strings.Repeat("x", 200) + `"}`,
			note: "cut: the first 128 of 232 bytes", ref: "p/d//"},
		{name: "more than one object", method: "POST", path: pods, level: audit.LevelMetadata, body: `{"metadata":{"name":"p"}} {}`, ref: "p/d//"},
		{name: "broken yaml", method: "POST", path: pods, contentType: "application/yaml", body: "a: [", object: `"a: ["`,
			note: "undecodable: yaml: line 1: did not find expected node content", ref: "/d//"},
		{name: "not UTF-8", method: "POST", path: pods, body: "\xff\x00", object: `"\ufffd\u0000"`, note: "undecodable: not JSON", ref: "/d//"},
		{name: "form", method: "POST", path: "/login", contentType: "application/x-www-form-urlencoded", body: "password=1",
			note: `not recorded: 10 bytes of content type "application/x-www-form-urlencoded"`},
		{name: "json with the wrong type", method: "POST", path: pods, contentType: "text/plain", body: ` {"metadata":{"name":"p"}}`, object: `{"metadata":{"name":"p"}}`, ref: "p/d//"},
		{name: "json as protobuf", method: "POST", path: pods, contentType: "application/vnd.kubernetes.protobuf", body: `{"metadata":{"name":"p"}}`, object: `{"metadata":{"name":"p"}}`, ref: "p/d//"},
		{name: "json that is not gzip", method: "POST", path: pods, encoding: "gzip", body: `{"metadata":{"name":"p"}}`, object: `{"metadata":{"name":"p"}}`, ref: "p/d//"},
		{name: "json that is not brotli", method: "POST", path: pods, encoding: "br", body: `{"metadata":{"name":"p"}}`, object: `{"metadata":{"name":"p"}}`, ref: "p/d//"},
		{name: "yaml that is not brotli", method: "POST", path: pods, contentType: "application/yaml", encoding: "br", body: "a: 1", object: `{"a":1}`, ref: "/d//"},
		{name: "too large, of another type", method: "POST", path: "/upload", contentType: "image/png", body: strings.Repeat("x", 200), note: `not recorded: 200 bytes of content type "image/png"`},
		{name: "no resource", method: "POST", path: "/things", body: `{"metadata":{"name":"p"}}`, object: `{"metadata":{"name":"p"}}`},
		{name: "too large", method: "POST", path: pods, body: `{"metadata":{"name":"` + strings.Repeat("x", 200) + `"}}`,
			object: `"{\"metadata\":{\"name\":\"` + strings.Repeat("x", 107) + `"`, note: "cut: the first 128 of 224 bytes", ref: "/d//"},
		{name: "half read", method: "POST", path: pods, read: 7, body: `{"a":1} {"b":2}`, object: `{"a":1}`, ref: "/d//"},
		{name: "half read, no value", method: "POST", path: pods, read: 6, body: `{"a":1}`, object: `"{\"a\":1"`, note: "cut: the first 6 of 7 bytes", ref: "/d//"},
		{name: "half read yaml", method: "POST", path: pods, read: 5, contentType: "application/yaml", body: "a: 1\nb: 2\n", object: `"a: 1\n"`, note: "cut: the first 5 of 10 bytes", ref: "/d//"},
		{name: "gzip", method: "POST", path: pods, encoding: "gzip", body: zipped(`{"metadata":{"name":"p"}}`), object: `{"metadata":{"name":"p"}}`, ref: "p/d//"},
		{name: "gzip bomb", method: "POST", path: pods, encoding: "gzip", body: zipped(strings.Repeat("x", 10000)),
			object: `"` + strings.Repeat("x", 128) + `"`, note: "cut: the first 128 bytes of what was compressed", ref: "/d//"},
		{name: "broken gzip", method: "POST", path: pods, encoding: "gzip", body: zipped("{}")[:15], note: "undecodable: unexpected EOF", ref: "/d//"},
		{name: "brotli", method: "POST", path: pods, encoding: "br", body: "x", note: `content encoding "br"`, ref: "/d//"},
		{name: "json patch", method: "PATCH", path: pods + "/q", contentType: "application/json-patch+json", body: `[{"op":"remove", "path":"/a"}]`, object: `[{"op":"remove","path":"/a"}]`, ref: "q/d//"},
		{name: "merge patch", method: "PATCH", path: pods + "/q", contentType: "application/merge-patch+json", body: `{"metadata":{"uid":"u","managedFields":[]}}`, object: `{"metadata":{"uid":"u","managedFields":[]}}`, ref: "q/d//"},
		{name: "strategic patch", method: "PATCH", path: pods + "/q", contentType: "application/strategic-merge-patch+json; charset=utf-8", body: `{}`, object: `{}`, ref: "q/d//"},
		{name: "apply", method: "PATCH", path: pods + "/q", contentType: "application/apply-patch+yaml", body: "a: 1\n", object: `{"a":1}`, ref: "q/d//"},
		{name: "apply cbor", method: "PATCH", path: pods + "/q", contentType: "application/apply-patch+cbor", body: cborOf(t, map[string]any{"a": []byte("x")}), object: `{"a":"x"}`, ref: "q/d//"},
		{name: "garbage patch", method: "PATCH", path: pods + "/q", contentType: "application/merge-patch+json", body: "apiVersion: v1", object: `"apiVersion: v1"`, note: "undecodable: not JSON", ref: "q/d//"},
		{name: "empty patch", method: "PATCH", path: pods + "/q", contentType: "application/merge-patch+json", ref: "q/d//"},
		{name: "managed fields", method: "PUT", path: pods + "/q", body: `{"metadata":{"managedFields":[{"manager":"m"}],"name":"q"}}`, object: `{"metadata":{"name":"q"}}`, ref: "q/d//"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.level == "" {
				c.level = audit.LevelRequest
			}
			seen := ""
			h, m := audited(t, func(w http.ResponseWriter, r *http.Request) {
				if c.read > 0 {
					b := make([]byte, c.read)
					io.ReadFull(r.Body, b)
					return
				}
				b, _ := io.ReadAll(r.Body)
				seen = string(b)
			}, func(cfg *capture.Config) {
				cfg.Policy = &policy.Policy{Rules: []policy.Rule{{Level: c.level}}, OmitManagedFields: true}
				cfg.MaxBody = 128
			})
			r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
			if c.contentType == "" {
				c.contentType = "application/json"
			}
			r.Header.Set("Content-Type", c.contentType)
			if c.encoding != "" {
				r.Header.Set("Content-Encoding", c.encoding)
			}
			h.ServeHTTP(httptest.NewRecorder(), r)
			if c.read == 0 && seen != c.body {
				t.Errorf("the handler read %q", seen)
			}
			e := last(t, m)
			if got := string(e.RequestObject); got != c.object {
				t.Errorf("object %s\nwant   %s", got, c.object)
			}
			if got := e.Annotations[requestNote]; got != c.note {
				t.Errorf("note %q, want %q", got, c.note)
			}
			ref := ""
			if o := e.ObjectRef; o != nil {
				ref = strings.Join([]string{o.Name, o.Namespace, o.UID, o.ResourceVersion}, "/")
			}
			if ref != c.ref {
				t.Errorf("objectRef %s, want %s", ref, c.ref)
			}
			if first := m.events()[0]; len(m.events()) > 1 && first.RequestObject != nil {
				t.Errorf("RequestReceived has %s", first.RequestObject)
			}
		})
	}
}

const notFound = `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"pods \"x\" not found","reason":"NotFound","details":{"name":"x","kind":"pods"},"code":404}`

func TestResponseBodies(t *testing.T) {
	status := &audit.Status{Status: "Failure", Message: `pods "x" not found`, Reason: "NotFound", Details: &audit.StatusDetails{Name: "x", Kind: "pods"}, Code: 404}
	protobuf := "k8s\x00\n\x0c\n\x02v1\x12\x06Status\x12\x00\x1a\x00\x22\x00"
	decoder := func(contentType string, body []byte) ([]byte, bool, error) {
		if contentType == "application/vnd.kubernetes.protobuf" {
			if string(body) == "k8s\x00panic" {
				panic("kaboom")
			}
			if string(body) != protobuf {
				return nil, false, errors.New("unknown kind")
			}
			return []byte(notFound), true, nil
		}
		return capture.DecodeBody(contentType, body)
	}
	for _, c := range []struct {
		name              string
		level             audit.Level
		path              string
		code              int
		contentType, body string
		encoding          string
		object, note      string
		want              *audit.Status
	}{
		{name: "json", body: "{\n \"a\" : 1 }", object: `{"a":1}`},
		{name: "not json", body: "{", object: `"{"`, note: "undecodable: not JSON"},
		{name: "no type, json", contentType: "-", body: "[1]\n", object: `[1]`},
		{name: "no type, text", contentType: "-", body: "ok"},
		{name: "text", contentType: "text/plain", body: "ok"},
		{name: "events", contentType: "text/event-stream", body: "data: {}"},
		{name: "metadata", level: audit.LevelMetadata, body: `{"kind":"Pod","apiVersion":"v1"}`},
		{name: "request", level: audit.LevelRequest, body: `{"kind":"Pod","apiVersion":"v1"}`},
		{name: "watch", path: "/api/v1/pods?watch=1", body: `{"type":"ADDED"}`},
		{name: "log", path: pods + "/x/log", contentType: "text/plain", body: "line"},
		{name: "discovery", path: "/api", body: `{"kind":"APIVersions"}`, object: `{"kind":"APIVersions"}`},
		{name: "cut", body: `{"a":"` + strings.Repeat("x", 2000) + `"}`, object: `"{\"a\":\"` + strings.Repeat("x", 1018) + `"`, note: "cut: the first 1024 of 2008 bytes"},
		{name: "gzip", encoding: "gzip", body: zipped(`{"a":1}`), object: `{"a":1}`},
		{name: "deflate", encoding: "deflate", body: "x", note: `content encoding "deflate"`},
		{name: "yaml", contentType: "application/yaml", body: "a: 1", object: `{"a":1}`},

		{name: "status", code: 404, body: notFound, object: notFound, want: status},
		{name: "status at metadata", level: audit.LevelMetadata, code: 404, body: notFound, want: status},
		{name: "status at minimal", level: policy.LevelMinimal, code: 404, body: notFound},
		{name: "status of a success", level: audit.LevelMetadata, body: `{"apiVersion" : "v1", "kind" : "Status", "status":"Success"}`, want: &audit.Status{Status: "Success", Code: 200}},
		{name: "pretty status", level: audit.LevelMetadata, code: 404, body: "{\n  \"kind\": \"Status\",\n  \"apiVersion\": \"v1\", \"message\": \"m\"}", want: &audit.Status{Message: "m", Code: 404}},
		{name: "status's own code is not what was sent", level: audit.LevelMetadata, code: 409, body: notFound, want: func() *audit.Status { s := *status; s.Code = 409; return &s }()},
		{name: "status of a watch", path: "/api/v1/pods?watch=1", code: 404, body: notFound, object: notFound, want: status},
		{name: "another's status", level: audit.LevelMetadata, code: 404, body: `{"kind":"Status","apiVersion":"other/v1","message":"m"}`},
		{name: "broken status", level: audit.LevelMetadata, code: 404, body: notFound[:60]},
		{name: "status of wrong types", level: audit.LevelMetadata, code: 404, body: `{"kind":"Status","apiVersion":"v1","message":7}`},
		{name: "yaml status", level: audit.LevelMetadata, code: 404, contentType: "application/yaml", body: "apiVersion: v1\nkind: Status\nmessage: m\n", want: &audit.Status{Message: "m", Code: 404}},
		{name: "gzip status", level: audit.LevelMetadata, code: 404, encoding: "gzip", body: zipped(notFound), want: status},
		{name: "protobuf status", level: audit.LevelMetadata, code: 404, contentType: "application/vnd.kubernetes.protobuf", body: protobuf, want: status},
		{name: "protobuf", level: audit.LevelMetadata, contentType: "application/vnd.kubernetes.protobuf", body: "k8s\x00\n\x09\n\x02v1\x12\x03Pod"},
		{name: "decoder panics", contentType: "application/vnd.kubernetes.protobuf", body: "k8s\x00panic", note: "undecodable: the decoder panicked: kaboom"},
		{name: "unknown protobuf", contentType: "application/vnd.kubernetes.protobuf", body: "k8s\x00x", note: "undecodable: unknown kind"},

		{name: "managed fields", body: `{"metadata":{"name":"a","managedFields":[{}]},"spec":{"metadata":{"managedFields":1}}}`, object: `{"metadata":{"name":"a"},"spec":{"metadata":{"managedFields":1}}}`},
		{name: "managed fields alone", body: `{"metadata":{"managedFields":[]}}`, object: `{"metadata":{}}`},
		{name: "list", body: `{"kind":"L","items":[{"metadata":{"managedFields":[],"a":1}}, 7, {"b":[]}]}`, object: `{"kind":"L","items":[{"metadata":{"a":1}},7,{"b":[]}]}`},
		{name: "table", body: `{"rows":[{"cells":["a"],"object":{"metadata":{"a":1,"managedFields":[]}}},{"object":null}]}`, object: `{"rows":[{"cells":["a"],"object":{"metadata":{"a":1}}},{"object":null}]}`},
	} {
		for _, chunk := range []int{4096, 7} {
			t.Run(c.name, func(t *testing.T) {
				level, path, code := c.level, c.path, c.code
				if level == "" {
					level = audit.LevelRequestResponse
				}
				if path == "" {
					path = pods + "/x"
				}
				if code == 0 {
					code = 200
				}
				h, m := audited(t, func(w http.ResponseWriter, r *http.Request) {
					if c.contentType == "" {
						w.Header().Set("Content-Type", "application/json")
					} else if c.contentType != "-" {
						w.Header().Set("Content-Type", c.contentType)
					}
					if c.encoding != "" {
						w.Header().Set("Content-Encoding", c.encoding)
					}
					if code != 200 {
						w.WriteHeader(code)
					}
					for b := []byte(c.body); len(b) > 0; b = b[min(chunk, len(b)):] {
						w.Write(b[:min(chunk, len(b))])
					}
				}, func(cfg *capture.Config) {
					cfg.Policy = &policy.Policy{Rules: []policy.Rule{{Level: level}}, OmitManagedFields: true}
					cfg.MaxBody = 1024
					cfg.Body = decoder
				})
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
				if w.Body.String() != c.body || w.Code != code {
					t.Errorf("the client got %d %q", w.Code, w.Body)
				}
				want := c.want
				if want == nil {
					want = &audit.Status{Code: int32(code)}
				}
				for _, e := range m.events()[1:] {
					if got := string(e.ResponseObject); got != c.object {
						t.Errorf("%s: object %s\nwant   %s", e.Stage, got, c.object)
					}
					if got := e.Annotations[responseNote]; got != c.note {
						t.Errorf("%s: note %q, want %q", e.Stage, got, c.note)
					}
					if diff := cmp.Diff(want, e.ResponseStatus); diff != "" {
						t.Errorf("%s: %s", e.Stage, diff)
					}
				}
			})
		}
	}
}

func TestBodyAtPanic(t *testing.T) {
	h, m := audited(t, func(w http.ResponseWriter, r *http.Request) {
		io.ReadAll(r.Body)
		io.WriteString(w, "{}")
		panic("kaboom")
	}, func(c *capture.Config) { c.Policy = level(audit.LevelRequestResponse) })
	func() {
		defer func() { recover() }()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", pods, strings.NewReader(`{"metadata":{"name":"p"}}`)))
	}()
	e := last(t, m)
	if e.Stage != audit.StagePanic || e.ObjectRef.Name != "p" || string(e.RequestObject) != `{"metadata":{"name":"p"}}` || string(e.ResponseObject) != "{}" {
		t.Errorf("%+v", e)
	}
}

// FuzzBodies: whatever is sent, the handler and the client get it, and the event is one JSON object.
func FuzzBodies(f *testing.F) {
	f.Add("application/json", "", []byte(`{"metadata":{"name":"p","managedFields":[]},"items":[{}],"rows":[{"object":{}}]}`), 3)
	f.Add("application/yaml", "gzip", []byte(zipped("a: &x [1]\nb: *x")), 5)
	f.Add("application/cbor", "", []byte("\xd9\xd9\xf7\xa1\x61a\xf6"), 1)
	f.Add("", "identity", []byte(notFound), 20)
	f.Fuzz(func(t *testing.T, contentType, encoding string, body []byte, chunk int) {
		if chunk <= 0 {
			chunk = 1 + len(body)
		}
		for _, level := range []audit.Level{audit.LevelMetadata, audit.LevelRequestResponse} {
			h, m := audited(t, func(w http.ResponseWriter, r *http.Request) {
				got, _ := io.ReadAll(r.Body)
				if !bytes.Equal(got, body) {
					t.Errorf("the handler got %q", got)
				}
				w.Header().Set("Content-Type", contentType)
				w.Header().Set("Content-Encoding", encoding)
				for b := got; len(b) > 0; b = b[min(chunk, len(b)):] {
					w.Write(b[:min(chunk, len(b))])
				}
			}, func(c *capture.Config) {
				c.Policy = &policy.Policy{Rules: []policy.Rule{{Level: level}}, OmitManagedFields: true}
				c.MaxBody = 512
			})
			r := httptest.NewRequest("POST", pods, bytes.NewReader(body))
			r.Header.Set("Content-Type", contentType)
			r.Header.Set("Content-Encoding", encoding)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if !bytes.Equal(w.Body.Bytes(), body) {
				t.Errorf("the client got %q", w.Body)
			}
			for _, line := range m.lines {
				if !json.Valid(line) || len(line) > 10000 {
					t.Errorf("%d bytes: %.3000s", len(line), line)
				}
			}
		}
	})
}
