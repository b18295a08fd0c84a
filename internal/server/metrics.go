package server

import (
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sys/unix"

	"annals.dev/internal/ledger"
	"annals.dev/internal/source"
)

// collector publishes the ledger's and the sources' figures as they are at the moment of a scrape: nothing is counted twice,
// and nothing can drift. The sources' names and help texts are theirs.
type collector struct{ core *core }

// Names of what the ledger tells. Counters begin at zero with the process.
var (
	descAccepted    = desc("annals_ledger_accepted_events_total", "Events accepted.")
	descDuplicate   = desc("annals_ledger_duplicate_events_total", "Events that the ledger held already.")
	descConflict    = desc("annals_ledger_conflict_events_total", "Of the accepted, events whose audit ID and stage were taken by other bytes.")
	descSalvaged    = desc("annals_ledger_salvaged_events_total", "Of the accepted, events that arrived cut short.")
	descQuarantined = desc("annals_ledger_quarantined_events_total", "Of the accepted, pieces that could not be read.")
	descBytes       = desc("annals_ledger_accepted_bytes_total", "Bytes of accepted events.")
	descSync        = desc("annals_ledger_fsync_duration_seconds", "Time to write and fsync a group of batches to the log.")
	descMerges      = desc("annals_ledger_merges_total", "Merges of segments.")
	descFailed      = desc("annals_ledger_failed", "1 if a write or fsync failed: nothing more is accepted until a restart.")
	descSealFailed  = desc("annals_ledger_seal_failed", "1 if the last attempt to seal events into a segment failed; it is tried again.")
	descLog         = desc("annals_ledger_log_bytes", "Size of the log of events that are in no segment yet.")
	descFree        = desc("annals_ledger_free_bytes", "Room left on the ledger's file system.")

	descEvents      = desc("annals_ledger_events", "Events in the ledger.", "cluster")
	descUnsealed    = desc("annals_ledger_unsealed_events", "Events that are in no segment yet.", "cluster")
	descSegments    = desc("annals_ledger_segments", "Segments.", "cluster")
	descSize        = desc("annals_ledger_size_bytes", "Size of the segments on disk.", "cluster")
	descLastEvent   = desc("annals_ledger_last_event_timestamp_seconds", "The latest time of an event.", "cluster")
	descLastArrival = desc("annals_ledger_last_arrival_timestamp_seconds", "When the last event was accepted.", "cluster")
	descUnsigned    = desc("annals_ledger_unsigned_events", "Events that no written checkpoint covers yet.", "cluster")
	descCheckpoint  = desc("annals_checkpoint_timestamp_seconds", "When the checkpoint was last written.", "cluster")

	descLost      = desc("annals_record_lost_events_total", "Events of what was asked and done that could not be put on record.")
	descQuestions = desc("annals_api_questions", "Questions of the API that are being answered.")

	descBuild = desc("annals_build_info", "1, with what was built.", "version", "goversion")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

func newRegistry(c *core) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collector{c}, &c.api, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Describe tells nothing beforehand: which sources' metrics there are shows when they count.
func (collector) Describe(chan<- *prometheus.Desc) {}

func (c collector) Collect(ch chan<- prometheus.Metric) {
	s := c.core.ledger.Stats()
	send := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	for _, m := range []struct {
		d *prometheus.Desc
		n uint64
	}{
		{descAccepted, s.Accepted}, {descDuplicate, s.Duplicates}, {descConflict, s.Conflicts}, {descSalvaged, s.Salvaged},
		{descQuarantined, s.Quarantined}, {descBytes, s.Bytes}, {descMerges, s.Merges},
	} {
		send(m.d, prometheus.CounterValue, float64(m.n))
	}
	buckets := make(map[float64]uint64, len(ledger.SyncBounds))
	for i, b := range ledger.SyncBounds {
		buckets[b] = s.SyncBuckets[i]
	}
	ch <- prometheus.MustNewConstHistogram(descSync, s.Commits, s.Sync.Seconds(), buckets)
	send(descFailed, prometheus.GaugeValue, truth(s.Failed != nil))
	send(descSealFailed, prometheus.GaugeValue, truth(s.SealFailed))
	send(descLog, prometheus.GaugeValue, float64(s.LogBytes))
	if free, _, err := room(c.core.dir); err == nil {
		send(descFree, prometheus.GaugeValue, float64(free))
	}
	for _, k := range s.Clusters {
		for _, m := range []struct {
			d *prometheus.Desc
			v float64
		}{
			{descEvents, float64(k.Size)}, {descUnsealed, float64(k.Hot)}, {descSegments, float64(k.Segments)},
			{descSize, float64(k.SegmentBytes)}, {descUnsigned, float64(k.Size - k.Checkpoint)},
		} {
			send(m.d, prometheus.GaugeValue, m.v, k.Name)
		}
		if k.LastEvent != 0 {
			send(descLastEvent, prometheus.GaugeValue, float64(k.LastEvent)/1e6, k.Name)
		}
		if k.LastArrival != 0 {
			send(descLastArrival, prometheus.GaugeValue, float64(k.LastArrival)/1e6, k.Name)
		}
		if info, err := os.Stat(checkpointPath(c.core.dir, k.Name)); err == nil {
			send(descCheckpoint, prometheus.GaugeValue, float64(info.ModTime().UnixMilli())/1e3, k.Name)
		}
	}
	c.sources(ch)
	c.watching(ch)
	send(descLost, prometheus.CounterValue, float64(c.core.lost.Load()))
	send(descQuestions, prometheus.GaugeValue, float64(c.core.limits.answering()))
	send(descBuild, prometheus.GaugeValue, 1, buildVersion(), runtime.Version())
}

func (c collector) sources(ch chan<- prometheus.Metric) {
	for _, m := range c.core.metrics.All() {
		var names, values []string
		for i := 0; i+1 < len(m.Labels); i += 2 {
			names, values = append(names, m.Labels[i]), append(values, strings.ToValidUTF8(m.Labels[i+1], "\uFFFD"))
		}
		kind := prometheus.CounterValue
		if m.Gauge {
			kind = prometheus.GaugeValue
		}
		ch <- prometheus.MustNewConstMetric(desc(m.Name, source.MetricHelp[m.Name], names...), kind, m.Value, values...)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func checkpointPath(dir, cluster string) string {
	return filepath.Join(dir, "clusters", cluster, "checkpoint")
}

// room is what is left, and what there is in all, on a directory's file system.
func room(dir string) (free, total int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), int64(st.Blocks) * int64(st.Bsize), nil
}

func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "development build"
}
