package sigma

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"annals.dev/internal/detect"
)

// What a file may hold. Rules are written by people: more than this is a mistake, or meant to keep us busy.
const (
	maxFile     = 16 << 20 // bytes
	maxDocument = 1 << 20
	maxNodes    = 100_000   // of a document, with what its aliases stand for
	maxTotal    = 2_000_000 // of a file, with what actions add to each document
	maxDepth    = 50
	maxProblems = 1000 // of a file
)

// document is one YAML document of a file.
type document struct {
	root *yaml.Node // a mapping; its lines are the file's
	text string
	many bool // it takes its ID, or what stands for it, from an action: others do too
}

// split cuts a file where its documents begin. A line that begins with --- is nothing else in YAML, so each can be read by
// itself, and what is wrong with one does not hide the others.
func split(data []byte) (texts []string, lines []int) {
	from, line, first := 0, 1, 1
	flush := func(to int) {
		if text := string(data[from:to]); !blank(text) {
			texts, lines = append(texts, text), append(lines, first)
		}
	}
	for at := 0; at < len(data); line++ {
		end := len(data)
		if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		if l := data[at:end]; at > from && bytes.HasPrefix(l, []byte("---")) && (len(l) == 3 || bytes.IndexByte([]byte(" \t\r\n"), l[3]) >= 0) {
			flush(at)
			from, first = at, line
		}
		at = end
	}
	flush(len(data))
	return texts, lines
}

// blank says whether there is nothing but comments, directives and markers.
func blank(text string) bool {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		line = strings.TrimSpace(strings.TrimPrefix(line, "---"))
		if line != "" && line != "..." && line[0] != '#' && line[0] != '%' && line != "\ufeff" {
			return false
		}
	}
	return true
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

// parse reads one document that begins at a line of its file. Its error stands at the line that it returns.
func parse(text string, first int) (*document, int, error) {
	if len(text) > maxDocument {
		return nil, first, fmt.Errorf("it has %d bytes, and a rule has at most %d MiB; split it", len(text), maxDocument>>20)
	}
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(text), &n); err != nil {
		at, message := first, strings.TrimPrefix(err.Error(), "yaml: ")
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			i, _ := strconv.Atoi(m[1])
			at, message = first+i-1, strings.TrimPrefix(err.Error(), m[0])
		}
		return nil, at, fmt.Errorf("it cannot be read as YAML: %s", message)
	}
	if n.Kind != yaml.DocumentNode || len(n.Content) == 0 {
		return nil, first, errors.New("it holds nothing")
	}
	nodes := 0
	root, err := expand(n.Content[0], first-1, 0, &nodes)
	if err != nil {
		return nil, first, err
	}
	if root.Kind != yaml.MappingNode {
		return nil, first, errors.New("a rule is a map with title, logsource and detection")
	}
	return &document{root: root, text: text}, 0, nil
}

// expand copies a node with aliases and merge keys replaced by what they stand for, and lines moved to the file's.
func expand(n *yaml.Node, shift, depth int, nodes *int) (*yaml.Node, error) {
	if *nodes++; *nodes > maxNodes {
		return nil, fmt.Errorf("it has more than %d values, with what its aliases stand for; split it", maxNodes)
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("it is nested deeper than %d", maxDepth)
	}
	if n.Kind == yaml.AliasNode {
		c, err := expand(n.Alias, shift, depth+1, nodes)
		if err == nil {
			c.Line = n.Line + shift
		}
		return c, err
	}
	c := &yaml.Node{Kind: n.Kind, Tag: n.ShortTag(), Value: n.Value, Style: n.Style, Line: n.Line + shift}
	var merged []*yaml.Node
	for i := 0; i < len(n.Content); i++ {
		child, err := expand(n.Content[i], shift, depth+1, nodes)
		if err != nil {
			return nil, err
		}
		if n.Kind == yaml.MappingNode && i%2 == 0 && child.Tag == "!!merge" {
			i++
			if child, err = expand(n.Content[i], shift, depth+1, nodes); err != nil {
				return nil, err
			}
			merged = append(merged, child)
			continue
		}
		c.Content = append(c.Content, child)
	}
	has := map[string]bool{}
	if merged != nil {
		for k := range pairs(c) {
			has[k.Value] = true
		}
	}
	for _, m := range merged {
		from := []*yaml.Node{m}
		if m.Kind == yaml.SequenceNode {
			from = m.Content
		}
		for _, m := range from {
			for k, v := range pairs(m) {
				if !has[k.Value] {
					has[k.Value] = true
					c.Content = append(c.Content, k, v)
				}
			}
		}
	}
	return c, nil
}

// count is how many nodes there are.
func count(n *yaml.Node) int {
	all := 1
	for _, c := range n.Content {
		all += count(c)
	}
	return all
}

// pairs are the keys and values of a mapping, in their order; of anything else none.
func pairs(n *yaml.Node) func(func(k, v *yaml.Node) bool) {
	return func(yield func(k, v *yaml.Node) bool) {
		if n == nil || n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i], n.Content[i+1]) {
				return
			}
		}
	}
}

// get is the value of a key of a mapping, nil if there is none.
func get(n *yaml.Node, key string) *yaml.Node {
	for k, v := range pairs(n) {
		if k.Value == key {
			return v
		}
	}
	return nil
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// text is a scalar as it was written; "" of anything else.
func text(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode || isNull(n) {
		return ""
	}
	return n.Value
}

// texts are a scalar, or the scalars of a list.
func texts(n *yaml.Node) []string {
	if n == nil || isNull(n) {
		return nil
	}
	if n.Kind == yaml.ScalarNode {
		return []string{n.Value}
	}
	var all []string
	if n.Kind == yaml.SequenceNode {
		for _, c := range n.Content {
			if c.Kind == yaml.ScalarNode && !isNull(c) {
				all = append(all, c.Value)
			}
		}
	}
	return all
}

// read takes the rules of a file.
func (c *collection) read(f detect.File) {
	tell := func(line int, format string, args ...any) {
		c.problems = append(c.problems, detect.Problem{File: f.Name, Line: line, Kind: failure, Message: fmt.Sprintf(format, args...)})
	}
	if len(f.Data) > maxFile {
		tell(1, "the file has %d bytes, and a file of rules has at most %d MiB; split it", len(f.Data), maxFile>>20)
		return
	}
	var global, last *yaml.Node
	total := 0
	all, lines := split(f.Data)
	before := len(c.problems)
	for i, t := range all {
		if len(c.problems)-before > maxProblems {
			tell(lines[i], "there are more than %d problems with the file, so what follows is not read; correct those first", maxProblems)
			return
		}
		doc, line, err := parse(t, lines[i])
		if err != nil {
			tell(line, "%v", err)
			continue
		}
		doc.many = get(doc.root, "id") == nil
		switch action := get(doc.root, "action"); text(action) {
		case "global":
			global = doc.root
			last = global
			continue
		case "reset":
			global = nil
			continue
		case "repeat":
			if last == nil {
				tell(action.Line, "action repeat has no rule before it to repeat")
				continue
			}
			doc.root = overlay(last, doc.root)
			last = doc.root
		case "":
			doc.many = doc.many && global != nil
			doc.root = overlay(doc.root, global)
			last = doc.root
		default:
			tell(action.Line, "unknown action %q; it is one of global, repeat and reset", text(action))
			continue
		}
		if total += count(doc.root); total > maxTotal {
			tell(lines[i], "the rules of the file hold more than %d values, with what actions add to them; split it", maxTotal)
			return
		}
		c.add(f.Name, lines[i], doc)
	}
}

// overlay is a mapping with what another one says put over it, maps within maps.
func overlay(n, over *yaml.Node) *yaml.Node {
	if over == nil || n == nil {
		return n
	}
	c := *n
	c.Content = slices.Clone(n.Content)
	places := map[string]int{}
	for i := 0; i+1 < len(c.Content); i += 2 {
		places[c.Content[i].Value] = i
	}
	for k, v := range pairs(over) {
		if k.Value == "action" {
			continue
		}
		switch at, there := places[k.Value]; {
		case !there:
			c.Content = append(c.Content, k, v)
		case v.Kind == yaml.MappingNode && c.Content[at+1].Kind == yaml.MappingNode:
			c.Content[at+1] = overlay(c.Content[at+1], v)
		default:
			c.Content[at+1] = v
		}
	}
	return &c
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
