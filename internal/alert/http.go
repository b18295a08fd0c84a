package alert

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

const (
	maxSecret = 64 << 10
	maxAnswer = 4 << 10 // of what a destination answers, the rest is not read
)

// secret reads one from a file, or from the environment; it is "" where neither is named. Files are read at each attempt: they may
// be replaced meanwhile.
func secret(what, file, env string) (string, error) {
	if file != "" {
		return readSecret(what+"File", file)
	}
	text := strings.TrimSpace(os.Getenv(env))
	if env != "" && text == "" {
		return "", fmt.Errorf("%sEnv: the variable %s is not set", what, env)
	}
	return text, fit(what+"Env", text)
}

func readSecret(what, file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	text := strings.TrimSpace(string(b))
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %w", what, err)
	case len(b) > maxSecret:
		return "", fmt.Errorf("%s: %s is longer than %d bytes", what, file, maxSecret)
	case text == "":
		return "", fmt.Errorf("%s: %s is empty", what, file)
	}
	return text, fit(what, text)
}

func fit(what, text string) error {
	if !httpguts.ValidHeaderFieldValue(text) {
		return fmt.Errorf("%s: it holds a line break, or another character that no header may hold", what)
	}
	return nil
}

// trust is how TLS is spoken: verified, always.
func trust(d *Destination, host string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if d.CAFile != "" {
		pem, err := os.ReadFile(d.CAFile)
		if err != nil {
			return nil, fmt.Errorf("caFile: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("caFile: %s holds no certificate", d.CAFile)
		}
	}
	return c, nil
}

// encoder makes the body of a request, and what headers it needs.
type encoder func(m *Message, t *texts, h http.Header) ([]byte, error)

// poster delivers over HTTP.
type poster struct {
	d      *Destination
	t      *texts
	client *http.Client
	encode encoder
}

func newPoster(d *Destination, t *texts) (sender, error) {
	c, err := trust(d, "")
	if err != nil {
		return nil, err
	}
	tr := &http.Transport{
		DialContext:     (&net.Dialer{Timeout: time.Duration(d.Timeout)}).DialContext,
		TLSClientConfig: c, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
		DisableKeepAlives: true, // what was left on a connection is not what the next message is answered
	}
	if d.Proxy != "" {
		u, err := url.Parse(d.Proxy)
		if err != nil {
			return nil, errors.New("proxy: it cannot be read as a URL")
		}
		tr.Proxy = http.ProxyURL(u)
	}
	p := &poster{d: d, t: t, client: &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	switch d.Kind {
	case Alertmanager:
		p.encode = p.alertmanager
	case Slack:
		p.encode = p.slack
	case PagerDuty:
		p.encode = p.pagerDuty
	case Falco:
		p.encode = p.falco
	default:
		p.encode = p.webhook
	}
	_, _, err = p.request(context.Background(), samples(d.Name)[0]) // whatever is missing is missing at the start
	return p, err
}

// address is where to.
func (p *poster) address() (*url.URL, error) {
	text, err := secret("url", p.d.URLFile, p.d.URLEnv)
	if err != nil {
		return nil, err
	}
	if text == "" {
		text = p.d.URL
	}
	if text == "" && p.d.Kind == PagerDuty {
		text = pagerDutyURL
	}
	u, err := p.d.parseURL(text)
	if err == nil && p.d.Kind == Alertmanager && !strings.HasSuffix(u.Path, "/api/v2/alerts") {
		u = u.JoinPath("api", "v2", "alerts")
	}
	return u, err
}

// request is one attempt's, and the secrets that are in it.
func (p *poster) request(ctx context.Context, m *Message) (*http.Request, []string, error) {
	u, err := p.address()
	if err != nil {
		return nil, nil, err
	}
	secrets := []string{}
	if p.d.URL == "" && p.d.Kind != PagerDuty {
		secrets = append(secrets, u.String(), u.RequestURI())
	}
	h := http.Header{}
	for name, value := range p.d.Headers {
		h.Set(name, value)
	}
	for name, file := range p.d.HeaderFiles {
		value, err := readSecret("headerFiles."+name, file)
		if err != nil {
			return nil, nil, err
		}
		secrets = append(secrets, value)
		h.Set(name, value)
	}
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "annals")
	h.Set("Idempotency-Key", m.Key)
	token, err := secret("token", p.d.TokenFile, p.d.TokenEnv)
	if err != nil {
		return nil, nil, err
	}
	if token != "" && p.d.Kind != PagerDuty {
		h.Set("Authorization", "Bearer "+token)
	}
	password, err := secret("password", p.d.PasswordFile, p.d.PasswordEnv)
	if err != nil {
		return nil, nil, err
	}
	body, err := p.encode(m, p.t, h)
	if err != nil {
		return nil, nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, nil, errors.New("url: it cannot be read as one")
	}
	r.Header = h
	if password != "" {
		r.SetBasicAuth(p.d.Username, password)
		secrets = append(secrets, password, r.Header.Get("Authorization"))
	}
	return r, append(secrets, token), nil
}

func (p *poster) send(ctx context.Context, m *Message) error {
	r, secrets, err := p.request(ctx, m)
	if err != nil {
		return err
	}
	answer, err := p.client.Do(r)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok { // which shows the whole address
			err = u.Err
		}
		return fmt.Errorf("%s: %w", r.URL.Host, err)
	}
	defer answer.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(answer.Body, maxAnswer)) // the status is the answer, whatever becomes of the rest
	if answer.StatusCode/100 == 2 {
		return nil
	}
	text := string(said)
	for _, s := range secrets {
		if len(s) > 3 {
			text = strings.ReplaceAll(text, s, "(a secret)")
		}
	}
	return judge(answer, fmt.Errorf("%s answered %d: %s", r.URL.Host, answer.StatusCode, clean(strings.TrimSpace(text), maxValue)))
}

// judge says what an answer means for the next attempt.
func judge(answer *http.Response, why error) error {
	no := &refusal{why: why}
	switch code := answer.StatusCode; {
	case code/100 == 3:
		no.whole, no.why = true, fmt.Errorf("%w (a redirect: it is not followed; put the right address into the configuration)", why)
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests, code/100 == 5:
		no.after = retryAfter(answer.Header.Get("Retry-After"))
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusNotFound, code == http.StatusMethodNotAllowed, code == http.StatusProxyAuthRequired:
		no.whole = true
	case code/100 == 4:
		no.final = true
	}
	return no
}

// retryAfter reads the header: seconds, or a date.
func retryAfter(s string) time.Duration {
	if n, err := strconv.ParseInt(s, 10, 32); err == nil {
		return max(0, time.Duration(n)*time.Second)
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
