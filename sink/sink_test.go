package sink_test

import (
	"testing"

	"annals.dev/sink"
	"annals.dev/sink/sinktest"
)

func subject(s func(within *sinktest.Memory) sink.Sink, name string) func(*testing.T) sinktest.Subject {
	return func(*testing.T) sinktest.Subject {
		m := &sinktest.Memory{}
		return sinktest.Subject{Sink: s(m), Events: m.Events, String: name}
	}
}

func TestEverySink(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(within *sinktest.Memory) sink.Sink
	}{
		{"memory", func(m *sinktest.Memory) sink.Sink { return m }},
		{"ignoreErrors<memory>", func(m *sinktest.Memory) sink.Sink { return sink.Blocking(m, sink.NewMetrics(), nil) }},
		{"memory", func(m *sinktest.Memory) sink.Sink { return sink.Strict(m, nil, nil) }},
		{"buffered<memory>", func(m *sinktest.Memory) sink.Sink { return sink.Batch(m, sink.BatchConfig{}) }},
		{"buffered<memory>", func(m *sinktest.Memory) sink.Sink {
			return sink.Batch(m, sink.BatchConfig{MaxBatchSize: 7, MaxBatchWait: 1e6, Metrics: sink.NewMetrics()})
		}},
		{"truncate<memory>", func(m *sinktest.Memory) sink.Sink { return sink.Truncate(m, sink.TruncateConfig{}) }},
		{"truncate<buffered<memory>>", func(m *sinktest.Memory) sink.Sink {
			return sink.Truncate(sink.Batch(m, sink.BatchConfig{}), sink.TruncateConfig{MaxBatchSize: 1000})
		}},
		{"memory", func(m *sinktest.Memory) sink.Sink { return sink.Union(m) }},
		{"union[memory,ignoreErrors<other>]", func(m *sinktest.Memory) sink.Sink {
			return sink.Union(m, sink.Blocking(&sinktest.Memory{Name: "other"}, nil, nil))
		}},
		{"buffered<union[memory,other]>", func(m *sinktest.Memory) sink.Sink {
			return sink.Batch(sink.Union(m, &sinktest.Memory{Name: "other"}), sink.BatchConfig{})
		}},
	} {
		t.Run(c.name, func(t *testing.T) { sinktest.Run(t, subject(c.make, c.name)) })
	}
}
