package lint

import (
	"fmt"
	"slices"
	"strings"
)

// nester puts each line where a policy can have it, whatever its indentation: which field stands in which is known, a dash
// before a rule's field begins a rule, one before a resources entry's field begins an entry, and a field that stands there
// already cannot stand there again. Where the indentation alone would tell, and is lost, it guesses, and says so.
type nester struct {
	lines   []source
	at      int // the line being read
	out     []string
	pending []string // comments and blank lines before the next line
	changes []Change

	policy, rule, elem map[string]bool // the fields so far; nil: not begun
	rules              int
	ruleColumn         int    // where the current rule began
	flat               bool   // no line is indented: the indentation is lost
	open               string // the list that entries go to
	openIndent         int
}

func (n *nester) note(guess bool, format string, args ...any) {
	n.changes = append(n.changes, Change{Line: n.lines[n.at].number, What: fmt.Sprintf(format, args...), Guess: guess})
}

// wrong is a line that has no place.
func (n *nester) wrong(format string, args ...any) error {
	return fmt.Errorf("line %d: %s", n.lines[n.at].number, fmt.Sprintf(format, args...))
}

func (n *nester) emit(indent int, text string) {
	for _, p := range n.pending {
		if p != "" {
			p = strings.Repeat(" ", indent) + p
		}
		n.out = append(n.out, p)
	}
	n.pending = nil
	if c := n.lines[n.at].comment; c != "" {
		text += " " + c
		n.lines[n.at].comment = ""
	}
	n.out = append(n.out, strings.Repeat(" ", indent)+text)
}

func (n *nester) text() string {
	head := ""
	for _, f := range []string{"kind: Policy", "apiVersion: audit.k8s.io/v1"} {
		if name, _, _ := strings.Cut(f, ":"); !n.policy[name] {
			head = f + "\n" + head
		}
	}
	return head + strings.TrimRight(strings.Join(append(n.out, n.pending...), "\n"), "\n") + "\n"
}

func (n *nester) read(text string) error {
	number := 0
	n.policy, n.flat = map[string]bool{}, true
	for l := range strings.Lines(text) {
		number++
		if l = strings.TrimPrefix(l, "\ufeff"); strings.TrimSpace(l) == "---" {
			l = "\n"
		}
		s := takeApart(number, l)
		n.flat = n.flat && (s.blank || s.column == 0)
		n.lines = append(n.lines, s)
	}
	for n.at = 0; n.at < len(n.lines); n.at++ {
		s := &n.lines[n.at]
		if s.blank {
			n.pending = append(n.pending, s.comment)
			s.comment = ""
			continue
		}
		n.tidy(s)
		var err error
		if s.key == "" {
			err = n.entry(s)
		} else {
			err = n.field(s)
		}
		if err != nil {
			return err
		}
	}
	n.at = max(0, len(n.lines)-1)
	if len(n.lines) == 0 {
		return fmt.Errorf("the file is empty")
	}
	for _, f := range []string{"apiVersion", "kind"} {
		if !n.policy[f] {
			n.changes = append(n.changes, Change{Line: 1, What: f + " added"})
		}
	}
	return nil
}

// tidy mends a value: a list that goes on over lines is put on one, and a full stop behind it belongs to no policy.
func (n *nester) tidy(s *source) {
	for i := n.at + 1; i < min(len(n.lines), n.at+100) && strings.HasPrefix(s.value, "[") && !strings.Contains(s.value, "]"); i++ {
		next := n.lines[i]
		if next.key != "" || next.dash {
			return
		}
		s.value = strings.TrimSpace(s.value + " " + next.value)
		n.lines[i] = source{number: next.number, blank: true, comment: next.comment}
	}
	if bare := strings.TrimRight(s.value, "."); bare != s.value && (strings.HasSuffix(bare, "]") || strings.HasSuffix(bare, `"`)) {
		s.value = bare
		n.note(false, "a full stop taken out")
	}
}

// field places a line that begins with a field's name.
func (n *nester) field(s *source) error {
	key := s.key
	if !slices.Contains(policyFields, key) && !slices.Contains(ruleFields, key) && !slices.Contains(elemFields, key) {
		known := policyFields
		switch {
		case n.elem != nil || n.open == "resources" && n.openIndent == 6:
			known = slices.Concat(elemFields, ruleFields)
		case n.rule != nil || n.policy["rules"]:
			known = slices.Concat(ruleFields, elemFields)
		case n.policy["metadata"] && slices.Contains([]string{"name", "namespace"}, key) && !s.dash:
			n.emit(2, key+": "+s.value)
			return nil
		}
		near := nearest(key, known)
		if near == "" {
			return n.wrong("%q is no field of a policy", key)
		}
		n.note(true, "%s renamed to %s", key, near)
		key = near
	}
	switch {
	case key == "apiVersion" || key == "kind" || key == "metadata" || key == "rules":
		return n.inPolicy(s, key)
	case key == "omitStages" || key == "omitManagedFields":
		if n.rule == nil && !s.dash || n.rule != nil && !s.dash && !n.flat && s.column < n.ruleColumn {
			return n.inPolicy(s, key)
		}
		if n.rule != nil && !s.dash && s.column <= n.ruleColumn {
			n.note(true, "%s taken as rules[%d]'s own; it could be the policy's", key, n.rules-1)
		}
		n.inRule(s, key)
	case key == "group" || key == "resourceNames" || key == "resources" && n.ofEntry(s):
		return n.inEntry(s, key)
	default:
		n.inRule(s, key)
	}
	return nil
}

// ofEntry reports whether a field resources is an entry's list of names, not the rule's list of entries.
func (n *nester) ofEntry(s *source) bool {
	switch {
	case s.value != "":
		return !strings.ContainsAny(s.value, "{*&") || strings.HasPrefix(s.value, "[") && !strings.Contains(s.value, "{")
	case n.at+1 < len(n.lines):
		for _, next := range n.lines[n.at+1:] {
			if !next.blank {
				return next.key == ""
			}
		}
	}
	return false
}

func pair(key, value string) string {
	if value == "" {
		return key + ":"
	}
	return key + ": " + value
}

// opened notes which list the entries that follow go to.
func (n *nester) opened(key, value string, indent int) {
	n.open, n.openIndent = "", 0
	if value == "" || strings.HasPrefix(value, "&") && !strings.Contains(value, " ") {
		n.open, n.openIndent = key, indent
	}
}

func (n *nester) inPolicy(s *source, key string) error {
	if n.policy[key] {
		return n.wrong("%s stands there twice: this is more than one policy", key)
	}
	if s.dash {
		return n.wrong("%s stands in a list", key)
	}
	n.policy[key] = true
	n.rule, n.elem = nil, nil
	n.emit(0, pair(key, s.value))
	n.opened(key, s.value, 2)
	return nil
}

func (n *nester) inRule(s *source, key string) {
	if !n.policy["rules"] {
		n.policy["rules"] = true
		comments := n.pending
		n.pending = nil
		n.out = append(n.out, "rules:")
		n.pending = comments
		n.note(false, "rules: put back, which was lost")
	}
	indent, text := 4, pair(key, s.value)
	if s.dash || n.rule == nil || n.rule[key] {
		if !s.dash {
			n.note(true, "a new rule begun with %s: the dash before it was lost", key)
		}
		n.rules++
		n.rule, n.elem, n.ruleColumn = map[string]bool{}, nil, s.column
		indent, text = 2, "- "+text
	}
	n.rule[key] = true
	n.elem = nil
	n.emit(indent, text)
	n.opened(key, s.value, 6)
}

func (n *nester) inEntry(s *source, key string) error {
	if n.rule == nil {
		return n.wrong("%s stands in no rule", key)
	}
	if !n.rule["resources"] {
		n.rule["resources"] = true
		n.out = append(n.out, "    resources:")
		n.note(false, "resources: put back, which was lost")
	}
	indent, text := 8, pair(key, s.value)
	if s.dash || n.elem == nil || n.elem[key] {
		if !s.dash {
			n.note(true, "a new entry of resources begun with %s: the dash before it was lost", key)
		}
		n.elem = map[string]bool{}
		indent, text = 6, "- "+text
	}
	n.elem[key] = true
	n.emit(indent, text)
	n.opened(key, s.value, 10)
	return nil
}

// entry places a line that is one value of a list.
func (n *nester) entry(s *source) error {
	value := unquoted(s.value)
	if strings.HasPrefix(s.value, "[") && n.open != "" && len(n.out) > 0 && strings.HasSuffix(n.out[len(n.out)-1], n.open+":") {
		n.out[len(n.out)-1] += " " + s.value
		n.open = ""
		return nil
	}
	if n.open == "" || n.open == "rules" || n.open == "metadata" || n.open == "resources" && n.openIndent == 6 {
		lost, indent := "", 4
		switch {
		case stageOf(value) != "":
			lost = "omitStages"
		case strings.HasPrefix(value, "/") && n.rule != nil:
			lost = "nonResourceURLs"
		}
		fields := n.rule
		if n.rule == nil {
			indent, fields = 0, n.policy
		}
		if lost == "" || fields[lost] {
			return n.wrong("nothing says what %.100s belongs to", s.value)
		}
		fields[lost] = true
		n.elem = nil
		n.note(n.rule != nil && s.column <= n.ruleColumn, "%s: put back before %s, which was lost", lost, s.value)
		n.out = append(n.out, strings.Repeat(" ", indent)+lost+":")
		n.open, n.openIndent = lost, indent+2
	}
	if stage := stageOf(value); n.open == "omitStages" && stage != "" && stage != value {
		n.note(true, "%s cut from %q", stage, value)
		s.value = stage
	}
	if !s.dash {
		n.note(true, "%s taken as an entry of %s: the dash before it was lost", s.value, n.open)
	}
	n.emit(n.openIndent, "- "+strings.TrimRight(s.value, ","))
	return nil
}

// stageOf gives the stage that a value begins with, "" if none.
func stageOf(value string) string {
	for _, s := range stageNames {
		if strings.HasPrefix(value, s) {
			return s
		}
	}
	return ""
}
