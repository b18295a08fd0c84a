package sigma

import (
	"strings"

	"annals.dev/internal/match"
)

// expr is what a rule asks: tests, joined.
type expr struct {
	op   op
	of   []*expr
	test match.Tester
	size int // about how much it prints
}

type op uint8

const (
	test op = iota
	and
	or
	not
)

func leaf(t match.Tester) *expr { return &expr{op: test, test: t, size: 1 + len(t.Key())/16} }

func join(o op, of []*expr) *expr {
	if len(of) == 1 {
		return of[0]
	}
	e := &expr{op: o, of: of}
	for _, c := range of {
		e.size += c.size
	}
	return e
}

func negate(e *expr) *expr {
	if e.op == not {
		return e.of[0]
	}
	return &expr{op: not, of: []*expr{e}, size: e.size}
}

// predicate is the same for package match.
func (e *expr) predicate() *match.Predicate {
	if e.op == test {
		return match.Test(e.test)
	}
	ps := make([]*match.Predicate, len(e.of))
	for i, c := range e.of {
		ps[i] = c.predicate()
	}
	switch e.op {
	case and:
		return match.And(ps...)
	case or:
		return match.Any(ps...)
	}
	return match.Not(ps[0])
}

// print writes it in one form: what prints the same finds the same.
func (e *expr) print(w *strings.Builder) {
	if e.op == test {
		w.WriteString(e.test.Key())
		return
	}
	w.WriteString([...]string{and: "and(", or: "or(", not: "not("}[e.op])
	for i, c := range e.of {
		if i > 0 {
			w.WriteString(", ")
		}
		c.print(w)
	}
	w.WriteByte(')')
}

// each hands its tests to f.
func (e *expr) each(f func(match.Tester)) {
	if e.op == test {
		f(e.test)
	}
	for _, c := range e.of {
		c.each(f)
	}
}
