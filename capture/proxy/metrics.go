package proxy

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what a Proxy does beside auditing. A nil one counts nothing.
type Metrics struct {
	reviews  *prometheus.CounterVec
	refusals *prometheus.CounterVec
	failures prometheus.Counter
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		reviews: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "annals_proxy_token_reviews_total", Help: "Times that it was to be told whose a token is, by what came of it.",
		}, []string{"result"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "annals_proxy_refused_total", Help: "Requests that the proxy itself answered, by the code of the answer.",
		}, []string{"code"}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "annals_proxy_upstream_failures_total", Help: "Requests for which the upstream could not be reached, or broke off.",
		}),
	}
	r.MustRegister(m.reviews, m.refusals, m.failures)
	return m
}

func (m *Metrics) asked(result string) {
	if m != nil {
		m.reviews.WithLabelValues(result).Inc()
	}
}

func (m *Metrics) refused(code int) {
	if m != nil {
		m.refusals.WithLabelValues(strconv.Itoa(code)).Inc()
	}
}

func (m *Metrics) upstreamFailed() {
	if m != nil {
		m.failures.Inc()
	}
}
