package object

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
)

// delete: the API server answers with a Status if the object is gone, with the object if something still holds it. Of some
// resources it answers with the object in both cases.
func (l *life) delete(a *act) {
	if l.gone && l.pending && a.whole(l.ref.Name) == nil {
		l.end(a, "its deletion was asked for once more, and is taken for done", false)
		return
	}
	missed := l.gone
	if l.gone {
		l.begin() // it was made again, unseen
		l.gone = false
	}
	if doc := a.whole(l.ref.Name); doc != nil {
		missed = missed || l.missed(a, doc)
		if digText(doc, "metadata", "deletionTimestamp") != "" && !ending(doc) {
			l.observe(a, doc, missed, false)
			l.pending = true
			return
		}
		l.end(a, "", missed)
		return
	}
	if a.said.ResponseStatus.Status == "Success" || digText(a.response, "status") == "Success" {
		l.end(a, "", missed)
		return
	}
	held, known := l.held()
	if known && !held {
		l.end(a, "", missed)
		return
	}
	if l.pending {
		l.end(a, "its deletion was asked for again, and is taken for done", missed)
		return
	}
	l.unknown(a, "deletion was asked for; whether something still held the object (finalizers, a grace period) was not recorded")
	l.versions[len(l.versions)-1].Summary = "deletion asked for"
	l.pending = true
}

// held says whether something would hold the object after its deletion, and whether that is known.
func (l *life) held() (held, known bool) {
	if l.ref.Resource == "pods" || l.ref.Resource == "namespaces" || l.tree == nil {
		return true, false
	}
	meta := l.tree.members["metadata"]
	if meta == nil || meta.stale {
		return true, false
	}
	f := meta.members["finalizers"]
	return f != nil && (f.stale || len(f.items) > 0), f == nil || !f.stale
}

// end is that the object is gone.
func (l *life) end(a *act, why string, missed bool) {
	l.add(a, Gone, why, missed, "deleted", nil, nil)
	l.gone, l.pending, l.raw, l.tree, l.rv, l.gen = true, why != "", nil, nil, "", 0
}

// deleteCollection: the answer lists what was deleted; without it, it is known which labels and fields were asked for.
func (l *life) deleteCollection(a *act) {
	if l.gone {
		return
	}
	if items, ok := dig(a.response, "items").([]any); ok {
		item := find(items, l.ref)
		if item == nil {
			return
		}
		if held, _ := dig(item, "metadata", "finalizers").([]any); len(held) == 0 && l.ref.Resource != "pods" {
			l.end(a, "", false)
			return
		}
		l.unknown(a, "deleted with others; finalizers or a grace period may still hold it")
		l.versions[len(l.versions)-1].Summary = "deletion asked for, with others"
		l.pending = true
		return
	}
	if !l.covered(a) {
		return
	}
	l.unknown(a, "a deletecollection may have deleted it: "+a.whyNoAnswer())
	l.versions[len(l.versions)-1].Summary = "may have been deleted, with others"
	l.pending = true
}

// covered says whether the selectors of a deletecollection let the object be among what it deleted.
func (l *life) covered(a *act) bool {
	if s := a.params.Get("fieldSelector"); s != "" {
		if sel, err := fields.ParseSelector(s); err == nil {
			if name, ok := sel.RequiresExactMatch("metadata.name"); ok && name != l.ref.Name {
				return false
			}
		}
	}
	s := a.params.Get("labelSelector")
	if s == "" || l.tree == nil {
		return true
	}
	sel, err := labels.Parse(s)
	if err != nil {
		return true
	}
	meta := l.tree.members["metadata"]
	if meta == nil || meta.stale {
		return true
	}
	set := labels.Set{}
	if known := meta.members["labels"]; known != nil {
		if known.anyStale() {
			return true
		}
		for k, x := range known.members {
			set[k], _ = x.value.(string)
		}
	}
	return sel.Matches(set)
}

// find is the element of a list that is the object.
func find(items []any, ref Ref) map[string]any {
	for _, v := range items {
		if digText(v, "metadata", "name") == ref.Name && digText(v, "metadata", "namespace") == ref.Namespace {
			return v.(map[string]any)
		}
	}
	return nil
}

// read is an answer to a get or a list, which shows the object as it is.
func (l *life) read(a *act) {
	doc := a.whole(l.ref.Name)
	if items, ok := dig(a.response, "items").([]any); ok {
		if doc = find(items, l.ref); doc != nil && doc["kind"] == nil {
			list, _ := a.response.(map[string]any)
			doc = set(doc, []string{"kind"}, strings.TrimSuffix(digText(list, "kind"), "List"))
			doc = set(doc, []string{"apiVersion"}, list["apiVersion"])
		}
		a.response = doc
	}
	if doc == nil || l.rv != "" && a.version() == l.rv && l.tree != nil && !l.tree.anyStale() {
		return
	}
	if uid := digText(doc, "metadata", "uid"); l.gone || uid != l.uid && l.uid != "" {
		l.other = true
		l.begin()
		l.uid = uid
	}
	known, number := l.tree != nil, l.number
	l.observe(a, doc, known && l.rv != "" && l.rv != a.version(), false)
	if l.number > number {
		v := l.versions[len(l.versions)-1]
		v.Summary = fmt.Sprintf("seen by a %s: %s", a.event.Verb, v.Summary)
		v.Missed = v.Missed && len(v.Changes) > 0 || !known
	}
}
