package detect

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"annals.dev/audit"
	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
	"annals.dev/internal/match"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scan is a History that reads all of a ledger.
type scan struct{ l *ledger.Ledger }

func eachStored(ctx context.Context, l *ledger.Ledger, f func(e *ledger.Stored) error, clusters ...string) error {
	s := l.Snapshot(clusters...)
	defer s.Release()
	each := func(_ int, e *ledger.Stored) error { return f(e) }
	for _, v := range s.Clusters {
		for _, seg := range v.Segments {
			rows, err := seg.From(0, "")
			if err == nil {
				err = seg.Read(ctx, rows, each)
			}
			if err != nil {
				return err
			}
		}
		for _, h := range v.Hot {
			if err := h.Read(ctx, h.From(0, ""), each); err != nil {
				return err
			}
		}
	}
	return nil
}

func rowOf(e *ledger.Stored) *match.Row {
	return &match.Row{View: &e.View, Cluster: e.Cluster, Origin: e.Origin, Position: e.Position, Received: e.Received, Marks: e.Marks, Dialect: e.Dialect}
}

func (s scan) Matches(ctx context.Context, cluster string, where *match.Predicate, from, to int64, f func(*match.Row)) error {
	return eachStored(ctx, s.l, func(e *ledger.Stored) error {
		if r := rowOf(e); where.Match(r) {
			f(r)
		}
		return nil
	}, cluster)
}

func (s scan) Standing(ctx context.Context, cluster, rule, version string, from, to int64, f func(*Finding)) error {
	all := map[string]*Finding{}
	_, err := Since(ctx, s.l, 0, func(rec Recorded) error {
		if rec.Finding != nil {
			all[rec.Finding.ID] = rec.Finding
		} else {
			delete(all, rec.Withdrawal.ID)
		}
		return nil
	})
	for _, x := range all {
		if at := x.Time.UnixMicro(); x.Cluster == cluster && x.Rule == rule && x.Version == version && at >= from && at <= to {
			f(x)
		}
	}
	return err
}

func newLedger(tb testing.TB, opt ledger.Options) (*ledger.Ledger, string) {
	tb.Helper()
	dir := tb.TempDir()
	if _, err := ledger.Init(dir, ""); err != nil {
		tb.Fatal(err)
	}
	l, err := ledger.Open(dir, opt)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := l.Close(); err != nil {
			tb.Error(err)
		}
	})
	return l, dir
}

func appendRaw(l *ledger.Ledger, cluster string, raws ...[]byte) error {
	b := ledger.Batch{Cluster: cluster, Origin: "webhook/cp-1"}
	for _, raw := range raws {
		e := format.Event{Bytes: raw}
		if err := e.View.Parse(raw); err != nil {
			return err
		}
		b.Events = append(b.Events, e)
	}
	_, err := l.Append(context.Background(), b)
	return err
}

// madeEvents are n events, of which some come late: what they are follows from the seed.
func madeEvents(seed uint64, n int) (all []event) {
	rng := rand.New(rand.NewPCG(seed, 7))
	pick := func(all ...string) string { return all[rng.IntN(len(all))] }
	for i := 0; len(all) < n; i++ {
		e := event{cluster: pick("prod", "dev"), request: int(seed)*1_000_000 + i, received: time.Duration(i) * 3 * time.Second, user: pick("alice", "bob", "carol"),
			resource: pick("pods", "secrets", "configmaps", "nodes", "services"), name: pick("a", "b", "c", "d"), n: rng.IntN(7), stage: "RequestReceived"}
		switch rng.IntN(30) {
		case 0:
			e.received -= time.Minute
		case 1:
			e.received -= 2 * time.Hour
		case 2:
			e.lasted = 40 * time.Minute
		}
		if rng.IntN(2) == 0 {
			all = append(all, e)
		}
		e.stage, e.code = "ResponseComplete", []int{200, 403, 404}[rng.IntN(3)]
		e.lasted += time.Duration(rng.IntN(3000)) * time.Millisecond
		all = append(all, e)
	}
	return all[:n]
}

// holdRecord holds what a ledger's cluster annals says against the definition.
func holdRecord(tb testing.TB, l *ledger.Ledger, rules []*Rule) (standing map[string]*Finding, withdrawn int) {
	tb.Helper()
	ref := &naive{rules: rules}
	err := eachStored(tb.Context(), l, func(e *ledger.Stored) error {
		r := rowOf(e)
		view := new(audit.View)
		if err := view.Parse(append([]byte(nil), e.Bytes...)); err != nil {
			return err
		}
		r.View = view
		ref.events = append(ref.events, r)
		return nil
	}, "prod", "dev")
	if err != nil {
		tb.Fatal(err)
	}
	standing = map[string]*Finding{}
	times := map[string]int{}
	if _, err := Since(tb.Context(), l, 0, func(rec Recorded) error {
		switch f := rec.Finding; {
		case f == nil && standing[rec.Withdrawal.ID] == nil:
			return fmt.Errorf("what does not stand is withdrawn: %+v", rec.Withdrawal)
		case f == nil:
			withdrawn++
			delete(standing, rec.Withdrawal.ID)
		case standing[f.ID] != nil:
			return fmt.Errorf("finding %s of %s is recorded twice", f.ID, f.Rule)
		default:
			if times[f.ID]++; times[f.ID] > 2 {
				return fmt.Errorf("finding %s of %s comes and goes", f.ID, f.Rule)
			}
			standing[f.ID] = f
		}
		return nil
	}); err != nil {
		tb.Fatal(err)
	}
	got, want := map[string]string{}, map[string]string{}
	for id, f := range standing {
		if f.Rule != "second" { // which of first and second reports is decided by event
			got[id] = f.Rule
		}
	}
	for _, r := range rules {
		if r.Silent || r.ID == "second" {
			continue
		}
		found, _ := ref.findings(r)
		for id := range found {
			want[id] = r.ID
		}
	}
	if d := cmp.Diff(count(want), count(got)); d != "" {
		tb.Fatalf("findings by rule: %s", d)
	}
	if d := cmp.Diff(want, got); d != "" {
		tb.Fatalf("findings: %s", d)
	}
	return standing, withdrawn
}

func TestWatcher(t *testing.T) {
	for _, seal := range []int{0, 100} {
		t.Run(fmt.Sprint("seal ", seal), func(t *testing.T) {
			l, dir := newLedger(t, ledger.Options{SealEvents: seal, SealAfter: time.Hour})
			rules := testRules(t)
			cfg := WatchConfig{Ledger: l, Dir: dir, Rules: rules, History: scan{l}}
			events := madeEvents(1, 600)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w, problems, err := NewWatcher(cfg)
			if err != nil || len(problems) > 0 {
				t.Fatal(err, problems)
			}
			told := 0
			defer w.Subscribe(func(Recorded) { told++ })()
			ran := make(chan error)
			go func() { ran <- w.Run(ctx) }()
			for len(events) > 0 {
				n := min(len(events), 37)
				for _, e := range events[:n] {
					if err := appendRaw(l, e.cluster, e.raw()); err != nil {
						t.Fatal(err)
					}
				}
				events = events[n:]
			}
			if seal > 0 {
				if err := l.Seal(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			cancel()
			if err := <-ran; err != nil {
				t.Fatal(err)
			}
			// Another one goes on from there.
			w2, _, err := NewWatcher(cfg)
			if err != nil {
				t.Fatal(err)
			}
			var done, total uint64
			if err := w2.CatchUp(t.Context(), func(d, t uint64) { done, total = d, t }); err != nil {
				t.Fatal(err)
			}
			if done != total {
				t.Errorf("%d of %d positions were looked at", done, total)
			}
			standing, withdrawn := holdRecord(t, l, rules)
			t.Logf("%d findings stand, %d were withdrawn, %d told by the first", len(standing), withdrawn, told)
			for _, c := range w2.Stats().Clusters {
				if c.Behind != 0 && c.Name != ledger.Own {
					t.Errorf("cluster %s: %d behind", c.Name, c.Behind)
				}
			}
			// A state that is lost or damaged costs time, and changes nothing on record.
			size := ownSize(l)
			for _, damage := range []func(string) error{
				os.Remove,
				func(p string) error { return os.WriteFile(p, []byte(stateMagic+"nonsense"), 0o600) },
				func(p string) error { return os.Truncate(p, 200) },
			} {
				if err := damage(filepath.Join(dir, "detect", stateFile)); err != nil {
					t.Fatal(err)
				}
				w3, _, err := NewWatcher(cfg)
				if err != nil {
					t.Fatal(err)
				}
				if err := w3.CatchUp(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
				if got := ownSize(l); got != size {
					t.Errorf("%d records more after the state was lost", got-size)
				}
			}
		})
	}
}

func ownSize(l *ledger.Ledger) uint64 {
	for _, c := range l.Stats().Clusters {
		if c.Name == ledger.Own {
			return c.Size
		}
	}
	return 0
}

// TestFollow: what is recorded comes in order, each once, also while more is recorded.
func TestFollow(t *testing.T) {
	l, dir := newLedger(t, ledger.Options{SealEvents: 50, SealAfter: time.Hour})
	w, _, err := NewWatcher(WatchConfig{Ledger: l, Dir: dir, Rules: testRules(t), History: scan{l}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ran := make(chan error)
	go func() { ran <- w.Run(ctx) }()
	want := make(chan string, 1000)
	defer w.Subscribe(func(rec Recorded) {
		if rec.Finding != nil {
			want <- rec.Finding.ID
		} else {
			want <- rec.Withdrawal.ID
		}
	})()
	for _, e := range madeEvents(2, 200) {
		if err := appendRaw(l, e.cluster, e.raw()); err != nil {
			t.Fatal(err)
		}
	}
	var last uint64
	var wrong []string
	n := 0
	err = Follow(ctx, l, 0, func(rec Recorded) error {
		id := ""
		if rec.Finding != nil {
			id = rec.Finding.ID
		} else {
			id = rec.Withdrawal.ID
		}
		if told := <-want; told != id {
			wrong = append(wrong, fmt.Sprintf("%s was told, %s follows", told, id))
		}
		if n > 0 && rec.Position <= last {
			wrong = append(wrong, fmt.Sprintf("position %d follows %d", rec.Position, last))
		}
		last = rec.Position
		if n++; n == 60 {
			cancel()
			return context.Canceled
		}
		return nil
	})
	if err != context.Canceled || len(wrong) > 0 {
		t.Errorf("%v %s", err, strings.Join(wrong, "\n"))
	}
	if err := <-ran; err != nil {
		t.Error(err)
	}
}
