package lint

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"annals.dev/audit"
	"annals.dev/policy"
)

// edit replaces the bytes from start to end of the file. One whose end lies before its start could not be made out.
type edit struct {
	start, end int
	text       string
}

var noEdit = edit{start: 0, end: -1}

// offset gives the byte of a line and a column of the file, -1 if there is none.
func (c *checker) offset(line, column int) int {
	if c.starts == nil {
		c.starts = []int{0}
		for i, b := range c.src {
			if b == '\n' {
				c.starts = append(c.starts, i+1)
			}
		}
	}
	if line < 1 || line > len(c.starts) {
		return -1
	}
	at := c.starts[line-1]
	if line == 1 && bytes.HasPrefix(c.src, []byte("\ufeff")) {
		at += 3
	}
	for range column - 1 {
		if at >= len(c.src) || c.src[at] == '\n' {
			return -1
		}
		_, n := utf8.DecodeRune(c.src[at:])
		at += n
	}
	return at
}

// scalar gives the place of a one-line scalar, quotes included, as an edit that leaves it as it is.
func (c *checker) scalar(n *yaml.Node) edit {
	at := c.offset(n.Line, n.Column)
	if at < 0 || n.Kind != yaml.ScalarNode || n.Anchor != "" {
		return noEdit
	}
	raw := n.Value
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		raw = `"` + raw + `"`
	case n.Style&yaml.SingleQuotedStyle != 0:
		raw = "'" + raw + "'"
	case n.Style != 0 && n.Style != yaml.FlowStyle:
		return noEdit
	}
	if !strings.HasPrefix(string(c.src[at:]), raw) {
		return noEdit // escapes, or folded over lines
	}
	return edit{at, at + len(raw), raw}
}

// replace writes another value in place of a scalar, in quotes if those were there.
func (c *checker) replace(n *yaml.Node, value string) edit {
	e := c.scalar(n)
	if e.end < e.start {
		return noEdit
	}
	e.text = value
	if q := c.src[e.start]; value != "" && (q == '"' || q == '\'') && e.start < e.end {
		e.text = string(q) + value + string(q)
	} else if value == "" || strings.ContainsAny(value[:1], "*&!|>%@`'\"[]{},#?:-") {
		e.text = `"` + value + `"`
	}
	return e
}

// lines gives the edit that takes a field of a block mapping out, whole lines of it, and those lines.
// It fails where the field shares a line with something else.
func (c *checker) lines(n *yaml.Node, i int) (edit, string) {
	k := n.Content[i]
	if n.Style&yaml.FlowStyle != 0 || k.Column < 2 {
		return noEdit, ""
	}
	start := c.offset(k.Line, 1)
	if start < 0 {
		return noEdit, ""
	}
	if head := c.src[start:c.offset(k.Line, k.Column)]; len(bytes.TrimLeft(head, " ")) > 0 {
		return noEdit, "" // after a dash
	}
	end := start
	for first := true; end < len(c.src); first = false {
		n := bytes.IndexByte(c.src[end:], '\n') + 1
		if n == 0 {
			n = len(c.src) - end
		}
		line := string(c.src[end : end+n])
		indent := len(line) - len(strings.TrimLeft(line, " "))
		inside := indent >= k.Column || indent == k.Column-1 && strings.HasPrefix(line[indent:], "- ")
		if !first && (strings.TrimSpace(line) == "" || !inside) {
			break
		}
		end += n
	}
	return edit{start: start, end: end}, string(c.src[start:end])
}

// apply makes the edits; if two of them meet, none: they speak of one node that stands in two places.
func apply(src []byte, edits []edit) []byte {
	b := src
	edits = slices.Clone(edits)
	slices.SortStableFunc(edits, func(x, y edit) int { return y.start - x.start })
	before := len(b)
	for _, e := range edits {
		if e.end > before {
			return src
		}
		before = e.start
		b = slices.Concat(b[:e.start], []byte(e.text), b[e.end:])
	}
	return b
}

// Fix makes the safe fixes, one after the other, and gives those that it made, at the places that they had in b. It touches
// nothing else: comments and layout stay. A fix that would bring a new warning or error about, or a policy that
// kube-apiserver refuses, or that would silence what is recorded, is not made.
func Fix(name string, b []byte, o Options) ([]byte, []Finding) {
	return fix(name, b, o, func(*Finding) bool { return true })
}

func fix(name string, b []byte, o Options, want func(*Finding) bool) ([]byte, []Finding) {
	var done []Finding
	refused := map[string]bool{}
	c := checked(name, b, o)
	first := slices.Clone(c.found)
	for range 1000 {
		i := slices.IndexFunc(c.found, func(f Finding) bool { return len(f.edits) > 0 && !refused[f.ID+f.Today] && want(&f) })
		if i < 0 {
			break
		}
		f := c.found[i]
		next, safe := c.tried(&f)
		if !safe {
			refused[f.ID+f.Today] = true
			continue
		}
		for j, g := range first { // the fixes before this one may have moved it
			if g.ID == f.ID && g.Today == f.Today {
				f.Line, f.Column = g.Line, g.Column
				first = slices.Delete(first, j, j+1)
				break
			}
		}
		done = append(done, f)
		c = next
	}
	return c.src, done
}

// tried makes a fix, and says whether it is safe.
func (c *checker) tried(f *Finding) (*checker, bool) {
	next := checked(c.name, apply(c.src, f.edits), c.o)
	return next, !worse(*f, c.found, next.found) && (loads(next.src, c.o) || !loads(c.src, c.o)) && (f.Severity == Error || !next.silences(c))
}

// silences reports whether a rule of level None takes what was recorded before. Whoever wrote the rule may have meant that;
// but evidence ends only by somebody's own hand.
func (c *checker) silences(before *checker) bool {
	if c.eval == nil || before.eval == nil {
		return false
	}
	for _, r := range c.rules {
		c.asked = 0
		for a := range requests(&r.Rule, nil) {
			if r.Level != audit.LevelNone {
				break
			}
			d, ok := c.decide(a)
			if !ok {
				return true // too many to know
			}
			if d.Rule == r.index && before.eval.Decide(a).Level != audit.LevelNone {
				return true
			}
		}
	}
	return false
}

func loads(b []byte, o Options) bool {
	_, err := policy.Parse(b, policy.Options{Upstream: true, Kubernetes: o.Kubernetes})
	return err == nil
}

// worse reports whether a fix did not help, or changed what was not broken. What the file could not say before, because a
// field or a level of it was not read, comes to light with the fix: that is not held against it.
func worse(fix Finding, before, after []Finding) bool {
	count := func(list []Finding, id string) (n int) {
		for _, f := range list {
			if f.ID == id && f.Severity >= Warning {
				n++
			}
		}
		return n
	}
	if fix.Severity >= Warning && count(after, fix.ID) >= count(before, fix.ID) {
		return true
	}
	if fix.Severity == Error {
		return false
	}
	return slices.ContainsFunc(after, func(f Finding) bool {
		return f.Severity >= Warning && count(after, f.ID) > count(before, f.ID)
	})
}
