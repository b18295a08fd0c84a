package capture

import (
	"sync/atomic"

	"annals.dev/audit"
	"annals.dev/policy"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts as kube-apiserver does; register it as the prometheus.Collector that it is. It may serve several Handlers.
type Metrics struct {
	events, rejects prometheus.Counter
	levels          *prometheus.CounterVec
	level5          [5]atomic.Pointer[prometheus.Counter] // of levels, found once
	lostNotes       *prometheus.CounterVec
	refused         *prometheus.CounterVec

	reloads    *prometheus.CounterVec
	lastReload *prometheus.GaugeVec
	config     *prometheus.GaugeVec
}

// NewMetrics makes an empty set.
func NewMetrics() *Metrics {
	counter := func(name, help string) prometheus.CounterOpts { return prometheus.CounterOpts{Name: name, Help: help} }
	gauge := func(name, help string) prometheus.GaugeOpts { return prometheus.GaugeOpts{Name: name, Help: help} }
	return &Metrics{
		events: prometheus.NewCounter(counter("apiserver_audit_event_total",
			"[ALPHA] Counter of audit events generated and sent to the audit backend.")),
		levels: prometheus.NewCounterVec(counter("apiserver_audit_level_total",
			"[ALPHA] Counter of policy levels for audit events (1 per request)."), []string{"level"}),
		rejects: prometheus.NewCounter(counter("apiserver_audit_requests_rejected_total",
			"[ALPHA] Counter of apiserver requests rejected due to an error in audit logging backend.")),
		lostNotes: prometheus.NewCounterVec(counter("annals_audit_annotations_lost_total",
			"Audit annotations that came after the last event, or with another value than before."), []string{"cause"}),
		refused: prometheus.NewCounterVec(counter("annals_audit_unstored_events_total",
			"Audit events that the sink did not take, by stage. At RequestReceived the request is rejected."), []string{"stage"}),
		reloads: prometheus.NewCounterVec(counter("apiserver_audit_policy_config_controller_automatic_reloads_total",
			"Loads of the audit policy after the first, by whether it is in force since."), []string{"status"}),
		lastReload: prometheus.NewGaugeVec(gauge("apiserver_audit_policy_config_controller_automatic_reload_last_timestamp_seconds",
			"When the audit policy was last loaded, by whether it is in force since."), []string{"status"}),
		config: prometheus.NewGaugeVec(gauge("apiserver_audit_policy_config_controller_last_config_info",
			"The SHA-256 of the audit policy that is in force."), []string{"hash"}),
	}
}

// Describe and Collect make Metrics a prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.collectors() {
		c.Describe(ch)
	}
}

func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range m.collectors() {
		c.Collect(ch)
	}
}

func (m *Metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.events, m.levels, m.rejects, m.lostNotes, m.refused, m.reloads, m.lastReload, m.config}
}

func (m *Metrics) event() {
	if m != nil {
		m.events.Inc()
	}
}

// level counts a request. A level's series begins when it is first used, as kube-apiserver's does.
func (m *Metrics) level(l audit.Level) {
	if m == nil {
		return
	}
	n := l.Order()
	if l == policy.LevelMinimal {
		n = len(m.level5) - 1
	}
	c := m.level5[n].Load()
	if c == nil {
		found := m.levels.WithLabelValues(string(l))
		c = &found
		m.level5[n].Store(c)
	}
	(*c).Inc()
}

func (m *Metrics) unstored(stage audit.Stage) {
	if m != nil {
		m.refused.WithLabelValues(string(stage)).Inc()
	}
}

func (m *Metrics) rejected() {
	if m != nil {
		m.rejects.Inc()
	}
}

func (m *Metrics) lost(cause string) {
	if m != nil {
		m.lostNotes.WithLabelValues(cause).Inc()
	}
}

func (m *Metrics) inForce(hash string) {
	if m != nil {
		m.config.Reset()
		m.config.WithLabelValues(hash).Set(1)
	}
}

func (m *Metrics) reloaded(err error) {
	if m == nil {
		return
	}
	status := "success"
	if err != nil {
		status = "failure"
	}
	m.reloads.WithLabelValues(status).Inc()
	m.lastReload.WithLabelValues(status).SetToCurrentTime()
}
