package named

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"annals.dev/internal/match"
	"annals.dev/internal/query/object"
)

// Type is what a parameter's values are, and how they stand in a search.
type Type string

const (
	Text      Type = "text"      // compared whole; * is any text
	User      Type = "user"      // a user's name; so
	Namespace Type = "namespace" // a namespace's name; so
	Object    Type = "object"    // KIND/NAME, or a name alone
	Networks  Type = "networks"  // networks and addresses, with commas between them
	Hours     Type = "hours"     // 7-19: from 7:00 to before 19:00, in UTC; over midnight too
	Days      Type = "days"      // monday-friday, or days with commas between them
	Number    Type = "number"
	Duration  Type = "duration" // 500ms, 2s, 1m
	Query     Type = "query"    // a search
)

// types are all types; each writes a value as a search has it. standing says that it is a condition of its own, where the others
// stand behind a field.
var types = map[Type]struct {
	standing bool
	example  string
	write    func(string) (string, error)
}{
	Text:      {false, "some text", writeText},
	User:      {false, "alice@example.com", writeText},
	Namespace: {false, "prod", writeNamespace},
	Object:    {true, "deployments/web", writeObject},
	Networks:  {false, "10.0.0.0/8", writeNetworks},
	Hours:     {false, "7-19", writeHours},
	Days:      {false, "monday-friday", writeDays},
	Number:    {false, "5", writeNumber},
	Duration:  {false, "500ms", writeDuration},
	Query:     {true, "ns:prod", writeQuery},
}

const longest = 1000 // bytes of a value

// write checks a value and gives it as a search has it.
func (p *Parameter) write(value string) (string, error) {
	var err error
	switch {
	case value == "":
		err = fmt.Errorf("it is empty; leave it out, or give a value like %s", types[p.Type].example)
	case len(value) > longest:
		err = fmt.Errorf("it is longer than %d bytes", longest)
	case !utf8.ValidString(value) || strings.ContainsRune(value, 0):
		err = fmt.Errorf("it is no text")
	default:
		var s string
		if s, err = types[p.Type].write(value); err == nil {
			return s, nil
		}
	}
	return "", fmt.Errorf("%s=%.100q: %w", p.Name, value, err)
}

var plain = regexp.MustCompile(`^[A-Za-z0-9_.:@/%+,=#$&?*-]+$`)

// writeText writes a pattern if the value has a * in it and nothing that ends a bare value, else the text itself.
func writeText(value string) (string, error) {
	if !strings.Contains(value, "*") {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`, nil
	}
	if !plain.MatchString(value) {
		return "", fmt.Errorf("beside a * there may be letters, digits and any of _.:@/%%+,=#$&?- alone")
	}
	return value, nil
}

var namespace = regexp.MustCompile(`^[a-z0-9*]([-a-z0-9*]*[a-z0-9*])?$`)

func writeNamespace(value string) (string, error) {
	if !namespace.MatchString(value) {
		return "", fmt.Errorf("a namespace is named in small letters, digits and dashes; * is any text")
	}
	return writeText(value)
}

func writeObject(value string) (string, error) {
	kind, name, hasKind := strings.Cut(value, "/")
	if !hasKind {
		kind, name = "", value
	}
	if name == "" || hasKind && kind == "" {
		return "", fmt.Errorf("write KIND/NAME like deployments/web, or a name alone")
	}
	n, err := writeText(name)
	if err != nil || !hasKind {
		return "(name:" + n + ")", err
	}
	resource, group, hasGroup := strings.Cut(strings.ToLower(kind), ".")
	r, err := writeText(plural(resource))
	if err != nil {
		return "", err
	}
	terms := "(resource:" + r + " name:" + n
	if hasGroup {
		g, err := writeText(group)
		if err != nil {
			return "", err
		}
		terms += " apiGroup:" + g
	}
	return terms + ")", nil
}

// plural is what the API calls a kind.
func plural(kind string) string {
	switch long := object.LongName(kind); {
	case long != "":
		return long
	case strings.HasSuffix(kind, "ss"), strings.HasSuffix(kind, "x"), strings.HasSuffix(kind, "ch"):
		return kind + "es"
	case strings.HasSuffix(kind, "s"), strings.Contains(kind, "*"), kind == "":
		return kind
	case strings.HasSuffix(kind, "y") && !strings.HasSuffix(kind, "ay"):
		return strings.TrimSuffix(kind, "y") + "ies"
	}
	return kind + "s"
}

func writeNetworks(value string) (string, error) {
	var all []string
	for part := range strings.SplitSeq(value, ",") {
		part = strings.TrimSpace(part)
		if net, err := netip.ParsePrefix(part); err == nil && !net.Addr().Is4In6() {
			all = append(all, net.Masked().String())
		} else if addr, err := netip.ParseAddr(part); err == nil && addr.Zone() == "" {
			all = append(all, addr.Unmap().String())
		} else {
			return "", fmt.Errorf("%.60q is neither a network like 10.0.0.0/8 nor an address; put commas between several", part)
		}
	}
	return "(" + strings.Join(all, " OR ") + ")", nil
}

func writeHours(value string) (string, error) {
	a, b, ok := strings.Cut(value, "-")
	from, err1 := strconv.ParseUint(a, 10, 8)
	to, err2 := strconv.ParseUint(b, 10, 8)
	if !ok || err1 != nil || err2 != nil || from > 24 || to > 24 || from%24 == to%24 {
		return "", fmt.Errorf("write two different hours of UTC like 7-19, or 22-6")
	}
	var all []string
	for h := from % 24; h != to%24; h = (h + 1) % 24 {
		all = append(all, strconv.FormatUint(h, 10))
	}
	return "(" + strings.Join(all, " OR ") + ")", nil
}

var weekdays = []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}

func writeDays(value string) (string, error) {
	day := func(name string) (int, error) {
		name = strings.ToLower(strings.TrimSpace(name))
		i := slices.IndexFunc(weekdays, func(d string) bool { return len(name) >= 3 && strings.HasPrefix(d, name) })
		if i < 0 {
			return 0, fmt.Errorf("%.60q is no day of the week; write monday-friday, or days with commas between them", name)
		}
		return i, nil
	}
	var all []string
	for part := range strings.SplitSeq(value, ",") {
		a, b, ranged := strings.Cut(part, "-")
		from, err := day(a)
		to := from
		if err == nil && ranged {
			to, err = day(b)
		}
		if err != nil {
			return "", err
		}
		for i := from; ; i = (i + 1) % 7 {
			if all = append(all, weekdays[i]); i == to {
				break
			}
		}
	}
	return "(" + strings.Join(all, " OR ") + ")", nil
}

func writeNumber(value string) (string, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 0 || n > 1e15 {
		return "", fmt.Errorf("it is not a number from 0 on")
	}
	return strconv.FormatInt(n, 10), nil
}

func writeDuration(value string) (string, error) {
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 || d%time.Microsecond != 0 {
		return "", fmt.Errorf("it is not a duration like 500ms, 2s or 1m")
	}
	return d.String(), nil
}

func writeQuery(value string) (string, error) {
	p, err := match.Parse(value)
	if err != nil {
		return "", err
	}
	if s := p.String(); s != "" {
		return "(" + s + ")", nil
	}
	return "*", nil
}

var placeholder = regexp.MustCompile(`\{([^{}]*)\}`)

// ask puts the parameters in.
func (q *Question) ask(params map[string]string) (*Asked, error) {
	asked := &Asked{Question: *q, Params: map[string]string{}}
	values, terms := map[string]string{}, []string{}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if name != Where && !slices.ContainsFunc(q.Params, func(p Parameter) bool { return p.Name == name }) {
			return nil, fmt.Errorf("%s has no parameter %.60q: it has %s", q.Name, name, strings.Join(q.names(), ", "))
		}
	}
	for _, p := range q.Parameters() {
		value, given := params[p.Name]
		if !given || value == "" {
			if value = p.Default; value == "" {
				if p.Term == "" {
					return nil, fmt.Errorf("%s wants %s=…, %s; such as %[2]s=%[4]s", q.Name, p.Name, p.About, types[p.Type].example)
				}
				continue
			}
		}
		written, err := p.write(value)
		if err != nil {
			return nil, err
		}
		asked.Params[p.Name], values[p.Name] = value, written
		if p.Term != "" {
			terms = append(terms, atom(p.Term))
		}
	}
	text := q.Search
	if len(terms) > 0 {
		text = strings.Join(append([]string{atom(text)}, terms...), " ")
	}
	text = placeholder.ReplaceAllStringFunc(text, func(m string) string { return values[m[1:len(m)-1]] })
	if _, err := match.Parse(text); err != nil {
		return nil, fmt.Errorf("%s: %w", q.Name, err)
	}
	asked.Search = text
	return asked, nil
}

var orWord = regexp.MustCompile(`(?i)\bor\b`)

// atom is a search that another condition can stand beside: in parentheses if it has alternatives outside of some.
func atom(search string) string {
	if strings.TrimSpace(search) == "" {
		return "*"
	}
	depth, quoted, outside := 0, false, []byte{}
	for i := 0; i < len(search); i++ {
		switch c := search[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
			outside = append(outside, ' ')
		case depth == 0:
			outside = append(outside, c)
		}
	}
	if orWord.Match(outside) {
		return "(" + search + ")"
	}
	return search
}

var whereParameter = Parameter{Name: Where, About: "a search that narrows the answer", Type: Query, Term: "{where}"}

// Parameters are all parameters, that which every question has at the end.
func (q *Question) Parameters() []Parameter {
	return append(q.Params[:len(q.Params):len(q.Params)], whereParameter)
}

func (q *Question) names() (names []string) {
	for _, p := range q.Parameters() {
		names = append(names, p.Name)
	}
	return names
}
