package source

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
)

// Metric is a number about the sources, with the name and labels by which it is published.
type Metric struct {
	Name   string
	Gauge  bool     // it goes down too
	Labels []string // name, value, name, value, …
	Value  float64
}

// MetricHelp says what each metric is, by name.
var MetricHelp = map[string]string{
	metricEvents:    "Events delivered, by outcome: accepted, duplicate, and among the accepted: conflict, salvaged, quarantined.",
	metricCauses:    "Pieces of input that could not be read and are kept in quarantine, by cause.",
	metricBytes:     "Bytes of events delivered, decompressed.",
	metricLast:      "When events last arrived and were made durable, in seconds since 1970.",
	metricRefused:   "Requests refused, by status and reason. After 429 and 503 an API server tries again, and in the end drops the batch.",
	metricReceiving: "Requests being received at this moment.",
	metricBehind:    "Bytes of followed files that are not in the ledger yet, as they lie on disk.",
}

const (
	metricEvents    = "annals_source_events_total"
	metricCauses    = "annals_source_quarantined_total"
	metricBytes     = "annals_source_bytes_total"
	metricLast      = "annals_source_last_arrival_seconds"
	metricRefused   = "annals_webhook_refused_total"
	metricReceiving = "annals_webhook_receiving"
	metricBehind    = "annals_follow_behind_bytes"
)

// Metrics counts what the sources do. One serves them all; nil counts nothing.
type Metrics struct {
	mu sync.Mutex
	m  map[string]*Metric
}

// All lists the metrics in order of name and labels.
func (m *Metrics) All() []Metric {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]Metric, 0, len(m.m))
	for _, x := range m.m {
		list = append(list, *x)
	}
	slices.SortFunc(list, func(a, b Metric) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), slices.Compare(a.Labels, b.Labels))
	})
	return list
}

func (m *Metrics) change(name string, gauge bool, f func(*float64), labels ...string) {
	if m == nil {
		return
	}
	key := name + "\x00" + strings.Join(labels, "\x00")
	m.mu.Lock()
	defer m.mu.Unlock()
	x := m.m[key]
	if x == nil {
		if m.m == nil {
			m.m = make(map[string]*Metric)
		}
		x = &Metric{Name: name, Gauge: gauge, Labels: labels}
		m.m[key] = x
	}
	f(&x.Value)
}

func (m *Metrics) add(name string, n float64, labels ...string) {
	m.change(name, name == metricReceiving, func(v *float64) { *v += n }, labels...)
}

func (m *Metrics) set(name string, n float64, labels ...string) {
	m.change(name, true, func(v *float64) { *v = n }, labels...)
}

// took counts what one Append made durable.
func (m *Metrics) took(cluster, source string, bytes int, r ledger.Receipt) {
	for _, o := range []struct {
		name string
		n    int
	}{{"accepted", r.Accepted}, {"duplicate", r.Duplicates}, {"conflict", r.Conflicts}, {"salvaged", r.Salvaged}, {"quarantined", r.Quarantined}} {
		m.add(metricEvents, float64(o.n), "cluster", cluster, "source", source, "outcome", o.name)
	}
	m.add(metricBytes, float64(bytes), "cluster", cluster, "source", source)
	m.set(metricLast, float64(time.Now().UnixMilli())/1000, "cluster", cluster, "source", source)
}

// unreadable counts what a reader put in quarantine, by cause. A body that is sent again counts again.
func (m *Metrics) unreadable(cluster, source string, c format.Counts) {
	for cause, n := range c.Quarantined {
		m.add(metricCauses, float64(n), "cluster", cluster, "source", source, "cause", cause)
	}
}
