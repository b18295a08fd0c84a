package proxy

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"

	"annals.dev/audit"
)

// discard is a sink that takes everything.
type discard struct{}

func (discard) Send(context.Context, ...[]byte) error { return nil }
func (discard) Close(context.Context) error           { return nil }
func (discard) String() string                        { return "discard" }

// What a request costs on its way through, with both ends in this process, beside the same without the proxy.
func BenchmarkProxy(b *testing.B) {
	body := bytes.Repeat([]byte(`{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[]}      `), 64)
	for name, level := range map[string]audit.Level{"none": audit.LevelNone, "metadata": audit.LevelMetadata, "bodies": audit.LevelRequestResponse, "direct": ""} {
		b.Run(name, func(b *testing.B) {
			g := newRig(b, Passthrough, func(c *Config) { c.Policy, c.Sink, c.Log = everything(audit.LevelMetadata), discard{}, nil })
			g.handle("/api/v1/pods", func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.Write(body)
			})
			client, url := g.h2, "https://"+g.addr
			if level == "" {
				client, url = g.Client(), g.URL
			} else if err := g.p.Handler().SetPolicy(everything(level), "test"); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					r, err := http.NewRequest("GET", url+"/api/v1/pods", nil)
					if err != nil {
						b.Error(err)
						return
					}
					r.Header.Set("Authorization", "Bearer jane-token")
					res, err := client.Do(r)
					if err != nil {
						b.Error(err)
						return
					}
					if n, err := io.Copy(io.Discard, res.Body); err != nil || n != int64(len(body)) {
						b.Errorf("%d bytes, %v", n, err)
					}
					res.Body.Close()
				}
			})
		})
	}
}
