package cli

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"annals.dev/internal/ledger"
	"annals.dev/sink"
)

// appending stands in for a ledger that is busy, full or slow, which a real one is only by accident.
type appending struct {
	answers []error // of the calls to come; then nil
	got     []string
	calls   int
}

func (a *appending) Append(_ context.Context, b ledger.Batch) (ledger.Receipt, error) {
	a.calls++
	if len(a.answers) > 0 {
		err := a.answers[0]
		a.answers = a.answers[1:]
		if err != nil {
			return ledger.Receipt{}, err
		}
	}
	for _, e := range b.Events {
		a.got = append(a.got, fmt.Sprintf("%s %s %s", b.Cluster, b.Origin, e.Bytes))
	}
	return ledger.Receipt{Accepted: len(b.Events)}, nil
}

func TestLedgerSink(t *testing.T) {
	event := func(id int) []byte {
		return fmt.Appendf(nil, `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"%d","stage":"ResponseComplete","requestURI":"/","verb":"get","user":{}}`, id)
	}
	kept := func(n int) (all []string) {
		for i := range n {
			all = append(all, "prod proxy "+string(event(i)))
		}
		return all
	}
	busy := func(n int) (all []error) {
		for range n {
			all = append(all, ledger.ErrBusy)
		}
		return all
	}
	for name, c := range map[string]struct {
		answers []error
		want    error
		calls   int
	}{
		"kept":             {nil, nil, 1},
		"busy for a while": {busy(3), nil, 4},
		"busy for long":    {busy(1000), ledger.ErrBusy, int(busyFor/busyEvery) + 2},
		"full":             {[]error{ledger.ErrFull}, ledger.ErrFull, 1},
		"failed":           {[]error{ledger.ErrFailed}, ledger.ErrFailed, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &appending{answers: c.answers}
				s := &ledgerSink{to: a, cluster: "prod", origin: "proxy"}
				err := s.Send(t.Context(), event(0), event(1), event(2))
				if !errors.Is(err, c.want) || a.calls != c.calls {
					t.Errorf("%v after %d calls, want %v after %d", err, a.calls, c.want, c.calls)
				}
				if c.want == nil {
					if diff := cmp.Diff(kept(3), a.got); diff != "" {
						t.Error(diff)
					}
				} else if lost, ok := errors.AsType[*sink.PartialError](err); !ok || lost.Lost != 3 {
					t.Errorf("%v does not say how many are lost", err)
				}
			})
		})
	}
	t.Run("who waits may leave", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		s := &ledgerSink{to: &appending{answers: busy(1000)}, cluster: "prod", origin: "proxy"}
		if err := s.Send(ctx, event(0)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
	t.Run("closed", func(t *testing.T) {
		a := &appending{}
		s := &ledgerSink{to: a, cluster: "prod", origin: "proxy"}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Send(t.Context(), event(0)); !errors.Is(err, sink.ErrClosed) || a.calls != 0 {
			t.Errorf("%v after %d calls", err, a.calls)
		}
	})
}
