package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
)

// upstream is the API server, and the only thing that is dialled.
type upstream struct {
	base url.URL    // scheme, host and path, nothing else
	own  transports // with the proxy's credentials; in Passthrough it has none
	bare transports // without
}

type transports struct {
	ordinary http.RoundTripper
	upgrades http.RoundTripper // HTTP/1.1, which alone can be upgraded
}

func newUpstream(cfg *rest.Config, mode Mode) (*upstream, error) {
	if u, err := url.Parse(cfg.Host); err == nil && u.User != nil {
		return nil, errors.New("the server's URL holds a user's name or password: leave it out there, and give credentials as such")
	}
	base, _, err := rest.DefaultServerUrlFor(cfg)
	if err != nil {
		return nil, err
	}
	if base.Scheme != "https" {
		return nil, fmt.Errorf("%s://%s is not https: tokens would cross the network in the clear", base.Scheme, base.Host)
	}
	up := &upstream{base: url.URL{Scheme: base.Scheme, Host: base.Host, Path: strings.TrimSuffix(base.Path, "/")}}
	if up.bare, err = newTransports(rest.AnonymousClientConfig(cfg)); err != nil {
		return nil, err
	}
	if mode == Passthrough {
		// A client certificate of ours would go before the caller's token at the upstream, and make every caller the proxy.
		up.own = up.bare
		return up, nil
	}
	up.own, err = newTransports(rest.CopyConfig(cfg))
	return up, err
}

func newTransports(cfg *rest.Config) (t transports, err error) {
	cfg.UserAgent, cfg.Timeout, cfg.DisableCompression = "", 0, true // bodies pass as they are
	// Naming the protocols also keeps client-go from handing out http.DefaultTransport, which it does for a server with a
	// public certificate, and which decompresses.
	cfg.NextProtos = []string{"h2", "http/1.1"}
	if t.ordinary, err = rest.TransportFor(cfg); err != nil {
		return t, err
	}
	cfg = rest.CopyConfig(cfg)
	cfg.NextProtos = []string{"http/1.1"}
	t.upgrades, err = rest.TransportFor(cfg)
	return t, err
}

// closeIdle lets go of connections that no request needs.
func (up *upstream) closeIdle() {
	for _, t := range []transports{up.own, up.bare} {
		utilnet.CloseIdleConnectionsFor(t.ordinary)
		utilnet.CloseIdleConnectionsFor(t.upgrades)
	}
}

// RoundTrip sends a client's request up by the transport that it needs.
func (up *upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	t := up.bare
	if callOf(r).as != nil {
		// The proxy's credentials go up only with the name of somebody to act as.
		t = up.own
	}
	if r.Header.Get("Upgrade") != "" {
		return t.upgrades.RoundTrip(r)
	}
	return t.ordinary.RoundTrip(r)
}

// locate gives the URL for what a client asked. Nothing but path and query is taken from it.
func (up *upstream) locate(u *url.URL) *url.URL {
	to := up.base
	to.RawQuery, to.ForceQuery = u.RawQuery, u.ForceQuery
	to.Path = up.base.Path + u.Path
	if u.RawPath != "" {
		to.RawPath = up.base.EscapedPath() + u.RawPath
	}
	return &to
}

var errAnswer = errors.New("an unexpected answer")

// maxAnswer bounds what is read of an answer to one of our own questions.
const maxAnswer = 1 << 20

// ask posts a question of a review API and reads the answer into it. The status is that of the answer, 0 without one.
func (up *upstream) ask(ctx context.Context, path, token string, question, answer any) (status int, err error) {
	b, err := json.Marshal(question)
	if err != nil {
		return 0, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, up.locate(&url.URL{Path: path}).String(), bytes.NewReader(b))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "annals-proxy")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := up.own.ordinary.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	switch {
	case err != nil:
		return 0, err
	case res.StatusCode != http.StatusCreated && res.StatusCode != http.StatusOK:
		// The body is not quoted: who knows what it repeats of the question.
		return res.StatusCode, fmt.Errorf("%s: %w: %s", path, errAnswer, res.Status)
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return 0, fmt.Errorf("%s: %w: %w", path, errAnswer, err)
	}
	return res.StatusCode, nil
}
