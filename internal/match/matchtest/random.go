// Package matchtest makes random queries, for tests that hold the ways in which a predicate is evaluated against each other.
// Start with Random.
package matchtest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Random makes a query, well-formed, whose tests are about what one of the events holds, so that they are often met and just
// missed: whole values, beginnings, ends, middles, other cases, words, neighbours of numbers.
func Random(rng *rand.Rand, events [][]byte) string {
	g := &generator{rng: rng, events: events}
	return g.query(3)
}

// derived are tests of what is derived from events.
var derived = []string{
	"pod.privileged:true", "pod.privileged:*", "pod.hostPath:/etc", "pod.hostPath:/*", "pod.hostPath:*", "pod.hostPathWritable:*",
	"-pod.hostPathWritable:/", "pod.hostNetwork:true", "pod.hostPID:true", "pod.hostIPC:*", "pod.shareProcessNamespace:*",
	"pod.capability:SYS_ADMIN", "pod.capability:*", "pod.image:*", "pod.image:*:*", "pod.image:x", "pod.image:*nginx*",
	"pod.container:a", "pod.container:*", "pod.container:*c*", "pod.command:sh*", "pod.command:*", "pod.command:*curl*",
	"pod.serviceAccount:*", "pod.serviceAccount:default", "pod.runAsUser:0", "pod.runAsUser:*",
	"pod.allowPrivilegeEscalation:(true OR false)", "pod.procMount:*", "pod.seccomp:RuntimeDefault", "pod.seccomp:*",
	"pod.apparmor:*", "pod.sysctl:*", "pod.volumeType:hostPath", "pod.volumeType:configMap", "pod.volumeType:*", "pod.secret:*",
	"pod.node:*", "pod.hostPort:8080", "pod.hostPort:*", "pod.imagePullSecret:*", "pod.automountToken:false", "pod.ephemeral:*",
	"role.verb:get", "role.verb:*", "role.resource:secrets", "role.resource:*", "role.apiGroup:*", "role.nonResourceURL:/*",
	`role.grant:"* *"`, "role.grant:*secrets", `role.grant:"escalate ?"`, "role.aggregates:*", "binding.user:eve",
	"binding.user:system:serviceaccount:*", "binding.group:*", "binding.role:cluster-admin", "binding.role:*", "csr.signer:*",
	"csr.user:*", "object.name:*", "object.name:p", "object.name:made", "object.namespace:*", "object.namespace:n",
	"-object.name:*", "actor:*", "actor:eve", "actor:system:*", "exec.command:*", "exec.command:*shadow", "exec.container:web",
	"exec.container:*",
}

type generator struct {
	rng    *rand.Rand
	events [][]byte
}

func pick[T any](rng *rand.Rand, all []T) T { return all[rng.IntN(len(all))] }

func (g *generator) query(depth int) string {
	kind := g.rng.IntN(8)
	if depth == 0 || kind < 3 {
		return g.term()
	}
	a, b := g.query(depth-1), g.query(depth-1)
	switch kind {
	case 3, 4:
		return a + " " + b
	case 5:
		return "(" + a + " OR " + b + ")"
	case 6:
		return "-(" + a + ")"
	}
	return "NOT " + g.term() + " and (" + b + ")"
}

// leaf is a string, number or boolean of an event, and where it is.
type leaf struct {
	path []string
	text string
	kind byte // s, n or b
}

func leaves(v any, path []string, out []leaf) []leaf {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			out = leaves(value, append(slices.Clip(path), key), out)
		}
	case []any:
		for _, value := range v {
			out = leaves(value, path, out)
		}
	case string:
		out = append(out, leaf{path, v, 's'})
	case json.Number:
		out = append(out, leaf{path, v.String(), 'n'})
	case bool:
		out = append(out, leaf{path, fmt.Sprint(v), 'b'})
	}
	return out
}

func (g *generator) term() string {
	switch g.rng.IntN(20) {
	case 1:
		return pick(g.rng, derived)
	case 0:
		return pick(g.rng, []string{
			"mark:salvaged", "mark:truncated", "mark:conflict", "mark:*", "dialect:v1", "dialect:gke", "dialect:*",
			"cluster:prod", "cluster:p*", "cluster:other", "origin:webhook/*", "origin:*cp-1", "position>=3", "position:7", "received:*",
			"latency>1ms", "latency<=5ms", "latency:*", "*", `ns:""`, "as:*", `as:"system:admin"`, "annotations:*", "user.extra:*",
			`resource:pods/exec`, `resource:pods/*`, `resource:*/status`, `resource:pods/`, "time>=2026-11-21", "time:2026-11-21",
			"-time<2026-11-21T01:00:00Z", "received>=2026-11-22T00:00:00Z", "ip:127.0.0.0/8", "ip:::1", "ip:10.0.0.0/8", "ip:fd00::/8", "ip:*",
			"peer:127.0.0.0/8", "peer:10.0.0.0/8", "peer:203.0.113.0/24", "peer:::1", "peer:*", "-peer:127.0.0.1", "hour:3", "hour>=1", "hour<1", "-hour:0", "hour:*",
			"weekday:saturday", "weekday:(monday OR sunday)", "-weekday:friday", "weekday:*",
			"code:(401 OR 403)", "code<300", "code:*", `code:""`, "verb:(get OR list OR watch)", "requestObject:*", "responseObject:*",
		})
	}
	var event any
	d := json.NewDecoder(strings.NewReader(string(pick(g.rng, g.events))))
	d.UseNumber()
	if err := d.Decode(&event); err != nil {
		return "*"
	}
	all := leaves(event, nil, nil)
	if len(all) == 0 {
		return "*"
	}
	slices.SortFunc(all, func(a, b leaf) int {
		return strings.Compare(strings.Join(a.path, "\x00")+a.text, strings.Join(b.path, "\x00")+b.text)
	})
	l := pick(g.rng, all)
	if g.rng.IntN(4) == 0 {
		return g.words(l.text)
	}
	return g.test(l)
}

// test makes a field's test out of a value.
func (g *generator) test(l leaf) string {
	switch l.path[0] {
	case "kind", "apiVersion", "metadata":
		return g.words(l.text)
	case "requestObject", "responseObject":
		if len(l.path) == 1 { // a body that is no object has no members to name
			return g.words(l.text)
		}
	case "requestReceivedTimestamp", "stageTimestamp":
		t, err := time.Parse(time.RFC3339Nano, l.text)
		if err != nil {
			return g.words(l.text)
		}
		t = t.Add(time.Duration(g.rng.IntN(3)-1) * time.Microsecond)
		return l.path[0] + pick(g.rng, []string{":", "<", "<=", ">", ">=", "!="}) + t.UTC().Format(time.RFC3339Nano)
	case "sourceIPs":
		if _, err := netip.ParseAddr(l.text); err == nil && g.rng.IntN(2) == 0 {
			return pick(g.rng, []string{"ip:", "peer:"}) + l.text
		}
	}
	name := l.path[0]
	switch {
	case name == "annotations":
		name += bracket(l.path[1])
	case name == "user" || name == "impersonatedUser" || name == "objectRef":
		if len(l.path) < 2 {
			return g.words(l.text)
		}
		name += "." + l.path[1]
		if l.path[1] == "extra" {
			name += bracket(l.path[2])
		}
	case name == "responseStatus" && slices.Equal(l.path[1:], []string{"code"}):
		return pick(g.rng, []string{name + ".code", "code"}) + pick(g.rng, []string{":", "<", "<=", ">", ">=", "!="}) + l.text
	default:
		for _, key := range l.path[1:] {
			name += bracket(key)
		}
	}
	if name == "objectRef.resource" && strings.Contains(l.text, "/") {
		return g.words(l.text)
	}
	if len(l.path) > 1 && l.kind == 'n' && g.rng.IntN(2) == 0 {
		return name + pick(g.rng, []string{"<", "<=", ">", ">="}) + l.text
	}
	return name + pick(g.rng, []string{":", "=", "!="}) + g.value(l.text)
}

func bracket(key string) string { return `["` + escape(key) + `"]` }

var quoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func escape(s string) string { return quoted.Replace(strings.ReplaceAll(s, "\x00", "")) }

// value turns a text into a value: the same, part of it, or another.
func (g *generator) value(s string) string {
	runes := []rune(s)
	from, to := g.rng.IntN(len(runes)+1), g.rng.IntN(len(runes)+1)
	from, to = min(from, to), max(from, to)
	bare := func(r []rune) string {
		return strings.Map(func(r rune) rune {
			if r <= ' ' || strings.ContainsRune(`()"`, r) {
				return '*'
			}
			return r
		}, string(r))
	}
	pattern := ""
	switch g.rng.IntN(8) {
	case 0:
		pattern = bare(runes[:to]) + "*"
	case 1:
		pattern = "*" + bare(runes[from:])
	case 2:
		pattern = "*" + bare(runes[from:to]) + "*"
	case 3:
		pattern = bare(runes[:from]) + "*" + bare(runes[to:])
	case 4:
		pattern = "*"
	case 5:
		return `"` + escape(string(runes[from:to])) + `"`
	case 6:
		return `("` + escape(s) + `" OR "` + escape(string(runes[:to])) + `" or x)`
	default:
		return `"` + escape(s) + `"`
	}
	if len(pattern) > 200 {
		return `"` + escape(s) + `"`
	}
	return pattern
}

// words looks for a text, a run of its words, or the beginning of one.
func (g *generator) words(s string) string {
	parts := strings.FieldsFunc(s, func(r rune) bool {
		return r < 0x80 && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '_'
	})
	if len(parts) == 0 {
		return "*"
	}
	if len(parts) > 30 {
		parts = parts[:30]
	}
	from := g.rng.IntN(len(parts))
	to := from + 1 + g.rng.IntN(len(parts)-from)
	text := strings.Join(parts[from:to], pick(g.rng, []string{" ", "-", "/", ": "}))
	switch g.rng.IntN(4) {
	case 0:
		text = strings.ToUpper(text)
	case 1:
		word := []rune(parts[from])
		return string(word[:1+g.rng.IntN(len(word))]) + "*"
	case 2:
		if len(s) < 300 && !strings.Contains(s, "\x00") {
			return `"` + escape(parts[0]+" "+s) + `"`
		}
	}
	return `"` + text + `"`
}
