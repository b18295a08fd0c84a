package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"annals.dev/audit"
	"annals.dev/sink/sinktest"
	"annals.dev/sink/spool"
)

// TestSink: it is a sink as all others are.
func TestSink(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	for _, cfg := range []Config{{}, {Attempts: 1}, {Verbatim: true}} {
		sinktest.Run(t, func(t *testing.T) sinktest.Subject {
			v := plain(t, nil)
			cfg.Kubeconfig, cfg.Log = kubeconfig(t, map[string]any{"server": v.URL}, nil), quiet
			w, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			return sinktest.Subject{Sink: w, Events: func() [][]byte { return v.events(t) }, String: "webhook"}
		})
	}
}

// events are the items of all bodies, as a log has them.
func (v *receiver) events(t *testing.T) (all [][]byte) {
	t.Helper()
	for _, r := range v.got() {
		var list struct{ Items []json.RawMessage }
		if err := json.Unmarshal([]byte(r.body), &list); err != nil {
			t.Fatal(err)
		}
		for _, item := range list.Items {
			if !strings.HasPrefix(string(item), eventHead) {
				item = append([]byte(eventHead), item[1:]...)
			}
			all = append(all, item)
		}
	}
	return all
}

// TestSpooled has a receiver that is down, and then refuses one event: all others arrive, in order.
func TestSpooled(t *testing.T) {
	const all = 103
	var taken []string
	answers, done := 0, make(chan struct{})
	w := fake(t, Config{Attempts: 1, Log: slog.New(slog.DiscardHandler)}, func(r *http.Request) (*http.Response, error) {
		answers++
		text := bodyOf(t, r)
		switch {
		case answers < 3:
			return nil, errors.New("down")
		case answers == 3:
			return response(503, "", ""), nil
		case strings.Contains(text, `"poison"`):
			return response(422, "", "a poisoned event"), nil
		}
		var list struct{ Items []struct{ AuditID string } }
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			t.Error(err)
		}
		for _, item := range list.Items {
			if taken = append(taken, item.AuditID); len(taken) == all {
				close(done)
			}
		}
		return response(200, "", ""), nil
	})
	s, err := spool.Open(spool.Config{Dir: t.TempDir(), MinBackoff: 1, MaxBackoff: 1, Log: slog.New(slog.DiscardHandler)}, keptOpen{w})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), events("1", "2", "poison", "3")...); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if err := s.Send(t.Context(), event("4")); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Error("not all has arrived after 20 seconds")
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := append([]string{"1", "2", "3"}, slices.Repeat([]string{"4"}, 100)...); !slices.Equal(taken, want) {
		t.Errorf("taken %q", taken)
	}
}

// keptOpen is closed by its test, not by the spool.
type keptOpen struct{ *Webhook }

func (keptOpen) Close(context.Context) error { return nil }

// FuzzList: whatever the events are, the body is one EventList that holds exactly them, or none is made.
func FuzzList(f *testing.F) {
	f.Add([]byte(`{"a":1}`), []byte(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","b":"]}"}`))
	f.Add([]byte(`{"a":1},{"b":2}`), []byte(" {} "))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		body, err := list([][]byte{a, b})
		var v audit.View
		if bad := v.Parse(a) != nil || v.Parse(b) != nil; (err != nil) != bad {
			t.Fatalf("%q, %q: error %v", a, b, err)
		}
		if err != nil {
			return
		}
		d := json.NewDecoder(strings.NewReader(string(body)))
		var got struct{ Items []map[string]json.RawMessage }
		if err := d.Decode(&got); err != nil || len(got.Items) != 2 {
			t.Fatalf("%q: %v, %d items", body, err, len(got.Items))
		}
		if _, err := d.Token(); err != io.EOF {
			t.Fatalf("%q goes on: %v", body, err)
		}
		for i, e := range [][]byte{a, b} {
			var want map[string]json.RawMessage
			if err := json.Unmarshal(e, &want); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(string(e), eventHead) && string(got.Items[i]["kind"]) == "" {
				delete(want, "kind")
				delete(want, "apiVersion")
			}
			for k, w := range want {
				if string(got.Items[i][k]) != string(w) {
					t.Fatalf("item %d of %q: %s is %s, want %s", i, body, k, got.Items[i][k], w)
				}
			}
		}
	})
}
