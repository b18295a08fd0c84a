package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"annals.dev/internal/query/session"
)

var sessionFormats = []string{"table", "wide", "json", "jsonl", "yaml", "csv"}

const sessionsLong = `Sessions lists what opens a way into a container, a node or a service: exec, attach, port-forward, cp (which
is an exec of tar), ephemeral containers, kubectl debug, and what is proxied through the API server. The
events of one request are joined, so each stands once, with its command and how long it took.

States: ended; open (no end is recorded); denied (refused); failed; unknown (what came of it is not recorded).
The query narrows them; a session is shown whole if any event of it matches.`

const sessionsExample = `  annals sessions --since 1d
  # who was denied
  annals sessions --denied
  # shells of people in prod, with container, address and client
  annals sessions 'ns:prod resource:pods/exec -user:system:*' -o wide
  # all of them, for a spreadsheet
  annals sessions --limit 0 -o csv > sessions.csv`

func newSessions(e *env) *cobra.Command {
	var a asking
	var r ranged
	var q session.Question
	cmd := &cobra.Command{Use: "sessions [QUERY]", Short: "Shells, port-forwards and the like, the denied ones too", Long: sessionsLong, Example: sessionsExample, Args: cobra.ArbitraryArgs}
	a.flags(cmd, e, sessionFormats)
	r.flags(cmd)
	cmd.Flags().BoolVar(&q.Denied, "denied", false, "only those that were denied")
	cmd.Flags().IntVar(&q.Limit, "limit", 100, fmt.Sprintf("at most so many sessions; 0 for all, up to %s", count(session.Most)))
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if err := checkFormat(a.output, sessionFormats); err != nil {
			return err
		}
		if q.Limit < 0 {
			return usagef("--limit %d: give a number of sessions, or 0 for all", q.Limit)
		}
		q.Query, q.Clusters = strings.Join(args, " "), a.clusters
		if q.Since, q.Until, err = r.times(e, &a); err != nil {
			return err
		}
		client, err := e.connect(cmd.Context())
		if err != nil {
			return err
		}
		defer client.Close()
		answer, err := client.Sessions(cmd.Context(), q)
		if err != nil {
			return err
		}
		err = e.paged(func(w io.Writer) error { return printSessions(w, &a, &answer) })
		if err != nil {
			return err
		}
		var first, last time.Time
		if n := len(answer.Sessions); n > 0 {
			first, last = answer.Sessions[n-1].Start, answer.Sessions[0].Start
		}
		return e.covered(answer.Cover, "session", first, last, a.zone(), session.Most)
	}
	return cmd
}

func printSessions(w io.Writer, a *asking, answer *session.Sessions) error {
	p := &printer{w: w, format: a.output, list: "sessions", header: []string{"START", "TOOK", "STATE", "KIND", "USER", "TARGET", "NAMESPACE", "WHAT"}}
	wide := a.output == "wide" || a.output == "csv"
	if wide {
		p.header = []string{"START", "TOOK", "STATE", "CODE", "KIND", "USER", "AS", "FROM", "TARGET", "NAMESPACE", "CONTAINER", "TTY", "CLIENT", "CLUSTER", "ID", "WHAT"}
	}
	for i := range answer.Sessions {
		s := &answer.Sessions[i]
		took, code := "", ""
		if !s.End.IsZero() {
			took = s.End.Sub(s.Start).Round(time.Millisecond).String()
		}
		if s.Code != 0 {
			code = fmt.Sprint(s.Code)
		}
		err := p.row(func() []string {
			start := formatTime(s.Start, a.zone())
			if !wide {
				return []string{start, took, s.State, s.Kind, strings.TrimSuffix(s.User+" as "+s.As, " as "), s.Target, s.Namespace, what(s)}
			}
			return []string{start, took, s.State, code, s.Kind, s.User, s.As, s.From, s.Target, s.Namespace, s.Container, fmt.Sprint(s.TTY), s.Agent, s.Cluster, s.AuditID, what(s)}
		}, func() ([]byte, error) { return json.Marshal(s) })
		if err != nil {
			return err
		}
	}
	return p.end(map[string]any{"coverage": answer.Cover})
}

// what is what a session was for: a command, ports, an image or a path.
func what(s *session.Session) string {
	switch {
	case len(s.Command) > 0 && s.Image != "":
		return s.Image + ": " + session.Line(s.Command)
	case len(s.Command) > 0:
		return session.Line(s.Command)
	case s.Image != "":
		return s.Image
	case len(s.Ports) > 0:
		return strings.Trim(fmt.Sprint(s.Ports), "[]") + s.Path
	}
	return s.Path
}
