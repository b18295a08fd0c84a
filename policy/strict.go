package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	yaml3 "go.yaml.in/yaml/v3"

	"annals.dev/internal/spell"
	v1 "annals.dev/policy/internal/v1"
)

// strictError is what strict reading refuses, all of it at once, with the place of each.
func (f *file) strictError(b []byte) error {
	root, more := documents(b)
	if f.version == unversioned {
		return nil // there is a better error for it
	}
	var texts []string
	for _, err := range f.strict {
		var field interface{ FieldPath() string }
		if errors.As(err, &field) {
			texts = append(texts, describe(root, err.Error(), field.FieldPath()))
		} else if d := duplicates(root, ""); len(d) > 0 {
			texts = append(texts, d...)
		} else {
			texts = append(texts, err.Error())
		}
	}
	if !f.named {
		texts = append(texts, `missing field "kind" (it must be Policy)`)
	}
	if more != nil {
		texts = append(texts, fmt.Sprintf("a second document begins at line %d: only the first is read (keep one policy in a file)", more.Line))
	}
	if len(texts) == 0 {
		return nil
	}
	return errors.New("strict decoding error: " + strings.Join(texts, ", "))
}

// documents are the first document, and the next that holds anything; nil where the file cannot be read that far.
func documents(b []byte) (first, more *yaml3.Node) {
	d := yaml3.NewDecoder(bytes.NewReader(b))
	for i := 0; ; i++ {
		n := new(yaml3.Node)
		err := d.Decode(n)
		switch {
		case errors.Is(err, io.EOF):
			return first, nil
		case err != nil: // this reader is not the one that read the first document, and may refuse more
			if line := lineAfter(b); line > 0 {
				more = &yaml3.Node{Line: line}
			}
			return first, more
		case i == 0:
			first = n
		case len(n.Content) > 0 && n.Content[0].Tag != "!!null":
			return first, n.Content[0]
		}
	}
}

// lineAfter is the line of the first document separator that has something before it, or 0.
func lineAfter(b []byte) int {
	filled := false
	for i, line := range bytes.Split(b, []byte("\n")) {
		text := bytes.TrimSpace(line)
		if filled && bytes.HasPrefix(line, []byte("---")) {
			return i + 1
		}
		filled = filled || len(text) > 0 && text[0] != '#' && text[0] != '%' && !bytes.Equal(text, []byte("---"))
	}
	return 0
}

// describe says where the field is, and what was surely meant.
func describe(root *yaml3.Node, text, path string) string {
	if key := find(root, path, strings.HasPrefix(text, "duplicate")); key != nil {
		text += fmt.Sprintf(" at line %d, column %d", key.Line, key.Column)
	}
	if strings.HasPrefix(text, "unknown") {
		if hint := meant(path); hint != "" {
			text += " (" + hint + ")"
		}
	}
	return text
}

// find is the key, or the element of a list, at a path such as rules[0].resources[1].group; the last of them if the key
// stands there twice.
func find(n *yaml3.Node, path string, last bool) *yaml3.Node {
	if n == nil || len(n.Content) == 0 {
		return nil
	}
	switch n.Kind {
	case yaml3.DocumentNode:
		return find(n.Content[0], path, last)
	case yaml3.SequenceNode:
		for i, c := range n.Content {
			if rest, ok := strings.CutPrefix(path, fmt.Sprintf("[%d]", i)); ok {
				if rest == "" {
					return c
				}
				return find(c, strings.TrimPrefix(rest, "."), last)
			}
		}
	case yaml3.MappingNode:
		var found *yaml3.Node
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			rest, ok := strings.CutPrefix(path, key.Value)
			switch {
			case !ok || found != nil && !last:
			case rest == "":
				found = key
			case rest[0] == '.' || rest[0] == '[':
				if k := find(n.Content[i+1], strings.TrimPrefix(rest, "."), last); k != nil {
					found = k
				}
			}
		}
		return found
	}
	return nil
}

// duplicates are the keys that stand in a mapping before.
func duplicates(n *yaml3.Node, path string) (texts []string) {
	if n == nil || len(n.Content) == 0 {
		return nil
	}
	switch n.Kind {
	case yaml3.DocumentNode:
		return duplicates(n.Content[0], path)
	case yaml3.SequenceNode:
		for i, c := range n.Content {
			texts = append(texts, duplicates(c, fmt.Sprintf("%s[%d]", path, i))...)
		}
	case yaml3.MappingNode:
		first := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			at := strings.TrimPrefix(path+"."+key.Value, ".")
			if line, ok := first[key.Value]; ok {
				texts = append(texts, fmt.Sprintf("duplicate field %q at line %d, column %d (it stands at line %d before)", at, key.Line, key.Column, line))
			} else {
				first[key.Value] = key.Line
			}
			texts = append(texts, duplicates(n.Content[i+1], at)...)
		}
	}
	return texts
}

// Fields of each object of a policy file, in its order.
var (
	policyFields   = fieldsOf(reflect.TypeFor[v1.Policy]())
	ruleFields     = fieldsOf(reflect.TypeFor[v1.PolicyRule]())
	resourceFields = fieldsOf(reflect.TypeFor[v1.GroupResources]())
	metadataFields = fieldsOf(reflect.TypeFor[v1.ObjectMeta]())
)

func fieldsOf(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == "" { // inlined
			names = append(names, fieldsOf(t.Field(i).Type)...)
		} else {
			names = append(names, name)
		}
	}
	return names
}

// meant guesses from an unknown field's path what its author wanted.
func meant(path string) string {
	parent, name := "", path
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		parent, name = path[:i], path[i+1:]
	}
	here, misplaced := policyFields, "the policy itself, beside rules"
	switch {
	case strings.HasPrefix(parent, "metadata"):
		here = metadataFields
	case strings.Contains(parent, ".resources["):
		here = resourceFields
	case parent != "":
		here = ruleFields
	}
	if slices.Contains(here, name) {
		return "it came with a later Kubernetes"
	}
	if near := nearest(name, here); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	switch {
	case slices.Contains(resourceFields, name):
		misplaced = "an element of resources"
	case slices.Contains(ruleFields, name):
		misplaced = "a rule, beside its level"
	case !slices.Contains(policyFields, name):
		return ""
	}
	return fmt.Sprintf("%s belongs to %s: look at its indentation", name, misplaced)
}

// nearest is the one of the names that a slip of the hand makes of s: another case, or an edit or two.
func nearest(s string, names []string) string {
	best, least := "", 3
	for _, n := range names {
		d := spell.Distance(strings.ToLower(s), strings.ToLower(n))
		if d < least && d < len(n)-1 {
			best, least = n, d
		}
	}
	return best
}

// Lines are the lines of a policy file at which its rules begin, where they can be told.
func Lines(b []byte) (lines []int) {
	root, _ := documents(b)
	if root == nil || len(root.Content) == 0 || root.Content[0].Kind != yaml3.MappingNode {
		return nil
	}
	for top, i := root.Content[0].Content, 0; i+1 < len(top); i += 2 {
		if top[i].Value == "rules" {
			lines = nil // of two lists the last counts
			for _, rule := range top[i+1].Content {
				lines = append(lines, rule.Line)
			}
		}
	}
	return lines
}
