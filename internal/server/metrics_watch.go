package server

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"annals.dev/internal/detect"
)

// Names of what watching tells. Counters begin at zero with the process.
var (
	descFindings   = desc("annals_findings_total", "Findings recorded.", "rule", "severity")
	descTakenBack  = desc("annals_findings_withdrawn_total", "Findings that were taken back, since an event came late.")
	descRules      = desc("annals_detect_rules", "Rules that are on.")
	descProblems   = desc("annals_detect_rule_errors", "Rules that cannot be used.")
	descUnreadable = desc("annals_detect_config_failed", "1 if what is watched for could not be read when it was read last: what was read before is used.")
	descStuck      = desc("annals_detect_failed", "1 if the last attempt to look at events failed; it is tried again.")
	descLag        = desc("annals_detect_lag_events", "Events that no rule has looked at yet.", "cluster")
	descLagSeconds = desc("annals_detect_lag_seconds", "How long ago the oldest of them came.", "cluster")
	descDelivered  = desc("annals_alert_deliveries_total", "Messages that a destination took (delivered), or that were given up (failed).", "destination", "outcome")
	descWaiting    = desc("annals_alert_waiting_findings", "Findings of which a destination is still to be told.", "destination")
	descFailing    = desc("annals_alert_failing", "1 if the last attempt to tell a destination failed; it is tried again.", "destination")
	descNobody     = desc("annals_alert_failed", "1 if nobody is told of anything at present; the log tells why.")
)

// found counts what was recorded since the start. The zero value is ready.
type found struct {
	mu        sync.Mutex
	by        map[[2]string]uint64 // rule and severity
	withdrawn uint64
}

func (f *found) count(r detect.Recorded, rules ruleSet) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Finding == nil {
		f.withdrawn++
		return
	}
	if f.by == nil {
		f.by = map[[2]string]uint64{}
	}
	f.by[[2]string{rules.name(r.Finding.Rule), string(r.Finding.Severity)}]++
}

// watching tells how watching fares, where something watches.
func (c collector) watching(ch chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	w := &c.core.watch
	w.mu.Lock()
	watcher, now, failed := w.watcher, w.now, w.failed
	w.mu.Unlock()
	if watcher == nil {
		return
	}
	unusable := 0
	for _, p := range now.problems {
		if p.Kind == "error" {
			unusable++
		}
	}
	send(descRules, prometheus.GaugeValue, float64(len(now.rules)))
	send(descProblems, prometheus.GaugeValue, float64(unusable))
	send(descUnreadable, prometheus.GaugeValue, truth(failed != nil))
	w.found.mu.Lock()
	for of, n := range w.found.by {
		send(descFindings, prometheus.CounterValue, float64(n), of[0], of[1])
	}
	send(descTakenBack, prometheus.CounterValue, float64(w.found.withdrawn))
	w.found.mu.Unlock()
	stats := watcher.Stats()
	send(descStuck, prometheus.GaugeValue, truth(stats.Err != nil))
	for _, k := range stats.Clusters {
		send(descLag, prometheus.GaugeValue, float64(k.Behind), k.Name)
		send(descLagSeconds, prometheus.GaugeValue, k.Lag.Seconds(), k.Name)
	}
	w.alerts.mu.Lock()
	alerter, nobody := w.alerts.alerter, w.alerts.failed != nil
	w.alerts.mu.Unlock()
	send(descNobody, prometheus.GaugeValue, truth(nobody))
	if alerter == nil {
		return
	}
	for _, d := range alerter.Destinations() {
		send(descDelivered, prometheus.CounterValue, float64(d.Delivered), d.Name, "delivered")
		send(descDelivered, prometheus.CounterValue, float64(d.Failed), d.Name, "failed")
		send(descWaiting, prometheus.GaugeValue, float64(d.Findings), d.Name)
		send(descFailing, prometheus.GaugeValue, truth(d.Error != ""), d.Name)
	}
}
