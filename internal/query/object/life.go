package object

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// life follows an object through the acts on it, in the order in which they happened. One goroutine uses it.
type life struct {
	ref Ref
	q   Question

	raw   map[string]any // the last known document, whole: what patches are applied to; nil: none
	tree  *node          // what of it is shown, with who set it; nil: none
	uid   string
	rv    string // of the newest act; "": not known
	gen   int64  // metadata.generation when it was last known, and how many acts since may have raised it
	since int64

	seen    bool // something of it was seen
	gone    bool // and it is deleted
	made    int  // the version that is its creation; 0: that was not seen
	pending bool // its deletion was asked for, or may have been
	redact  bool // what is known of it was redacted in parts
	other   bool // it is another object of the same name, and how the one before ended was not seen
	last    time.Time

	number     int // of the newest version
	versions   []*version
	cost       int // of what versions hold, in bytes, about
	forgotten  int // versions whose documents were given up
	statusOnly int
	unchanged  int
}

// version is a Version and the state that it stands for.
type version struct {
	Version
	tree *node // nil: nothing is known
}

// maxCost bounds what the states of all versions hold.
const maxCost = 64 << 20

// The subresources whose requests change nothing of the object, and those that are about its status.
var (
	noChange   = []string{"token", "exec", "attach", "portforward", "proxy", "log"}
	statusLike = []string{"status", "approval"}
)

// step takes the next act.
func (l *life) step(a *act) {
	e := &a.event
	if a.dryRun() || a.failed() || slices.Contains(noChange, e.Subresource) {
		return
	}
	if uid := a.uid(); uid != "" && e.Verb != "deletecollection" {
		if l.uid != "" && uid != l.uid {
			l.other = !l.gone && !l.pending
			l.begin() // another object of the same name
		}
		l.uid = uid
	}
	switch {
	case e.Stage != "ResponseComplete":
		l.unknown(a, fmt.Sprintf("the request was seen at stage %s only: whether it changed anything is not known", e.Stage))
	case a.timedOut():
		l.unknown(a, "the API server gave up waiting: whether the change was made is not known")
	case e.Verb == "get" || e.Verb == "list":
		l.read(a)
	case e.Verb == "delete":
		l.delete(a)
	case e.Verb == "deletecollection":
		l.deleteCollection(a)
	default:
		l.write(a)
	}
	if e.Time.After(l.last) {
		l.last = e.Time
	}
}

// begin forgets the object: what comes now is another one of its name.
func (l *life) begin() {
	*l = life{ref: l.ref, q: l.q, seen: l.seen, gone: l.gone, number: l.number, versions: l.versions, cost: l.cost,
		forgotten: l.forgotten, statusOnly: l.statusOnly, unchanged: l.unchanged, last: l.last, pending: l.pending, other: l.other}
}

// add makes a version of an act. tree is what it led to, nil if nothing of that is known.
func (l *life) add(a *act, known Known, why string, missed bool, summary string, t *turn, tree *node) {
	l.number++
	v := &version{Version: Version{
		Number: l.number, Known: known, Why: why, Time: a.event.Time, ResourceVersion: a.version(), UID: l.uid,
		Summary: summary, Missed: missed || l.other, Event: a.event,
	}, tree: tree}
	l.other = false
	if t != nil {
		v.Changes = t.changes
		for _, c := range t.changes {
			l.cost += len(c.Before) + len(c.After) + 200
		}
	}
	l.cost += 1000
	if tree != nil && (len(l.versions) == 0 || l.versions[len(l.versions)-1].tree != tree) {
		l.cost += min(len(a.said.ResponseObject)+len(a.said.RequestObject), 1<<20)
	}
	l.versions = append(l.versions, v)
	l.seen = true
	for l.cost > maxCost && l.forgotten < len(l.versions)-1 {
		old := l.versions[l.forgotten]
		old.tree, old.Changes = nil, nil
		l.forgotten++
		l.cost -= maxCost / 64
	}
}

// unknown is a version of which nothing is known but that there may be one.
func (l *life) unknown(a *act, why string) {
	summary := describeVerb(a) + ": what changed is not known"
	if l.tree != nil {
		l.tree = l.tree.doubtful()
	}
	l.rv = a.version()
	l.since++
	l.add(a, Unknown, why, false, summary, nil, nil)
}

// missed says that between the last act and this one there was one that was not seen.
func (l *life) missed(a *act, doc map[string]any) bool {
	if l.gone {
		return true // it was made again
	}
	if base := a.base(); base != "" && l.rv != "" && base != l.rv && a.version() != l.rv {
		return true
	}
	if g := generation(doc); g > 0 && l.gen > 0 && g > l.gen+l.since+1 {
		return true
	}
	return false
}

func generation(doc map[string]any) int64 {
	g, _ := strconv.ParseInt(fmt.Sprint(dig(doc, "metadata", "generation")), 10, 64)
	return g
}

// settle notes what an act says of where the object is now.
func (l *life) settle(a *act, doc map[string]any) {
	l.rv = a.version()
	l.since++
	if g := generation(doc); g > 0 {
		l.gen, l.since = g, 0
	}
	l.gone, l.pending = false, false
}

// write is a create, update or patch.
func (l *life) write(a *act) {
	e := &a.event
	fresh := e.Verb == "create" && e.Subresource == ""
	missed := false
	if fresh {
		missed = l.seen && !l.gone && !l.pending
		uid := a.uid()
		l.begin()
		l.uid, l.made, l.gone = uid, l.number+1, false
	}
	if doc := a.whole(l.ref.Name); doc != nil && (e.Subresource == "" || !slices.Contains(otherAnswers, digText(doc, "kind"))) {
		missed = missed || !fresh && l.missed(a, doc)
		if l.gone {
			l.begin()
		}
		l.observe(a, doc, missed, fresh)
		return
	}
	if l.gone && !fresh {
		missed = true
		l.begin()
	}
	missed = missed || l.missed(a, nil)
	l.derive(a, missed, fresh)
}

// observe takes the object as the API server answered with it.
func (l *life) observe(a *act, doc map[string]any, missed, fresh bool) {
	n, first := l.number+1, l.tree == nil
	t := &turn{by: n, observed: true}
	view := l.view(doc)
	var tree *node
	if missed && !first {
		l.tree = l.tree.doubtful()
	}
	stale := !first && l.tree.anyStale()
	switch {
	case fresh:
		tree = grow(view, n, false, false)
	case first && l.made > 0: // it was seen that it was made, not what it was
		tree = grow(view, n, false, true)
	case first:
		tree = grow(view, 0, false, false)
	default:
		tree = t.to(l.tree, view, "")
	}
	if a.event.Verb == "patch" {
		tree = a.confirm(tree, tree, n)
	}
	sameStatus := jsonOf(l.raw["status"]) == jsonOf(doc["status"])
	l.raw, l.tree = doc, tree
	known, why := Observed, ""
	l.redact = a.marked("redacted")
	if l.redact {
		known, why = Partial, "parts of the event were redacted"
	}
	l.settle(a, doc)
	if ending(doc) {
		l.gone = true
		l.add(a, Gone, "", missed, "deleted: the last finalizer was taken off", t, tree)
		return
	}
	switch {
	case fresh:
		l.add(a, known, why, missed, "created", t, tree)
	case first:
		l.add(a, known, why, missed, "seen first as it was after "+article(describeVerb(a)), t, tree)
	case len(t.changes) > 0:
		l.add(a, known, why, missed, t.summary(), t, tree)
	case missed || stale:
		l.add(a, known, why, missed, "as it was last known", t, tree)
	default:
		l.silent(a, sameStatus)
	}
}

// silent counts an act that changed nothing that is shown.
func (l *life) silent(a *act, sameStatus bool) {
	if !l.q.Status && (slices.Contains(statusLike, a.event.Subresource) || !sameStatus) {
		l.statusOnly++
	} else {
		l.unchanged++
	}
}

// ending says that a write took off the last thing that held a deleted object.
func ending(doc map[string]any) bool {
	held, _ := dig(doc, "metadata", "finalizers").([]any)
	grace := dig(doc, "metadata", "deletionGracePeriodSeconds")
	inner, _ := dig(doc, "spec", "finalizers").([]any) // a namespace's
	return digText(doc, "metadata", "deletionTimestamp") != "" && len(held) == 0 && len(inner) == 0 && (grace == nil || fmt.Sprint(grace) == "0")
}

const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// view is what of a document is shown. What counts a document's changes is no change itself.
func (l *life) view(doc map[string]any) map[string]any {
	v := maps.Clone(doc)
	if !l.q.Status {
		delete(v, "status")
	}
	meta, ok := v["metadata"].(map[string]any)
	if !ok {
		return v
	}
	meta = maps.Clone(meta)
	v["metadata"] = meta
	delete(meta, "resourceVersion")
	delete(meta, "generation")
	delete(meta, "selfLink")
	if !l.q.ManagedFields {
		delete(meta, "managedFields")
	}
	if notes, ok := meta["annotations"].(map[string]any); ok && notes[lastApplied] != nil {
		notes = maps.Clone(notes)
		delete(notes, lastApplied)
		meta["annotations"] = notes
		if len(notes) == 0 {
			delete(meta, "annotations")
		}
	}
	return v
}
