package object

import (
	"encoding/json"
	"slices"

	sigs "sigs.k8s.io/json"
)

// canonical is a document as the API server would keep it, as far as its types tell: without members that no type has, and without
// empty ones that it leaves out. Defaults are not in it. doc is not changed.
func (a *act) canonical(doc map[string]any) map[string]any {
	if meta, ok := doc["metadata"].(map[string]any); ok {
		for _, k := range []string{"annotations", "labels", "finalizers", "ownerReferences"} {
			if jsonOf(meta[k]) == "{}" || jsonOf(meta[k]) == "[]" {
				doc = set(doc, []string{"metadata", k}, nil)
			}
		}
	}
	o := a.typed(doc)
	if o == nil {
		return doc
	}
	if sigs.UnmarshalCaseSensitivePreserveInts([]byte(jsonOf(doc)), o) != nil {
		return doc
	}
	b, err := json.Marshal(o)
	if err != nil {
		return doc
	}
	kept, ok := decode(b).(map[string]any)
	if !ok {
		return doc
	}
	c, _ := both(doc, kept).(map[string]any)
	return c
}

// both is what of v a type has kept, as it writes it.
func both(v, kept any) any {
	switch kept := kept.(type) {
	case map[string]any:
		m, ok := v.(map[string]any)
		if !ok {
			return kept
		}
		c := make(map[string]any, len(m))
		for k, x := range m {
			if y, ok := kept[k]; ok {
				c[k] = both(x, y)
			}
		}
		return c
	case []any:
		l, ok := v.([]any)
		if !ok || len(l) != len(kept) {
			return kept
		}
		c := slices.Clone(kept)
		for i := range l {
			c[i] = both(l[i], kept[i])
		}
		return c
	}
	return kept
}
