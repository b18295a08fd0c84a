package sink_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"annals.dev/audit"
	"annals.dev/sink"
	"annals.dev/sink/sinktest"
)

// Upstream's TestTruncatingEvents, and the cases beside it.
func TestTruncate(t *testing.T) {
	const limit = 100 << 10
	big := audit.Span(`"` + strings.Repeat("A", limit) + `"`)
	for _, c := range []struct {
		name      string
		event     audit.Event
		truncated bool
		short     bool // every text is cut
	}{
		{"empty", audit.Event{}, false, false},
		{"too large a body", audit.Event{Level: audit.LevelRequest, RequestObject: big}, true, false},
		{"too large a response", audit.Event{Level: audit.LevelRequestResponse, ResponseObject: big, RequestObject: audit.Span(`{}`), Annotations: map[string]string{"z": "1", "a": "2"}}, true, false},
		{"too large metadata", audit.Event{Annotations: map[string]string{"key": string(big)}}, false, true},
		{"too large both", audit.Event{Level: audit.LevelRequest, RequestObject: big, Annotations: map[string]string{"key": string(big)}}, false, true},
		{"a body at level Metadata, which is none's", audit.Event{Level: audit.LevelMetadata, RequestObject: big}, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &sinktest.Memory{}
			s := sink.Truncate(m, sink.TruncateConfig{MaxEventSize: limit, Log: quiet})
			sent := c.event.AppendJSON(nil)
			before := bytes.Clone(sent)
			must(t, s.Send(ctx, sent))
			if !bytes.Equal(sent, before) {
				t.Fatal("the event that others have too is changed")
			}
			got := m.Events()
			want := c.event
			if c.truncated || c.short {
				want.RequestObject, want.ResponseObject = nil, nil
				notes := map[string]string{"audit.k8s.io/truncated": "true"}
				for k, v := range c.event.Annotations {
					if c.short {
						v = v[:min(4096, len(v))] + "...TRUNCATED"
					}
					notes[k] = v
				}
				want.Annotations = notes
			}
			// As if it had been written so: the annotation is where upstream has it.
			if len(got) != 1 || string(got[0]) != string(want.AppendJSON(nil)) {
				t.Errorf("%s\nwant %s", got, want.AppendJSON(nil))
			}
		})
	}
}

// The limit is for the event and its newline, as upstream encodes it.
func TestTruncateLimit(t *testing.T) {
	e := audit.Event{Level: audit.LevelRequest, RequestObject: audit.Span(`"0123456789012345678901234567890123456789"`)}
	b := e.AppendJSON(nil)
	for _, c := range []struct {
		limit int
		whole bool
	}{{len(b) + 1, true}, {len(b), false}} {
		m := &sinktest.Memory{}
		s := sink.Truncate(m, sink.TruncateConfig{MaxEventSize: int64(c.limit), Log: quiet})
		must(t, s.Send(ctx, b))
		if got := len(m.Events()) == 1 && bytes.Equal(m.Events()[0], b); got != c.whole {
			t.Errorf("limit %d: whole is %v", c.limit, got)
		}
	}
}

// Upstream's TestSplittingBatches.
func TestTruncateSplits(t *testing.T) {
	size := int64(len(sinktest.Event(0, 0)) + 1)
	for _, c := range []struct {
		name string
		max  int64
		sent int
		want []int
	}{
		{"fit", 4 << 20, 1, []int{1}},
		{"do not", 1, 2, []int{1, 1}},
		{"exactly two", 2 * size, 5, []int{2, 2, 1}},
		{"nearly two", 2*size - 1, 3, []int{1, 1, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &sinktest.Memory{}
			must(t, sink.Truncate(m, sink.TruncateConfig{MaxBatchSize: c.max}).Send(ctx, events(0, c.sent)...))
			if got := sizes(m); !reflect.DeepEqual(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
			if got := m.Events(); !reflect.DeepEqual(got, events(0, c.sent)) {
				t.Errorf("%q", got)
			}
		})
	}
}

// The others of a Send go on; with Strict the caller is told of what does not.
func TestTruncateStrict(t *testing.T) {
	large := sinktest.Event(7, 2000)
	metrics := sink.NewMetrics()
	for _, strict := range []bool{false, true} {
		m := &sinktest.Memory{}
		s := sink.Truncate(m, sink.TruncateConfig{MaxEventSize: 340, Strict: strict, Metrics: metrics, Log: quiet})
		err := s.Send(ctx, sinktest.Event(0, 0), large, []byte(strings.Repeat("garbage", 1000)), sinktest.Event(1, 0))
		if strict != (err != nil) || len(m.Events()) != 2 {
			t.Errorf("strict %v: %v; %d events arrived", strict, err, len(m.Events()))
		}
		if err := s.Send(ctx, large); strict != errors.Is(err, sink.ErrTooLarge) {
			t.Errorf("strict %v: %v", strict, err)
		}
	}
	exposes(t, metrics, `apiserver_audit_error_total{plugin="truncate"} 6`, `annals_audit_dropped_events_total{cause="too_large",plugin="truncate"} 4`)
	no := errors.New("no")
	m := &sinktest.Memory{Fail: func(context.Context, [][]byte) error { return no }}
	if err := sink.Truncate(m, sink.TruncateConfig{}).Send(ctx, large); !errors.Is(err, no) {
		t.Errorf("%v", err)
	}
}

// Whatever a client makes long, something of its request is recorded, and no more than is allowed.
func TestTruncateShortens(t *testing.T) {
	long := strings.Repeat("é", 100<<10)
	many := make([]string, 20_000)
	notes, extra := map[string]string{}, map[string][]string{}
	for i := range many {
		many[i] = fmt.Sprintf("group-%d", i)
		notes[many[i]] = long[:100]
		extra[many[i]] = many[:100]
	}
	for name, e := range map[string]audit.Event{
		"audit ID":    {AuditID: long},
		"URL":         {RequestURI: "/api?" + long},
		"name":        {ObjectRef: &audit.ObjectReference{Resource: "pods", Name: long}},
		"groups":      {User: audit.UserInfo{Username: "jane", Groups: many}},
		"extra":       {ImpersonatedUser: &audit.UserInfo{Username: long, Extra: extra}},
		"message":     {ResponseStatus: &audit.Status{Message: long, Details: &audit.StatusDetails{Name: long}}},
		"annotations": {Annotations: notes},
		"all":         {RequestURI: long, UserAgent: long, SourceIPs: many, User: audit.UserInfo{Username: long, Groups: many, Extra: extra}, Annotations: notes},
	} {
		t.Run(name, func(t *testing.T) {
			e.Level, e.Stage, e.Verb = audit.LevelMetadata, audit.StageResponseComplete, "get"
			e.User.UID = "who"
			for _, limit := range []int64{10 << 10, 100 << 10} {
				m := &sinktest.Memory{}
				must(t, sink.Truncate(m, sink.TruncateConfig{MaxEventSize: limit, Log: quiet}).Send(ctx, e.AppendJSON(nil)))
				if len(m.Events()) != 1 {
					t.Fatalf("%d bytes: %d events arrived", limit, len(m.Events()))
				}
				got := m.Events()[0]
				var v audit.View
				must(t, v.Parse(got))
				if int64(len(got)) >= limit || !v.Verb.Is("get") || !v.User.UID.Is("who") || !strings.Contains(string(got), `"audit.k8s.io/truncated":"true"`) || strings.Contains(string(got), `\ufffd`) {
					t.Errorf("%d bytes: %.500s", limit, got)
				}
			}
		})
	}
}

// without is what truncation must leave, found another way.
func without(t *testing.T, event []byte) map[string]json.RawMessage {
	t.Helper()
	var members map[string]json.RawMessage
	must(t, json.Unmarshal(event, &members))
	delete(members, "requestObject")
	delete(members, "responseObject")
	return members
}

func FuzzTruncate(f *testing.F) {
	for _, s := range []string{
		`{"level":"Request","requestObject":{"a":1},"stage":"x","responseObject":[2],"annotations":{"a":"b","z":"c"}}`,
		` { "requestObject" : 1 , "level" : "Request" , "annotations" : null } `,
		`{"responseObject":"}","level":"Request"}`,
		`{"level":"Request","annotations":{}}`,
		`{"level":"Request","annotations":{ }}`,
		`{"annotations":{"audit.k8s.io/truncated":"no","audit.k8s.io\/truncated":"no"},"level":"RequestResponse","\u0072equestObject":null}`,
		`{"level":"Request","requestObject":{"requestObject":1,"annotations":{}},"annotations":{"b":"\"}"} , "x":"\\"}`,
		`{"level":"Request","annotations":[1],"annotations":{"a":"1"},"requestObject":1,"requestObject":2}`,
		`{"":1,"level":"Request"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, event []byte) {
		var v audit.View
		if v.Parse(event) != nil || !audit.Level(v.Level.String()).AtLeast(audit.LevelRequest) {
			return
		}
		got := sink.WithoutBodies(&v)
		if !json.Valid(got) {
			t.Fatalf("%q is no JSON", got)
		}
		want, have := without(t, event), without(t, got)
		var notes map[string]json.RawMessage
		if err := json.Unmarshal(have["annotations"], &notes); err != nil || string(notes["audit.k8s.io/truncated"]) != `"true"` {
			t.Fatalf("not marked: %q, %v", got, err)
		}
		// What the annotations were, they still are, byte for byte.
		var old map[string]json.RawMessage
		if json.Unmarshal(want["annotations"], &old) == nil {
			delete(old, "audit.k8s.io/truncated")
			delete(notes, "audit.k8s.io/truncated")
			if len(old) != len(notes) || len(old) > 0 && !reflect.DeepEqual(old, notes) {
				t.Fatalf("annotations %q became %q", old, notes)
			}
		}
		delete(want, "annotations")
		delete(have, "annotations")
		if !reflect.DeepEqual(want, have) {
			t.Fatalf("%q became %q", want, have)
		}
		if v.Parse(got) != nil || v.RequestObject != nil || v.ResponseObject != nil {
			t.Fatalf("%q has a body", got)
		}
		if short := sink.Shortened(&v, 4096); short != nil && (!json.Valid(short) || len(short) >= 4096) {
			t.Fatalf("%q is short for %q", short, event)
		}
		if again := sink.WithoutBodies(&v); !v.Duplicate && !bytes.Equal(again, got) {
			t.Fatalf("a second time makes %q of %q", again, got)
		}
	})
}

func BenchmarkTruncate(b *testing.B) {
	e := (&audit.Event{Level: audit.LevelRequest, RequestObject: audit.Span(`"` + strings.Repeat("A", 200<<10) + `"`), Annotations: map[string]string{"b": "c"}}).AppendJSON(nil)
	for name, event := range map[string][]byte{"small": sinktest.Event(0, 600), "200 KiB": e} {
		b.Run(name, func(b *testing.B) {
			s := sink.Truncate(nowhere{}, sink.TruncateConfig{})
			b.SetBytes(int64(len(event)))
			b.ReportAllocs()
			for b.Loop() {
				must(b, s.Send(ctx, event))
			}
		})
	}
}
