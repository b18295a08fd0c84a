package webhook

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"annals.dev/sink"
)

func TestBodies(t *testing.T) {
	short := []byte(`{"level":"Metadata","auditID":"1","stage":"ResponseComplete","requestURI":"/","verb":"get","user":{},"requestReceivedTimestamp":null,"stageTimestamp":null}`)
	tests := []struct {
		name string
		in   [][]byte
		want string
	}{
		{"kind and apiVersion are set aside", events("1"), joined(short)},
		{"without them it stays", [][]byte{short}, joined(short)},
		{"two", [][]byte{event("1"), short}, joined(short, short)},
		{"other members stay", [][]byte{[]byte(`{"kind":"Event","apiVersion":"audit.k8s.io/v1beta1","level":"Request"}`)},
			joined([]byte(`{"kind":"Event","apiVersion":"audit.k8s.io/v1beta1","level":"Request"}`))},
		{"another order stays", [][]byte{[]byte(`{"apiVersion":"audit.k8s.io/v1","kind":"Event","a":1}`)},
			joined([]byte(`{"apiVersion":"audit.k8s.io/v1","kind":"Event","a":1}`))},
		{"nothing but the prefix stays", [][]byte{[]byte(`{"kind":"Event","apiVersion":"audit.k8s.io/v1"}`)},
			joined([]byte(`{"kind":"Event","apiVersion":"audit.k8s.io/v1"}`))},
		{"no event has it twice", [][]byte{[]byte(eventHead + eventHead[1:] + `"a":1}`)}, joined([]byte("{" + eventHead[1:] + `"a":1}`))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := list(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, bad := range []string{"", " ", "x", `"a"`, `[]`, `{`, `{}{}`, `{"a":1},{"b":2}`, `{"a":1}]`, "{\"a\":\"\n\"}", `null`} {
		if got, err := list([][]byte{event("1"), []byte(bad)}); !errors.Is(err, errInvalid) {
			t.Errorf("%q among events gives %q, %v", bad, got, err)
		}
	}
}

// TestRequest is what kube-apiserver's own webhook was seen to send.
func TestRequest(t *testing.T) {
	v := plain(t, nil)
	w := open1(t, Config{Kubeconfig: kubeconfig(t, map[string]any{"server": v.URL + "/path"}, nil)})
	if err := w.Send(t.Context(), events("1", "2")...); err != nil {
		t.Fatal(err)
	}
	got := v.got()
	if len(got) != 1 {
		t.Fatalf("%d requests", len(got))
	}
	want := request{
		method: "POST", uri: "/path?timeout=30s", proto: "HTTP/1.1", header: http.Header{
			"Content-Type": {"application/json"}, "Accept": {"application/json, */*"}, "Accept-Encoding": {"gzip"},
			"User-Agent": {"Go-http-client/1.1"}, "Content-Length": {"408"},
		},
		body: got[0].body,
	}
	want.header["Content-Length"] = got[0].header["Content-Length"]
	if diff := cmp.Diff(want, got[0], cmp.AllowUnexported(request{})); diff != "" {
		t.Error(diff)
	}
	if err := w.Send(t.Context()); err != nil || len(v.got()) != 1 {
		t.Errorf("no event: %v, %d requests", err, len(v.got()))
	}
}

func TestURLs(t *testing.T) {
	v := plain(t, nil)
	tests := map[string]string{
		"":                      "/?timeout=30s",
		"/":                     "/?timeout=30s",
		"/v1/audit/prod":        "/v1/audit/prod?timeout=30s",
		"/a/?cluster=kas&b=%20": "/a/?cluster=kas&b=%20&timeout=30s",
		"/a?timeout=5s":         "/a?timeout=5s",
		"?cluster=kas":          "/?cluster=kas&timeout=30s",
		"/with%2Fslash":         "/with%2Fslash?timeout=30s",
	}
	for in, want := range tests {
		w := open1(t, Config{Kubeconfig: kubeconfig(t, map[string]any{"server": v.URL + in}, nil)})
		if err := w.Send(t.Context(), event("1")); err != nil {
			t.Fatal(err)
		}
		all := v.got()
		if got := all[len(all)-1].uri; got != want {
			t.Errorf("%q asks for %q, want %q", in, got, want)
		}
	}
}

func TestGzip(t *testing.T) {
	v := plain(t, nil)
	w := open1(t, Config{Kubeconfig: kubeconfig(t, map[string]any{"server": v.URL}, nil), Gzip: true})
	for range 2 { // the writer is used again
		if err := w.Send(t.Context(), []byte(`{"a":1}`)); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range v.got() {
		z, err := gzip.NewReader(strings.NewReader(r.body))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(z)
		if err != nil || string(b) != joined([]byte(`{"a":1}`)) || r.header.Get("Content-Encoding") != "gzip" {
			t.Errorf("%q, %v, %v", b, err, r.header)
		}
	}
}

func TestVerbatim(t *testing.T) {
	legacy := func(id string) string {
		return `2017-06-15T21:50:50.259470834Z AUDIT: id="` + id + `" stage="ResponseComplete" ip="::1"`
	}
	half := `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Meta`
	in := [][]byte{
		event("1"), event("2"), []byte("garbage"), []byte(half), []byte(half),
		[]byte(legacy("3")), []byte(legacy("4")), []byte(`{"log":"x"}`), []byte(legacy("5") + "\nx"), event("6"),
	}
	v := plain(t, nil)
	w := open1(t, Config{Kubeconfig: kubeconfig(t, map[string]any{"server": v.URL}, nil), Verbatim: true})
	if err := w.Send(t.Context(), in...); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range v.got() {
		got = append(got, r.body)
		if isList := strings.HasPrefix(r.body, listHead); isList != (r.header.Get("Content-Type") == "application/json") {
			t.Errorf("%s has type %v", r.body, r.header["Content-Type"])
		}
	}
	want := []string{
		joined(event("1"), event("2")), "garbage", half, half,
		legacy("3") + "\n" + legacy("4") + "\n", `{"log":"x"}`, legacy("5") + "\nx", joined(event("6")),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestInFlight holds requests back at the receiver and counts them.
func TestInFlight(t *testing.T) {
	let := make(chan struct{})
	var mu sync.Mutex
	here, most := 0, 0
	arrived := make(chan struct{}, 100)
	v := plain(t, func(int, request) (int, map[string]string, string) {
		mu.Lock()
		here++
		most = max(most, here)
		mu.Unlock()
		arrived <- struct{}{}
		<-let
		mu.Lock()
		here--
		mu.Unlock()
		return 200, nil, ""
	})
	w := open1(t, Config{Kubeconfig: kubeconfig(t, map[string]any{"server": v.URL}, nil), InFlight: 3})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := w.Send(t.Context(), event("1")); err != nil {
				t.Error(err)
			}
		})
	}
	for range 3 {
		<-arrived
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Send(ctx, event("1")); !errors.Is(err, context.Canceled) {
		t.Errorf("without a slot, and cancelled: %v", err)
	}
	close(let)
	wg.Wait()
	if most != 3 {
		t.Errorf("%d requests at once, want 3", most)
	}
}

func TestClose(t *testing.T) {
	arrived, let := make(chan struct{}), make(chan struct{})
	v := plain(t, func(int, request) (int, map[string]string, string) {
		arrived <- struct{}{}
		<-let
		return 200, nil, ""
	})
	w, err := New(Config{Kubeconfig: kubeconfig(t, map[string]any{"server": v.URL}, nil)})
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() { sent <- w.Send(t.Context(), event("1")) }()
	<-arrived
	closed := make(chan error, 1)
	go func() { closed <- w.Close(t.Context()) }()
	for w.Send(t.Context()) == nil { // until Close has begun
		time.Sleep(time.Millisecond)
	}
	close(let)
	if err := <-sent; err != nil {
		t.Errorf("what was under way: %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := w.Send(t.Context(), event("1")); !errors.Is(err, sink.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestCloseCuts ends a Send that waits for its next attempt.
func TestCloseCuts(t *testing.T) {
	v := plain(t, always(500, ""))
	w, err := New(Config{Kubeconfig: kubeconfig(t, map[string]any{"server": v.URL}, nil), InitialBackoff: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() { sent <- w.Send(t.Context(), event("1")) }()
	for len(v.got()) == 0 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close: %v", err)
	}
	if err := <-sent; err == nil {
		t.Error("an event that was not delivered is said to be")
	}
}
