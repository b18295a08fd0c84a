package query

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Requests are requests that are alike in the fields they were asked for by.
type Requests struct {
	Values      []string
	Count       int
	First, Last time.Time
}

// requestFields are what requests can be told apart by beside Facets.
var requestFields = map[string]string{
	"ips":    "sourceIPs", // the list, as JSON
	"groups": `"groups"`,  // the list, as JSON
	"day":    `strftime("time", '%Y-%m-%d')`,
	// of a request that is for no resource, its path
	"path": `CASE WHEN resource IS NULL OR resource = '' THEN split_part(requestURI, '?', 1) END`,
}

// finished are the stages after which a request has no other.
const finished = `stage IN ('ResponseComplete', 'Panic')`

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
	counted := `count(*), epoch_us(min("time")), epoch_us(max("time"))`
	// The stages of a request have the audit ID in common and when it was received: clients choose the ID, and with another's they
	// would count as that.
	for _, sql := range []string{
		fmt.Sprintf(`SELECT %s, %s %s AND %s GROUP BY %s`, strings.Join(columns, ", "), counted, over, finished, strings.Join(numbers, ", ")),
		fmt.Sprintf(`WITH ends AS (SELECT %[1]s %[2]s AND %[3]s),
			open AS (SELECT %[1]s, "time", stage, %[4]s %[2]s AND NOT (%[3]s)),
			started AS (SELECT %[5]s FROM open WHERE stage = 'ResponseStarted')
			SELECT %[6]s, %[7]s FROM (
				SELECT * FROM open ANTI JOIN ends USING (%[5]s) WHERE stage = 'ResponseStarted'
				UNION ALL SELECT * FROM open ANTI JOIN ends USING (%[5]s) ANTI JOIN started USING (%[5]s) WHERE stage <> 'ResponseStarted'
			) GROUP BY %[6]s`,
			`coalesce(auditID, '00000000-0000-0000-0000-000000000000'::UUID) AS id, coalesce(auditIDText, '') AS text, epoch_us("time") - coalesce(latency, 0) AS received`,
			over, finished, strings.Join(columns, ", "), "id, text, received", strings.Join(names, ", "), counted),
	} {
		err = a.conn.query(ctx, sql, func(ch chunk) error {
			n, first, last := ch.column(len(fields)).ints(), ch.column(len(fields)+1).ints(), ch.column(len(fields)+2).ints()
			for row := range ch.n {
				q := Requests{make([]string, len(fields)), int(n[row]), time.UnixMicro(first[row]).UTC(), time.UnixMicro(last[row]).UTC()}
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
