package query

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"annals.dev/internal/format"
)

// Requests are requests that are alike in the fields they were asked for by.
type Requests struct {
	Values      []string
	Count       int
	First, Last time.Time // zero if none of them tells its time
}

// requestFields are what requests can be told apart by beside Facets.
var requestFields = map[string]string{
	"ips":    "sourceIPs", // the list, as JSON
	"groups": `"groups"`,  // the list, as JSON
	"day":    `CASE WHEN ` + timed + ` THEN strftime("time", '%Y-%m-%d') END`,
	// of a request that is for no resource, its path
	"path": `CASE WHEN resource IS NULL OR resource = '' THEN split_part(requestURI, '?', 1) END`,
}

// timed is true of an event that tells when it was. One that was cut short before its time stands at when it came.
var timed = fmt.Sprintf(`("time" <> received OR marks & %d = 0)`, format.Salvaged)

// finished are the stages after which a request has no other.
const finished = `coalesce(stage, '') IN ('ResponseComplete', 'Panic')`

// Requests counts the requests of a range, each once whatever stages of it are recorded: by its ResponseComplete or Panic, else by
// its ResponseStarted, else by its RequestReceived. It hands those that are alike in the fields to f together, in no order, and
// those without an end apart from the others. The predicate is one of columns alone.
func (r *Reader) Requests(ctx context.Context, of Range, fields []string, f func(Requests) error) (*Coverage, error) {
	var columns, names, numbers []string
	values := make([]func(string) string, len(fields))
	for i, name := range fields {
		column, ok := requestFields[name]
		if !ok {
			known, err := facetsOf([]string{name})
			if err != nil {
				return nil, err
			}
			column, values[i] = known[0].column, known[0].value
		}
		columns = append(columns, fmt.Sprintf("%s AS f%d", column, i))
		names = append(names, fmt.Sprintf("f%d", i))
		numbers = append(numbers, fmt.Sprint(i+1))
	}
	a, err := r.ask(ctx, of)
	if err != nil {
		return nil, err
	}
	defer a.done()
	if a.rest != nil {
		return nil, errors.New("requests are counted by what stands in columns: leave out words and what stands in bodies")
	}
	if len(a.parts) == 0 {
		return a.cov, nil
	}
	over := a.over(window{a.from, a.to, a.parts})
	const counted = `count(*), epoch_us(min("time") FILTER (WHERE timed)), epoch_us(max("time") FILTER (WHERE timed))`
	// The stages of a request have the audit ID in common and when it was received: clients choose the ID, and with another's they
	// would count as that. An event that was cut may not tell when; then the ID must do.
	const key = `coalesce(auditID, '00000000-0000-0000-0000-000000000000'::UUID) AS id,
		coalesce(auditIDText, CASE WHEN auditID IS NULL THEN concat(cluster, ' ', "position") ELSE '' END) AS text, epoch_us("time") - latency AS received`
	for _, sql := range []string{
		fmt.Sprintf(`SELECT %s, %s %s AND %s GROUP BY %s`, strings.Join(columns, ", "), strings.ReplaceAll(counted, "WHERE timed", "WHERE "+timed), over, finished, strings.Join(numbers, ", ")),
		// Nearly all requests have an end, so what has none is found by its key alone, and its fields are read afterwards.
		fmt.Sprintf(`WITH ends AS (SELECT %[1]s %[2]s AND %[3]s),
			open AS (SELECT cluster, "position", coalesce(stage, '') AS stage, %[1]s %[2]s AND NOT (%[3]s)),
			endless AS (
				SELECT * FROM open ANTI JOIN ends USING (id, text, received) ANTI JOIN (SELECT id, text FROM ends WHERE received IS NULL) USING (id, text) WHERE received IS NOT NULL
				UNION ALL SELECT * FROM open ANTI JOIN ends USING (id, text) WHERE received IS NULL),
			started AS (SELECT id, text, received FROM endless WHERE stage = 'ResponseStarted'),
			last AS (
				SELECT cluster, "position" FROM endless WHERE stage = 'ResponseStarted'
				UNION ALL SELECT cluster, "position" FROM endless ANTI JOIN started USING (id, text, received) WHERE stage <> 'ResponseStarted')
			SELECT %[6]s, %[7]s FROM (SELECT cluster, "position", "time", %[4]s AS timed, %[5]s %[2]s AND NOT (%[3]s)) SEMI JOIN last USING (cluster, "position")
			GROUP BY %[6]s`, key, over, finished, timed, strings.Join(columns, ", "), strings.Join(names, ", "), counted),
	} {
		err = a.conn.query(ctx, sql, func(ch chunk) error {
			n, first, last := ch.column(len(fields)).ints(), ch.column(len(fields)+1).ints(), ch.column(len(fields)+2).ints()
			for row := range ch.n {
				q := Requests{Values: make([]string, len(fields)), Count: int(n[row])}
				if !ch.column(len(fields) + 1).null(row) {
					q.First, q.Last = time.UnixMicro(first[row]).UTC(), time.UnixMicro(last[row]).UTC()
				}
				for i := range fields {
					if q.Values[i] = string(ch.column(i).bytes(row)); values[i] != nil {
						q.Values[i] = values[i](q.Values[i])
					}
				}
				if err := f(q); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			a.cov.incomplete("%v", err)
			return a.cov, err
		}
	}
	return a.cov, nil
}
