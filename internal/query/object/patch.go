package object

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
)

// form is what kind of patch a request sent. The event does not hold its content type, so it is told by the body's shape, and
// by what the API server would have taken.
type form string

const (
	jsonForm      form = "JSON patch"
	mergeForm     form = "merge patch"
	strategicForm form = "strategic merge patch"
	objectForm    form = "merge patch or strategic merge patch" // the body fits both
	applyForm     form = "server-side apply"
	eitherForm    form = "server-side apply or merge patch"
)

func init() {
	// A patch of a few copies may ask for more memory than there is. No API server would have carried it out.
	jsonpatch.AccumulatedCopySizeLimit = 16 << 20
}

// patchForm tells the form of the act's patch.
func (a *act) patchForm() form {
	body, isObject := a.request.(map[string]any)
	switch {
	case !isObject:
		return jsonForm
	case a.params.Has("force"): // no other form may have it
		return applyForm
	case digText(body, "apiVersion") != "" && digText(body, "kind") != "" && a.params.Has("fieldManager"):
		if directives(body) {
			return strategicForm
		}
		return eitherForm
	case directives(body):
		return strategicForm
	case a.typed(nil) == nil: // custom resources have no strategic merge patch
		return mergeForm
	}
	return objectForm
}

// directives says whether a body has members that only a strategic merge patch has.
func directives(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if directive(k) || directives(x) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, directives)
	}
	return false
}

// typed is an empty object of the Go type of what the act was about, nil for custom resources.
func (a *act) typed(doc map[string]any) runtime.Object {
	version := a.said.ObjectRef.APIVersion
	kind := digText(doc, "kind")
	if kind == "" {
		kind = kinds()[schema.GroupResource{Group: a.event.APIGroup, Resource: a.event.Resource}]
	}
	o, err := scheme.Scheme.New(schema.GroupVersionKind{Group: a.event.APIGroup, Version: version, Kind: kind})
	if err != nil {
		return nil
	}
	return o
}

var errNoFit = errors.New("the patch does not fit")

// safely runs what libraries do with bodies that anybody may have written.
func safely(f func() (map[string]any, error)) (doc map[string]any, err error) {
	defer func() {
		if p := recover(); p != nil {
			doc, err = nil, fmt.Errorf("%w: %v", errNoFit, p)
		}
	}()
	return f()
}

func byJSONPatch(doc map[string]any, patch any) (map[string]any, error) {
	return safely(func() (map[string]any, error) {
		p, err := jsonpatch.DecodePatch([]byte(jsonOf(patch)))
		if err != nil {
			return nil, err
		}
		b, err := p.Apply([]byte(jsonOf(doc)))
		if err != nil {
			return nil, err
		}
		return decodeObject(b)
	})
}

func byMergePatch(doc map[string]any, patch any) (map[string]any, error) {
	return safely(func() (map[string]any, error) {
		b, err := jsonpatch.MergePatch([]byte(jsonOf(doc)), []byte(jsonOf(patch)))
		if err != nil {
			return nil, err
		}
		return decodeObject(b)
	})
}

func byStrategicPatch(doc, patch map[string]any, o runtime.Object) (map[string]any, error) {
	return safely(func() (map[string]any, error) {
		s, err := strategicpatch.NewPatchMetaFromStruct(o)
		if err != nil {
			return nil, err
		}
		// The library changes both.
		d, err := strategicpatch.StrategicMergeMapPatchUsingLookupPatchMeta(runtime.DeepCopyJSON(doc), runtime.DeepCopyJSON(patch), s)
		if err != nil {
			return nil, err
		}
		clean := map[string]any{}
		maps.Copy(clean, withoutDirectives(map[string]any(d)).(map[string]any))
		return clean, nil
	})
}

// withoutDirectives is a value without the directives that the library leaves in what a patch adds. The API server takes them for
// members that the type does not have.
func withoutDirectives(v any) any {
	switch v := v.(type) {
	case map[string]any:
		maps.DeleteFunc(v, func(k string, _ any) bool { return directive(k) })
		for k, x := range v {
			v[k] = withoutDirectives(x)
		}
	case []any:
		var l []any
		for _, x := range v {
			if m, ok := x.(map[string]any); ok && (m["$patch"] == "delete" || m["$patch"] == "replace") {
				continue
			}
			l = append(l, withoutDirectives(x))
		}
		if l == nil {
			return []any{}
		}
		return l
	}
	return v
}

func directive(k string) bool {
	return k == "$patch" || k == "$retainKeys" || strings.HasPrefix(k, "$setElementOrder/") || strings.HasPrefix(k, "$deleteFromPrimitiveList/")
}

func decodeObject(b []byte) (map[string]any, error) {
	m, ok := decode(b).(map[string]any)
	if !ok {
		return nil, errNoFit
	}
	return m, nil
}

// patched is what a patch makes of a document.
type patched struct {
	doc    map[string]any
	doubts [][]string // paths of doc of which the patch does not say for certain what they became
	all    bool       // what the patch does not name is in doubt as well
	why    string
}

// patch applies the act's patch to doc, of which parts may be stale.
func (a *act) patch(doc map[string]any, stale bool) (patched, error) {
	body, _ := a.request.(map[string]any)
	f := a.patchForm()
	switch f {
	case jsonForm:
		ops, ok := a.request.([]any)
		if !ok {
			return patched{}, errNoFit
		}
		if stale {
			return jsonPatchOnStale(doc, ops), nil
		}
		d, err := byJSONPatch(doc, ops)
		return patched{doc: d}, err
	case mergeForm:
		d, err := byMergePatch(doc, body)
		return patched{doc: d}, err
	case strategicForm:
		o := a.typed(doc)
		if o == nil {
			return patched{}, fmt.Errorf("%w: the type %s is not known", errNoFit, digText(doc, "kind"))
		}
		d, err := byStrategicPatch(doc, body, o)
		return patched{doc: d}, err
	}
	merged, err := byMergePatch(doc, body)
	if err != nil {
		return patched{}, err
	}
	p := patched{doc: merged}
	if o := a.typed(doc); o != nil {
		// Where both forms come to the same, it does not matter which it was.
		strategic, err := byStrategicPatch(doc, body, o)
		if err == nil && jsonOf(strategic) != jsonOf(merged) {
			p.doc = strategic
			p.doubts = differing(nil, strategic, merged)
			p.why = "a merge patch or a strategic merge patch: the event does not say which"
		}
	}
	if f != objectForm {
		p.all, p.why = true, "sent as "+string(f)+": what was sent is known, not what it removed"
	}
	return p, nil
}

// differing are the paths at which two documents differ.
func differing(path []string, a, b map[string]any) (paths [][]string) {
	keys := maps.Clone(a)
	maps.Copy(keys, b)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		x, y := a[k], b[k]
		if jsonOf(x) == jsonOf(y) {
			continue
		}
		at := append(slices.Clone(path), k)
		xm, xok := x.(map[string]any)
		ym, yok := y.(map[string]any)
		if xok && yok {
			paths = append(paths, differing(at, xm, ym)...)
		} else {
			paths = append(paths, at)
		}
	}
	return paths
}

// jsonPatchOnStale carries out what of a JSON patch does not depend on what may have changed: what it sets by names alone.
func jsonPatchOnStale(doc map[string]any, ops []any) patched {
	p := patched{doc: doc, why: "a JSON patch on a version that was not seen"}
	for _, op := range ops {
		path, byName := pointer(digText(op, "path"))
		switch kind := digText(op, "op"); {
		case kind == "test":
		case byName && (kind == "add" || kind == "replace") && len(path) > 0:
			// What is there already may be an array, of which the name is an index.
			p.doc = set(p.doc, path, dig(op, "value"))
		case byName && kind == "remove" && len(path) > 0:
			p.doc = set(p.doc, path, nil)
		case kind == "move" || kind == "copy":
			from, _ := pointer(digText(op, "from"))
			p.doubts = append(p.doubts, parent(path), parent(from))
		default:
			p.doubts = append(p.doubts, parent(path))
		}
	}
	return p
}

// pointer splits a JSON pointer, up to the first index of an array; byName says that there is none.
func pointer(s string) (path []string, byName bool) {
	if s == "" {
		return nil, true
	}
	for _, k := range strings.Split(strings.TrimPrefix(s, "/"), "/") {
		k = strings.ReplaceAll(strings.ReplaceAll(k, "~1", "/"), "~0", "~")
		if k == "-" || k != "" && strings.Trim(k, "0123456789") == "" {
			return path, false
		}
		path = append(path, k)
	}
	return path, true
}

func parent(path []string) []string {
	if len(path) > 0 && path[0] == "metadata" { // what an object is called stays
		return path[:min(2, len(path))]
	}
	return path
}

// set is doc with a value at a path of members; nil takes it away.
func set(doc map[string]any, path []string, v any) map[string]any {
	c := maps.Clone(doc)
	if c == nil {
		c = map[string]any{}
	}
	if len(path) > 1 {
		inner, _ := c[path[0]].(map[string]any)
		c[path[0]] = set(inner, path[1:], v)
		return c
	}
	if v == nil {
		delete(c, path[0])
	} else {
		c[path[0]] = v
	}
	return c
}
