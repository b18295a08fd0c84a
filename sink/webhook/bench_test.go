package webhook

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"annals.dev/sink/sinktest"
)

// batch is kube-apiserver's default: 400 events, here of 1.5 KB.
func batch() (events [][]byte, bytes int64) {
	for i := range 400 {
		e := sinktest.Event(i, 1500)
		events = append(events, e)
		bytes += int64(len(e))
	}
	return events, bytes
}

func BenchmarkList(b *testing.B) {
	events, n := batch()
	b.SetBytes(n)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := list(events); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSend(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	defer srv.Close()
	w, err := New(Config{Kubeconfig: kubeconfig(b, map[string]any{"server": srv.URL}, nil)})
	if err != nil {
		b.Fatal(err)
	}
	events, n := batch()
	b.SetBytes(n)
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Send(b.Context(), events...); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(b.Context()); err != nil {
		b.Error(err)
	}
}
