package diff

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/util/apihelpers"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"annals.dev/capture"
)

// What the entries of Differences look at.

func (e *exchange) patches() bool { return string(e.our["verb"]) == `"patch"` }

// answered reports whether the answer was of a kind.
func (e *exchange) answered(kind string) bool {
	return strings.Contains(e.answer.header.Get("Content-Type"), kind)
}

// long reports whether the request is one of those that last.
func (e *exchange) long() bool {
	u, err := url.Parse(e.call.url)
	must(err)
	info, err := capture.KubernetesRequestInfo(&http.Request{Method: e.call.method, URL: u})
	must(err)
	return capture.KubernetesLongRunning(nil, info)
}

// asJSON is a body as JSON, "" if it cannot be.
func (e *exchange) asJSON(h http.Header, body []byte) string {
	if z, err := gzip.NewReader(bytes.NewReader(body)); err == nil && h.Get("Content-Encoding") == "gzip" {
		if plain, err := io.ReadAll(z); err == nil {
			body = plain
		}
	}
	if strings.Contains(h.Get("Content-Type"), "yaml") && !json.Valid(body) {
		if b, err := yaml.YAMLToJSON(body); err == nil {
			return string(b)
		}
	}
	if !json.Valid(body) {
		return ""
	}
	return string(body)
}

// sent reports whether an object of ours is what was sent, but for the managed fields that the policy leaves out.
func (e *exchange) sent(object string) bool {
	sent := e.asJSON(e.call.header, e.call.body)
	return sent != "" && (sameJSON(object, sent) || e.call.policy.OmitManagedFields && sameJSON(object, withoutManaged(sent)))
}

// sentAsText reports whether an object of ours is the text that was sent, which is not JSON or YAML.
func (e *exchange) sentAsText(object string) bool {
	var text string
	body := e.call.body
	if !utf8.Valid(body) {
		body = []byte(strings.ToValidUTF8(string(body), "\ufffd"))
	}
	return json.Unmarshal([]byte(object), &text) == nil && e.asJSON(e.call.header, e.call.body) == "" && strings.ReplaceAll(text, "\ufffd", "") == strings.ReplaceAll(string(body), "\ufffd", "")
}

// decoded is an object of ours as kube-apiserver decodes it and writes it again.
func (e *exchange) decoded(object string) string {
	kind, codecs := metav1.SchemeGroupVersion.WithKind("DeleteOptions"), apihelpers.GetMetaInternalVersionCodecs()
	info, _ := runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), runtime.ContentTypeJSON)
	decoder, into := codecs.DecoderToVersion(info.Serializer, kind.GroupVersion()), runtime.Object(&metav1.DeleteOptions{})
	if verb := string(e.our["verb"]); verb == `"create"` || verb == `"update"` {
		var ref struct{ APIGroup, APIVersion, Resource, Subresource string }
		must(json.Unmarshal(e.our["objectRef"], &ref))
		full := ref.Resource
		if ref.Subresource != "" {
			full += "/" + ref.Subresource
		}
		kind, codecs = kinds[ref.APIGroup+"/"+ref.APIVersion+"/"+full], scheme.Codecs
		info, _ = runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), runtime.ContentTypeJSON)
		decoder = info.Serializer
		into, _ = scheme.Scheme.New(kind)
	}
	obj, gvk, err := decoder.Decode([]byte(object), &kind, into)
	if err != nil {
		return ""
	}
	var b bytes.Buffer
	if codecs.EncoderForVersion(info.Serializer, gvk.GroupVersion()).Encode(obj, &b) != nil {
		return ""
	}
	return b.String()
}

func value(s string) (v any) {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}

func sameJSON(a, b string) bool { return reflect.DeepEqual(value(a), value(b)) }

// edit changes a JSON object.
func edit(s string, change func(map[string]any)) string {
	m, ok := value(s).(map[string]any)
	if !ok {
		return s
	}
	change(m)
	return asJSON(m)
}

func without(s string, keys ...string) string {
	return edit(s, func(m map[string]any) {
		for _, key := range keys {
			delete(m, key)
		}
	})
}

func withoutManaged(s string) string {
	strip := func(v any) {
		if m, ok := v.(map[string]any); ok {
			if meta, ok := m["metadata"].(map[string]any); ok {
				delete(meta, "managedFields")
			}
		}
	}
	return edit(s, func(m map[string]any) {
		strip(m)
		if items, ok := m["items"].([]any); ok {
			for _, item := range items {
				strip(item)
			}
		}
	})
}

// withoutNotes are annotations without our own.
func withoutNotes(s string) string {
	s = edit(s, func(m map[string]any) {
		for key := range m {
			if strings.HasPrefix(key, "audit.annals.dev/") {
				delete(m, key)
			}
		}
	})
	if s == "{}" {
		return ""
	}
	return s
}

// statusOf is the responseStatus that a Status object makes.
func statusOf(s string) string {
	return edit(s, func(m map[string]any) {
		delete(m, "kind")
		delete(m, "apiVersion")
	})
}

// bodyNames are the members of objectRef that a body may say.
var bodyNames = []string{"name", "namespace", "uid", "resourceVersion"}

// sameButEnd reports whether stages are the same but for the last, which may be ResponseComplete or Panic, or omitted.
func sameButEnd(a, b []string) bool {
	begin := func(stages []string) []string {
		return slices.DeleteFunc(slices.Clone(stages), func(s string) bool { return s == `"Panic"` || s == `"ResponseComplete"` })
	}
	return slices.Equal(begin(a), begin(b))
}
