package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
)

// formats of answers. Raw is of events alone.
var (
	rowFormats   = []string{"table", "json", "jsonl", "yaml", "csv"}
	eventFormats = []string{"table", "wide", "json", "jsonl", "yaml", "csv", "raw"}
)

func checkFormat(format string, known []string) error {
	if !slices.Contains(known, format) {
		return usagef("-o %s is not known; choose one of %s", format, strings.Join(known, ", "))
	}
	return nil
}

// printer writes rows in one of the formats, as they come. Its users call row for each and end once.
type printer struct {
	w      io.Writer
	format string
	list   string   // the name of the list in JSON
	header []string // of tables and CSV
	paint  func(column int, cell string) string
	n      int

	pending [][]string // of a table whose widths are not settled yet
	widths  []int
	csv     *csv.Writer
}

// tableLookAhead rows decide how wide a table's columns are.
const tableLookAhead = 100

// row writes one row. cells is asked for by tables and CSV, object, which is JSON, by the others.
func (p *printer) row(cells func() []string, object func() ([]byte, error)) error {
	p.n++
	switch p.format {
	case "table", "wide":
		c := cells()
		for i := range c {
			c[i] = clean(c[i])
		}
		if p.widths != nil {
			return p.line(c)
		}
		p.pending = append(p.pending, c)
		if len(p.pending) == tableLookAhead {
			return p.flush()
		}
		return nil
	case "csv":
		if p.csv == nil {
			p.csv = csv.NewWriter(p.w)
			if err := p.csv.Write(p.header); err != nil {
				return err
			}
		}
		c := cells()
		for i := range c {
			c[i] = clean(c[i])
		}
		if err := p.csv.Write(c); err != nil {
			return err
		}
		p.csv.Flush()
		return p.csv.Error()
	}
	b, err := object()
	if err != nil {
		return err
	}
	switch p.format {
	case "json":
		sep := ",\n"
		if p.n == 1 {
			sep = fmt.Sprintf("{%q:[\n", p.list)
		}
		_, err = fmt.Fprintf(p.w, "%s%s", sep, cleanJSON(b))
	case "jsonl":
		_, err = fmt.Fprintf(p.w, "%s\n", cleanJSON(b))
	case "yaml":
		var y []byte
		if y, err = yaml.JSONToYAML(b); err == nil {
			_, err = fmt.Fprintf(p.w, "---\n%s", cleanYAML(y))
		}
	}
	return err
}

// cleanYAML makes a YAML text safe to show. JSONToYAML puts a text with control characters in double quotes, where an escape
// means the character; the invisible ones it leaves as they are, outside of quotes too, and there the escape is text.
func cleanYAML(text []byte) []byte {
	lines := strings.Split(string(text), "\n")
	for i := range lines {
		lines[i] = clean(lines[i])
	}
	return []byte(strings.Join(lines, "\n"))
}

// end writes what is left. more are members of JSON's outermost object beside the list.
func (p *printer) end(more map[string]any) error {
	switch p.format {
	case "table", "wide":
		return p.flush()
	case "csv":
		if p.csv == nil {
			w := csv.NewWriter(p.w)
			if err := w.Write(p.header); err != nil {
				return err
			}
			w.Flush()
			return w.Error()
		}
	case "json":
		if p.n == 0 {
			fmt.Fprintf(p.w, "{%q:[", p.list)
		}
		var b bytes.Buffer
		b.WriteString("\n]")
		for _, name := range sortedKeys(more) {
			v, err := json.Marshal(more[name])
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, ",\n%q:%s", name, cleanJSON(v))
		}
		_, err := fmt.Fprintf(p.w, "%s}\n", b.Bytes())
		return err
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// flush settles the widths of a table and writes what waits.
func (p *printer) flush() error {
	if p.widths == nil {
		if len(p.pending) == 0 {
			return nil
		}
		p.widths = make([]int, len(p.header))
		for _, row := range append([][]string{p.header}, p.pending...) {
			for i, cell := range row {
				p.widths[i] = max(p.widths[i], min(utf8.RuneCountInString(cell), maxCell))
			}
		}
		if err := p.line(p.header); err != nil {
			return err
		}
	}
	for _, row := range p.pending {
		if err := p.line(row); err != nil {
			return err
		}
	}
	p.pending = nil
	return nil
}

// maxCell is how far one long cell moves the columns after it, for every row.
const maxCell = 60

func (p *printer) line(cells []string) error {
	var b strings.Builder
	for i, cell := range cells {
		shown := cell
		if p.paint != nil {
			shown = p.paint(i, cell)
		}
		b.WriteString(shown)
		if i < len(cells)-1 {
			b.WriteString(strings.Repeat(" ", max(0, p.widths[i]-utf8.RuneCountInString(cell))+2))
		}
	}
	_, err := fmt.Fprintln(p.w, strings.TrimRight(b.String(), " "))
	return err
}
