package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"annals.dev/internal/access"
)

// Remote is a server elsewhere, and how it is asked.
type Remote struct {
	URL    string // https://HOST:PORT, or http:// on this machine
	Token  string
	CAFile string // the server's CA in PEM, where the system does not know it
}

// Dial makes a Client of a server elsewhere. It does not ask it anything yet.
func Dial(to Remote) (*Client, error) {
	u, err := url.Parse(to.URL)
	if err != nil || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, &Error{Usage, fmt.Sprintf("--server %q: give https://HOST:PORT, nothing more", to.URL)}
	}
	t := &http.Transport{DisableCompression: true, TLSHandshakeTimeout: 10 * time.Second}
	switch {
	case u.Scheme == "https":
		t.Proxy, t.ForceAttemptHTTP2 = http.ProxyFromEnvironment, true
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		if to.CAFile != "" {
			if t.TLSClientConfig.RootCAs, err = readCA(to.CAFile); err != nil {
				return nil, err
			}
		}
	case u.Scheme == "http" && isLocal(u.Hostname()):
		t.DialContext = dialLoopback
	case u.Scheme == "http":
		return nil, &Error{Usage, fmt.Sprintf("--server %s: a token is not sent to another machine in clear: use https://", to.URL)}
	default:
		return nil, &Error{Usage, fmt.Sprintf("--server %q: give https://HOST:PORT", to.URL)}
	}
	if strings.ContainsFunc(to.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, &Error{Usage, "--token holds what no token does: it begins with " + access.TokenPrefix + " and is one word"}
	}
	client := &http.Client{
		Transport: &bearer{t, to.Token},
		// Where another server would be asked instead, it would get the token too.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &Client{
		http: client, base: u.Scheme + "://" + u.Host,
		close: func() error { t.CloseIdleConnections(); return nil },
	}, nil
}

func readCA(file string) (*x509.CertPool, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, &Error{Usage, fmt.Sprintf("--server-ca: %v", err)}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, &Error{Usage, fmt.Sprintf("--server-ca %s: there is no certificate in PEM in it; the server has its own at pki/server-ca.crt in its data directory", file)}
	}
	return pool, nil
}

// dialLoopback refuses what localhost should not stand for.
func dialLoopback(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if to, ok := conn.RemoteAddr().(*net.TCPAddr); !ok || !to.IP.IsLoopback() {
		conn.Close()
		return nil, fmt.Errorf("%s is %s, which is another machine: a token is not sent there in clear", addr, conn.RemoteAddr())
	}
	return conn, nil
}

// bearer sends a token with each request.
type bearer struct {
	http.RoundTripper
	token string
}

func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	resp, err := b.RoundTripper.RoundTrip(r)
	if err != nil {
		err = unreached(err)
	}
	return resp, err
}

// unreached says what to do where a server could not be asked.
func unreached(err error) error {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &unknown):
		return fmt.Errorf("%w: give the server's CA with --server-ca; it is pki/server-ca.crt in its data directory", err)
	case errors.As(err, &name):
		return fmt.Errorf("%w: use a name that the certificate has, or give it this one on the server's machine: annals init --change-names", err)
	case errors.As(err, &record) && string(record.RecordHeader[:]) == "HTTP/":
		return errors.New("it speaks plain HTTP, as annals serve does on loopback: use http://")
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: nothing listens there; it is the address of annals serve --http that is asked", err)
	}
	return err
}
