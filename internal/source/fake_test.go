package source

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeLedger is an Appender in memory. It knows duplicates as the real one does.
type fakeLedger struct {
	mu     sync.Mutex
	fail   error // instead of taking anything
	failAt int   // fail from this call on, counted from 1; 0: from the first
	calls  int
	events []fakeEvent
	known  map[string]bool
	dups   int
}

type fakeEvent struct {
	cluster, origin string
	id, bytes, note string
	dialect         format.Dialect
	marks           format.Marks
}

func (l *fakeLedger) Append(ctx context.Context, b ledger.Batch) (ledger.Receipt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var r ledger.Receipt
	if err := ctx.Err(); err != nil {
		return r, err
	}
	if l.calls++; l.fail != nil && l.calls >= l.failAt {
		return r, l.fail
	}
	if l.known == nil {
		l.known = make(map[string]bool)
	}
	for i := range b.Events {
		e := &b.Events[i]
		key := b.Cluster + "\x00" + string(e.Bytes)
		if l.known[key] {
			l.dups++
			r.Duplicates++
			continue
		}
		l.known[key] = true
		r.Accepted++
		if e.Marks&format.Salvaged != 0 {
			r.Salvaged++
		}
		if e.Marks&format.Quarantined != 0 {
			r.Quarantined++
		}
		l.events = append(l.events, fakeEvent{
			b.Cluster, b.Origin, e.View.AuditID.String(), string(e.Bytes), e.Note, e.Dialect, e.Marks,
		})
	}
	return r, nil
}

func (l *fakeLedger) set(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail, l.failAt, l.calls = err, 0, 0
}

// of lists the audit IDs that a cluster has, in the order in which they came.
func (l *fakeLedger) of(cluster string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ids []string
	for _, e := range l.events {
		if e.cluster == cluster {
			ids = append(ids, e.id)
		}
	}
	return ids
}

func (l *fakeLedger) all() []fakeEvent {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]fakeEvent(nil), l.events...)
}

// testLog is a log that tests can look into.
type testLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *testLog) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(p)
}

func (t *testLog) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

func (t *testLog) logger() *slog.Logger { return slog.New(slog.NewTextHandler(t, nil)) }

// item is event n as it stands in an EventList, line the same as a log has it.
func item(n int) string {
	return fmt.Sprintf(`{"level":"Metadata","auditID":"%08d-0000-4000-8000-000000000000","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/default/pods/p%d","verb":"get","user":{"username":"alice","groups":["dev"]},"sourceIPs":["192.0.2.7"],"objectRef":{"resource":"pods","namespace":"default","name":"p%d","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":200},"requestReceivedTimestamp":"2026-11-21T00:50:32.240001Z","stageTimestamp":"2026-11-21T00:50:32.241001Z"}`, n, n, n)
}

func line(n int) string {
	return `{"kind":"Event","apiVersion":"audit.k8s.io/v1",` + item(n)[1:] + "\n"
}

func lines(from, to int) string {
	var b strings.Builder
	for n := from; n < to; n++ {
		b.WriteString(line(n))
	}
	return b.String()
}

func id(n int) string { return fmt.Sprintf("%08d-0000-4000-8000-000000000000", n) }

func ids(from, to int) []string {
	var list []string
	for n := from; n < to; n++ {
		list = append(list, id(n))
	}
	return list
}

func list(items ...string) string {
	return `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[` + strings.Join(items, ",") + "]}\n"
}
