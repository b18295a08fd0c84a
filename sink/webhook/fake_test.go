package webhook

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

// transport is a receiver without a network, for tests in which time is synthetic.
type transport func(*http.Request) (*http.Response, error)

func (transport) CloseIdleConnections() {}

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return f(r)
}

func fake(t *testing.T, cfg Config, answer transport) *Webhook {
	t.Helper()
	if cfg.Kubeconfig == "" {
		cfg.Kubeconfig = kubeconfig(t, map[string]any{"server": "http://receiver.example"}, nil)
	}
	w, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.to.base.RoundTripper = answer
	t.Cleanup(func() {
		if err := w.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w
}

func response(status int, after, body string) *http.Response {
	r := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	if after != "" {
		r.Header.Set("Retry-After", after)
	}
	return r
}

func bodyOf(t *testing.T, r *http.Request) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}
