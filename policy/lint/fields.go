package lint

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"annals.dev/audit"
	"annals.dev/internal/spell"
	"annals.dev/policy"
)

// synonyms are what people write for a field, in lower case. Where two owners have a field of that name, the first that is
// known to the owner is meant.
var synonyms = map[string][]string{
	"groups": {"group", "userGroups"}, "apigroup": {"group"}, "apigroups": {"group"}, "usergroup": {"userGroups"},
	"names": {"resourceNames"}, "name": {"resourceNames"}, "resourcename": {"resourceNames"},
	"resource": {"resources"}, "kinds": {"resources"}, "verb": {"verbs"}, "user": {"users"}, "username": {"users"}, "usernames": {"users"},
	"namespace": {"namespaces"}, "nonresourceurl": {"nonResourceURLs"}, "urls": {"nonResourceURLs"}, "paths": {"nonResourceURLs"},
	"omitstage": {"omitStages"}, "stages": {"omitStages"}, "omitmanagedfield": {"omitManagedFields"}, "rule": {"rules"},
}

// nearest gives the known name that was surely meant by another, or "".
func nearest(name string, known []string) string {
	lower := strings.ToLower(name)
	for _, s := range synonyms[lower] {
		if slices.Contains(known, s) {
			return s
		}
	}
	best, far := "", 3
	for _, k := range known {
		if d := spell.Distance(lower, strings.ToLower(k)); d < far && d*2 < len(k) {
			best, far = k, d
		}
	}
	return best
}

// unknownField is a field that kube-apiserver drops: the i-th node of a mapping.
type unknownField struct {
	n     *yaml.Node
	i     int
	known []string
	owner string
	in    *rule
	got   map[string]*field
}

var owners = []struct {
	where  string
	fields []string
}{{"in an entry under resources", elemFields}, {"in a rule", ruleFields}, {"at the top of the policy", policyFields}}

func (c *checker) unknown(u unknownField) {
	k, v := u.n.Content[u.i], follow(u.n.Content[u.i+1])
	today := fmt.Sprintf("%q is no field of %s: kube-apiserver drops it with no more than a line in its log", k.Value, u.owner)
	if u.in != nil && slices.Contains(ruleFields, k.Value) {
		f := c.add("L1", Error, k, today+", and the rule matches more than it says", fmt.Sprintf("%s stands in the rule, beside level and resources", k.Value))
		if u.in.f[k.Value] == nil && len(items(u.in.f["resources"])) == 1 {
			f.fixed("move it into the rule", c.move(u)...)
		}
		return
	}
	for _, o := range owners {
		if slices.Contains(o.fields, k.Value) {
			c.add("L1", Error, k, today, k.Value+" stands "+o.where)
			return
		}
	}
	near := nearest(k.Value, u.known)
	if near == "" {
		c.add("L1", Error, k, today, "one of "+strings.Join(u.known, ", "))
		return
	}
	f := c.add("L1", Error, k, today, near)
	if u.got[near] != nil {
		return
	}
	edits := []edit{c.replace(k, near)}
	if near == "group" && v.Kind == yaml.SequenceNode {
		// A group is one string: a list of one can be unwrapped, a longer one needs an entry for each.
		if len(v.Content) != 1 || v.Style&yaml.FlowStyle == 0 {
			f.Meant = "group, and an entry for each of them: it is one string"
			return
		}
		open, one := c.offset(v.Line, v.Column), c.scalar(v.Content[0])
		if one.end < one.start || open < 0 {
			return
		}
		end := one.end
		for end < len(c.src) && (c.src[end] == ' ' || c.src[end] == ',') {
			end++
		}
		if end == len(c.src) || c.src[end] != ']' {
			return
		}
		edits = append(edits, edit{open, one.start, ""}, edit{one.end, end + 1, ""})
	}
	f.fixed("rename it to "+near, edits...)
}

// move takes a rule's field out of its only resources entry and puts it into the rule.
func (c *checker) move(u unknownField) []edit {
	cut, text := c.lines(u.n, u.i)
	list := u.in.f["resources"]
	if cut.end < cut.start || u.in.at.Style&yaml.FlowStyle != 0 || list.key.Line == u.n.Line {
		return nil
	}
	from, to := strings.Repeat(" ", u.n.Content[u.i].Column-1), strings.Repeat(" ", list.key.Column-1)
	moved := regexp.MustCompile(`(?m)^`+from).ReplaceAllString(text, to)
	if !strings.HasSuffix(moved, "\n") {
		moved += "\n"
	}
	if u.i+2 == len(u.n.Content) { // the last field of the entry: it only moves to the left
		cut.text = moved
		return []edit{cut}
	}
	at := c.offset(list.key.Line, 1)
	if at < 0 || strings.TrimLeft(string(c.src[at:c.offset(list.key.Line, list.key.Column)]), " ") != "" {
		return nil
	}
	return []edit{cut, {at, at, moved}}
}

// header checks apiVersion and kind.
func (c *checker) header(root *yaml.Node) {
	insert := func(line int, text string) edit {
		at := c.offset(line, 1)
		if root.Style&yaml.FlowStyle != 0 || root.Column != 1 || at < 0 {
			return noEdit
		}
		return edit{at, at, text}
	}
	version, kind := c.top["apiVersion"], c.top["kind"]
	switch {
	case version == nil:
		c.add("L4", Error, root, "apiVersion is missing: kube-apiserver does not start with it", "apiVersion: audit.k8s.io/v1").refuse().
			fixed("add it", insert(root.Line, "apiVersion: audit.k8s.io/v1\n"))
	case version.val.Value != "audit.k8s.io/v1":
		f := c.add("L4", Error, version.val, fmt.Sprintf("apiVersion %q is none that kube-apiserver reads: it does not start", version.val.Value), "audit.k8s.io/v1").refuse()
		if strings.HasPrefix(version.val.Value, "audit.k8s.io/v1") {
			f.fixed("write audit.k8s.io/v1", c.replace(version.val, "audit.k8s.io/v1"))
		}
	}
	switch {
	case kind == nil:
		f := c.add("L4", Warning, root, "kind is missing: kube-apiserver guesses it, other programs refuse the file", "kind: Policy")
		if version != nil {
			f.fixed("add it", insert(version.val.Line+1, "kind: Policy\n"))
		}
	case kind.val.Value != "Policy":
		f := c.add("L4", Error, kind.val, fmt.Sprintf("kind %q is no audit policy: kube-apiserver does not start with it", kind.val.Value), "Policy").refuse()
		if strings.EqualFold(kind.val.Value, "policy") {
			f.fixed("write Policy", c.replace(kind.val, "Policy"))
		}
	}
}

var levels = []string{string(audit.LevelNone), string(audit.LevelMetadata), string(audit.LevelRequest), string(audit.LevelRequestResponse)}

// level checks a rule's level.
func (c *checker) level(r *rule) {
	f := r.f["level"]
	switch {
	case f == nil || f.val.Tag == "!!null" || f.val.Value == "":
		c.add("L28", Error, r.key("level"), r.name()+" has no level: kube-apiserver does not start with it", "one of "+strings.Join(levels, ", ")).refuse()
	case slices.Contains(levels, string(r.Level)):
	case r.Level == policy.LevelMinimal:
		c.add("L28", Error, f.val, "Minimal is no level of kube-apiserver: it does not start with it. It is an extension of annals proxy, which must allow it",
			"Metadata, the smallest level that kube-apiserver has").refuse()
	default:
		fd := c.add("L28", Error, f.val, fmt.Sprintf("%s is no level: kube-apiserver does not start with it", strconv.Quote(string(r.Level))), "one of "+strings.Join(levels, ", ")).refuse()
		bare := strings.ToLower(strings.NewReplacer("-", "", "_", "", " ", "").Replace(string(r.Level)))
		for _, l := range levels {
			if strings.ToLower(l) == bare {
				fd.Meant = l
				fd.fixed("write "+l, c.replace(f.val, l))
			}
		}
	}
}

var errorPath = regexp.MustCompile(`rules\[(\d+)\](?:\.(\w+))?`)

// refusals asks kube-apiserver's own checks, so that what is not known here by name is not called clean.
func (c *checker) refusals() {
	refused, dropped := false, false
	for _, f := range c.found {
		refused = refused || f.refused
		dropped = dropped || f.ID == "L1" || f.ID == "L2" || f.ID == "L3" || f.ID == "L4"
	}
	if refused {
		return
	}
	o := policy.Options{Upstream: true, Kubernetes: c.o.Kubernetes}
	if _, err := policy.Parse(c.src, o); err != nil {
		c.add("L0", Error, c.place(err.Error()), "kube-apiserver does not start with it: "+err.Error(), "a policy that it reads").refuse()
		return
	}
	o.Upstream = false
	if _, err := policy.Parse(c.src, o); err != nil && !dropped {
		c.add("L1", Error, c.place(err.Error()), "kube-apiserver drops a part of it with no more than a line in its log: "+err.Error(), "only the fields that a policy has")
	}
}

// place finds what an error speaks of, as rules[3].level.
func (c *checker) place(text string) *yaml.Node {
	if m := errorPath.FindStringSubmatch(text); m != nil {
		if i, err := strconv.Atoi(m[1]); err == nil && i < len(c.rules) {
			return c.rules[i].key(m[2])
		}
	}
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ := strconv.Atoi(m[1])
		return &yaml.Node{Line: line, Column: 1}
	}
	return nil
}
