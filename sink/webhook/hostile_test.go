package webhook

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Close leaves no connection behind.
func TestCloseEndsConnections(t *testing.T) {
	closed := make(chan struct{})
	var once sync.Once
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			once.Do(func() { close(closed) })
		}
	}
	s.Start()
	defer s.Close()
	w, err := New(Config{Kubeconfig: kubeconfig(t, map[string]any{"server": s.URL}, nil)})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Send(t.Context(), event("1")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Error("the connection is still open")
	}
}
