package format

import (
	"bytes"

	"annals.dev/audit"
)

// text takes a line that is no JSON by itself. It gives false, and does nothing, if it is of no kind that is known.
func (r *Reader) text(b []byte, c *context) bool {
	if isKlog(b) {
		r.skip("klog line", b, c)
		return true
	}
	if isLegacy(b) {
		return r.legacy(b, c)
	}
	if isFalcoText(b) {
		return r.falcoText(b, c)
	}
	if at, stream, final, rest, ok := splitCRI(b); ok {
		c.time = at
		return r.part(stream, rest, final, c)
	}
	return r.prefixed(b, c)
}

// isKlog knows the header of Kubernetes' own log lines: I1025 14:09:12.581541       1 server.go:160] text.
func isKlog(b []byte) bool {
	if len(b) < len("I1025 14:09:12.581541") || bytes.IndexByte([]byte("IWEF"), b[0]) < 0 {
		return false
	}
	for i, want := range []byte("0000 00:00:00.000000") {
		if c := b[i+1]; want == '0' && c-'0' > 9 || want != '0' && c != want {
			return false
		}
	}
	return true
}

// splitCRI splits a container runtime's line: its time, the stream, F or P for the last or another part, the part itself.
func splitCRI(b []byte) (at int64, stream string, final bool, rest []byte, ok bool) {
	stamp, b, _ := bytes.Cut(b, []byte(" "))
	name, b, _ := bytes.Cut(b, []byte(" "))
	if stream = string(name); stream != "stdout" && stream != "stderr" || len(b) == 0 || b[0] != 'F' && b[0] != 'P' {
		return 0, "", false, nil, false
	}
	tags, rest, _ := bytes.Cut(b, []byte(" "))
	if len(tags) > 1 && tags[1] != ':' || len(stamp) < 12 || stamp[4] != '-' {
		return 0, "", false, nil, false
	}
	return timeText(stamp), stream, b[0] == 'F', rest, true
}

const longestPrefix = 4096

// prefixed takes a line in which a time, a node or the like stand before the JSON: aws logs tail and export tasks, logcli,
// oc adm node-logs, syslog.
func (r *Reader) prefixed(b []byte, c *context) bool {
	at := bytes.Index(b[:min(len(b), longestPrefix)], []byte(`{"`))
	prefix := b
	if at >= 0 {
		prefix = b[:at]
	}
	inner := *c
	words := bytes.Fields(prefix[:min(len(prefix), longestPrefix)])
	if len(words) > 0 {
		if t := timeText(words[0]); t != 0 {
			inner.time, words = t, words[1:]
		} else if len(words) == 1 && at >= 0 {
			if node := nodePrefix(words[0]); node != "" {
				inner.node = node
			}
		}
	}
	if len(words) > 0 && inner.time != c.time {
		if kind := streamKind(audit.Text(words[0])); kind != "" {
			r.skip(kind, b, &inner)
			return true
		}
	}
	if at < 0 {
		if inner.time == c.time {
			return false
		}
		_, rest, _ := bytes.Cut(b, []byte(" ")) // klog behind a time
		if isKlog(rest) {
			r.skip("klog line", b, &inner)
			return true
		}
		return false
	}
	return r.innerObject(b[at:], &inner)
}

// nodePrefix is the name in "[node/master-0]" or "master-0"; it is empty if that is no name of a node.
func nodePrefix(word []byte) string {
	if name, ok := bytes.CutPrefix(word, []byte("[node/")); ok {
		word = bytes.TrimSuffix(name, []byte("]"))
	}
	for _, c := range word {
		if letter := c | 0x20; (letter < 'a' || letter > 'z') && c-'0' > 9 && c != '-' && c != '.' {
			return ""
		}
	}
	return string(word)
}

// inner takes what a carrier holds as text, often of JSON.
func (r *Reader) inner(b []byte, c *context) bool {
	b = bytes.Trim(b, " \t\r\n\x00")
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	switch {
	case len(b) == 0 || c.depth >= maxDepth:
		return false
	case b[0] == '{':
		return r.innerObject(b, c)
	case b[0] == '[' && startsArray(b):
		r.push(bytes.Clone(b), c)
		return true
	}
	return r.text(b, c)
}

// innerObject takes the object that a carrier holds.
func (r *Reader) innerObject(b []byte, c *context) bool {
	why := "its carrier cut it"
	if head, ok := bytes.CutSuffix(b, []byte("[Truncated...]")); ok {
		b, why = head, "CloudWatch cut it ([Truncated...])"
	}
	if string(firstKey(b)) != "level" && !bytes.HasPrefix(b, []byte(`{"kind":"Event",`)) {
		if _, at, _ := listIn(b[:min(len(b), sniffed)]); at > 0 && !c.strict {
			r.push(bytes.Clone(b), c)
			return true
		}
	}
	e := r.slot()
	n, err := e.View.ParsePrefix(b)
	if err != nil {
		r.drop()
		if c.strict {
			return false
		}
		why += " after " + size(len(b)) + ": " + reason(err)
		return r.salvage(b, why, c) || r.salvageInside(b, why, c)
	}
	if rest := skipSpace(b, n); rest < len(b) {
		r.drop()
		if c.strict {
			return false
		}
		if b[rest] != '{' {
			return r.salvage(b, "bytes follow it in its carrier, after "+size(n), c)
		}
		r.push(bytes.Clone(b), c)
		return true
	}
	if b = b[:n:n]; plainEvent(&e.View, false) {
		e.Bytes, e.Dialect, e.Marks, e.Note = b, V1, 0, ""
		r.keep(e, c.m, c.place())
		return true
	}
	r.drop()
	return r.carried(b, c)
}

// push reads what a carrier holds as a file of its own; b has to outlive this chunk.
func (r *Reader) push(b []byte, c *context) {
	m := c.m
	r.open(bytes.NewReader(b), m.path, opening{
		node: c.node, time: c.time, layers: m.layers, depth: c.depth + 1, carrier: true, offset: c.off, foreign: m.foreign && !m.found,
	})
}
