package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
	"annals.dev/internal/query"
)

// values are what questions are asked about: taken from the ledger, so that each has an answer.
type values struct {
	from, to time.Time
	users    []string
	ids      []string // of creations, over the whole time
	uids     []string // of what they created: words that stand in few bodies
}

// hours are windows, of an hour each, into what the smallest ledger holds.
const (
	hourSteps = 5 * time.Minute
	hour      = time.Hour
)

// questionsOf gives a set of questions about a ledger.
func questionsOf(ctx context.Context, l *ledger.Ledger, e *query.Engine, set string) ([]question, error) {
	v := new(values)
	snap := l.Snapshot(cluster)
	for _, c := range snap.Clusters {
		for _, s := range c.Segments {
			from, to := time.UnixMicro(s.MinTime), time.UnixMicro(s.MaxTime)
			if v.from.IsZero() || from.Before(v.from) {
				v.from = from
			}
			if to.After(v.to) {
				v.to = to
			}
		}
	}
	snap.Release()
	if v.from.IsZero() {
		return nil, errors.New("the ledger has no segments")
	}
	switch set {
	case "search":
		return questionsOfAll(e, v), v.read(ctx, e, v.to.Sub(v.from)/rounds)
	case "hour":
		return questionsOfHours(e, v), v.read(ctx, e, hourSteps)
	case "screens":
		if err := v.readUsers(ctx, e); err != nil {
			return nil, err
		}
		return questionsOfScreens(e, v)
	case "words":
		return firstRows(e), nil
	}
	return nil, fmt.Errorf("there is no set of questions %q", set)
}

func (v *values) readUsers(ctx context.Context, e *query.Engine) error {
	top, _, err := e.As(query.All).Top(ctx, query.Range{Until: v.from.Add(hour)}, "user", 1000)
	for i := range top {
		v.users = append(v.users, top[len(top)-1-i].Value) // the rarest first
	}
	return err
}

// read takes users, and something created in each step of time.
func (v *values) read(ctx context.Context, e *query.Engine, step time.Duration) error {
	if err := v.readUsers(ctx, e); err != nil {
		return err
	}
	created, err := match.Parse("verb:create stage:ResponseComplete code:201 response.metadata.uid:*")
	if err != nil {
		return err
	}
	for i := range rounds {
		s := query.Search{Range: query.Range{Query: created, Since: v.from.Add(time.Duration(i) * step)}, Limit: 1, OldestFirst: true, Bytes: true}
		_, err := e.As(query.All).Search(ctx, s, func(r *query.Row) error {
			_, body, _ := strings.Cut(string(r.Bytes), `"responseObject"`)
			_, body, _ = strings.Cut(body, `"uid":"`)
			uid, _, _ := strings.Cut(body, `"`)
			v.ids, v.uids = append(v.ids, r.AuditID), append(v.uids, uid)
			return nil
		})
		if err != nil {
			return err
		}
	}
	if len(v.ids) == 0 || len(v.users) == 0 {
		return errors.New("nothing was ever created in this ledger")
	}
	return nil
}

// asked makes the text of a question, and its time, from its i-th value.
type asked func(i int) (text string, r query.Range)

// but is a question about all but what one user did: never the same, and nearly all the rows.
func (v *values) but(text string) asked {
	return func(i int) (string, query.Range) {
		return fmt.Sprintf("%s -user:%q", text, v.users[i%len(v.users)]), query.Range{}
	}
}

func of(format string, all *[]string) asked {
	return func(i int) (string, query.Range) { return fmt.Sprintf(format, (*all)[i%len(*all)]), query.Range{} }
}

// inHour bounds a question to the i-th window.
func (v *values) inHour(a asked) asked {
	return func(i int) (string, query.Range) {
		text, r := a(i)
		r.Since = v.from.Add(time.Duration(i) * hourSteps)
		r.Until = r.Since.Add(hour)
		return text, r
	}
}

// timed makes a question of what is asked, and how. The time is what it takes from the text to the last row.
func timed(name string, a asked, f func(ctx context.Context, r query.Range) (int, error)) question {
	return question{name: name, n: rounds, ask: func(ctx context.Context, i int) (int, time.Duration, string, error) {
		text, r := a(i)
		begun := time.Now()
		p, err := match.Parse(text)
		if err != nil {
			return 0, 0, "", err
		}
		r.Query = p
		rows, err := f(ctx, r)
		return rows, time.Since(begun), text, err
	}}
}

func search(e *query.Engine, limit int) func(context.Context, query.Range) (int, error) {
	return func(ctx context.Context, r query.Range) (n int, err error) {
		_, err = e.As(query.All).Search(ctx, query.Search{Range: r, Limit: limit}, func(*query.Row) error { n++; return nil })
		return n, err
	}
}

func topUsers(e *query.Engine) func(context.Context, query.Range) (int, error) {
	return func(ctx context.Context, r query.Range) (int, error) {
		top, _, err := e.As(query.All).Top(ctx, r, "user", 20)
		return len(top), err
	}
}

func histogram(e *query.Engine) func(context.Context, query.Range) (int, error) {
	return func(ctx context.Context, r query.Range) (int, error) {
		b, _, err := e.As(query.All).Histogram(ctx, r, 5*time.Minute)
		return len(b), err
	}
}

const (
	secrets   = "resource:secrets verb:(get OR list OR watch OR create OR update OR patch OR delete OR deletecollection)"
	execs     = "resource:pods/exec"
	logins    = "code:401"
	deletions = "verb:(delete OR deletecollection)"
)

// others are VictoriaLogs' figures for the same questions, on data of the same kind and size.
var others = map[string]string{
	"who touched secrets": "5.7", "exec sessions": "1.8", "failed logins": "1.9", "deletions": "8.1",
	"top users": "11.8", "5-minute histogram": "3.4", "one audit ID": "3.0", "a rare word in bodies": "9.4",
}

func questionsOfAll(e *query.Engine, v *values) []question {
	return []question{
		timed("who touched secrets", v.but(secrets), search(e, 0)),
		timed("exec sessions", v.but(execs), search(e, 0)),
		timed("failed logins", v.but(logins), search(e, 0)),
		timed("deletions", v.but(deletions), search(e, 0)),
		timed("top users", v.but("*"), topUsers(e)),
		timed("5-minute histogram", v.but("*"), histogram(e)),
		timed("one audit ID", of("id:%q", &v.ids), search(e, 0)),
		timed("a rare word in bodies", of("%q", &v.uids), search(e, 0)),
	}
}

func questionsOfHours(e *query.Engine, v *values) []question {
	return []question{
		timed("who touched secrets", v.inHour(v.but(secrets)), search(e, 0)),
		timed("exec sessions", v.inHour(v.but(execs)), search(e, 0)),
		timed("failed logins", v.inHour(v.but(logins)), search(e, 0)),
		timed("deletions", v.inHour(v.but(deletions)), search(e, 0)),
		timed("top users", v.inHour(v.but("*")), topUsers(e)),
		timed("5-minute histogram", v.inHour(v.but("*")), histogram(e)),
		timed("one audit ID", v.inHour(of("id:%q", &v.ids)), search(e, 0)),
		timed("a rare word in bodies", v.inHour(of("%q", &v.uids)), search(e, 0)),
		timed("a frequent word, newest 100", v.inHour(v.but("kubelet")), search(e, 100)),
	}
}

// texts are searches of fields and words, frequent and rare and nowhere, and what they make together.
var texts = []string{
	"kubelet", "kubernetes", "ready", "configured", "default", "true", "kube-system", "nowhereatall", "kube*",
	"kubelet ready", "kubelet secrets", "ready -kubelet", "kubelet OR scheduler", "secrets token expired", `"system:masters"`, `"kube-root-ca.crt"`,
	"resource:pods", "resource:leases verb:update", "verb:watch", "verb:patch resource:pods/status", "user:system:*", "-user:system:*",
	"ns:kube-system", "ns:default resource:pods", "name:*", "code>=400", "code:409", "code:(404 OR 409) verb!=get", "stage:RequestReceived",
	"level:RequestResponse", "agent:kubectl*", "ip:127.0.0.1", "uri:/api/v1/*", "reason:*", "latency>1s", "decision:forbid",
	"resource:secrets kubelet", "verb:delete resource:pods kubelet", "resource:events scheduled", "verb:create -user:system:* default", "code>=400 kubectl",
}

// firstRows asks for the newest 100 rows, and for the first one of all.
func firstRows(e *query.Engine) []question {
	text := func(i int) (string, query.Range) { return texts[i], query.Range{} }
	newest := timed("newest 100", text, search(e, 100))
	first := timed("first row of all", text, func(ctx context.Context, r query.Range) (n int, err error) {
		_, err = e.As(query.All).Search(ctx, query.Search{Range: r}, func(*query.Row) error { n++; return errEnough })
		if errors.Is(err, errEnough) {
			err = nil
		}
		return n, err
	})
	newest.n, first.n = len(texts), len(texts)
	return []question{newest, first}
}
