package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"annals.dev/internal/detect"
	"annals.dev/internal/server"
)

const rulesHuntLong = `Hunt runs a rule over what happened, as if it had been watched for then, and prints what it would have found.
Nothing is recorded of that, and nobody is told.

The rule is one of those that are watched for, by its id, name or title; a file of rules, which need not be;
or - for standard input. After the findings a line on standard error says what they cover; if something was left
out, the exit code is 3.`

const rulesHuntExample = `  annals rules hunt exec-into-container --since 7d
  annals rules hunt my-rules/shell.yml --since 30d --cluster prod
  annals rules hunt my-rules/shell.yml --fail-if-any`

// maxRuleFile bounds a file of rules that is sent to a server.
const maxRuleFile = 1 << 20

func newRulesHunt(e *env) *cobra.Command {
	var a findingFlags
	var reading ruleReading
	var limit int
	var failIfAny bool
	cmd := &cobra.Command{
		Use: "hunt RULE|FILE", Short: "Run a rule over what happened", Long: rulesHuntLong, Example: rulesHuntExample,
		Args: cobra.ExactArgs(1),
	}
	a.asking.flags(cmd, e, findingFormats)
	a.ranged.flags(cmd)
	reading.flags(cmd)
	f := cmd.Flags()
	f.IntVar(&limit, "limit", 1000, "at most so many findings")
	f.BoolVar(&failIfAny, "fail-if-any", false, "exit 5 if there is any finding")
	perCall(cmd, "fail-if-any")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkFormat(a.output, findingFormats); err != nil {
			return err
		}
		if limit < 1 {
			return usagef("--limit %d: give a number of findings from 1", limit)
		}
		q := server.HuntQuestion{Clusters: a.clusters, Limit: limit}
		var err error
		if q.Since, q.Until, err = a.ranged.times(e, &a.asking); err != nil {
			return err
		}
		if err := reading.hunted(e, args[0], &q); err != nil {
			return err
		}
		client, err := e.connect(cmd.Context())
		if err != nil {
			return err
		}
		defer client.Close()
		bar := e.progress()
		var end server.HuntEnd
		var first, last time.Time
		n := 0
		err = e.paged(func(w io.Writer) error {
			p := e.findingPrinter(w, &a, len(q.Clusters) != 1)
			end, err = client.Hunt(cmd.Context(), q, func(f server.Finding) error {
				n++
				bar.show(int64(n), 0, plural(n, "finding"))
				if first.IsZero() || f.Time.Before(first) {
					first = f.Time
				}
				if f.Time.After(last) {
					last = f.Time
				}
				return p.finding(&f)
			})
			bar.clear()
			if err != nil {
				return err
			}
			return p.end(map[string]any{"coverage": end.Cover, "rules": end.Rules, "problems": append([]detect.Problem{}, end.Problems...)})
		})
		if err != nil {
			return err
		}
		for _, p := range end.Problems {
			if p.Kind != "note" {
				e.say("%s", problemLine(p))
			}
		}
		e.say("%s of %s: %s", plural(end.Findings, "finding"), plural(end.Rules, "rule"), coverageLine(end.Cover, first, last, a.zone(), 0))
		switch {
		case !end.Cover.Complete:
			return &exitError{code: exitIncomplete}
		case failIfAny && end.Findings > 0:
			return &exitError{code: exitMatched}
		}
		return nil
	}
	return cmd
}

// hunted says which rule is run: a file's, or one that there is.
func (r *ruleReading) hunted(e *env, name string, q *server.HuntQuestion) error {
	if name != "-" {
		info, err := os.Stat(name)
		if err == nil && info.IsDir() {
			return usagef("%s is a folder: hunt with one file of rules at a time", name)
		}
		if errors.Is(err, fs.ErrNotExist) {
			if strings.HasSuffix(name, ".yml") || strings.HasSuffix(name, ".yaml") {
				return err
			}
			q.IDs = []string{name}
			if p, err := r.load(e, nil); err == nil { // a title is known here alone
				if rule, err := findRule(p, name); err == nil {
					q.IDs = []string{rule.ID}
				}
			}
			return nil
		}
	}
	f, err := e.open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxRuleFile+1))
	if err == nil && len(b) > maxRuleFile {
		err = fmt.Errorf("%s: larger than %d bytes; hunt with fewer rules at a time", name, maxRuleFile)
	}
	q.Text = string(b)
	return err
}

// overFile runs rules over a file of events, and prints what they find.
func (t *ruleTesting) overFile(rules []*detect.Rule, path string) error {
	x, err := t.feed(rules, path)
	if err != nil {
		return err
	}
	found := x.out.Findings()
	slices.SortStableFunc(found, func(a, b *detect.Finding) int { return a.Time.Compare(b.Time) })
	a := findingFlags{asking: asking{output: "table"}}
	if t.output == "json" {
		a.output = "json"
	}
	p := t.findingPrinter(t.env.out, &a, false)
	for _, f := range found {
		if err := p.finding(&server.Finding{Finding: *f}); err != nil {
			return err
		}
	}
	if err := p.end(nil); err != nil {
		return err
	}
	t.say("%s by %s in %s", plural(len(found), "finding"), plural(len(rules), "rule"), plural(x.events, "event"))
	return nil
}
