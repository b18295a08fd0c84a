// Package ruletest holds rules to events that they must find and events that they must leave alone. Start with Parse.
//
// The cases of rules/x/y.yml stand beside it in rules/x/y.test.yml. An event need not say more than the rule is about: what a
// real one would have besides is filled in. What a case finds is what the engine finds.
package ruletest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"annals.dev/internal/format"
	"annals.dev/internal/spell"
)

// Suite is a file of cases.
type Suite struct {
	File  string
	Rule  string // of the cases that name none; "" is the one rule of the file beside it
	Cases []Case
}

// Case is events, and how many findings a rule must make of them.
type Case struct {
	Name     string
	Line     int
	Rule     string
	Findings int // 0 of a quiet one
	Events   []Event
}

// Event is an event as the ledger would have it.
type Event struct {
	Cluster string
	Line    int
	JSON    []byte
	Marks   format.Marks
}

const maxFile = 4 << 20

// NameFor is the name of the file of cases for a file of rules.
func NameFor(rules string) string { return strings.TrimSuffix(rules, path.Ext(rules)) + ".test.yml" }

// IsTest says whether a file is one of cases.
func IsTest(name string) bool {
	return strings.HasSuffix(name, ".test.yml") || strings.HasSuffix(name, ".test.yaml")
}

// Parse reads a file of cases. Its error names the line.
func Parse(name string, data []byte) (*Suite, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s: larger than %d bytes, which no file of cases may be; split it", name, maxFile)
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s holds no cases; write match: and quiet:, lists of events", name)
	} else if err != nil {
		return nil, fmt.Errorf("%s: %s", name, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: it holds a second YAML document; a file of cases is one", name)
	}
	s := &Suite{File: name}
	if err := s.read(doc.Content[0]); err != nil {
		return nil, err
	}
	if len(s.Cases) == 0 {
		return nil, fmt.Errorf("%s holds no cases; write match: and quiet:, lists of events", name)
	}
	return s, nil
}

func (s *Suite) errorf(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", s.File, n.Line, fmt.Sprintf(format, args...))
}

func (s *Suite) read(top *yaml.Node) error {
	if top.Kind != yaml.MappingNode {
		return s.errorf(top, "write match: and quiet:, lists of events")
	}
	for i := 0; i < len(top.Content); i += 2 {
		key, value := top.Content[i], top.Content[i+1]
		switch key.Value {
		case "rule":
			s.Rule = value.Value
		case "match", "quiet":
			if value.Kind != yaml.SequenceNode {
				return s.errorf(value, "%s is a list of cases", key.Value)
			}
			for _, n := range value.Content {
				if err := s.add(n, key.Value == "quiet"); err != nil {
					return err
				}
			}
		case "about", "events": // a comment; a place for anchors
		default:
			return s.errorf(key, "%q is none of match, quiet, rule, about, events%s", key.Value, hint(key.Value, []string{"match", "quiet", "rule", "about", "events"}))
		}
	}
	for i := range s.Cases {
		if s.Cases[i].Rule == "" {
			s.Cases[i].Rule = s.Rule
		}
	}
	return nil
}

// caseMembers are a case's own; whatever else stands in one that has neither event nor events is the event's.
var caseMembers = []string{"name", "findings", "rule", "cluster", "event", "events"}

func (s *Suite) add(n *yaml.Node, quiet bool) error {
	line := n.Line
	var m map[string]any
	if err := n.Decode(&m); err != nil {
		return s.errorf(n, "a case is an event, or has events: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	c := Case{Line: line, Findings: 1}
	if quiet {
		c.Findings = 0
	}
	cluster := "test"
	take := func(key string) any { v := m[key]; delete(m, key); return v }
	if v, ok := take("name").(string); ok {
		c.Name = v
	}
	if v, ok := take("rule").(string); ok {
		c.Rule = v
	}
	if v, ok := m["findings"]; ok {
		delete(m, "findings")
		number, ok := v.(int)
		switch {
		case quiet:
			return s.errorf(n, "a quiet case has no findings: leave the member out")
		case !ok || number < 1:
			return s.errorf(n, "findings: %v: give a number from 1; what must find nothing stands under quiet", v)
		}
		c.Findings = number
	}
	if v, ok := take("cluster").(string); ok {
		cluster = v
	}
	event, events := m["event"], m["events"]
	var list []any
	switch {
	case events != nil && event != nil:
		return s.errorf(n, "a case has event or events, not both")
	case events != nil:
		if list, _ = events.([]any); list == nil {
			return s.errorf(n, "events is a list of events")
		}
	case event != nil:
		list = []any{event}
	default:
		list = []any{m}
		m = nil
	}
	for key := range m {
		if !slices.Contains(caseMembers, key) {
			return s.errorf(n, "%q beside events: a case has %s%s", key, strings.Join(caseMembers, ", "), hint(key, caseMembers))
		}
	}
	lines := eventLines(n)
	f := filler{cluster: cluster, next: start, ids: map[string]time.Time{}}
	for i, e := range list {
		at := line
		if i < len(lines) {
			at = lines[i]
		}
		e, ok := e.(map[string]any)
		if !ok {
			return fmt.Errorf("%s:%d: an event is a mapping", s.File, at)
		}
		made, err := f.fill(e)
		if err != nil {
			return fmt.Errorf("%s:%d: %w", s.File, at, err)
		}
		for j := range made {
			made[j].Line = at
		}
		c.Events = append(c.Events, made...)
	}
	if len(c.Events) == 0 {
		return s.errorf(n, "the case has no events")
	}
	if c.Name == "" {
		c.Name = "case " + strconv.Itoa(len(s.Cases)+1)
	}
	s.Cases = append(s.Cases, c)
	return nil
}

// eventLines are where the events of a case begin.
func eventLines(n *yaml.Node) (lines []int) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if value := n.Content[i+1]; n.Content[i].Value == "events" && value.Kind == yaml.SequenceNode {
			for _, e := range value.Content {
				lines = append(lines, e.Line)
			}
		}
	}
	return lines
}

// hint is what was surely meant by a word that is none of those.
func hint(word string, of []string) string {
	best, least := "", 3
	for _, w := range of {
		if d := spell.Distance(strings.ToLower(word), strings.ToLower(w)); d < least && d < len(w) {
			best, least = w, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %s?", best)
}
