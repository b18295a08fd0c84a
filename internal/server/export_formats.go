package server

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"sigs.k8s.io/yaml"

	"annals.dev/internal/query"
)

// exportFormat is a way to write events.
type exportFormat struct {
	name, kind string
	detail     Detail
	head, tail string
	row        func(e query.Event, first bool) ([]byte, error)
	file       func(io.Writer) (rowFile, error) // instead of head, row and tail
}

// rowFile is a file that events are written into, one by one.
type rowFile interface {
	row(query.Event) error
	close() error
}

// textFile is a file in which an event's text depends on nothing but whether it is the first.
type textFile struct {
	exportFormat
	w     io.Writer
	begun bool
}

func (f exportFormat) begin(w io.Writer) (rowFile, error) {
	if f.file != nil {
		return f.file(w)
	}
	_, err := io.WriteString(w, f.head)
	return &textFile{exportFormat: f, w: w}, err
}

func (f *textFile) row(e query.Event) error {
	text, err := f.exportFormat.row(e, !f.begun)
	if err == nil {
		_, err = f.w.Write(text)
	}
	f.begun = true
	return err
}

func (f *textFile) close() error {
	_, err := io.WriteString(f.w, f.tail)
	return err
}

var exportFormats = []exportFormat{
	{name: "jsonl", kind: "application/x-ndjson", detail: Whole, row: func(e query.Event, _ bool) ([]byte, error) {
		b, err := json.Marshal(e)
		return append(b, '\n'), err
	}},
	{name: "json", kind: "application/json", detail: Whole, head: "[", tail: "\n]\n", row: func(e query.Event, first bool) ([]byte, error) {
		b, err := json.Marshal(e)
		if first {
			return append([]byte("\n"), b...), err
		}
		return append([]byte(",\n"), b...), err
	}},
	{name: "yaml", kind: "application/yaml", detail: Whole, row: func(e query.Event, _ bool) ([]byte, error) {
		b, err := json.Marshal(e)
		if err == nil {
			b, err = yaml.JSONToYAML(b)
		}
		return append([]byte("---\n"), b...), err
	}},
	{name: "csv", kind: "text/csv; charset=utf-8", detail: Summary, head: csvHead, row: csvRow},
	{name: "parquet", kind: "application/vnd.apache.parquet", detail: Whole, file: newParquetFile},
	{name: "raw", kind: "application/octet-stream", detail: Evidence, row: func(e query.Event, _ bool) ([]byte, error) { return append(e.Raw, '\n'), nil }},
}

// csvColumns are the columns of a CSV file, and what stands in them: those of annals search -o csv, and some behind them.
var csvColumns = []struct {
	name string
	of   func(*query.Event) string
}{
	{"time", func(e *query.Event) string { return timeCell(e.Time) }},
	{"cluster", func(e *query.Event) string { return e.Cluster }},
	{"position", func(e *query.Event) string { return strconv.FormatUint(e.Position, 10) }},
	{"user", func(e *query.Event) string { return e.User }},
	{"impersonatedUser", func(e *query.Event) string { return e.Impersonated }},
	{"verb", func(e *query.Event) string { return e.Verb }},
	{"apiGroup", func(e *query.Event) string { return e.APIGroup }},
	{"resource", func(e *query.Event) string { return e.Resource }},
	{"subresource", func(e *query.Event) string { return e.Subresource }},
	{"namespace", func(e *query.Event) string { return e.Namespace }},
	{"name", func(e *query.Event) string { return e.Name }},
	{"code", func(e *query.Event) string {
		if e.Code == 0 {
			return ""
		}
		return strconv.FormatInt(e.Code, 10)
	}},
	{"sourceIPs", func(e *query.Event) string { return strings.Join(e.SourceIPs, " ") }},
	{"stage", func(e *query.Event) string { return e.Stage }},
	{"level", func(e *query.Event) string { return e.Level }},
	{"origin", func(e *query.Event) string { return e.Origin }},
	{"received", func(e *query.Event) string { return timeCell(e.Received) }},
	{"auditID", func(e *query.Event) string { return e.AuditID }},
	{"marks", func(e *query.Event) string { return strings.Join(e.Marks, " ") }},
	{"note", func(e *query.Event) string { return e.Note }},
	{"requestURI", func(e *query.Event) string { return e.RequestURI }},
	{"userAgent", func(e *query.Event) string { return e.UserAgent }},
	{"decision", func(e *query.Event) string { return e.Decision }},
	{"reason", func(e *query.Event) string { return e.Reason }},
	{"latencySeconds", func(e *query.Event) string {
		if e.Latency == nil {
			return ""
		}
		return strconv.FormatFloat(*e.Latency, 'f', -1, 64)
	}},
	{"sentence", func(e *query.Event) string { return e.Sentence }},
}

func timeCell(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

var csvHead = func() string {
	names := make([]string, len(csvColumns))
	for i, c := range csvColumns {
		names[i] = c.name
	}
	return strings.Join(names, ",") + "\n"
}()

func csvRow(e query.Event, _ bool) ([]byte, error) {
	cells := make([]string, len(csvColumns))
	for i, c := range csvColumns {
		cells[i] = harmless(c.of(&e))
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	err := w.Write(cells)
	w.Flush()
	return b.Bytes(), err
}

// harmless keeps a spreadsheet from running what somebody wrote into a name or a user agent: a cell that begins as a formula does
// gets an apostrophe before it. Nor do control characters reach a terminal.
func harmless(cell string) string {
	cell = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, cell)
	if cell != "" && strings.IndexByte("=+-@\t\r\n", cell[0]) >= 0 {
		return "'" + cell
	}
	return cell
}
