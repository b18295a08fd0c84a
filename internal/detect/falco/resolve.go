package falco

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxChecks bounds how many checks a rule has when its macros are written out.
const maxChecks = 20000

// resolver puts lists and macros into conditions and binds the checks.
type resolver struct {
	binder
	lists   map[string]*flatList
	macros  map[string]*macroDef
	done    map[string]resolved
	within  []string // the macros that are being resolved
	testers map[string]*tester
}

type resolved struct {
	e     expr
	size  int
	depth int
	err   error
}

func newResolver(l *loader, opt Options) *resolver {
	r := &resolver{binder: binder{opt.Upstream}, lists: map[string]*flatList{}, macros: l.macros, done: map[string]resolved{}, testers: map[string]*tester{}}
	for _, name := range slices.Sorted(maps.Keys(l.lists)) {
		if f := l.flatten(name, r.lists); f.err != nil {
			l.problem(l.lists[name].file, l.lists[name].line, "", "error", "list %s: %v", name, f.err)
		}
	}
	for _, name := range l.macroOrder {
		m := l.macros[name]
		text, err := r.withLists(m.condition)
		if err == nil {
			_, err = parse(text)
		}
		if err != nil {
			l.problem(m.file, m.line, "", "error", "macro %s: %v", name, err)
		}
	}
	return r
}

// condition reads a condition down to its bound checks.
func (r *resolver) condition(condition string) (expr, error) {
	d := r.text(condition)
	return d.e, d.err
}

func (r *resolver) text(condition string) resolved {
	condition, err := r.withLists(condition)
	if err != nil {
		return resolved{err: err}
	}
	e, err := parse(condition)
	if err != nil {
		return resolved{err: err}
	}
	return r.resolve(e)
}

func (r *resolver) resolve(e expr) resolved {
	switch e := e.(type) {
	case *or:
		kids, d := r.all(e.kids)
		d.e = &or{kids}
		return d
	case *and:
		kids, d := r.all(e.kids)
		d.e = &and{kids}
		return d
	case *not:
		d := r.resolve(e.kid)
		d.e = &not{d.e}
		return d
	case *ident:
		return r.macro(e.name)
	case *check:
		t, err := r.compile(e)
		if err != nil {
			return resolved{err: err}
		}
		if known := r.testers[t.key]; known != nil {
			t = known
		} else {
			r.testers[t.key] = t
		}
		return resolved{e: t, size: 1}
	}
	return resolved{err: fmt.Errorf("%T is no condition", e)}
}

func (r *resolver) all(kids []expr) (out []expr, whole resolved) {
	for _, k := range kids {
		d := r.resolve(k)
		if d.err != nil {
			return nil, d
		}
		out = append(out, d.e)
		whole.depth = max(whole.depth, d.depth)
		if whole.size += d.size; whole.size > maxChecks {
			return nil, resolved{err: fmt.Errorf("more than %d checks when its macros are written out", maxChecks)}
		}
	}
	return out, whole
}

func (r *resolver) macro(name string) resolved {
	if d, ok := r.done[name]; ok {
		return d
	}
	m := r.macros[name]
	if m == nil {
		return resolved{err: fmt.Errorf("there is no macro %s", name)}
	}
	for _, w := range r.within {
		if w == name {
			return resolved{err: fmt.Errorf("macro %s is defined by itself", strings.Join(append(r.within, name), " by "))}
		}
	}
	r.within = append(r.within, name)
	d := r.text(m.condition)
	r.within = r.within[:len(r.within)-1]
	if d.depth++; d.err == nil && d.depth > maxDepth {
		d.err = fmt.Errorf("macros nested deeper than %d", maxDepth)
	}
	if _, unknown := d.err.(unknownField); d.err != nil && !unknown && len(r.within) == 0 {
		d.err = fmt.Errorf("macro %s: %w", name, d.err)
	}
	if len(r.within) == 0 || d.err == nil {
		r.done[name] = d
	}
	return d
}

// withLists puts the items of lists where their names stand. As in Falco this is done to the text, so that a list may stand
// among other items; but not within quotes.
func (r *resolver) withLists(condition string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(condition); {
		c := condition[i]
		if strings.IndexByte(" \t\r\n(),=", c) >= 0 {
			b.WriteByte(c)
			i++
			continue
		}
		end := i + wordLength(condition[i:])
		l := r.lists[condition[i:end]]
		switch {
		case l == nil:
			b.WriteString(condition[i:end])
		case l.err != nil:
			return "", fmt.Errorf("list %s: %w", condition[i:end], l.err)
		case len(l.items) > 0:
			b.WriteString(strings.Join(l.items, ", "))
		default: // and a comma beside it
			if before := strings.TrimRight(b.String(), " \t\r\n"); strings.HasSuffix(before, ",") {
				b.Reset()
				b.WriteString(strings.TrimSuffix(before, ","))
			} else if rest := strings.TrimLeft(condition[end:], " \t\r\n"); strings.HasPrefix(rest, ",") {
				end = len(condition) - len(rest) + 1
			}
		}
		if b.Len() > maxCondition {
			return "", fmt.Errorf("the condition is longer than %d bytes when its lists are written out", maxCondition)
		}
		i = end
	}
	return b.String(), nil
}

// wordLength is how far a word goes: to a delimiter, or to the end of its quotes.
func wordLength(s string) int {
	if s[0] == '"' || s[0] == '\'' {
		for i := 1; i < len(s); i++ {
			if s[i] == s[0] && s[i-1] != '\\' {
				return i + 1
			}
		}
		return len(s)
	}
	if end := strings.IndexAny(s, " \t\r\n(),="); end >= 0 {
		return end
	}
	return len(s)
}
