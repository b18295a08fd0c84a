package falco

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"annals.dev/internal/detect"
)

// maxItems bounds the items of a list, those of the lists in it included.
const maxItems = 100000

// loader gathers what files define, in the order in which Falco would load them.
type loader struct {
	rules        []*ruleDef // in the order of their first definition, which decides what is first
	byName       map[string]*ruleDef
	macros       map[string]*macroDef
	macroOrder   []string
	lists        map[string]*listDef
	problems     []detect.Problem
	otherSources map[string]int // by file and source: rules that are passed over
}

type ruleDef struct {
	name, source, condition, output, desc, priority string
	tags                                            []string
	enabled, skipUnknown                            bool
	exceptions                                      []*exception
	file, text                                      string
	line                                            int
}

type macroDef struct {
	condition string
	file      string
	line      int
}

type listDef struct {
	items []string
	file  string
	line  int
}

func newLoader() *loader {
	return &loader{byName: map[string]*ruleDef{}, macros: map[string]*macroDef{}, lists: map[string]*listDef{}, otherSources: map[string]int{}}
}

func (l *loader) problem(file string, line int, rule, kind, format string, args ...any) {
	l.problems = append(l.problems, detect.Problem{File: file, Line: line, Rule: rule, Kind: kind, Message: fmt.Sprintf(format, args...)})
}

func (l *loader) tellOthers() {
	for _, key := range slices.Sorted(maps.Keys(l.otherSources)) {
		file, source, _ := strings.Cut(key, "\x00")
		l.problem(file, 0, "", "note", "%d rules of source %s are passed over: only %s is an audit log", l.otherSources[key], source, Source)
	}
}

func (l *loader) file(f detect.File) {
	lines := strings.SplitAfter(string(f.Data), "\n")
	d := yaml.NewDecoder(bytes.NewReader(f.Data))
	for {
		var doc yaml.Node
		if err := d.Decode(&doc); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			l.problem(f.Name, 0, "", "error", "not YAML: %v", err)
			return
		}
		if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
			continue
		}
		top := doc.Content[0]
		if top.Kind != yaml.SequenceNode {
			l.problem(f.Name, top.Line, "", "error", "a file of Falco rules is a sequence of items, which begin with - rule, - macro or - list")
			return
		}
		for i, n := range top.Content {
			it := &item{loader: l, file: f.Name, line: n.Line, keys: map[string]*yaml.Node{}}
			end := len(lines)
			if i+1 < len(top.Content) {
				end = top.Content[i+1].Line - 1
			}
			if from := n.Line - 1; from >= 0 && from < end && end <= len(lines) {
				it.text = written(lines[from:end])
			}
			it.read(n)
		}
	}
}

// written are an item's lines without the comments and empty lines that follow it.
func written(lines []string) string {
	for len(lines) > 0 {
		if last := strings.TrimSpace(lines[len(lines)-1]); last != "" && last[0] != '#' && last != "---" {
			break
		}
		lines = lines[:len(lines)-1]
	}
	return strings.TrimRight(strings.Join(lines, ""), "\n")
}

// flatList is a list with the items of the lists in it in their place.
type flatList struct {
	items []string
	err   error
	done  bool
}

// flatten puts the items of lists in the place of their names, quoted where they hold blanks.
func (l *loader) flatten(name string, done map[string]*flatList) *flatList {
	f := done[name]
	if f != nil {
		if !f.done {
			return &flatList{err: fmt.Errorf("it is defined by itself")}
		}
		return f
	}
	f = &flatList{}
	done[name] = f
	for _, item := range l.lists[name].items {
		if l.lists[item] == nil {
			if strings.ContainsAny(item, " \t\r\n") && !strings.HasPrefix(item, `"`) && !strings.HasPrefix(item, "'") {
				item = quote(item)
			}
			f.items = append(f.items, item)
		} else {
			more := l.flatten(item, done)
			f.err = more.err
			f.items = append(f.items, more.items...)
		}
		if f.err == nil && len(f.items) > maxItems {
			f.err = fmt.Errorf("it has more than %d items", maxItems)
		}
		if f.err != nil {
			f.items = nil
			break
		}
	}
	f.done = true
	return f
}
