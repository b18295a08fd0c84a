package diff

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	auditinternal "k8s.io/apiserver/pkg/apis/audit"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	upstreambuffered "k8s.io/apiserver/plugin/pkg/audit/buffered"
	upstreamlog "k8s.io/apiserver/plugin/pkg/audit/log"
	upstreamtruncate "k8s.io/apiserver/plugin/pkg/audit/truncate"
	"pgregory.net/rapid"

	"annals.dev/sink"
	"annals.dev/sink/logfile"
)

// batches is the innermost sink, on both sides: it keeps the calls.
type batches struct {
	mu    sync.Mutex
	calls []string
}

func (b *batches) note(lines []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, strings.Join(lines, "\n"))
}

func (b *batches) Send(_ context.Context, events ...[]byte) error {
	var lines []string
	for _, e := range events {
		lines = append(lines, string(e))
	}
	b.note(lines)
	return nil
}

func (b *batches) Close(context.Context) error { return nil }
func (b *batches) String() string              { return "fake" }

type upstreamBatches struct{ batches }

func (b *upstreamBatches) ProcessEvents(events ...*auditinternal.Event) bool {
	var lines []string
	for _, e := range events {
		lines = append(lines, strings.TrimSuffix(upstreamLine(e, upstreamlog.FormatJson), "\n"))
	}
	b.note(lines)
	return true
}

func (b *upstreamBatches) Run(<-chan struct{}) error { return nil }
func (b *upstreamBatches) Shutdown()                 {}

// drawJSONEvent draws an event that upstream can write.
func drawJSONEvent(t *rapid.T) *auditinternal.Event {
	e := drawEvent(t)
	if e.RequestObject != nil && !json.Valid(e.RequestObject.Raw) {
		e.RequestObject = nil
	}
	if e.ResponseObject != nil && !json.Valid(e.ResponseObject.Raw) {
		e.ResponseObject = nil
	}
	return e
}

func ourLines(events []*auditinternal.Event) (lines [][]byte) {
	for _, e := range events {
		lines = append(lines, ourEvent(e).AppendJSON(nil))
	}
	return lines
}

type truncation struct {
	config upstreamtruncate.Config
	events written
}

func TestRandomEventsAreTruncatedTheSame(t *testing.T) {
	check(t, 20, func(t *rapid.T) {
		c := upstreamtruncate.Config{MaxEventSize: rapid.Int64Range(100, 1200).Draw(t, "max event size")}
		c.MaxBatchSize = c.MaxEventSize + rapid.Int64Range(0, 2000).Draw(t, "and more")
		var events []*auditinternal.Event
		for range rapid.IntRange(1, 4).Draw(t, "events") {
			events = append(events, drawJSONEvent(t))
		}
		lines, of := ourLines(events), truncation{c, written{events}}
		theirs, ours := &upstreamBatches{}, &batches{}
		upstreamtruncate.NewBackend(theirs, c, auditv1.SchemeGroupVersion).ProcessEvents(events...)
		s := sink.Truncate(ours, sink.TruncateConfig{MaxEventSize: c.MaxEventSize, MaxBatchSize: c.MaxBatchSize, Log: slog.New(slog.DiscardHandler)})
		if err := s.Send(context.Background(), lines...); err != nil {
			t.Fatalf("%v\n%v", err, of)
		}
		same(t, "truncate", strings.Join(ours.calls, "\n--\n"), strings.Join(theirs.calls, "\n--\n"), of)
	})
}

func TestRandomEventsAreBatchedTheSame(t *testing.T) {
	check(t, 1, func(t *rapid.T) {
		size, n := rapid.IntRange(1, 7).Draw(t, "batch"), rapid.IntRange(0, 30).Draw(t, "events")
		theirs, ours := &upstreamBatches{}, &batches{}
		their := upstreambuffered.NewBackend(theirs, upstreambuffered.BatchConfig{BufferSize: 100, MaxBatchSize: size, MaxBatchWait: time.Hour})
		stop := make(chan struct{})
		must(their.Run(stop))
		our := sink.Batch(ours, sink.BatchConfig{BufferSize: 100, MaxBatchSize: size, MaxBatchWait: time.Hour, Log: slog.New(slog.DiscardHandler)})
		for range n {
			e := drawJSONEvent(t)
			must(our.Send(context.Background(), ourLines([]*auditinternal.Event{e})...))
			their.ProcessEvents(e)
		}
		close(stop)
		their.Shutdown()
		must(our.Close(context.Background()))
		// Upstream makes smaller batches of what waits when it ends, as the moment has it.
		same(t, "batch", strings.Join(ours.calls, "\n"), strings.Join(theirs.calls, "\n"), fmt.Sprintf("%d events in batches of %d", n, size))
		if len(ours.calls) != (n+size-1)/size {
			t.Fatalf("%d events went in %d batches of %d", n, len(ours.calls), size)
		}
	})
}

// TestTruncationTouchesNobodyElsesEvents is about the map of annotations that upstream's truncated copy shares with the event.
func TestTruncationTouchesNobodyElsesEvents(t *testing.T) {
	e := &auditinternal.Event{Level: auditinternal.LevelRequest, RequestObject: &runtime.Unknown{Raw: []byte("[" + strings.Repeat("1, ", 500) + "1]")}, Annotations: map[string]string{"a": "b"}}
	line := ourEvent(e).AppendJSON(nil)
	before := bytes.Clone(line)
	theirs := upstreamLine(e, upstreamlog.FormatJson)
	upstreamtruncate.NewBackend(&upstreamBatches{}, upstreamtruncate.Config{MaxEventSize: 500, MaxBatchSize: 5000}, auditv1.SchemeGroupVersion).ProcessEvents(e)
	must(sink.Truncate(&batches{}, sink.TruncateConfig{MaxEventSize: 500}).Send(context.Background(), line))
	same(t, "truncate.others", fmt.Sprint(bytes.Equal(line, before)), fmt.Sprint(upstreamLine(e, upstreamlog.FormatJson) == theirs), nil)
}

// TestStrictTruncation has an event that is too large whatever is taken off it, in mode blocking-strict.
func TestStrictTruncation(t *testing.T) {
	e := &auditinternal.Event{Level: auditinternal.LevelMetadata, UserAgent: strings.Repeat("x", 1000)}
	ok := upstreamtruncate.NewBackend(&upstreamBatches{}, upstreamtruncate.Config{MaxEventSize: 250, MaxBatchSize: 5000}, auditv1.SchemeGroupVersion).ProcessEvents(e)
	err := sink.Truncate(&batches{}, sink.TruncateConfig{MaxEventSize: 250, Strict: true, Log: slog.New(slog.DiscardHandler)}).Send(context.Background(), ourLines([]*auditinternal.Event{e})...)
	same(t, "truncate.strict", fmt.Sprint(err == nil), fmt.Sprint(ok), nil)
}

// TestRandomLegacyLogsAreTheSame goes through the log file, which has only the event's JSON to make its line of.
func TestRandomLegacyLogsAreTheSame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	log, err := logfile.New(logfile.Config{Path: path, Format: logfile.Legacy, Log: slog.New(slog.DiscardHandler)})
	must(err)
	at := 0
	check(t, 5, func(t *rapid.T) {
		e := drawJSONEvent(t)
		must(log.Send(context.Background(), ourLines([]*auditinternal.Event{e})...))
		b, err := os.ReadFile(path)
		must(err)
		line := string(b[at:])
		at = len(b)
		same(t, "log.legacy", line, upstreamLine(e, upstreamlog.FormatLegacy), written{[]*auditinternal.Event{e}})
	})
	must(log.Close(context.Background()))
}
