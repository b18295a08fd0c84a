package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Gap is the requestObject of an event that says that fewer events of a cluster came than its API server made, or that the API
// server itself counts some that it could not deliver. Verb create, resource gaps.annals.dev, the cluster its name.
type Gap struct {
	Cluster  string    `json:"cluster"`
	Origin   string    `json:"origin,omitempty"`
	URL      string    `json:"url"`
	From     time.Time `json:"from"`
	Until    time.Time `json:"until"`
	Made     int       `json:"made"`               // events, by the API server's own count
	Came     int       `json:"came"`               // with a time in this span
	Missing  int       `json:"missing"`            // Made less Came, where that is more than the two clocks explain
	Errors   int       `json:"errors,omitempty"`   // that the API server could not write or send
	Rejected int       `json:"rejected,omitempty"` // requests that it refused for want of auditing
}

// counted is what an API server's counters said at a time.
type counted struct {
	at                     time.Time
	made, errors, rejected float64
	short                  int // events that were missing before, too few to be told
}

// count reads an API server's counters again and again and compares their growth with what came.
func (p *Probe) count(ctx context.Context, c Counter) {
	within, _ := c.within() // New has checked it
	every := min(counterEvery, within/4)
	var readings []counted
	failing := false
	for {
		now, err := p.read(ctx, c)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if !failing {
				p.deps.Log.Error("the API server's counters cannot be read; it is tried again", "cluster", c.Cluster, "url", c.URL, "error", err)
			}
			failing = true
		default:
			if failing {
				p.deps.Log.Info("the API server's counters can be read again", "cluster", c.Cluster, "url", c.URL)
			}
			failing = false
			if n := len(readings); n > 0 && now.made < readings[n-1].made {
				readings = nil // the API server was started anew
			}
			readings = append(readings, now)
		}
		if readings, err = p.compare(ctx, c, readings, time.Now().Add(-within)); err != nil && ctx.Err() == nil {
			p.deps.Log.Error("the API server's counters", "cluster", c.Cluster, "error", err)
		}
		select {
		case <-time.After(every):
		case <-ctx.Done():
			return
		}
	}
}

// compare compares the first reading with the last one up to arrived (what was made until then has come by now, if it comes at
// all), and gives back the readings from that one on.
func (p *Probe) compare(ctx context.Context, c Counter, readings []counted, arrived time.Time) ([]counted, error) {
	last := -1
	for i, r := range readings {
		if !r.at.After(arrived) {
			last = i
		}
	}
	if last < 1 {
		return readings, nil
	}
	from, until := &readings[0], &readings[last]
	came, err := p.deps.Count(ctx, c.Cluster, c.Origin, from.at, until.at)
	if err != nil {
		return readings, err
	}
	gap := Gap{
		Cluster: c.Cluster, Origin: c.Origin, URL: c.URL, From: from.at.UTC(), Until: until.at.UTC(), Made: int(until.made - from.made), Came: came,
		Errors: int(until.errors - from.errors), Rejected: int(until.rejected - from.rejected),
	}
	// What is not told is carried on: a few events that are missing each time are many in the end.
	short := from.short + gap.Made - came
	if short > tolerance(gap.Made) {
		gap.Missing, short = short, 0
	}
	if gap.Missing > 0 || gap.Errors > 0 || gap.Rejected > 0 {
		if err := p.record(ctx, "create", "gaps", c.Cluster, until.at, gap); err != nil {
			return readings, err
		}
	}
	until.short = max(short, 0)
	return readings[last:], nil
}

// tolerance is how many events may seem to be missing because two clocks are read at not quite the same time.
func tolerance(made int) int { return 5 + made/50 }

const maxMetrics = 64 << 20

// read asks for the counters. Redirects are not followed: the token is for this address alone.
func (p *Probe) read(ctx context.Context, c Counter) (counted, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL, nil)
	if err != nil {
		return counted{}, err
	}
	req.Header.Set("Accept", "text/plain;version=0.0.4")
	if c.TokenFile != "" {
		token, err := os.ReadFile(c.TokenFile)
		if err != nil {
			return counted{}, err
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return counted{}, err
		}
		tlsConfig.RootCAs = x509.NewCertPool()
		if !tlsConfig.RootCAs.AppendCertsFromPEM(pem) {
			return counted{}, fmt.Errorf("%s holds no certificate in PEM", c.CAFile)
		}
	}
	transport := &http.Transport{TLSClientConfig: tlsConfig, DisableKeepAlives: true}
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return counted{}, err
	}
	defer resp.Body.Close()
	now := time.Now()
	if resp.StatusCode != http.StatusOK {
		return counted{}, fmt.Errorf("%s answers %s: the token must be allowed to get the path /metrics", c.URL, resp.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(io.LimitReader(resp.Body, maxMetrics))
	if err != nil {
		return counted{}, fmt.Errorf("%s: %w", c.URL, err)
	}
	made, ok := families["apiserver_audit_event_total"]
	if !ok {
		return counted{}, fmt.Errorf("%s has no apiserver_audit_event_total: it is no API server, or it does not audit", c.URL)
	}
	return counted{at: now, made: sum(made), errors: sum(families["apiserver_audit_error_total"]), rejected: sum(families["apiserver_audit_requests_rejected_total"])}, nil
}

func sum(f *dto.MetricFamily) (total float64) {
	for _, m := range f.GetMetric() {
		total += m.GetCounter().GetValue() + m.GetUntyped().GetValue()
	}
	return total
}
