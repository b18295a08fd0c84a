// Search measures how long questions take on a ledger: each asked twenty times with other values, nothing kept in between,
// after one round that warms the page cache. It prints the median, the slowest and the processor time of one, in milliseconds.
//
//	go run ./test/bench/search -data DIR [-import FILE]
//
// With -import it first makes the ledger of a file of events, one to a line, and seals it.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"

	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
	"annals.dev/internal/query"
)

func main() {
	data := flag.String("data", "", "the ledger's directory")
	file := flag.String("import", "", "make the ledger of this file of events first")
	profile := flag.String("cpuprofile", "", "write a CPU profile of the questions here")
	only := flag.String("only", "", "ask only questions whose name begins so")
	flag.Parse()
	if err := run(*data, *file, *profile, *only); err != nil {
		fmt.Fprintln(os.Stderr, "search:", err)
		os.Exit(1)
	}
}

func run(data, file, profile, only string) error {
	if file != "" {
		if err := fill(data, file); err != nil {
			return err
		}
	}
	l, err := ledger.Open(data, ledger.Options{})
	if err != nil {
		return err
	}
	defer l.Close()
	e, err := query.New(l.Snapshot, query.Options{Dir: data})
	if err != nil {
		return err
	}
	defer e.Close()
	describe(l)
	values, err := valuesOf(e)
	if err != nil {
		return err
	}
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	fmt.Printf("%-34s %9s %9s %9s %9s\n", "question", "rows", "median ms", "max ms", "CPU ms")
	for _, q := range values.questions(e) {
		if !strings.HasPrefix(q.name, only) {
			continue
		}
		if err := q.measure(); err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
	}
	return nil
}

// fill makes a ledger of a file's lines.
func fill(data, file string) error {
	if _, err := ledger.Init(data, ""); err != nil {
		return err
	}
	l, err := ledger.Open(data, ledger.Options{})
	if err != nil {
		return err
	}
	defer l.Close()
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	ctx, begun := context.Background(), time.Now()
	in := bufio.NewScanner(f)
	in.Buffer(make([]byte, 1<<20), 64<<20)
	b := ledger.Batch{Cluster: "bench", Origin: "import/" + file}
	for in.Scan() {
		ev := format.Event{Bytes: slices.Clone(in.Bytes())}
		if err := ev.View.Parse(ev.Bytes); err != nil {
			return err
		}
		if b.Events = append(b.Events, ev); len(b.Events) == 400 {
			if _, err := l.Append(ctx, b); err != nil {
				return err
			}
			b.Events = b.Events[:0]
		}
	}
	if err := in.Err(); err != nil {
		return err
	}
	if _, err := l.Append(ctx, b); err != nil {
		return err
	}
	if err := l.Seal(ctx); err != nil {
		return err
	}
	fmt.Printf("filled in %s\n", time.Since(begun).Round(time.Millisecond))
	return nil
}

func describe(l *ledger.Ledger) {
	s := l.Snapshot()
	defer s.Release()
	for _, c := range s.Clusters {
		hot := 0
		for _, h := range c.Hot {
			hot += h.N
		}
		fmt.Printf("cluster %s: %d events, %d segments, %d events unsealed\n", c.Name, c.Size, len(c.Segments), hot)
	}
}

// values are what the questions are asked about: taken from the ledger, so that every question has an answer.
type values struct {
	users, ids, words []string
}

func valuesOf(e *query.Engine) (v values, err error) {
	ctx := context.Background()
	top, _, err := e.Top(ctx, query.Range{}, "user", 1000)
	if err != nil {
		return v, err
	}
	for _, t := range top {
		v.users = append(v.users, t.Value)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	seen := 0
	_, err = e.Search(ctx, query.Search{Wide: true}, func(r *query.Row) error {
		if seen++; len(v.ids) < 300 {
			v.ids = append(v.ids, r.AuditID)
		} else if i := rng.IntN(seen); i < len(v.ids) {
			v.ids[i] = r.AuditID
		}
		return nil
	})
	if err != nil {
		return v, err
	}
	// The ids of objects stand in the bodies of the few requests that were about them.
	for _, id := range v.ids {
		var uid string
		if err := uidOf(ctx, e, id, &uid); err != nil {
			return v, err
		}
		if uid == "" || slices.Contains(v.words, uid) {
			continue
		}
		p, err := match.Parse(`"` + uid + `"`)
		if err != nil {
			return v, err
		}
		n, _, err := e.Count(ctx, query.Range{Query: p})
		if err != nil {
			return v, err
		}
		if n <= rare {
			v.words = append(v.words, uid)
		}
	}
	if len(v.ids) == 0 || len(v.words) == 0 {
		return v, errors.New("the ledger holds no events with bodies")
	}
	return v, nil
}

// uidOf takes the uid of the object that an event's response is.
func uidOf(ctx context.Context, e *query.Engine, id string, uid *string) error {
	p, err := match.Parse(`id:"` + id + `"`)
	if err != nil {
		return err
	}
	_, err = e.Search(ctx, query.Search{Range: query.Range{Query: p}, Bytes: true}, func(r *query.Row) error {
		if _, after, ok := strings.Cut(string(r.Bytes), `"uid":"`); ok && strings.Contains(string(r.Bytes), `"responseObject"`) {
			*uid, _, _ = strings.Cut(after, `"`)
		}
		return nil
	})
	return err
}

// rare is in how many events a rare word may stand.
const rare = 32

// question is asked with the i-th of its values and says how many rows came.
type question struct {
	name string
	ask  func(ctx context.Context, i int) (int, error)
}

const rounds = 20

func (v values) questions(e *query.Engine) []question {
	search := func(text func(i int) string, s query.Search) func(context.Context, int) (int, error) {
		return func(ctx context.Context, i int) (n int, err error) {
			if s.Query, err = match.Parse(text(i)); err != nil {
				return 0, err
			}
			_, err = e.Search(ctx, s, func(*query.Row) error { n++; return nil })
			return n, err
		}
	}
	but := func(text string) func(int) string {
		return func(i int) string { return fmt.Sprintf("%s -user:%q", text, v.users[len(v.users)-1-i%len(v.users)]) }
	}
	of := func(format string, all []string) func(int) string {
		return func(i int) string { return fmt.Sprintf(format, all[i%len(all)]) }
	}
	secrets, all := "resource:secrets verb:(get OR list OR watch)", query.Search{}
	return []question{
		{"secrets read", search(but(secrets), all)},
		{"secrets read, newest 100", search(but(secrets), query.Search{Limit: 100})},
		{"secrets read, every field", search(but(secrets), query.Search{Wide: true})},
		{"exec sessions", search(but("subresource:(exec OR attach OR portforward)"), all)},
		{"failed logins", search(but("code:(401 OR 403)"), all)},
		{"deletions", search(but("verb:(delete OR deletecollection)"), all)},
		{"top users", func(ctx context.Context, i int) (int, error) {
			p, err := match.Parse(but("*")(i))
			if err != nil {
				return 0, err
			}
			top, _, err := e.Top(ctx, query.Range{Query: p}, "user", 20)
			return len(top), err
		}},
		{"5-minute histogram", func(ctx context.Context, i int) (int, error) {
			p, err := match.Parse(but("*")(i))
			if err != nil {
				return 0, err
			}
			b, _, err := e.Histogram(ctx, query.Range{Query: p}, 5*time.Minute)
			return len(b), err
		}},
		{"one audit ID", search(of("id:%q", v.ids), all)},
		{"one audit ID, its bytes", search(of("id:%q", v.ids), query.Search{Bytes: true})},
		{"a rare word in bodies", search(of("%q", v.words), all)},
		{"newest 100 of all", search(but("*"), query.Search{Limit: 100})},
		{"a frequent word, newest 100", search(but("kubelet"), query.Search{Limit: 100})},
	}
}

func (q question) measure() error {
	ctx := context.Background()
	var took []time.Duration
	rows := 0
	var cpu time.Duration
	for i := range 2 * rounds { // the first round warms the page cache
		if i == rounds {
			cpu = -cpuTime()
		}
		begun := time.Now()
		n, err := q.ask(ctx, i%rounds)
		if err != nil {
			return err
		}
		if i >= rounds {
			took = append(took, time.Since(begun))
			rows += n
		}
	}
	cpu += cpuTime()
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return d.Seconds() * 1e3 }
	fmt.Printf("%-34s %9d %9.2f %9.2f %9.2f\n", q.name, rows/rounds, ms(took[len(took)/2]), ms(took[len(took)-1]), ms(cpu/rounds))
	return nil
}

// cpuTime is what the process has used, in and out of the kernel.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail with these arguments
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
