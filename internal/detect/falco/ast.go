package falco

import "strings"

// expr is a condition as it was parsed: *or, *and, *not, *check or *ident.
type expr interface{}

type (
	or  struct{ kids []expr }
	and struct{ kids []expr }
	not struct{ kid expr }

	// ident names a macro.
	ident struct {
		name string
		pos  int
	}

	// check compares an operand with values, with another operand, or with nothing (exists).
	check struct {
		left   operand
		op     string // in one spelling: = for ==
		mod    string // oneof, anyof, allof
		values []string
		right  operand // instead of values
		plain  bool    // the value stands in no parentheses
		pos    int
	}
)

// operand is what a check compares: a *field, a *call, a literal or a list of operands.
type operand interface{}

type (
	field struct {
		name string
		arg  *string
		pos  int
	}
	call struct {
		name string // of the transformer; val is none, its operand stands in its place
		args []operand
		arg  *string
		pos  int
	}
	literal string
	list    []operand
)

// walk visits a condition and all below it, macros not replaced. The polarity says whether an odd number of not is above.
func walk(e expr, negated bool, visit func(e expr, negated bool)) {
	visit(e, negated)
	switch e := e.(type) {
	case *or:
		for _, k := range e.kids {
			walk(k, negated, visit)
		}
	case *and:
		for _, k := range e.kids {
			walk(k, negated, visit)
		}
	case *not:
		walk(e.kid, !negated, visit)
	}
}

// text is an operand as it would be written.
func text(o operand) string {
	switch o := o.(type) {
	case *field:
		return o.name + argument(o.arg)
	case *call:
		return o.name + texts(o.args) + argument(o.arg)
	case list:
		return texts(o)
	case literal:
		return inQuotes(string(o))
	}
	return ""
}

func texts(all []operand) string {
	var s []string
	for _, o := range all {
		s = append(s, text(o))
	}
	return "(" + strings.Join(s, ", ") + ")"
}

func argument(arg *string) string {
	if arg == nil {
		return ""
	}
	if fieldArgument.FindString(*arg) == *arg && *arg != "" {
		return "[" + *arg + "]"
	}
	return "[" + inQuotes(*arg) + "]"
}

// String is the check as it would be written.
func (c *check) String() string {
	s := text(c.left) + " " + c.op
	if c.mod != "" {
		s += " " + c.mod
	}
	switch {
	case c.op == "exists":
	case c.right != nil:
		s += " " + text(c.right)
	case c.plain:
		s += " " + quote(c.values[0])
	default:
		var vs []string
		for _, v := range c.values {
			vs = append(vs, quote(v))
		}
		s += " (" + strings.Join(vs, ", ") + ")"
	}
	return s
}

// quote writes a text so that it is read back as the same.
func quote(s string) string {
	if s != "" && bareString.FindString(s) == s {
		return s
	}
	return inQuotes(s)
}

// inQuotes writes a backslash at the end as Falco reads one there, since a quote after a backslash never ends a text.
func inQuotes(s string) string {
	body, last := strings.CutSuffix(s, `\`)
	body = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "\r", `\r`).Replace(body)
	if last {
		body += `\ `
	}
	return `"` + body + `"`
}
