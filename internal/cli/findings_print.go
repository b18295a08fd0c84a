package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"annals.dev/internal/detect"
	"annals.dev/internal/server"
)

// findingPrinter writes findings, a row each.
type findingPrinter struct {
	printer
	clusters bool
	zone     *time.Location
}

func (e *env) findingPrinter(w io.Writer, a *findingFlags, clusters bool) *findingPrinter {
	p := &findingPrinter{printer{w: w, format: a.output, list: "findings"}, clusters, a.zone()}
	switch a.output {
	case "table":
		p.header = []string{"TIME", "SEVERITY", "ID", "WHO", "ON", "WHAT"}
		if clusters {
			p.header = append([]string{"CLUSTER"}, p.header...)
		}
	case "wide", "csv":
		p.header = []string{"CLUSTER", "TIME", "SEVERITY", "ID", "USER", "AS", "FROM", "VERB", "RESOURCE", "NAMESPACE", "NAME", "CODE", "REQUESTS", "POSITIONS", "TECHNIQUES", "RULE", "SUMMARY"}
	}
	if e.colour {
		p.paint = func(column int, cell string) string { return severityColour(p.header[column], cell) }
	}
	return p
}

var severityColours = map[detect.Severity]string{
	detect.Critical: "\x1b[1;31m", detect.High: "\x1b[31m", detect.Medium: "\x1b[33m", detect.Low: "\x1b[36m",
}

func severityColour(header, cell string) string {
	switch c := severityColours[detect.Severity(strings.ToLower(cell))]; {
	case header == cell:
		return "\x1b[1m" + cell + "\x1b[0m"
	case header == "SEVERITY" && c != "":
		return c + cell + "\x1b[0m"
	}
	return cell
}

// settle shows what a table still holds back.
func (p *findingPrinter) settle() error {
	if p.format == "table" || p.format == "wide" {
		return p.flush()
	}
	return nil
}

const shortID = 8 // digits of an ID that a table shows

func (p *findingPrinter) finding(f *server.Finding) error {
	return p.row(func() []string {
		at := formatTime(f.Time, p.zone)
		if p.format != "table" {
			var positions []string
			for _, n := range f.Positions {
				positions = append(positions, strconv.FormatUint(n, 10))
			}
			code := ""
			if f.Code != 0 {
				code = fmt.Sprint(f.Code)
			}
			return []string{f.Cluster, at, string(f.Severity), f.ID, f.User, f.As, f.Peer, f.Verb, f.Resource, f.Namespace, f.Name, code,
				strconv.Itoa(f.Count), strings.Join(positions, " "), strings.Join(f.Techniques, " "), f.RuleName, f.Summary}
		}
		what := f.Title
		if f.Count > 1 {
			what += fmt.Sprintf(" (%s)", plural(f.Count, "request"))
		}
		if f.Withdrawn != nil {
			what = "withdrawn: " + what
		}
		row := []string{at, string(f.Severity), f.ID[:min(shortID, len(f.ID))], who(&f.Finding), on(&f.Finding), what}
		if p.clusters {
			row = append([]string{f.Cluster}, row...)
		}
		return row
	}, func() ([]byte, error) { return json.Marshal(f) })
}

func who(f *detect.Finding) string {
	if f.As != "" {
		return f.User + " as " + f.As
	}
	return f.User
}

// on is what it was about: pods/exec web-1 in prod.
func on(f *detect.Finding) string {
	s := strings.TrimSpace(f.Resource + " " + f.Name)
	if f.Namespace != "" && f.Resource != "namespaces" { // a namespace's events name it as its own
		s = strings.TrimSpace(s + " in " + f.Namespace)
	}
	return s
}

// span is from when to when something was.
func span(first, last time.Time, zone *time.Location) string {
	const minute = "2006-01-02 15:04"
	from, to := first.In(zone).Format(minute), last.In(zone).Format(minute)
	if from == to {
		return from
	}
	return from + " → " + to
}

func (e *env) groupFindings(ctx context.Context, client *server.Client, q server.FindingGroupsQuestion, a *findingFlags) (n int, err error) {
	var end server.FindingGroupsEnd
	if q.Limit == 0 {
		q.Limit = mostGroups
	}
	err = e.paged(func(w io.Writer) error {
		p := &printer{w: w, format: a.output, list: "groups"}
		p.header = []string{"SEVERITY", "FINDINGS"}
		for _, b := range q.By {
			p.header = append(p.header, strings.ToUpper(b))
		}
		p.header = append(p.header, "FIRST", "LAST", "WHEN", "TITLE")
		if a.output == "table" {
			p.header = slices.DeleteFunc(p.header, func(h string) bool { return h == "FIRST" })
		}
		if e.colour {
			p.paint = func(column int, cell string) string { return severityColour(p.header[column], cell) }
		}
		end, err = client.FindingGroups(ctx, q, func(g server.FindingGroup) error {
			return p.row(func() []string {
				row := []string{string(g.Severity), strconv.Itoa(g.Count)}
				for _, b := range q.By {
					if b == "rule" {
						g.Values[b] = g.RuleName
					}
					row = append(row, g.Values[b])
				}
				title := g.Title
				if !slices.Contains(q.By, "rule") && len(g.Rules) > 1 {
					title += fmt.Sprintf(" and others, of %s", plural(len(g.Rules), "rule"))
				}
				if a.output != "table" {
					row = append(row, formatTime(g.First, a.zone()))
				}
				return append(row, formatTime(g.Last, a.zone()), bars(g.Buckets), title)
			}, func() ([]byte, error) { return json.Marshal(g) })
		})
		if err != nil {
			return err
		}
		return p.end(map[string]any{"coverage": end.Cover, "from": end.From, "step": end.Step, "findings": end.Findings})
	})
	if err != nil {
		return 0, err
	}
	return end.Findings, e.findingsCovered(plural(end.Groups, "group")+" of "+plural(end.Findings, "finding"), &end.Cover)
}

const mostGroups = 10_000 // that a server gives

// bars are counts as a line of bars.
func bars(counts []int) string {
	levels := []rune(" ▁▂▃▄▅▆▇█")
	most := max(1, slices.Max(append([]int{0}, counts...)))
	var b strings.Builder
	for _, n := range counts {
		i := 0
		if n > 0 {
			i = 1 + (n-1)*(len(levels)-2)/max(1, most-1)
			i = min(i, len(levels)-1)
		}
		b.WriteRune(levels[i])
	}
	return strings.TrimRight(b.String(), " ")
}
