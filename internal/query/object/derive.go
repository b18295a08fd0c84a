package object

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"
)

// derive is a write whose answer is not there: what it led to follows from the last version and from what was sent.
func (l *life) derive(a *act, missed, fresh bool) {
	status := slices.Contains(statusLike, a.event.Subresource)
	d := l.outcome(a)
	if status && l.tree == nil && !l.q.Status {
		l.settle(a, nil)
		l.statusOnly++
		return
	}
	if d.doc == nil {
		l.since++
		why := d.why
		if why == "" {
			why = a.whyNoAnswer()
		}
		if status {
			l.statusUnknown(a)
			return
		}
		l.unknown(a, why)
		l.gone, l.pending = false, false
		return
	}
	overlap := !status && !fresh && a.version() == "" && !a.said.Received.IsZero() && a.said.Received.Before(l.last)
	n := l.number + 1
	whole := d.whole && !overlap
	t := &turn{by: n, observed: whole, sent: true}
	tree := l.tree
	if l.raw != nil || d.whole {
		d.doc = a.canonical(d.doc)
	}
	view := l.view(d.doc)
	first := tree == nil
	var why []string
	switch {
	case first && whole && fresh:
		tree = grow(view, n, false, false).opened()
	case first && whole:
		tree = grow(view, 0, false, l.made > 0).opened()
	case first:
		tree = t.to(&node{shape: object, stale: true}, view, "")
		tree = a.confirm(tree, tree, n)
		why = append(why, "the version before was not seen: this is what was sent")
	default:
		if missed || overlap {
			tree = tree.doubtful()
		}
		tree = t.to(tree, view, "")
		turned := tree
		if d.all {
			tree = tree.doubtful()
		}
		for _, path := range d.doubts {
			switch {
			case len(path) == 0:
				tree = tree.doubtful()
			case path[0] != "status" || l.q.Status:
				tree = tree.doubtAt(path)
			}
		}
		if !whole && !a.mutated() && !overlap {
			tree = a.confirm(tree, turned, n)
		}
		if missed {
			why = append(why, "there was a version in between that was not seen")
		}
	}
	if overlap {
		why = append(why, "another request was under way at the same time: which came first was not recorded")
	}
	if a.mutated() {
		tree = tree.doubtful()
		why = append(why, "an admission webhook changed what was sent, and the answer was not recorded")
	}
	tree = l.named(tree, n)
	sameTree := tree == l.tree || !first && len(t.changes) == 0
	wasStale := !first && l.tree.anyStale()
	l.raw, l.tree = d.doc, tree
	l.settle(a, nil)
	known := Derived
	if tree.anyStale() || l.redact || a.marked("redacted") {
		known = Partial
	}
	l.redact = l.redact || a.marked("redacted")
	why = append(why, d.why, a.whyNoAnswer())
	switch {
	case l.redact:
		why = append(why, "parts of an event were redacted")
	case known == Derived && d.whole:
		why = append(why, "what was sent, without the server's defaults")
	case known == Derived:
		why = append(why, "the version before with the patch applied, without the server's defaults for what is new")
	}
	if ending(d.doc) && known == Derived {
		l.gone = true
		l.add(a, Gone, join(why), missed, "deleted: the last finalizer was taken off", t, tree)
		return
	}
	switch {
	case fresh:
		l.add(a, known, join(why), missed, "created", t, tree)
	case status && sameTree:
		l.statusOnly++
	case sameTree && !missed && !d.all && len(d.doubts) == 0 && !(wasStale && known == Derived):
		l.unchanged++
	default:
		summary := t.summary()
		switch {
		case a.event.Subresource == "eviction":
			summary, l.pending = "eviction asked for", true
		case len(t.changes) == 0:
			summary = describeVerb(a) + ": nothing that is known changed"
		}
		l.add(a, known, join(why), missed, summary, t, tree)
	}
}

func join(why []string) string {
	return strings.Join(slices.DeleteFunc(why, func(s string) bool { return s == "" }), "; ")
}

// named is n with what the object is called, which is known however little else is.
func (l *life) named(n *node, by int) *node {
	meta := n.members["metadata"]
	if meta == nil || meta.shape != object {
		meta = &node{shape: object, by: by, stale: true}
	}
	m := *meta
	m.members = maps.Clone(meta.members)
	if m.members == nil {
		m.members = map[string]*node{}
	}
	same := true
	for k, v := range map[string]string{"name": l.ref.Name, "namespace": l.ref.Namespace} {
		if x := m.members[k]; v != "" && (x == nil || x.stale) {
			m.members[k] = &node{value: v, by: l.made}
			same = false
		}
	}
	if same {
		return n
	}
	c := *n
	c.members = map[string]*node{}
	maps.Copy(c.members, n.members)
	c.members["metadata"] = &m
	return &c
}

// outcome is what an act led to, as far as what was sent tells; doc is nil if it tells nothing.
type outcome struct {
	patched
	whole bool // doc is all there is
}

func (l *life) outcome(a *act) outcome {
	sent, _ := a.request.(map[string]any)
	verb, sub := a.event.Verb, a.event.Subresource
	switch {
	case slices.Contains(statusLike, sub):
		return l.statusOutcome(a)
	case sub == "scale":
		return l.scaled(a)
	case sub == "binding":
		return l.bound(sent)
	case sub == "eviction":
		if l.raw == nil {
			return outcome{}
		}
		return outcome{patched: patched{doc: l.raw, why: "evicted: the server asked for its deletion", doubts: [][]string{
			{"metadata", "deletionTimestamp"}, {"metadata", "deletionGracePeriodSeconds"}, {"status"},
		}}}
	case a.request == nil || a.version() == "" && a.apiVersionChanged(l.raw):
		return outcome{}
	case verb == "patch":
		doc := l.raw
		if doc == nil {
			doc = map[string]any{}
		}
		p, err := a.patch(doc, l.tree == nil || l.tree.anyStale())
		if err != nil {
			return outcome{patched: patched{why: "the patch does not fit the version before: one in between was not seen"}}
		}
		return outcome{patched: p.without(l.raw)}
	case sub == "":
		if digText(sent, "metadata", "name") == "" && sent["metadata"] == nil {
			return outcome{}
		}
		return outcome{patched: patched{doc: l.sent(sent)}, whole: true}
	case sub == "ephemeralcontainers", sub == "finalize", sub == "resize":
		if l.raw == nil || sent == nil {
			return outcome{}
		}
		return outcome{patched: patched{doc: set(l.raw, []string{"spec"}, sent["spec"]), doubts: [][]string{{"metadata", "annotations"}, {"metadata", "labels"}}}}
	}
	return outcome{patched: patched{why: "what the subresource " + sub + " changes is not known"}}
}

// apiVersionChanged says that the object was last seen in another version of its API, to which this patch was not made.
func (a *act) apiVersionChanged(doc map[string]any) bool {
	seen, now := digText(doc, "apiVersion"), a.said.ObjectRef.APIVersion
	if seen == "" || now == "" || a.event.Verb != "patch" {
		return false
	}
	return seen[strings.LastIndexByte(seen, '/')+1:] != now
}

// without is a patched document without what the server has set anew.
func (p patched) without(before map[string]any) patched {
	meta, ok := p.doc["metadata"].(map[string]any)
	if !ok {
		return p
	}
	meta = maps.Clone(meta)
	for _, k := range []string{"resourceVersion", "generation", "managedFields"} {
		delete(meta, k)
	}
	for _, k := range []string{"uid", "creationTimestamp"} { // nobody changes these
		if was := dig(before, "metadata", k); was != nil {
			meta[k] = was
		}
	}
	p.doc = maps.Clone(p.doc)
	p.doc["metadata"] = meta
	if before != nil { // the status has a subresource of its own
		p.doc = set(p.doc, []string{"status"}, before["status"])
	}
	return p
}

// sent is the object as it was sent, and what the server is known to do with it.
func (l *life) sent(doc map[string]any) map[string]any {
	p := patched{doc: doc}.without(l.raw)
	if l.raw == nil {
		p.doc = set(p.doc, []string{"status"}, nil)
	}
	if texts, ok := p.doc["stringData"].(map[string]any); ok && digText(doc, "kind") == "Secret" {
		data := map[string]any{}
		if d, ok := p.doc["data"].(map[string]any); ok {
			maps.Copy(data, d)
		}
		for k, v := range texts {
			if s, ok := v.(string); ok {
				data[k] = base64.StdEncoding.EncodeToString([]byte(s))
			}
		}
		delete(p.doc, "stringData")
		p.doc["data"] = data
	}
	return p.doc
}

// statusOutcome: a write of the status may change metadata too, of built-in resources; never a spec.
func (l *life) statusOutcome(a *act) outcome {
	if l.raw == nil || a.request == nil {
		return outcome{}
	}
	var after map[string]any
	if a.event.Verb == "patch" {
		p, err := a.patch(l.raw, l.tree.anyStale())
		if err != nil || p.all {
			return outcome{}
		}
		after = p.doc
	} else {
		after, _ = a.request.(map[string]any)
	}
	o := outcome{patched: patched{doc: set(l.raw, []string{"status"}, after["status"])}}
	if a.typed(nil) != nil {
		for _, k := range changedByStatus {
			if jsonOf(dig(l.raw, "metadata", k)) != jsonOf(dig(after, "metadata", k)) {
				o.doubts = append(o.doubts, []string{"metadata", k})
			}
		}
	}
	return o
}

var changedByStatus = []string{"annotations", "labels", "finalizers", "ownerReferences"}

// statusUnknown is a write of the status of which nothing is known.
func (l *life) statusUnknown(a *act) {
	l.statusOnly++
	l.rv = a.version()
	if l.tree == nil {
		return
	}
	if a.typed(nil) != nil {
		for _, k := range changedByStatus {
			l.tree = l.tree.doubtAt([]string{"metadata", k})
		}
	}
	if l.q.Status {
		l.tree = l.tree.doubtAt([]string{"status"})
		l.statusOnly--
		l.add(a, Unknown, a.whyNoAnswer(), false, "status written: what changed is not known", nil, nil)
	}
}

// scaled: the number of replicas was set.
func (l *life) scaled(a *act) outcome {
	path := []string{"spec", "replicas"}
	n := dig(a.response, path...)
	if digText(a.response, "kind") != "Scale" {
		n = dig(a.request, path...)
		if ops, ok := a.request.([]any); ok {
			for _, op := range ops {
				if digText(op, "path") == "/spec/replicas" {
					n = dig(op, "value")
				}
			}
		}
	}
	if n == nil {
		return outcome{}
	}
	doc := set(l.raw, path, n)
	if a.typed(nil) == nil && dig(l.raw, path...) == nil {
		return outcome{patched: patched{doc: l.raw, doubts: [][]string{{"spec"}}, why: "which field the number of replicas is, only the resource's definition says"}}
	}
	return outcome{patched: patched{doc: doc}}
}

// bound: a pod was given its node.
func (l *life) bound(sent map[string]any) outcome {
	target := digText(sent, "target", "name")
	if target == "" {
		return outcome{}
	}
	doc := set(l.raw, []string{"spec", "nodeName"}, target)
	for _, k := range []string{"annotations", "labels"} {
		if more, ok := dig(sent, "metadata", k).(map[string]any); ok {
			for name, v := range more {
				doc = set(doc, []string{"metadata", k, name}, v)
			}
		}
	}
	return outcome{patched: patched{doc: doc, doubts: [][]string{{"status"}}, why: "bound to its node"}}
}
