package sink

import (
	"log/slog"
	"strings"
	"sync"
	"time"
)

// reportEvery is how often one kind of trouble is logged. An overload drops thousands of events a second; a line for each, as
// kube-apiserver has, is an outage of its own.
const reportEvery = 10 * time.Second

// Reporter counts what one sink loses, and says it in the log: of each kind the first, then at most one line in ten seconds,
// with the sum. It never logs an event: the log is not where secrets may go. Its zero value reports to slog.Default() alone.
type Reporter struct {
	Plugin  string
	Metrics *Metrics
	Log     *slog.Logger

	mu    sync.Mutex
	kinds map[string]*muted
}

type muted struct {
	next time.Time
	n    int
}

// NewReporter is for a sink that others put something into. Its plugin is the first in the name that can fail by itself: "webhook" for
// "truncate<webhook>", but "spool" for "spool<webhook>".
func NewReporter(s Sink, m *Metrics, log *slog.Logger) *Reporter {
	name := s.String()
	for _, through := range []string{"truncate<", "ignoreErrors<", "truncate<"} {
		name = strings.TrimPrefix(name, through)
	}
	if end := strings.IndexAny(name, "<>[]"); end >= 0 {
		name = name[:end]
	}
	return &Reporter{Plugin: name, Metrics: m, Log: log}
}

// Lost counts n events that are given up.
func (r *Reporter) Lost(cause string, n int, err error) {
	if n == 0 {
		return
	}
	r.Metrics.Dropped(r.Plugin, cause, n)
	if sum := r.due("lost "+cause, n); sum > 0 {
		r.logger().Error("audit events are lost", "plugin", r.Plugin, "cause", cause, "events", sum, "error", err)
	}
}

// Problem counts a failure that has lost no event.
func (r *Reporter) Problem(problem string, err error) {
	r.Metrics.Problem(r.Plugin, problem)
	if sum := r.due(problem, 1); sum > 0 {
		r.logger().Warn("auditing has a problem", "plugin", r.Plugin, "problem", problem, "times", sum, "error", err)
	}
}

func (r *Reporter) logger() *slog.Logger {
	if r.Log == nil {
		return slog.Default()
	}
	return r.Log
}

// due is how many to report now: 0 while the kind is muted.
func (r *Reporter) due(kind string, n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.kinds[kind]
	if k == nil {
		k = &muted{}
		if r.kinds == nil {
			r.kinds = map[string]*muted{}
		}
		r.kinds[kind] = k
	}
	k.n += n
	now := time.Now()
	if now.Before(k.next) {
		return 0
	}
	n, k.n, k.next = k.n, 0, now.Add(reportEvery)
	return n
}
