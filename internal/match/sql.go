package match

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// SQL is the predicate as a condition for DuckDB, over the ledger's columns and cluster. It is true for the rows that match,
// and false or NULL for the others: it is made for WHERE. It calls Functions where DuckDB alone cannot give the same answer.
//
// Negations go down to the tests, where a NULL is told apart; so the tests that are not negated stay bare comparisons, which
// DuckDB pushes into its scan.
func (p *Predicate) SQL() string { return p.root.sql(false) }

func (n and) sql(negated bool) string {
	if len(n) == 0 {
		return strconv.FormatBool(!negated)
	}
	var terms []string
	for _, c := range n {
		terms = append(terms, c.sql(negated))
	}
	return join(terms, !negated)
}

func (n or) sql(negated bool) string {
	// Alternatives of one column become a list, which is looked up at once.
	var terms, columns []string
	lists := map[string][]string{}
	for _, c := range n {
		if t, ok := c.(*textTest); ok && t.value.exact() && t.field.name != "auditID" {
			if lists[t.field.column] == nil {
				columns = append(columns, t.field.column)
			}
			lists[t.field.column] = append(lists[t.field.column], quote(string(t.value.parts[0])))
		} else {
			terms = append(terms, c.sql(negated))
		}
	}
	for _, c := range columns {
		test := identifier(c) + " = " + lists[c][0]
		if len(lists[c]) > 1 {
			test = fmt.Sprintf("%s IN (%s)", identifier(c), strings.Join(lists[c], ", "))
		}
		terms = append(terms, condition(test, negated))
	}
	return join(terms, negated)
}

func join(terms []string, all bool) string {
	if len(terms) == 1 {
		return terms[0]
	}
	op := " OR "
	if all {
		op = " AND "
	}
	return "(" + strings.Join(terms, op) + ")"
}

func (n not) sql(negated bool) string { return n.node.sql(!negated) }

// condition is a test that may be NULL.
func condition(expr string, negated bool) string {
	if negated {
		return "(NOT coalesce(" + expr + ", false))"
	}
	return expr
}

func quote(s string) string      { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
func identifier(s string) string { return `"` + s + `"` }

func (t *textTest) sql(negated bool) string {
	column := identifier(t.field.column)
	if t.field.name == "auditID" {
		if id := string(t.value.parts[0]); t.value.exact() && canonicalUUID(id) {
			return condition(column+" = "+quote(id)+"::UUID", negated)
		} else if t.value.exact() {
			return condition(`"auditIDText" = `+quote(id), negated)
		}
		column = `coalesce("auditID"::VARCHAR, "auditIDText")`
	}
	return condition(like(column, &t.value), negated)
}

// canonicalUUID says whether the ledger keeps an audit ID as a UUID: because its text follows from that.
func canonicalUUID(id string) bool {
	return isUUID([]byte(id)) && len(id) == uuidLen && id == strings.ToLower(id) && strings.Trim(id, "0-") != ""
}

func like(column string, v *value) string {
	var parts []string
	for _, p := range v.parts {
		parts = append(parts, string(p))
	}
	n := len(parts)
	switch {
	case v.exact():
		return column + " = " + quote(parts[0])
	case v.any():
		return column + " <> ''"
	case n == 2 && parts[1] == "":
		return "starts_with(" + column + ", " + quote(parts[0]) + ")"
	case n == 2 && parts[0] == "":
		return "suffix(" + column + ", " + quote(parts[1]) + ")"
	case n == 3 && parts[0] == "" && parts[2] == "":
		return "contains(" + column + ", " + quote(parts[1]) + ")"
	}
	for i, p := range parts {
		parts[i] = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(p)
	}
	return "(" + column + " LIKE " + quote(strings.Join(parts, "%")) + ` ESCAPE '\')`
}

func (t *numberTest) sql(negated bool) string {
	column := t.field.column
	number := func(n int64) string {
		if t.field.unit == instant && column[0] == '"' {
			return "TIMESTAMP " + quote(time.UnixMicro(n).UTC().Format("2006-01-02 15:04:05.000000"))
		}
		return strconv.FormatInt(n, 10)
	}
	var terms []string
	switch {
	case t.from == t.to:
		terms = append(terms, column+" = "+number(t.from))
	case t.from != minNumber:
		terms = append(terms, column+" >= "+number(t.from))
	case t.to != maxNumber:
		terms = append(terms, column+" <= "+number(t.to))
	case !t.field.zero:
		terms = append(terms, column+" IS NOT NULL")
	}
	if t.field.zero && t.from <= 0 && t.to >= 0 {
		terms = append(terms, column+" <> 0")
	}
	return condition(join(terms, true), negated)
}

func (t *enumTest) sql(negated bool) string {
	n := t.field.names[t.name]
	switch t.field.name {
	case "mark":
		return condition(fmt.Sprintf(`("marks" & %d) <> 0`, n), negated)
	case "weekday":
		return condition(fmt.Sprintf("%s = %d", t.field.column, n), negated)
	}
	return condition(fmt.Sprintf("%s = %d", identifier(t.field.column), n), negated)
}

func (t *jsonTest) sql(negated bool) string {
	var leaf strings.Builder
	t.print(&leaf)
	column := identifier(t.field.column)
	exact := fmt.Sprintf("%s(%s, %s)", testFunction, quote(leaf.String()), column)
	return condition(t.shortcut(column, exact), negated)
}

func (p *phrase) sql(negated bool) string {
	var leaf, columns strings.Builder
	p.print(&leaf)
	for _, c := range textColumns {
		columns.WriteString(", " + identifier(c.name))
	}
	return condition(wordsFunction+"("+quote(leaf.String())+columns.String()+")", negated)
}

// shortcut spares the function the rows on which plain text can decide.
func (t *jsonTest) shortcut(column, exact string) string {
	contains := func(s string) string { return "contains(" + column + ", " + quote(s) + ")" }
	onlyIf := func(any ...string) string {
		return "(CASE WHEN " + strings.Join(any, " OR ") + " THEN " + exact + " ELSE false END)"
	}
	if t.value.net.IsValid() {
		net := t.value.net
		switch octets := net.Bits() / 8; {
		case net.Addr().Is6():
			return onlyIf(contains(":"), contains(`\`))
		case octets > 0:
			parts := strings.Split(net.Addr().String(), ".")
			start := strings.Join(parts[:octets], ".") + "."
			if octets == 4 {
				start = net.Addr().String() + `"`
			}
			return onlyIf(contains(`"`+start), contains(":"), contains(`\`)) // an IPv4 address may be written as IPv6
		}
		return exact
	}
	if path := append(t.field.path[:len(t.field.path):len(t.field.path)], t.path...); len(path) > 0 {
		// The last key stands in the text, unless it is written with escapes.
		if key := path[len(path)-1]; plainInJSON(key) {
			return onlyIf(contains(`"`+key+`"`), contains(`\u`), contains(`\/`))
		}
		return exact
	}
	// In a list of strings without escapes, a quote before a letter or digit opens a string.
	text, rest := "", t.value.parts
	if len(rest) > 0 {
		text = string(rest[0])
	}
	if t.field.object || text == "" || !plainInJSON(text) || fold[text[0]] <= backslash || text[0] >= 0x80 || text[0] == '_' {
		return exact
	}
	switch {
	case t.value.exact():
		text = `"` + text + `"`
	case len(rest) == 2 && len(rest[1]) == 0:
		text = `"` + text
	default:
		return exact
	}
	return fmt.Sprintf(`(CASE WHEN %s OR %s THEN %s ELSE %s END)`, contains(`\`), contains(`{`), exact, contains(text))
}

// plainInJSON says whether s stands in JSON as it is, unless the writer escapes more than it must.
func plainInJSON(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' }) < 0
}
