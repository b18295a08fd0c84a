package query

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"annals.dev/internal/ledger"
)

// TestWhileAppending asks while events arrive and are sealed: an answer holds all that was appended before the question, and
// nothing twice.
func TestWhileAppending(t *testing.T) {
	l, dir := newLedger(t)
	e := newEngine(t, l, dir)
	var appended [2]int
	var mu sync.Mutex
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	for i, cluster := range []string{"prod", "stage"} {
		work.Go(func() {
			for n := 0; n < 40; n++ {
				var batch [][]byte
				for k := range 50 {
					batch = append(batch, request(n*50+k, "get", "pods", fmt.Sprint("user", k), fmt.Sprint("word", n)))
				}
				if err := appendTo(l, cluster, batch...); err != nil {
					t.Error(err)
				}
				mu.Lock()
				appended[i] += len(batch)
				mu.Unlock()
				if n%13 == 12 {
					if err := l.Seal(context.Background()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for range 2 {
		work.Go(func() {
			for ctx.Err() == nil {
				mu.Lock()
				least := appended[0]
				mu.Unlock()
				seen := make(map[uint64]bool)
				_, err := e.As(All).Search(ctx, Search{Range: Range{Query: parse(t, "verb:get cluster:prod"), Clusters: []string{"prod"}}, Wide: true}, func(r *Row) error {
					if seen[r.Position] {
						t.Errorf("position %d twice", r.Position)
					}
					seen[r.Position] = true
					if want := fmt.Sprintf("%08x-0000-4000-8000-000000000000", r.Position+1); r.AuditID != want {
						t.Errorf("position %d has audit ID %s, not %s", r.Position, r.AuditID, want)
					}
					return nil
				})
				if ctx.Err() == nil && (err != nil || len(seen) < least) {
					t.Errorf("%d events of at least %d: %v", len(seen), least, err)
				}
			}
		})
	}
	work.Go(func() {
		for ctx.Err() == nil {
			_, rows, err := answer(ctx, e, "select count(*), count(distinct (cluster, position)), count(requestObject->>'word') from events")
			if ctx.Err() == nil && (err != nil || rows[0][0] != rows[0][1] || rows[0][0] != rows[0][2]) {
				t.Errorf("%v: %v", rows, err)
			}
		}
	})
	for done := false; !done; {
		mu.Lock()
		done = appended[0]+appended[1] == 4000
		mu.Unlock()
		runtime.Gosched()
	}
	cancel()
	work.Wait()
	if n, _, err := e.As(All).Count(context.Background(), Range{}); n != 4000 || err != nil {
		t.Errorf("%d events in the end: %v", n, err)
	}
}

func TestSearchCancelled(t *testing.T) {
	l, dir := newLedger(t)
	for n := range 500 {
		add(t, l, "prod", request(n, "get", "pods", "alice", fmt.Sprint("word", n)))
	}
	e := newEngine(t, l, dir)
	stop := errors.New("enough")
	for _, tt := range []struct {
		name string
		f    func(cancel func()) error
		want error
	}{
		{"by its reader", func(func()) error { return stop }, stop},
		{"while it reads", func(cancel func()) error { cancel(); return nil }, context.Canceled},
	} {
		ctx, cancel := context.WithCancel(context.Background())
		cov, err := e.As(All).Search(ctx, Search{Range: Range{Query: parse(t, "alice")}}, func(*Row) error { return tt.f(cancel) })
		if !errors.Is(err, tt.want) || cov.Complete || len(cov.Why) == 0 {
			t.Errorf("stopped %s: %v, %+v", tt.name, err, cov)
		}
		cancel()
		if cov, err := e.As(All).Search(ctx, Search{}, func(*Row) error { return nil }); !errors.Is(err, context.Canceled) || cov.Complete {
			t.Errorf("cancelled before it began: %v, %+v", err, cov)
		}
	}
	if n, _, err := e.As(All).Count(context.Background(), Range{}); n != 500 || err != nil {
		t.Errorf("after that: %d, %v", n, err)
	}
}

// TestNothingLeaks asks thousands of questions, a part of which is cut short, and looks at what is left.
func TestNothingLeaks(t *testing.T) {
	l, dir := newMixed(t)
	taken := 0
	var mu sync.Mutex
	e, err := New(func(clusters ...string) *ledger.Snapshot {
		mu.Lock()
		taken++
		mu.Unlock()
		return l.Snapshot(clusters...)
	}, Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	before := goleak.IgnoreCurrent()
	ask := func(n int) {
		for i := range n {
			ctx, cancel := context.WithCancel(context.Background())
			if i%5 == 0 {
				cancel()
			}
			query := []string{"verb:get", "hot", "user:eve verb:delete", `id:"00000001-0000-4000-8000-000000000000"`}[i%4]
			_, err := e.As(All).Search(ctx, Search{Range: Range{Query: parse(t, query)}, Bytes: i%7 == 0}, func(*Row) error {
				if i%6 == 0 {
					return errors.New("enough")
				}
				return nil
			})
			if i%5 != 0 && i%6 != 0 && err != nil {
				t.Error(err)
			}
			cancel()
		}
	}
	ask(200)
	resident := memory(t)
	ask(1000)
	for range 10 {
		if _, _, err := answer(context.Background(), e, "select count(*) from events where requestObject->>'word' = 'hot'"); err != nil {
			t.Fatal(err)
		}
	}
	if grown := memory(t) - resident; grown > 64<<20 {
		t.Errorf("1,000 questions left %d MiB", grown>>20)
	}
	hotTable.Lock()
	if n := len(hotTable.open); n != 0 {
		t.Errorf("%d snapshots are still open to DuckDB", n)
	}
	hotTable.Unlock()
	e.Close()
	goleak.VerifyNone(t, before)
	if _, err := e.As(All).Search(context.Background(), Search{}, func(*Row) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed engine: %v", err)
	}
}

// memory is what the process has resident.
func memory(tb testing.TB) int {
	tb.Helper()
	runtime.GC()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		tb.Skip("needs /proc to see the memory of the process")
	}
	pages, err := strconv.Atoi(strings.Fields(string(b))[1])
	if err != nil {
		tb.Fatal(err)
	}
	return pages * os.Getpagesize()
}
