package diff

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	upstreamaudit "k8s.io/apiserver/pkg/audit"
	"k8s.io/apiserver/pkg/endpoints/handlers/negotiation"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/util/apihelpers"
	"k8s.io/client-go/kubernetes/scheme"

	"annals.dev/capture"
)

// doHeader tells the endpoint to do something unusual.
const doHeader = "X-Do"

// kinds are what the endpoint has: the kind of each resource.
var kinds = map[string]schema.GroupVersionKind{
	"/v1/pods":              corev1.SchemeGroupVersion.WithKind("Pod"),
	"/v1/configmaps":        corev1.SchemeGroupVersion.WithKind("ConfigMap"),
	"/v1/secrets":           corev1.SchemeGroupVersion.WithKind("Secret"),
	"/v1/namespaces":        corev1.SchemeGroupVersion.WithKind("Namespace"),
	"/v1/nodes":             corev1.SchemeGroupVersion.WithKind("Node"),
	"apps/v1/deployments":   {Group: "apps", Version: "v1", Kind: "Deployment"},
	"/v1/pods/eviction":     {Group: "policy", Version: "v1", Kind: "Eviction"},
	"/v1/pods/binding":      corev1.SchemeGroupVersion.WithKind("Binding"),
	"/v1/pods/status":       corev1.SchemeGroupVersion.WithKind("Pod"),
	"/v1/namespaces/status": corev1.SchemeGroupVersion.WithKind("Namespace"),
}

// endpoint is an API with objects that are always there. It serves both sides: to upstream's audit log it tells what
// kube-apiserver's own endpoints tell it, at the same moments; to ours it tells nothing, which only sees the bytes.
func endpoint(w http.ResponseWriter, r *http.Request) {
	info, _ := request.RequestInfoFrom(r.Context())
	if unusual, ok := deeds[r.Header.Get(doHeader)]; ok {
		unusual(w, r)
		return
	}
	if !info.IsResourceRequest {
		nonResource(w, r)
		return
	}
	e := &resource{w: w, r: r, info: info, gvr: schema.GroupVersionResource{Group: info.APIGroup, Version: info.APIVersion, Resource: info.Resource}}
	full := info.Resource
	if info.Subresource != "" {
		full += "/" + info.Subresource
	}
	switch info.Subresource {
	case "log":
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, "line 1\nline 2\n")
		return
	case "proxy", "exec", "attach", "portforward":
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"sent":%d}`, len(body))
		return
	}
	kind, ok := kinds[info.APIGroup+"/"+info.APIVersion+"/"+full]
	if !ok {
		e.fail(apierrors.NewNotFound(e.gvr.GroupResource(), info.Name))
		return
	}
	e.kind = kind
	if refused := refusals[info.Name]; refused != nil {
		e.fail(refused(e.gvr.GroupResource(), info.Name))
		return
	}
	switch info.Verb {
	case "get":
		e.write(http.StatusOK, e.object(info.Name))
	case "list":
		e.write(http.StatusOK, e.list())
	case "watch":
		e.watch()
	case "create":
		e.put(http.StatusCreated)
	case "update":
		e.put(http.StatusOK)
	case "patch":
		e.patch()
	case "delete", "deletecollection":
		e.delete()
	default:
		e.fail(apierrors.NewMethodNotSupported(e.gvr.GroupResource(), info.Verb))
	}
}

// refusals are objects' names that always fail.
var refusals = map[string]func(schema.GroupResource, string) *apierrors.StatusError{
	"missing": func(r schema.GroupResource, name string) *apierrors.StatusError {
		return apierrors.NewNotFound(r, name)
	},
	"conflict": func(r schema.GroupResource, name string) *apierrors.StatusError {
		return apierrors.NewConflict(r, name, io.EOF)
	},
	"toomany": func(schema.GroupResource, string) *apierrors.StatusError {
		return apierrors.NewTooManyRequests("slow <down>", 7)
	},
	"internal": func(schema.GroupResource, string) *apierrors.StatusError {
		return apierrors.NewInternalError(io.ErrUnexpectedEOF)
	},
	"gone": func(schema.GroupResource, string) *apierrors.StatusError {
		return apierrors.NewResourceExpired("too old")
	},
	"invalid": func(r schema.GroupResource, name string) *apierrors.StatusError {
		return apierrors.NewInvalid(schema.GroupKind{Group: r.Group, Kind: r.Resource}, name, field.ErrorList{field.Required(field.NewPath("spec"), "why"), field.Invalid(field.NewPath("a").Index(1), "<é>", "no")})
	},
	"nocontent": func(schema.GroupResource, string) *apierrors.StatusError {
		return &apierrors.StatusError{ErrStatus: metav1.Status{Code: 204}}
	},
	"nocode": func(schema.GroupResource, string) *apierrors.StatusError {
		return &apierrors.StatusError{ErrStatus: metav1.Status{Message: "m"}}
	},
}

type resource struct {
	w    http.ResponseWriter
	r    *http.Request
	info *request.RequestInfo
	gvr  schema.GroupVersionResource
	kind schema.GroupVersionKind
}

func (e *resource) gv() schema.GroupVersion { return e.kind.GroupVersion() }

func (e *resource) fail(err error) {
	responsewriters.ErrorNegotiated(err, scheme.Codecs, e.gvr.GroupVersion(), e.w, e.r)
}

func (e *resource) write(code int, obj runtime.Object) {
	responsewriters.WriteObjectNegotiated(scheme.Codecs, negotiation.DefaultEndpointRestrictions, e.gv(), e.w, e.r, code, obj, false)
}

var managed = []metav1.ManagedFieldsEntry{{Manager: "kubectl <x>", Operation: metav1.ManagedFieldsOperationApply, APIVersion: "v1", FieldsType: "FieldsV1",
	FieldsV1: &metav1.FieldsV1{Raw: []byte(`{"f:metadata":{"f:labels":{".":{},"f:a":{}}}}`)}}}

func (e *resource) object(name string) runtime.Object {
	obj, err := scheme.Scheme.New(e.kind)
	must(err)
	if m, ok := obj.(metav1.Object); ok {
		m.SetName(name)
		m.SetNamespace(e.info.Namespace)
		m.SetUID("0b0b-uid")
		m.SetResourceVersion("42")
		m.SetManagedFields(managed)
		m.SetAnnotations(map[string]string{"b": "<&>", "a": "é\u2028"})
	}
	return obj
}

func (e *resource) list() runtime.Object {
	if e.r.Header.Get("X-Table") != "" {
		return e.table()
	}
	list, err := scheme.Scheme.New(e.gv().WithKind(e.kind.Kind + "List"))
	if err != nil {
		return e.object("")
	}
	if pods, ok := list.(*corev1.PodList); ok {
		for _, name := range []string{"p1", "p2"} {
			pods.Items = append(pods.Items, *e.object(name).(*corev1.Pod))
		}
	}
	return list
}

func (e *resource) table() runtime.Object {
	row := func(name string) metav1.TableRow {
		obj := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: name, ManagedFields: managed}}
		return metav1.TableRow{Cells: []any{name, int64(1), "<5m>"}, Object: runtime.RawExtension{Object: obj}}
	}
	return &metav1.Table{ColumnDefinitions: []metav1.TableColumnDefinition{{Name: "Name", Type: "string"}}, Rows: []metav1.TableRow{row("p1"), row("p2")}}
}

func (e *resource) watch() {
	e.w.Header().Set("Content-Type", "application/json")
	e.w.WriteHeader(http.StatusOK)
	for range 2 {
		io.WriteString(e.w, `{"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1"}}`+"\n")
		e.w.(http.Flusher).Flush()
	}
}

// put is kube-apiserver's create and update, as far as auditing goes.
func (e *resource) put(code int) {
	s, err := negotiation.NegotiateInputSerializer(e.r, false, scheme.Codecs)
	if err != nil {
		e.fail(err)
		return
	}
	body, err := io.ReadAll(e.r.Body)
	if err != nil {
		e.fail(apierrors.NewBadRequest(err.Error()))
		return
	}
	into, err := scheme.Scheme.New(e.kind)
	must(err)
	kind := e.kind
	obj, gvk, err := s.Serializer.Decode(body, &kind, into)
	if err != nil {
		e.fail(apierrors.NewBadRequest(err.Error()))
		return
	}
	if gvk.GroupVersion() != e.gv() {
		e.fail(apierrors.NewBadRequest("the API version in the data does not match"))
		return
	}
	upstreamaudit.LogRequestObject(e.r.Context(), obj, gvk.GroupVersion(), e.gvr, e.info.Subresource, scheme.Codecs)
	if refused := refusals[nameOf(obj)]; refused != nil {
		e.fail(refused(e.gvr.GroupResource(), nameOf(obj)))
		return
	}
	e.write(code, obj)
}

func nameOf(obj runtime.Object) string {
	m, ok := obj.(metav1.Object)
	if !ok {
		return ""
	}
	return m.GetName()
}

var patchTypes = []string{string(types.JSONPatchType), string(types.MergePatchType), string(types.StrategicMergePatchType), string(types.ApplyYAMLPatchType)}

func (e *resource) patch() {
	contentType, _, _ := strings.Cut(e.r.Header.Get("Content-Type"), ";")
	if !slices.Contains(patchTypes, contentType) {
		e.fail(negotiation.NewUnsupportedMediaTypeError(patchTypes))
		return
	}
	body, err := io.ReadAll(e.r.Body)
	if err != nil {
		e.fail(apierrors.NewBadRequest(err.Error()))
		return
	}
	upstreamaudit.LogRequestPatch(e.r.Context(), body)
	e.write(http.StatusOK, e.object(e.info.Name))
}

func (e *resource) delete() {
	body, err := io.ReadAll(e.r.Body)
	if err != nil {
		e.fail(apierrors.NewBadRequest(err.Error()))
		return
	}
	if len(body) > 0 {
		codecs := apihelpers.GetMetaInternalVersionCodecs()
		s, err := negotiation.NegotiateInputSerializer(e.r, false, codecs)
		if err != nil {
			e.fail(err)
			return
		}
		options, kind := &metav1.DeleteOptions{}, metav1.SchemeGroupVersion.WithKind("DeleteOptions")
		obj, gvk, err := codecs.DecoderToVersion(s.Serializer, kind.GroupVersion()).Decode(body, &kind, options)
		if err != nil {
			e.fail(apierrors.NewBadRequest(err.Error()))
			return
		}
		if obj != options {
			e.fail(apierrors.NewBadRequest("decoded object cannot be converted to DeleteOptions"))
			return
		}
		upstreamaudit.LogRequestObject(e.r.Context(), obj, gvk.GroupVersion(), e.gvr, e.info.Subresource, codecs)
	}
	if e.info.Verb == "deletecollection" {
		e.write(http.StatusOK, e.list())
		return
	}
	e.write(http.StatusOK, &metav1.Status{Status: metav1.StatusSuccess, Code: http.StatusOK, Details: &metav1.StatusDetails{Name: e.info.Name, Group: e.gvr.Group, Kind: e.gvr.Resource, UID: "0b0b-uid"}})
}

func nonResource(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/api":
		responsewriters.WriteObjectNegotiated(scheme.Codecs, negotiation.DefaultEndpointRestrictions, schema.GroupVersion{Version: "v1"}, w, r, http.StatusOK, &metav1.APIVersions{Versions: []string{"v1"}}, false)
	case "/version":
		responsewriters.WriteRawJSON(http.StatusOK, map[string]string{"major": "1"}, w)
	case "/healthz":
		io.WriteString(w, "ok")
	default:
		http.NotFound(w, r)
	}
}

// annotate adds an annotation on whichever side the request is.
func annotate(r *http.Request, key, value string) {
	upstreamaudit.AddAuditAnnotation(r.Context(), key, value)
	capture.Annotate(r.Context(), key, value)
}

// deeds are the unusual things that a handler may do.
var deeds = map[string]func(http.ResponseWriter, *http.Request){
	"panic":       func(http.ResponseWriter, *http.Request) { panic("boom <x>") },
	"panic error": func(http.ResponseWriter, *http.Request) { panic(io.ErrUnexpectedEOF) },
	"panic late": func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "so far so good")
		panic(fmt.Sprint(42))
	},
	"abort": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	"abort late": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	},
	"nothing": func(http.ResponseWriter, *http.Request) {},
	"flush":   func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() },
	"flush, then write": func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "x")
	},
	"204": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
	"304": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) },
	"twice": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		w.WriteHeader(http.StatusTeapot)
	},
	"write nil": func(w http.ResponseWriter, _ *http.Request) { w.Write(nil) },
	"early hints": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, "x")
	},
	"controller": func(w http.ResponseWriter, _ *http.Request) {
		c := http.NewResponseController(w)
		w.WriteHeader(http.StatusOK)
		c.Flush() // which fails if the client has all it wants
		c.SetWriteDeadline(time.Now().Add(time.Minute))
		io.WriteString(w, "x")
	},
	"trailer": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "x")
		w.Header().Set("X-Sum", "1")
	},
	"large": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		io.Copy(w, strings.NewReader(strings.Repeat("0123456789", 20_000)))
	},
	"annotate": func(w http.ResponseWriter, r *http.Request) {
		annotate(r, "k.example.com/a", "1 <x>")
		annotate(r, "k.example.com/a", "2")
		annotate(r, "k.example.com/a", "1 <x>")
		io.WriteString(w, "x")
		annotate(r, "k.example.com/late", "still in time")
		annotate(r, "", "")
	},
	"annotate authorization": func(w http.ResponseWriter, r *http.Request) { annotate(r, "authorization.k8s.io/reason", "mine") },
	"wait": func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	},
	"hijack": func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			http.Error(w, "no hijacking", http.StatusNotImplemented)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nhello")
	},
	"hijack after 101": func(w http.ResponseWriter, r *http.Request) {
		h, ok := w.(http.Hijacker)
		if !ok {
			http.Error(w, "no hijacking", http.StatusNotImplemented)
			return
		}
		conn, _, err := h.Hijack()
		must(err)
		conn.Close()
	},
	"unread": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) },
	"status of ours": func(w http.ResponseWriter, r *http.Request) {
		responsewriters.ErrorNegotiated(apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "x", io.EOF), scheme.Codecs, schema.GroupVersion{Version: "v1"}, w, r)
	},
}
