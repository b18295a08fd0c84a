package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// audited is an audit event, as it is: every field, numbers as they are written.
type audited map[string]any

func parseEvents(t *testing.T, lines [][]byte) []audited {
	t.Helper()
	events := make([]audited, 0, len(lines))
	for _, l := range lines {
		d := json.NewDecoder(bytes.NewReader(l))
		d.UseNumber()
		var e audited
		if err := d.Decode(&e); err != nil {
			t.Fatalf("an event is not JSON: %v: %.1000s", err, l)
		}
		events = append(events, e)
	}
	return events
}

// at is what stands at a path of fields, or absent.
func (e audited) at(path ...string) any {
	var v any = map[string]any(e)
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return absent
		}
		if v, ok = m[p]; !ok {
			return absent
		}
	}
	return v
}

// str is at, for a string; "" without one.
func (e audited) str(path ...string) string {
	s, _ := e.at(path...).(string)
	return s
}

func (e audited) code() string {
	n, _ := e.at("responseStatus", "code").(json.Number)
	return n.String()
}

func (e audited) String() string { return fmt.Sprintf("%.3000s", text(map[string]any(e))) }

// text is a value as JSON.
func text(v any) string {
	if v == absent {
		return "(absent)"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// nothing is where one side has nothing.
type nothing struct{}

var absent any = nothing{}

// pair is one stage of one request, as the proxy recorded it and as the API server did. One of both is nil where the other has
// none.
type pair struct {
	mode         mode
	ours, theirs audited
}

// delta is where the two are not the same. Its path has fields joined by dots, and [0] for the elements of a list; it is "" where one
// side has no event at all.
type delta struct {
	*pair
	path      string
	one, both any // ours, theirs
}

// pairs finds for each event that of the other side, by audit ID and stage. A client may give several requests one audit ID: then they
// stand in the order in which they were received.
func pairs(m mode, ours, theirs []audited) []*pair {
	type key struct{ id, stage string }
	byKey := func(events []audited) map[key][]audited {
		all := make(map[key][]audited)
		for _, e := range events {
			k := key{e.str("auditID"), e.str("stage")}
			all[k] = append(all[k], e)
		}
		for _, es := range all {
			slices.SortStableFunc(es, func(a, b audited) int {
				return strings.Compare(a.str("requestReceivedTimestamp"), b.str("requestReceivedTimestamp"))
			})
		}
		return all
	}
	a, b := byKey(ours), byKey(theirs)
	keys := slices.SortedFunc(maps.Keys(a), func(x, y key) int { return cmp.Or(cmp.Compare(x.id, y.id), cmp.Compare(x.stage, y.stage)) })
	for k := range b {
		if _, ok := a[k]; !ok {
			keys = append(keys, k)
		}
	}
	var all []*pair
	for _, k := range keys {
		for i := range max(len(a[k]), len(b[k])) {
			p := &pair{mode: m}
			if i < len(a[k]) {
				p.ours = a[k][i]
			}
			if i < len(b[k]) {
				p.theirs = b[k][i]
			}
			all = append(all, p)
		}
	}
	return all
}

// deltas are all ways in which the two sides are not the same.
func (p *pair) deltas() []delta {
	switch {
	case p.ours == nil:
		return []delta{{p, "", absent, p.theirs}}
	case p.theirs == nil:
		return []delta{{p, "", p.ours, absent}}
	}
	var all []delta
	compare(map[string]any(p.ours), map[string]any(p.theirs), "", func(path string, a, b any) {
		all = append(all, delta{p, path, a, b})
	})
	return all
}

// compare tells the smallest parts in which two values differ.
func compare(a, b any, path string, tell func(path string, a, b any)) {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok {
			break
		}
		for _, k := range slices.Sorted(maps.Keys(x)) {
			v, ok := y[k]
			if !ok {
				v = absent
			}
			compare(x[k], v, strings.TrimPrefix(path+"."+k, "."), tell)
		}
		for _, k := range slices.Sorted(maps.Keys(y)) {
			if _, ok := x[k]; !ok {
				tell(strings.TrimPrefix(path+"."+k, "."), absent, y[k])
			}
		}
		return
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			break
		}
		for i := range x {
			compare(x[i], y[i], fmt.Sprintf("%s[%d]", path, i), tell)
		}
		return
	}
	if !reflect.DeepEqual(a, b) {
		tell(path, a, b)
	}
}

// comparison holds the proxy's events against the API server's.
type comparison struct {
	differences []*difference
	events      int            // compared, on both sides
	needed      map[string]int // how often each difference explained something
}

// difference is one way in which the proxy's event and the API server's are not the same, for a reason.
type difference struct {
	id, reason string
	explains   func(delta) bool // as narrow as can be
}

var index = regexp.MustCompile(`\[\d+\]`)

// hold fails the test for every kind of delta that no difference explains.
func (c *comparison) hold(t *testing.T, all []*pair) {
	t.Helper()
	if c.needed == nil {
		c.needed = make(map[string]int)
	}
	unexplained := make(map[string][]delta)
	for _, p := range all {
		if p.ours != nil && p.theirs != nil {
			c.events++
		}
		for _, d := range p.deltas() {
			if i := slices.IndexFunc(c.differences, func(diff *difference) bool { return diff.explains(d) }); i >= 0 {
				c.needed[c.differences[i].id]++
				continue
			}
			kind := fmt.Sprintf("%s: %q, there %t %t", p.mode, index.ReplaceAllString(d.path, "[]"), d.one != absent, d.both != absent)
			unexplained[kind] = append(unexplained[kind], d)
		}
	}
	for kind, ds := range unexplained {
		d := ds[0]
		t.Errorf("%s: %d times unexplained, once in the proxy's event %.300s and in the API server's %.300s\nproxy:  %v\nserver: %v", kind, len(ds), text(d.one), text(d.both), d.ours, d.theirs)
	}
}

// allNeeded fails the test for differences that explained nothing: they are too many, or too much was left out.
func (c *comparison) allNeeded(t *testing.T) {
	t.Helper()
	for _, d := range c.differences {
		t.Logf("%6d × %s: %s", c.needed[d.id], d.id, d.reason)
		if c.needed[d.id] == 0 && (d.id != "source-ips" || runtime.GOOS == "linux") {
			t.Errorf("the difference %s did not occur", d.id)
		}
	}
	t.Logf("%d events compared", c.events)
}
