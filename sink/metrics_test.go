package sink_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"annals.dev/sink"
	"annals.dev/sink/sinktest"
)

func exposition(t testing.TB, m *sink.Metrics) string {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(m)
	w := httptest.NewRecorder()
	promhttp.HandlerFor(reg, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

// exposes checks lines of the metrics.
func exposes(t testing.TB, m *sink.Metrics, lines ...string) {
	t.Helper()
	all := exposition(t, m)
	for _, line := range lines {
		if !strings.Contains(all, line+"\n") {
			t.Errorf("no line %s in\n%s", line, all)
		}
	}
}

// Queues of one name are added up, and the help is upstream's.
func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := sink.NewMetrics()
		m.Dropped("log", sink.CauseFailed, 2)
		m.Problem("log", "rotate")
		m.Delivered("log", 5)
		ago := func(s int) time.Time { return time.Now().Add(time.Duration(-s) * time.Second) }
		stop := m.Queue("q", func() sink.Depth { return sink.Depth{Events: 2, Bytes: 20, Oldest: ago(4)} })
		m.Queue("q", func() sink.Depth { return sink.Depth{Events: 1, Bytes: 5, Oldest: ago(9)} })
		m.Queue("idle", func() sink.Depth { return sink.Depth{} })
		exposes(t, m,
			"# HELP apiserver_audit_error_total [ALPHA] Counter of audit events that failed to be audited properly. Plugin identifies the plugin affected by the error.",
			`apiserver_audit_error_total{plugin="log"} 2`, `annals_audit_problems_total{plugin="log",problem="rotate"} 1`,
			`annals_audit_delivered_events_total{plugin="log"} 5`, `annals_audit_queue_events{sink="q"} 3`, `annals_audit_queue_bytes{sink="q"} 25`,
			`annals_audit_queue_lag_seconds{sink="q"} 9`, `annals_audit_queue_lag_seconds{sink="idle"} 0`)
		stop()
		exposes(t, m, `annals_audit_queue_events{sink="q"} 1`)
	})
}

func TestNoMetrics(t *testing.T) {
	var m *sink.Metrics
	m.Dropped("a", "b", 1)
	m.Delivered("a", 1)
	m.Problem("a", "b")
	m.Queue("q", nil)()
	if err := prometheus.NewPedanticRegistry().Register(m); err != nil {
		t.Error(err)
	}
}

// An overload is one line in ten seconds with the sum, not a line for each event.
func TestReporterIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		r := &sink.Reporter{Plugin: "buffered", Log: slog.New(slog.NewTextHandler(&text, nil))}
		for range 100 {
			r.Lost(sink.CauseFull, 3, errors.New("full"))
		}
		r.Lost(sink.CauseClosed, 1, sink.ErrClosed)
		time.Sleep(10 * time.Second)
		r.Lost(sink.CauseFull, 1, errors.New("full"))
		var got []string
		for line := range strings.Lines(text.String()) {
			_, line, _ = strings.Cut(line, "cause=")
			got = append(got, strings.TrimSpace(line))
		}
		want := []string{`full events=3 error=full`, `closed events=1 error="the sink is closed"`, `full events=298 error=full`}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%q\nwant %q", got, want)
		}
	})
}

func TestReporterNames(t *testing.T) {
	for name, want := range map[string]string{
		"log": "log", "truncate<webhook>": "webhook", "truncate<ignoreErrors<log>>": "log", "ignoreErrors<truncate<log>>": "log",
		"spool<webhook>": "spool", "truncate<spool<webhook>>": "spool", "buffered<webhook>": "buffered", "union[log,webhook]": "union",
	} {
		if got := sink.NewReporter(&sinktest.Memory{Name: name}, nil, nil).Plugin; got != want {
			t.Errorf("the plugin of %s is %q, want %q", name, got, want)
		}
	}
}

func TestModes(t *testing.T) {
	no := errors.New("no")
	failing := func(name string) *sinktest.Memory {
		return &sinktest.Memory{Name: name, Fail: func(_ context.Context, _ [][]byte) error { return no }}
	}
	m := sink.NewMetrics()
	blocking := sink.Blocking(sink.Truncate(failing("log"), sink.TruncateConfig{}), m, quiet)
	if err := blocking.Send(ctx, events(0, 2)...); err != nil {
		t.Errorf("blocking: %v", err)
	}
	strict := sink.Strict(failing("webhook"), m, quiet)
	if err := strict.Send(ctx, events(0, 3)...); !errors.Is(err, no) {
		t.Errorf("strict: %v", err)
	}
	exposes(t, m, `apiserver_audit_error_total{plugin="log"} 2`, `apiserver_audit_error_total{plugin="webhook"} 3`)
	if got := strict.String(); got != "webhook" {
		t.Errorf("strict is called %q", got)
	}
}

// Upstream's TestUnion and more: each sink gets the events, whatever became of the one before, and every error is told.
func TestUnion(t *testing.T) {
	one, two := errors.New("one"), errors.New("two")
	a := &sinktest.Memory{Fail: func(context.Context, [][]byte) error { return one }}
	b := &sinktest.Memory{}
	c := &sinktest.Memory{Fail: func(context.Context, [][]byte) error { return two }}
	u := sink.Union(a, b, c)
	err := u.Send(ctx, events(0, 2)...)
	if !errors.Is(err, one) || !errors.Is(err, two) || len(b.Events()) != 2 {
		t.Errorf("%v; %d events arrived", err, len(b.Events()))
	}
	must(t, u.Close(ctx))
	for _, m := range []*sinktest.Memory{a, b, c} {
		if !m.Closed() {
			t.Error("not closed")
		}
	}
}

// The names are upstream's: they are golden values of its options' tests.
func TestNames(t *testing.T) {
	log, webhook := &sinktest.Memory{Name: "log"}, &sinktest.Memory{Name: "webhook"}
	batch := func(s sink.Sink) sink.Sink { return sink.Batch(s, sink.BatchConfig{}) }
	truncate := func(s sink.Sink) sink.Sink { return sink.Truncate(s, sink.TruncateConfig{}) }
	blocking := func(s sink.Sink) sink.Sink { return sink.Blocking(s, nil, nil) }
	for _, c := range []struct {
		sink sink.Sink
		want string
	}{
		{blocking(log), "ignoreErrors<log>"},
		{batch(webhook), "buffered<webhook>"},
		{truncate(batch(webhook)), "truncate<buffered<webhook>>"},
		{sink.Union(blocking(log), batch(webhook)), "union[ignoreErrors<log>,buffered<webhook>]"},
		{sink.Union(truncate(blocking(log)), sink.Strict(webhook, nil, nil)), "union[truncate<ignoreErrors<log>>,webhook]"},
	} {
		if got := c.sink.String(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
