package format

import (
	"bytes"
	"strings"

	"annals.dev/audit"
)

// table is a CSV file with a header, as CloudWatch Logs Insights and Log Analytics export it.
type table struct {
	columns []string
	message int // the column that holds the record; -1 if the row itself is one
}

// header knows a table by its first line.
func header(line []byte) *table {
	if len(line) > longestPrefix || bytes.IndexByte(line, '{') >= 0 {
		return nil
	}
	fields, ok := fieldsOf(line)
	if !ok {
		return nil
	}
	t := &table{message: -1}
	rows := 0
	for i, f := range fields {
		name := strings.TrimSuffix(string(f), " [UTC]")
		t.columns = append(t.columns, name)
		switch name {
		case "@message", "message", "log_s", "_raw", "line", "log":
			t.message = i
		case "AuditId", "Stage", "Verb":
			rows++
		}
	}
	if t.message < 0 && rows < 3 {
		return nil
	}
	return t
}

// fieldsOf splits a row; it is not ok if its quotes do not match.
func fieldsOf(b []byte) (fields [][]byte, ok bool) {
	for p := 0; ; p++ {
		if p == len(b) || b[p] != '"' {
			end := bytes.IndexByte(b[p:], ',')
			if end < 0 {
				end = len(b) - p
			}
			fields = append(fields, bytes.TrimSuffix(b[p:p+end], []byte("\r")))
			p += end
		} else {
			from, quotes := p+1, false
			for p++; ; p++ {
				i := bytes.IndexByte(b[p:], '"')
				if i < 0 {
					return fields, false
				}
				if p += i; p+1 == len(b) || b[p+1] != '"' {
					break
				}
				p++
				quotes = true
			}
			field := b[from:p]
			if quotes {
				field = bytes.ReplaceAll(field, []byte(`""`), []byte(`"`))
			}
			fields = append(fields, field)
			if p++; p+1 == len(b) && b[p] == '\r' {
				p++
			}
			if p < len(b) && b[p] != ',' {
				return fields, false
			}
		}
		if p == len(b) {
			return fields, true
		}
	}
}

// row takes a row of a table: one line, unless a quoted field goes on in the next.
func (r *Reader) row(m *member) error {
	first := 0
	for end := -1; ; {
		var s status
		switch end, s = r.lineEnd(m, end+1); s {
		case paused:
			return errPause
		case full:
			return r.tooLong(m)
		}
		if first == 0 {
			first = end
		}
		c := m.context()
		b := m.rest()
		if fields, ok := fieldsOf(b[:end]); ok {
			m.pass(end)
			if !r.fields(m.table, fields, &c) {
				r.quarantine(b[:end], ReasonText, "a row without an audit event", &c)
			}
			return nil
		}
		if m.effort += int64(end); end == len(b) || b[end] == 0 || begins(b[end+1:]) || m.tired() {
			m.pass(first)
			r.quarantine(b[:first], ReasonText, "a row whose quotes do not match", &c)
			return nil
		}
	}
}

// begins says whether a line begins with a time, as rows do whose first column is one, or as JSON.
func begins(line []byte) bool {
	line = bytes.TrimPrefix(line, []byte(`"`))
	return len(line) > 10 && line[0]-'0' <= 9 && line[4] == '-' && line[7] == '-' || bytes.HasPrefix(line, []byte(`{"`))
}

// fields takes a row's fields. A row that is an event itself becomes an object of its columns.
func (r *Reader) fields(t *table, fields [][]byte, c *context) bool {
	for i, f := range fields {
		if i < len(t.columns) {
			switch t.columns[i] {
			case "@timestamp", "TimeGenerated", "timestamp", "_time":
				c.time = timeText(f)
			case "@logStream":
				if kind := streamKind(audit.Text(f)); kind != "" {
					r.skip(kind, f, c)
					return true
				}
			}
		}
	}
	if t.message >= 0 {
		return t.message < len(fields) && r.inner(bytes.Clone(fields[t.message]), c)
	}
	b := []byte{'{'}
	for i, f := range fields[:min(len(fields), len(t.columns))] {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, []byte(t.columns[i])), ':')
		b = appendString(b, f)
	}
	return r.take(AKSTable, append(b, '}'), c)
}

// appendString appends s as a JSON string.
func appendString(b, s []byte) []byte {
	b = append(b, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = append(b, `\u00`...)
			b = append(b, "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
