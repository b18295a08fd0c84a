package lint

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	goccy "github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"
	"go.yaml.in/yaml/v3"

	"annals.dev/audit"
	"annals.dev/policy"
)

// checker is one check of one policy.
type checker struct {
	name   string
	src    []byte
	starts []int // of the lines of src
	o      Options
	found  []Finding

	top    map[string]*field
	rules  []*rule
	policy policy.Policy // what kube-apiserver makes of the file, as far as it can be read
	eval   *policy.Evaluator
	asked  int // verdicts, for the question at hand; see decide
}

// field is a key of a mapping and its value, aliases followed.
type field struct{ key, val *yaml.Node }

type rule struct {
	policy.Rule
	at    *yaml.Node
	f     map[string]*field
	elems []*elem
	index int

	broken bool // a part of it could not be read: what it would match is not known
}

type elem struct {
	policy.GroupResources
	at *yaml.Node
	f  map[string]*field
}

var (
	policyFields = []string{"apiVersion", "kind", "metadata", "rules", "omitStages", "omitManagedFields"}
	ruleFields   = []string{"level", "users", "userGroups", "verbs", "resources", "namespaces", "nonResourceURLs", "omitStages", "omitManagedFields"}
	elemFields   = []string{"group", "resources", "resourceNames"}
)

// add notes a finding at a node; a nil one stands for the whole file.
func (c *checker) add(id string, s Severity, at *yaml.Node, today, meant string) *Finding {
	f := Finding{ID: id, Severity: s, File: c.name, Line: 1, Column: 1, Today: today, Meant: meant}
	if at != nil {
		f.Line, f.Column = max(at.Line, 1), max(at.Column, 1)
	}
	c.found = append(c.found, f)
	return &c.found[len(c.found)-1]
}

func (f *Finding) refuse() *Finding { f.refused = true; return f }

// fixed gives a finding its fix, if the edits could be made out in the text.
func (f *Finding) fixed(what string, edits ...edit) {
	if len(edits) > 0 && !slices.ContainsFunc(edits, func(e edit) bool { return e.start < 0 || e.end < e.start }) {
		f.Fix, f.edits = what, edits
	}
}

func (c *checker) check() {
	c.characters()
	root, ok := c.parse()
	if ok {
		c.read(root)
		c.values()
		c.meaning()
		c.serverAndPolicy()
	}
	c.refusals()
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

// parse reads the first document, which is all that kube-apiserver reads.
func (c *checker) parse() (*yaml.Node, bool) {
	d := yaml.NewDecoder(bytes.NewReader(c.src))
	var doc yaml.Node
	if err := d.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			c.add("L0", Error, nil, "the file is empty: kube-apiserver does not start with it", "a policy; annals policy show prints some to start from").refuse()
			return nil, false
		}
		at := &yaml.Node{Line: 1, Column: 1}
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			at.Line, _ = strconv.Atoi(m[1])
		}
		if line, column := brokenAt(c.src); line > 0 {
			at = &yaml.Node{Line: line, Column: column}
		}
		text := yamlLine.ReplaceAllString(strings.TrimPrefix(err.Error(), "yaml: "), "")
		text = strings.TrimPrefix(text, ": ")
		c.add("L0", Error, at, "this is not YAML, and nothing more can be read: "+text+"; kube-apiserver does not start with it",
			"annals policy repair mends indentation, quotes and dashes that were lost in copying").refuse()
		return nil, false
	}
	var second yaml.Node
	if err := d.Decode(&second); err == nil {
		if len(second.Content) > 0 && second.Content[0].Tag != "!!null" {
			c.add("L3", Error, second.Content[0], "the file holds more than one YAML document; kube-apiserver reads the first, and ignores from here on without a word",
				"one document: move these rules into the first, in the order in which they are to be tried")
		}
	} else if !errors.Is(err, io.EOF) {
		c.add("L3", Error, nil, "what follows the first YAML document is ignored, and is not even YAML: "+err.Error(), "one document")
	}
	root := follow(&doc)
	if root.Kind != yaml.MappingNode {
		c.add("L0", Error, root, "the file holds no mapping of fields: kube-apiserver does not start with it", "apiVersion, kind and rules").refuse()
		return nil, false
	}
	return root, true
}

// brokenAt asks another parser where YAML is broken: it says the column too, and the line itself where the first says that
// of the mapping around it.
func brokenAt(b []byte) (line, column int) {
	defer func() {
		if recover() != nil { // the file is broken; it must not break us for the sake of a column
			line, column = 0, 0
		}
	}()
	var syntax *goccy.SyntaxError
	if _, err := parser.ParseBytes(b, 0, parser.AllowDuplicateMapKey()); errors.As(err, &syntax) && syntax.Token != nil && syntax.Token.Position != nil {
		return max(syntax.Token.Position.Line, 1), max(syntax.Token.Position.Column, 1)
	}
	return 0, 0
}

// follow gives the node that a document or an alias stands for.
func follow(n *yaml.Node) *yaml.Node {
	for range 100 {
		switch {
		case n.Kind == yaml.DocumentNode && len(n.Content) > 0:
			n = n.Content[0]
		case n.Kind == yaml.AliasNode && n.Alias != nil:
			n = n.Alias
		default:
			return n
		}
	}
	return n
}

// fields gives the fields of a mapping as kube-apiserver reads them: of a key that stands there twice the last, and only
// those that it knows. The others are findings. in is the rule whose resources entry this is.
func (c *checker) fields(n *yaml.Node, known []string, owner string, in *rule) map[string]*field {
	got := map[string]*field{}
	c.merged(n, got, 0)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], follow(n.Content[i+1])
		if k.Tag == "!!merge" {
			continue
		}
		if first := got[k.Value]; first != nil && slices.Contains(n.Content, first.key) {
			f := c.add("L2", Error, k, fmt.Sprintf("%q stands twice in %s, first on line %d: kube-apiserver takes this one and drops the first", k.Value, owner, first.key.Line),
				"one of them; if a dash was lost between two rules or two resources entries, annals policy repair puts it back")
			if same(first.val, v) {
				f.Severity = Warning
			}
		}
		got[k.Value] = &field{k, v}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := n.Content[i]; k.Tag != "!!merge" && !slices.Contains(known, k.Value) {
			c.unknown(unknownField{n, i, known, owner, in, got})
		}
	}
	return got
}

// merged adds what << brings in.
func (c *checker) merged(n *yaml.Node, got map[string]*field, depth int) {
	for i := 0; i+1 < len(n.Content) && depth < 10; i += 2 {
		if n.Content[i].Tag != "!!merge" {
			continue
		}
		from := follow(n.Content[i+1])
		many := []*yaml.Node{from}
		if from.Kind == yaml.SequenceNode {
			many = from.Content
		}
		for _, m := range many {
			if m = follow(m); m.Kind != yaml.MappingNode {
				continue
			}
			c.merged(m, got, depth+1)
			for j := 0; j+1 < len(m.Content); j += 2 {
				if got[m.Content[j].Value] == nil && m.Content[j].Tag != "!!merge" {
					got[m.Content[j].Value] = &field{m.Content[j], follow(m.Content[j+1])}
				}
			}
		}
	}
}

// same reports whether two nodes hold the same.
func same(a, b *yaml.Node) bool {
	x, err1 := yaml.Marshal(a)
	y, err2 := yaml.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}

func (c *checker) read(root *yaml.Node) {
	c.top = c.fields(root, policyFields, "the policy", nil)
	c.header(root)
	c.policy.OmitStages = stages(c.strings(c.top["omitStages"]))
	c.policy.OmitManagedFields = isTrue(c.top["omitManagedFields"])
	list := c.top["rules"]
	if list == nil || list.val.Kind != yaml.SequenceNode || len(list.val.Content) == 0 {
		at := root
		if list != nil {
			at = list.key
		}
		c.add("L0", Error, at, "the policy has no rules: kube-apiserver does not start with it", "a list under rules:, each with a level").refuse()
		return
	}
	for _, n := range list.val.Content {
		r := &rule{at: follow(n), index: len(c.rules), f: map[string]*field{}}
		c.rules = append(c.rules, r)
		if r.at.Kind == yaml.MappingNode {
			c.readRule(r)
		} else {
			c.add("L0", Error, r.at, r.name()+" is no mapping of fields: kube-apiserver does not start with it", "a level, and what it is for").refuse()
		}
	}
	for _, r := range c.rules {
		c.policy.Rules = append(c.policy.Rules, r.Rule)
	}
	c.eval = policy.Compile(&c.policy)
}

func (c *checker) readRule(r *rule) {
	r.f = c.fields(r.at, ruleFields, r.name(), nil)
	r.Users, r.UserGroups, r.Verbs = c.strings(r.f["users"]), c.strings(r.f["userGroups"]), c.strings(r.f["verbs"])
	r.Namespaces, r.NonResourceURLs = c.strings(r.f["namespaces"]), c.strings(r.f["nonResourceURLs"])
	r.OmitStages = stages(c.strings(r.f["omitStages"]))
	if f := r.f["omitManagedFields"]; f != nil && f.val.Tag == "!!bool" {
		b := isTrue(f)
		r.OmitManagedFields = &b
	}
	if f := r.f["level"]; f != nil && f.val.Kind == yaml.ScalarNode {
		r.Level = audit.Level(f.val.Value)
	}
	c.level(r)
	r.broken = !slices.Contains(levels, string(r.Level))
	for _, name := range ruleFields {
		f := r.f[name]
		list := f != nil && name != "level" && name != "omitManagedFields"
		r.broken = r.broken || list && f.val.Kind != yaml.SequenceNode && f.val.Tag != "!!null"
	}
	list := r.f["resources"]
	if list == nil || list.val.Kind != yaml.SequenceNode {
		return
	}
	for _, n := range list.val.Content {
		e := &elem{at: follow(n), f: map[string]*field{}}
		if e.at.Kind == yaml.MappingNode {
			e.f = c.fields(e.at, elemFields, "a resources entry of "+r.name(), r)
			if f := e.f["group"]; f != nil && f.val.Kind == yaml.ScalarNode && f.val.Tag != "!!null" {
				e.Group = f.val.Value
			}
			e.Resources, e.ResourceNames = c.strings(e.f["resources"]), c.strings(e.f["resourceNames"])
		}
		r.elems = append(r.elems, e)
		r.Resources = append(r.Resources, e.GroupResources)
	}
}

// name is as in errors of Kubernetes: counted from 0.
func (r *rule) name() string { return fmt.Sprintf("rules[%d]", r.index) }

// key is where a field of the rule stands, or the rule itself.
func (r *rule) key(name string) *yaml.Node {
	if f := r.f[name]; f != nil {
		return f.key
	}
	return r.at
}

// items are the entries of a list field.
func items(f *field) []*yaml.Node {
	if f == nil || f.val.Kind != yaml.SequenceNode {
		return nil
	}
	return f.val.Content
}

// yaml11 is what the YAML that kube-apiserver reads takes for a boolean, and people for a word.
var yaml11 = regexp.MustCompile(`^(y|Y|yes|Yes|YES|on|On|ON|n|N|no|No|NO|off|Off|OFF)$`)

// strings gives a list of strings. Entries that are read as something else are findings.
func (c *checker) strings(f *field) (list []string) {
	if f != nil && f.val.Kind != yaml.SequenceNode && f.val.Tag != "!!null" {
		fd := c.add("L0", Error, f.key, fmt.Sprintf("%s is not a list: kube-apiserver does not start with it", f.key.Value), "a list, even of one").refuse()
		if f.val.Kind == yaml.ScalarNode && f.val.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
			e := c.scalar(f.val)
			fd.fixed("put it in brackets", edit{e.start, e.start, "["}, edit{e.end, e.end, "]"})
		}
	}
	for _, n := range items(f) {
		v := follow(n)
		if v.Kind != yaml.ScalarNode {
			c.add("L0", Error, v, fmt.Sprintf("this entry of %s is no string: kube-apiserver does not start with it", f.key.Value), "a plain list of strings").refuse()
			continue
		}
		plain := v.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) == 0
		if plain && (yaml11.MatchString(v.Value) || v.Tag != "!!str" && v.Tag != "!!null" && v.Tag != "!!timestamp") {
			e := c.scalar(v)
			e.text = strconv.Quote(v.Value)
			c.add("L0", Error, v, fmt.Sprintf("%s is read as a boolean or a number, not as a string: kube-apiserver does not start with it", v.Value), "the word itself, in quotes").refuse().
				fixed("put it in quotes", e)
		}
		if v.Tag == "!!null" && plain {
			list = append(list, "")
			continue
		}
		list = append(list, v.Value)
	}
	return list
}

func stages(list []string) (s []audit.Stage) {
	for _, v := range list {
		s = append(s, audit.Stage(v))
	}
	return s
}

func isTrue(f *field) bool {
	return f != nil && f.val.Tag == "!!bool" && strings.EqualFold(f.val.Value, "true")
}
