package alert

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"annals.dev/internal/detect"
)

// What a finding says was mostly written by whoever is found: names, addresses, agents, commands. So before anything else is
// done with it, it is made short, and its control characters are made visible: none can begin a line, a header, or a message of
// its own. What a medium has against it besides is the medium's to escape.

const (
	maxText        = 1 << 10
	maxValue       = 256
	maxList        = 20
	maxShown       = 100 // positions
	maxMatched     = 20
	maxShownValues = 5
)

// clip is a finding as it is told.
func clip(f *detect.Finding) *detect.Finding {
	c := *f
	for _, s := range []*string{&c.ID, &c.Rule, &c.Version, &c.Title, &c.Author, &c.Cluster, &c.Summary, &c.User, &c.As, &c.Peer, &c.Verb, &c.Resource, &c.Namespace, &c.Name} {
		*s = clean(*s, maxText)
	}
	if rank(c.Severity) < 0 {
		c.Severity = detect.Critical // what nobody knows is not told to be harmless
	}
	c.Techniques, c.Tactics, c.Tags = cleanAll(c.Techniques), cleanAll(c.Tactics), cleanAll(c.Tags)
	c.Positions = c.Positions[:min(len(c.Positions), maxShown)]
	if c.Group != nil {
		c.Group = map[string]string{}
		for k, v := range f.Group {
			if len(c.Group) < maxList {
				c.Group[clean(k, maxValue)] = clean(v, maxValue)
			}
		}
	}
	c.Matched = nil
	for _, m := range f.Matched[:min(len(f.Matched), maxMatched)] {
		c.Matched = append(c.Matched, detect.Matched{Field: clean(m.Field, maxValue), Test: clean(m.Test, maxValue), Values: cleanAll(m.Values[:min(len(m.Values), maxShownValues)])})
	}
	if f.Unusual != nil {
		u := *f.Unusual
		u.What, u.Value, u.Baseline, u.Usual = clean(u.What, maxValue), clean(u.Value, maxValue), clean(u.Baseline, maxText), cleanAll(u.Usual)
		c.Unusual = &u
	}
	return &c
}

func cleanAll(list []string) []string {
	if list == nil {
		return nil
	}
	out := make([]string, 0, min(len(list), maxList))
	for _, s := range list[:min(len(list), maxList)] {
		out = append(out, clean(s, maxValue))
	}
	return out
}

// clean cuts a text, and shows what would not be seen, or would change how the rest is seen.
func clean(s string, most int) string {
	s = s[:min(len(s), most+utf8.UTFMax)] // still too long, if it was: the rest need not be looked at
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if strings.ContainsFunc(s, hidden) {
		var b strings.Builder
		for _, r := range s {
			switch {
			case !hidden(r):
				b.WriteRune(r)
			case r <= 0xffff:
				fmt.Fprintf(&b, `\u%04x`, r)
			default:
				fmt.Fprintf(&b, `\U%08x`, r)
			}
			if b.Len() > most {
				break
			}
		}
		s = b.String()
	}
	return cut(s, most)
}

// hidden are controls, line and paragraph separators, and what reorders or hides text.
func hidden(r rune) bool {
	return unicode.Is(unicode.C, r) || r == '\u2028' || r == '\u2029'
}

// cut shortens a text to so many bytes, and shows that it did.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	n := most - len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// sizeOf is about how long a finding is as JSON.
func sizeOf(f *detect.Finding) int {
	n := 400 + len(f.Title) + len(f.Summary) + len(f.User) + len(f.As) + len(f.Name) + len(f.Namespace) + 10*len(f.Positions)
	for _, m := range f.Matched {
		n += 40 + len(m.Field) + len(m.Test)
		for _, v := range m.Values {
			n += len(v)
		}
	}
	if f.Unusual != nil {
		n += 200 + len(f.Unusual.Baseline)
	}
	return n
}
