package sigma

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"annals.dev/internal/match"
)

// keyword is the test whether a text stands anywhere in the event: in a string, decoded, or in JSON as it stands or with its
// escapes resolved.
type keyword struct {
	key      string
	cased    bool
	globs    []string
	patterns []pattern
	others   []expression
}

func (t *keyword) Key() string   { return t.key }
func (*keyword) Field() string   { return "" }
func (*keyword) Exact() []string { return nil }

func (t *keyword) Test(r *match.Row) bool {
	met := false
	var buf []byte
	match.EventText(r.View, func(span []byte) {
		if met {
			return
		}
		if met = t.in(span, &buf); !met && bytes.IndexByte(span, '\\') >= 0 {
			met = t.in(unescape(span), &buf)
		}
	})
	return met
}

func (t *keyword) in(span []byte, buf *[]byte) bool {
	if slices.ContainsFunc(t.others, func(x expression) bool { return x.Match(span) }) {
		return true
	}
	if len(t.patterns) == 0 {
		return false
	}
	if !t.cased {
		*buf = appendFolded((*buf)[:0], span)
		span = *buf
	}
	return slices.ContainsFunc(t.patterns, func(p pattern) bool { return p.matches(span) })
}

// unescape resolves the escapes of JSON's strings, wherever they stand.
func unescape(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' || i+1 == len(b) {
			out = append(out, b[i])
			continue
		}
		i++
		if at := strings.IndexByte(`bfnrt`, b[i]); at >= 0 {
			out = append(out, "\b\f\n\r\t"[at])
			continue
		}
		if b[i] != 'u' {
			out = append(out, b[i])
			continue
		}
		end := i + 5
		if len(b) >= end+6 && b[end] == '\\' && b[end+1] == 'u' && (b[i+1]|0x20) == 'd' && strings.IndexByte("89abAB", b[i+2]) >= 0 {
			end += 6
		}
		var s string
		if end > len(b) || json.Unmarshal([]byte(`"\`+string(b[i:end])+`"`), &s) != nil {
			out = append(out, b[i])
			continue
		}
		out = append(out, s...)
		i = end - 1
	}
	return out
}

// quote writes a text of a key so that no two are written alike. Only what is no text has a blank outside quotes.
func quote(s string) string {
	if s == "" || !utf8.ValidString(s) || strings.ContainsAny(s, " ,()\"\n\t\r") {
		return strconv.Quote(s)
	}
	return s
}
