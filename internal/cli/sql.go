package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"annals.dev/internal/query"
	"annals.dev/internal/server"
)

const sqlLong = `Sql answers one SELECT over the view events, which has a row for each event and a column for each of
its fields; docs/sql.md lists them, and what else a statement may use. It can read events and compute,
nothing more. "-" reads the statement from standard input.`

const sqlExample = `  # who asks most
  annals sql 'SELECT "user", count(*) AS n FROM events GROUP BY ALL ORDER BY n DESC LIMIT 10'
  # requests in five-minute steps
  annals sql "SELECT time_bucket(INTERVAL '5 minutes', time) AS t, count(*) AS n FROM events GROUP BY t ORDER BY t"
  # refusals by user, as CSV
  annals sql 'SELECT "user", code, count(*) AS n FROM events WHERE code >= 400 GROUP BY ALL ORDER BY n DESC' -o csv`

func newSQL(e *env) *cobra.Command {
	var a asking
	cmd := &cobra.Command{
		Use: "sql STATEMENT", Short: "Ask in SQL", Long: sqlLong, Example: sqlExample,
		Args: cobra.MinimumNArgs(1),
	}
	a.flags(cmd, e, rowFormats)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkFormat(a.output, rowFormats); err != nil {
			return err
		}
		statement := strings.Join(args, " ")
		if statement == "-" {
			// One byte more than is allowed, so that what is too long is refused and not cut.
			b, err := io.ReadAll(io.LimitReader(e.in, query.MaxStatement+1))
			if err != nil {
				return fmt.Errorf("reading the statement: %w", err)
			}
			statement = string(b)
		}
		if strings.Trim(statement, "; \t\r\n") == "" {
			return usagef("the statement is empty: give one SELECT, such as 'SELECT count(*) FROM events'")
		}
		client, err := e.connect(cmd.Context())
		if err != nil {
			return err
		}
		defer client.Close()
		w, closePager, err := e.page()
		if err != nil {
			return err
		}
		out := &printer{w: w, format: a.output, list: "rows"}
		cov, err := client.SQL(cmd.Context(), server.SQLQuestion{Statement: statement, Clusters: a.clusters},
			func(cols []server.SQLColumn) error {
				for _, c := range cols {
					out.header = append(out.header, c.Name)
				}
				return nil
			},
			func(values []json.RawMessage) error {
				return out.row(
					func() []string { return sqlCells(values, a.zone()) },
					func() ([]byte, error) { return sqlObject(out.header, values), nil },
				)
			})
		if err == nil {
			err = out.end(map[string]any{"coverage": cov})
		}
		closePager()
		if errors.Is(err, syscall.EPIPE) {
			return nil // the pager was left: nobody wants to know more
		}
		if err != nil {
			return err
		}
		e.say("%s · of %s · %.2f s", plural(cov.Returned, "row"), plural(cov.Considered, "event"), cov.Seconds)
		if !cov.Complete {
			e.say("INCOMPLETE: %s", strings.Join(cov.Why, "; "))
			return &exitError{code: exitIncomplete}
		}
		return nil
	}
	return cmd
}

func sqlCells(values []json.RawMessage, zone *time.Location) []string {
	cells := make([]string, len(values))
	for i, v := range values {
		var text string
		switch {
		case string(v) == "null":
		case json.Unmarshal(v, &text) == nil:
			cells[i] = text
			if t, err := time.Parse(time.RFC3339Nano, text); err == nil && zone != time.UTC {
				cells[i] = formatTime(t, zone)
			}
		default:
			cells[i] = string(v)
		}
	}
	return cells
}

// sqlObject is a row as an object, its members in the statement's order. A name that stands twice is numbered.
func sqlObject(names []string, values []json.RawMessage) []byte {
	b := []byte{'{'}
	seen := map[string]int{}
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		name := names[i]
		if seen[name]++; seen[name] > 1 {
			name = fmt.Sprintf("%s:%d", name, seen[name])
		}
		key, err := json.Marshal(name)
		if err != nil {
			key = []byte(`""`) // a Go string is always JSON
		}
		b = append(append(append(b, key...), ':'), v...)
	}
	return append(b, '}')
}
