package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"annals.dev/internal/query/named"
	"annals.dev/internal/server"
)

func (e *env) tableOfQuestions(all []named.Question) error {
	width := 0
	groups := []string{}
	for _, q := range all {
		width = max(width, len(q.Name))
		if !slices.Contains(groups, q.Group) {
			groups = append(groups, q.Group)
		}
	}
	for i, g := range groups {
		if i > 0 {
			fmt.Fprintln(e.out)
		}
		title := clean(g)
		if e.colour {
			title = "\x1b[1m" + title + "\x1b[0m"
		}
		fmt.Fprintln(e.out, title)
		for _, q := range all {
			if q.Group == g {
				if _, err := fmt.Fprintf(e.out, "  %-*s  %s\n", width, q.Name, clean(q.Title)); err != nil {
					return err
				}
			}
		}
	}
	e.say("\nannals ask NAME answers one; annals ask NAME --about says what it means")
	return nil
}

// tellAbout writes what a question means.
func (e *env) tellAbout(q *named.Question) error {
	fmt.Fprintf(e.out, "%s\n\n%s\n\n", clean(q.Title), wrap(clean(q.About), 98))
	if q.Needs != "" {
		fmt.Fprintf(e.out, "needs    level %s\n", q.Needs)
	}
	if len(q.By) > 0 {
		fmt.Fprintf(e.out, "counts   by %s\n", strings.Join(q.By, ", "))
	}
	fmt.Fprintf(e.out, "search   %s\n", clean(q.Search))
	for _, p := range q.Parameters() {
		about := p.About
		switch {
		case p.Default != "":
			about += "; default " + p.Default
		case p.Term == "":
			about += "; must be given"
		}
		fmt.Fprintf(e.out, "  %s\n", clean(fmt.Sprintf("%-8s  %s", p.Name+"=", about)))
	}
	return nil
}

// wrap breaks text into lines.
func wrap(text string, width int) string {
	var b strings.Builder
	at := 0
	for i, word := range strings.Fields(text) {
		if i > 0 && at+1+len(word) > width {
			b.WriteByte('\n')
			at = 0
		} else if i > 0 {
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += len(word)
	}
	return b.String()
}

// answers print the items of an answer.
type answers interface {
	item(json.RawMessage) error
	finish(more map[string]any) error
	times() (first, last time.Time)
}

// sentencePrinter prints events; in a table they read as sentences.
type sentencePrinter struct {
	*eventPrinter
	took bool
}

func (e *env) newSentencePrinter(w io.Writer, a *asking, clusters, took bool) *sentencePrinter {
	p := &sentencePrinter{newEventPrinter(w, e, a, clusters), took}
	if a.output == "table" {
		p.header = []string{"TIME", "FROM", "WHAT HAPPENED"}
		if took {
			p.header = []string{"TIME", "TOOK", "FROM", "WHAT HAPPENED"}
		}
		if clusters {
			p.header = append([]string{"CLUSTER"}, p.header...)
		}
	}
	return p
}

func (p *sentencePrinter) item(item json.RawMessage) error {
	var r server.Row
	if err := json.Unmarshal(item, &r); err != nil {
		return err
	}
	if p.format != "table" {
		return p.event(&r)
	}
	if p.first.IsZero() || r.Time.Before(p.first) {
		p.first = r.Time
	}
	if r.Time.After(p.last) {
		p.last = r.Time
	}
	return p.row(func() []string {
		cells := []string{formatTime(r.Time, p.zone)}
		if p.took {
			took := ""
			if r.Latency != nil {
				took = time.Duration(*r.Latency * 1e9).Round(time.Millisecond).String()
			}
			cells = append(cells, took)
		}
		cells = append(cells, from(&r), r.Sentence)
		if p.clusters {
			cells = append([]string{r.Cluster}, cells...)
		}
		return cells
	}, nil)
}

func (p *sentencePrinter) finish(more map[string]any) error { return p.end(more) }

func (p *sentencePrinter) times() (first, last time.Time) { return p.first, p.last }

// groupPrinter prints counts.
type groupPrinter struct {
	printer
	by []string
}

func (e *env) newGroupPrinter(w io.Writer, by []string, a *asking) *groupPrinter {
	p := &groupPrinter{printer{w: w, format: a.output, list: "groups", header: []string{"count"}}, by}
	p.header = append(p.header, by...)
	if a.output == "table" || a.output == "wide" {
		for i := range p.header {
			p.header[i] = strings.ToUpper(p.header[i])
		}
	}
	return p
}

func (p *groupPrinter) item(item json.RawMessage) error {
	var g server.Group
	if err := json.Unmarshal(item, &g); err != nil {
		return err
	}
	if len(g.Values) != len(p.by) {
		return fmt.Errorf("the answer counts by %d fields, not by %d: are the command and the server of the same version?", len(g.Values), len(p.by))
	}
	return p.row(func() []string {
		cells := []string{strconv.Itoa(g.Count)}
		for _, v := range g.Values {
			if v == "" && p.format != "csv" {
				v = "–"
			}
			cells = append(cells, v)
		}
		return cells
	}, func() ([]byte, error) {
		row := map[string]any{"count": g.Count}
		for i, name := range p.by {
			row[name] = g.Values[i]
		}
		return json.Marshal(row)
	})
}

func (p *groupPrinter) finish(more map[string]any) error { return p.end(more) }

func (p *groupPrinter) times() (first, last time.Time) { return time.Time{}, time.Time{} }
