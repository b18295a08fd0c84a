package sink

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Why an event was dropped, as the metric has it.
const (
	CauseFull     = "full"      // the queue or the spool had no room
	CauseFailed   = "failed"    // the sink within returned an error, and nobody tries again
	CauseRefused  = "refused"   // the receiver refused it for good
	CausePanic    = "panic"     // the sink within panicked
	CauseTooLarge = "too_large" // above the limit, even without its bodies
	CauseInvalid  = "invalid"   // no JSON object
	CauseClosed   = "closed"    // it came after Close
	CauseShutdown = "shutdown"  // it was under way when the time for Close was over
)

// Metrics are the numbers of any number of sinks; register it as the prometheus.Collector that it is. All methods may be called
// on nil, and do nothing then.
type Metrics struct {
	errors, drops, delivered, problems *prometheus.CounterVec

	mu     sync.Mutex
	queues map[*func() Depth]string // and the name it goes by
}

// Depth is what waits in a queue at this moment.
type Depth struct {
	Events int
	Bytes  int64
	Oldest time.Time // when the oldest event came that is not delivered; zero if there is none
}

var (
	queuedEvents = prometheus.NewDesc("annals_audit_queue_events", "Audit events that wait to be delivered.", []string{"sink"}, nil)
	queuedBytes  = prometheus.NewDesc("annals_audit_queue_bytes", "Bytes of the audit events that wait to be delivered.", []string{"sink"}, nil)
	queueLag     = prometheus.NewDesc("annals_audit_queue_lag_seconds", "Age of the oldest audit event that is not delivered.", []string{"sink"}, nil)
)

// NewMetrics makes an empty set.
func NewMetrics() *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	return &Metrics{
		errors: counter("apiserver_audit_error_total", "[ALPHA] Counter of audit events that failed to be audited properly. "+
			"Plugin identifies the plugin affected by the error.", "plugin"),
		drops:     counter("annals_audit_dropped_events_total", "Audit events that were given up, by sink and cause.", "plugin", "cause"),
		delivered: counter("annals_audit_delivered_events_total", "Audit events that the sink took.", "plugin"),
		problems:  counter("annals_audit_problems_total", "Failures that have lost no event, by sink and kind.", "plugin", "problem"),
		queues:    map[*func() Depth]string{},
	}
}

// Dropped counts events that are lost.
func (m *Metrics) Dropped(plugin, cause string, n int) {
	if m != nil && n > 0 {
		m.errors.WithLabelValues(plugin).Add(float64(n))
		m.drops.WithLabelValues(plugin, cause).Add(float64(n))
	}
}

// Delivered counts events that are where they should be.
func (m *Metrics) Delivered(plugin string, n int) {
	if m != nil && n > 0 {
		m.delivered.WithLabelValues(plugin).Add(float64(n))
	}
}

// Problem counts a failure that has lost no event.
func (m *Metrics) Problem(plugin, problem string) {
	if m != nil {
		m.problems.WithLabelValues(plugin, problem).Inc()
	}
}

// Queue shows a queue under a sink's name until stop is called; it is read when the metrics are. Queues of one name are added up.
func (m *Metrics) Queue(name string, read func() Depth) (stop func()) {
	if m == nil {
		return func() {}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queues[&read] = name
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.queues, &read)
	}
}

func (m *Metrics) vectors() []*prometheus.CounterVec {
	return []*prometheus.CounterVec{m.errors, m.drops, m.delivered, m.problems}
}

// Describe and Collect make it a prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	if m == nil {
		return
	}
	for _, v := range m.vectors() {
		v.Describe(ch)
	}
	ch <- queuedEvents
	ch <- queuedBytes
	ch <- queueLag
}

func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	if m == nil {
		return
	}
	for _, v := range m.vectors() {
		v.Collect(ch)
	}
	depths := map[string]Depth{}
	m.mu.Lock()
	queues := maps.Clone(m.queues)
	m.mu.Unlock()
	for read, name := range queues {
		one, all := (*read)(), depths[name]
		all.Events += one.Events
		all.Bytes += one.Bytes
		if all.Oldest.IsZero() || !one.Oldest.IsZero() && one.Oldest.Before(all.Oldest) {
			all.Oldest = one.Oldest
		}
		depths[name] = all
	}
	for _, name := range slices.Sorted(maps.Keys(depths)) {
		d, lag := depths[name], 0.0
		if !d.Oldest.IsZero() {
			lag = max(0, time.Since(d.Oldest).Seconds())
		}
		ch <- prometheus.MustNewConstMetric(queuedEvents, prometheus.GaugeValue, float64(d.Events), name)
		ch <- prometheus.MustNewConstMetric(queuedBytes, prometheus.GaugeValue, float64(d.Bytes), name)
		ch <- prometheus.MustNewConstMetric(queueLag, prometheus.GaugeValue, lag, name)
	}
}
