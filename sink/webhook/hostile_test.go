package webhook

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
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

// A credential that an answer repeats is hidden also where only its beginning would be shown.
func TestLongSecretStaysHidden(t *testing.T) {
	token := strings.Repeat("0123456789abcdef", 64)
	for _, before := range []int{0, 400, 505} {
		w := fake(t, Config{Attempts: 1}, func(*http.Request) (*http.Response, error) {
			return response(401, "", strings.Repeat("x", before)+" bad token "+token+" "+strings.Repeat("y", 1000)), nil
		})
		w.to.secrets = []string{token}
		err := w.Send(t.Context(), event("1"))
		if err == nil || strings.Contains(err.Error(), token[:4]) {
			t.Errorf("after %d bytes: %v", before, err)
		}
		if n := len(err.Error()); n > answerSize+200 {
			t.Errorf("an error of %d bytes", n)
		}
	}
}

// With nothing under way, Close has nothing to complain of, even if there is no time left.
func TestCloseWithoutTime(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	file := kubeconfig(t, map[string]any{"server": "http://receiver.example"}, nil)
	for range 50 {
		w, err := New(Config{Kubeconfig: file})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Close(over); err != nil {
			t.Fatal(err)
		}
	}
}
