package server

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// apiMetrics count the questions of the API. The zero value is ready.
type apiMetrics struct {
	once     sync.Once
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func (m *apiMetrics) ready() {
	m.once.Do(func() {
		m.requests = prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "annals_api_requests_total", Help: "Questions asked of the API, by the status that their answers began with.",
		}, []string{"route", "status"})
		m.seconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "annals_api_request_duration_seconds", Help: "How long answers took, but those that go on for as long as somebody reads.",
			Buckets: []float64{0.005, 0.02, 0.05, 0.1, 0.3, 1, 3, 10, 30, 60},
		}, []string{"route"})
	})
}

func (m *apiMetrics) Describe(ch chan<- *prometheus.Desc) {
	m.ready()
	m.requests.Describe(ch)
	m.seconds.Describe(ch)
}

func (m *apiMetrics) Collect(ch chan<- prometheus.Metric) {
	m.ready()
	m.requests.Collect(ch)
	m.seconds.Collect(ch)
}

// count has next answer a question of a route and counts it.
func (m *apiMetrics) count(of route, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.ready()
		begun := time.Now()
		s := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		defer func() { // an answer that is broken off counts, too
			m.requests.WithLabelValues(of.name, strconv.Itoa(s.status)).Inc()
			if !of.endless {
				m.seconds.WithLabelValues(of.name).Observe(time.Since(begun).Seconds())
			}
		}()
		next.ServeHTTP(s, r)
	})
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (s *statusWriter) WriteHeader(status int) {
	if status >= 200 {
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }
