package proxy

import (
	"crypto/x509"
	"net/http"
	"strings"
	"testing"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"

	"annals.dev/audit"
)

func TestConfig(t *testing.T) {
	cases := map[string]struct {
		change func(*Config)
		want   string
	}{
		"no upstream":                  {func(c *Config) { c.Upstream = nil }, "no upstream"},
		"no policy":                    {func(c *Config) { c.Policy = nil }, "no policy"},
		"no sink":                      {func(c *Config) { c.Sink = nil }, "no sink"},
		"no mode":                      {func(c *Config) { c.Mode = "" }, "is not known"},
		"passthrough with audiences":   {func(c *Config) { c.Audiences = []string{"x"} }, "belong to mode impersonate"},
		"passthrough with CA":          {func(c *Config) { c.ClientCAs = func() *x509.CertPool { return nil } }, "belong to mode impersonate"},
		"passthrough with others":      {func(c *Config) { c.AllowImpersonation = true }, "belong to mode impersonate"},
		"impersonate without a way":    {func(c *Config) { c.Mode = Impersonate }, "a way to tell who calls"},
		"kubeconfig that impersonates": {func(c *Config) { c.Upstream.Impersonate.UserName = "x" }, "impersonates"},
		"in the clear":                 {func(c *Config) { c.Upstream.Host = "http://127.0.0.1:1" }, "not https"},
		"password in the URL":          {func(c *Config) { c.Upstream.Host = "https://me:S3NT1NEL@127.0.0.1:1" }, "password"},
		"no URL":                       {func(c *Config) { c.Upstream.Host = "https://a b" }, "upstream"},
		"no CA":                        {func(c *Config) { c.Upstream.CAFile = "/nonexistent" }, "nonexistent"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			cfg := Config{Upstream: &rest.Config{Host: "https://127.0.0.1:1"}, Mode: Passthrough, Policy: everything(audit.LevelMetadata), Sink: &memory{}}
			if _, err := New(cfg); err != nil {
				t.Fatal(err)
			}
			c.change(&cfg)
			_, err := New(cfg)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "S3NT1NEL") {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

// A server with a public certificate needs no CA, and client-go would give out http.DefaultTransport for it, which
// decompresses, and shares its connections with everything else in the process.
func TestOwnTransports(t *testing.T) {
	up, err := newUpstream(&rest.Config{Host: "https://127.0.0.1:1"}, Passthrough)
	if err != nil {
		t.Fatal(err)
	}
	for _, rt := range []http.RoundTripper{up.own.ordinary, up.own.upgrades} {
		if w, ok := rt.(utilnet.RoundTripperWrapper); ok {
			rt = w.WrappedRoundTripper()
		}
		tr, ok := rt.(*http.Transport)
		if !ok || rt == http.DefaultTransport || !tr.DisableCompression {
			t.Errorf("%T, default: %v", rt, rt == http.DefaultTransport)
		}
	}
}
