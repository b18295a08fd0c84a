package proxy

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"annals.dev/audit"
)

// A watch's events come at once, each; and its end reaches the upstream.
func TestWatch(t *testing.T) {
	for _, proto := range []string{"http/1.1", "h2"} {
		t.Run(proto, func(t *testing.T) {
			const timeout = 50 * time.Millisecond // which is not for watches
			g := newRig(t, Passthrough, func(c *Config) { c.Timeout = timeout })
			client := g.client(t, proto)
			text(t, g.do(t, client, "GET", "/api", nil, asJane)) // the watch has its connection, and must not have its time
			next, gone := make(chan string), make(chan struct{})
			g.handle("/api/v1/pods", func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				for {
					select {
					case s := <-next:
						io.WriteString(w, s)
						w.(http.Flusher).Flush()
					case <-r.Context().Done():
						close(gone)
						return
					}
				}
			})
			ctx, cancel := context.WithCancel(t.Context())
			r, err := http.NewRequestWithContext(ctx, "GET", "https://"+g.addr+"/api/v1/pods?watch=1", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer jane-token")
			type answer struct {
				*http.Response
				error
			}
			answers := make(chan answer)
			go func() {
				res, err := client.Do(r)
				answers <- answer{res, err}
			}()
			next <- "one\n"
			a := <-answers
			if a.error != nil {
				t.Fatal(a.error)
			}
			defer a.Body.Close()
			lines := bufio.NewReader(a.Body)
			for i, s := range []string{"one\n", "two\n", "three\n"} {
				if i > 0 {
					time.Sleep(2 * timeout) // longer than an ordinary request may take
					next <- s
				}
				if got, err := lines.ReadString('\n'); got != s || err != nil {
					t.Fatalf("%q, %v", got, err)
				}
			}
			if e := g.events.stage(t, audit.StageResponseStarted, 0); e.ResponseStatus.Code != 200 || e.Verb != "watch" {
				t.Errorf("%+v", e)
			}
			cancel()
			<-gone
			if e := g.events.stage(t, audit.StageResponseComplete, 1); e.ResponseStatus.Code != 200 {
				t.Errorf("%+v", e.ResponseStatus)
			}
		})
	}
}

// An upgraded connection is bytes in both directions, whatever its protocol, until either side ends it.
func TestUpgrade(t *testing.T) {
	for name, c := range map[string]struct{ method, path, protocol, extra, verb string }{
		"WebSocket": {"GET", "/api/v1/namespaces/d/pods/x/exec?command=sh", "websocket", "Sec-WebSocket-Key: x\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n", "get"},
		"SPDY":      {"POST", "/api/v1/namespaces/d/pods/x/portforward", "SPDY/3.1", "X-Stream-Protocol-Version: v4.channel.k8s.io\r\nContent-Length: 0\r\n", "create"},
	} {
		for _, mode := range []Mode{Passthrough, Impersonate} {
			for _, ends := range []string{"client", "upstream", "proxy"} {
				t.Run(name+" "+string(mode)+" ended by "+ends, func(t *testing.T) {
					g := newRig(t, mode, nil)
					path, _, _ := strings.Cut(c.path, "?")
					upstreamEnded := make(chan struct{})
					g.handle(path, func(w http.ResponseWriter, r *http.Request) {
						defer close(upstreamEnded)
						if r.Proto != "HTTP/1.1" || r.Header.Get("Upgrade") != c.protocol {
							t.Errorf("upgraded by %s to %q", r.Proto, r.Header.Get("Upgrade"))
						}
						conn, buf, err := http.NewResponseController(w).Hijack()
						if err != nil {
							t.Error(err)
							return
						}
						defer conn.Close()
						fmt.Fprintf(buf, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\nhello\n", c.protocol)
						buf.Flush()
						for {
							line, err := buf.ReadString('\n')
							if err != nil || line == "end\n" {
								return
							}
							io.WriteString(conn, "echo "+line)
						}
					})
					conn := g.dial(t)
					fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\n%s\r\nConnection: Upgrade\r\nUpgrade: %s\r\n%s\r\n", c.method, c.path, asJane, c.protocol, c.extra)
					in := bufio.NewReader(conn)
					res, err := http.ReadResponse(in, nil)
					if err != nil {
						t.Fatal(err)
					}
					if res.StatusCode != 101 || res.Header.Get("Upgrade") != c.protocol || len(res.Header["Audit-Id"]) != 1 {
						t.Fatalf("%d %v", res.StatusCode, res.Header)
					}
					for _, s := range []string{"hello\n", "echo one\n", "echo \x00\xff\n"} {
						if line, said := strings.CutPrefix(s, "echo "); said {
							io.WriteString(conn, line)
						}
						if got, err := in.ReadString('\n'); got != s || err != nil {
							t.Fatalf("%q, %v", got, err)
						}
					}
					e := g.events.stage(t, audit.StageResponseStarted, 0)
					if e.ResponseStatus.Code != 101 || e.Verb != c.verb || e.RequestURI != c.path {
						t.Errorf("%+v", e)
					}
					switch ends {
					case "client":
						conn.Close()
					case "upstream":
						io.WriteString(conn, "end\n")
					case "proxy":
						g.stop() // after the time for draining
					}
					<-upstreamEnded
					if ends != "client" {
						if _, err := in.ReadByte(); err == nil {
							t.Error("the connection goes on")
						}
						conn.Close()
					}
					if e := g.events.stage(t, audit.StageResponseComplete, 0); e.ResponseStatus.Code != 101 {
						t.Errorf("%+v", e.ResponseStatus)
					}
				})
			}
		}
	}
	t.Run("refused", func(t *testing.T) {
		g := newRig(t, Passthrough, nil)
		g.handle("/x", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) })
		res := g.do(t, g.h1, "GET", "/x", nil, asJane, "Connection: Upgrade", "Upgrade: websocket")
		if body := text(t, res); res.StatusCode != 403 || body != "no\n" {
			t.Errorf("%d %q", res.StatusCode, body)
		}
	})
	t.Run("a protocol that Kubernetes does not know", func(t *testing.T) {
		g := newRig(t, Impersonate, nil)
		for _, protocol := range []string{"h2c", "websocket2", "h2c, websocket", "TLS/1.2"} {
			res := g.do(t, g.h1, "GET", "/x", nil, asJane, "Connection: Upgrade, HTTP2-Settings", "Upgrade: "+protocol, "Http2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
			if h := g.last().Header; res.StatusCode != 200 || h.Get("Upgrade") != "" || h.Get("Connection") != "" || h.Get("Http2-Settings") != "" || g.last().Proto != "HTTP/2.0" {
				t.Errorf("%s: %d, went up as %s with %v", protocol, res.StatusCode, g.last().Proto, h)
			}
		}
	})
	t.Run("another protocol than was asked for", func(t *testing.T) {
		g := newRig(t, Passthrough, nil)
		g.handle("/x", func(w http.ResponseWriter, _ *http.Request) {
			conn, buf, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			io.WriteString(buf, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
			buf.Flush()
		})
		if res := g.do(t, g.h1, "GET", "/x", nil, asJane, "Connection: Upgrade", "Upgrade: websocket"); res.StatusCode != 502 {
			t.Errorf("code %d", res.StatusCode)
		}
	})
}

// Bodies, their coding and what follows them pass as they are.
func TestBodiesPass(t *testing.T) {
	g := newRig(t, Passthrough, nil)
	g.handle("/api/v1/namespaces/d/configmaps", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Warning", `299 - "w"`)
		w.Header().Set("Trailer", "X-After")
		w.Header().Set("Content-Type", "application/octet-stream")
		w.WriteHeader(http.StatusCreated)
		w.Write(b)
		w.Header().Set("X-After", "all")
		w.Header().Set(http.TrailerPrefix+"X-Unannounced", "too")
	})
	body := strings.Repeat("not gzip at all ", 300000)
	for name, c := range map[string]*http.Client{"HTTP/1.1": g.h1, "HTTP/2": g.h2} {
		for _, headers := range [][]string{{asJane}, {asJane, "Expect: 100-continue"}, {asJane, "Accept-Encoding: gzip"}} {
			res := g.do(t, c, "POST", "/api/v1/namespaces/d/configmaps", strings.NewReader(body), headers...)
			if got := text(t, res); res.StatusCode != 201 || got != body || res.Header.Get("Content-Encoding") != "gzip" || res.Header.Get("Warning") == "" {
				t.Errorf("%s: %d, %d bytes, %v", name, res.StatusCode, len(got), res.Header)
			}
			if ids := res.Header["Audit-Id"]; len(ids) != 1 {
				t.Errorf("%s: audit IDs %q", name, ids)
			}
			if diff := cmp.Diff(http.Header{"X-After": {"all"}, "X-Unannounced": {"too"}}, res.Trailer); diff != "" {
				t.Errorf("%s: trailers %s", name, diff)
			}
			if g.last().Header.Get("Accept-Encoding") != strings.TrimPrefix(headers[len(headers)-1], "Accept-Encoding: ") && len(headers) == 2 && strings.HasPrefix(headers[1], "Accept") {
				t.Errorf("%s: Accept-Encoding %q went up", name, g.last().Header["Accept-Encoding"])
			}
		}
	}
}

func TestNoUpstream(t *testing.T) {
	for _, upgrade := range []bool{false, true} {
		t.Run(fmt.Sprint(upgrade), func(t *testing.T) {
			g := newRig(t, Impersonate, nil)
			g.fakeUpstream.Close()
			c := g.client(t, "http/1.1", testCA.caller(t, "jane", nil))
			var headers []string
			if upgrade {
				headers = []string{"Connection: Upgrade", "Upgrade: SPDY/3.1"}
			}
			res := g.do(t, c, "POST", "/api/v1/namespaces/d/pods", strings.NewReader("{}"), headers...)
			var status struct{ Kind, APIVersion, Status, Reason string }
			if err := json.Unmarshal([]byte(text(t, res)), &status); err != nil || res.StatusCode != 502 || res.Header.Get("Content-Type") != "application/json" || len(res.Header["Audit-Id"]) != 1 {
				t.Errorf("%d %v, %v", res.StatusCode, res.Header, err)
			}
			if diff := cmp.Diff(struct{ Kind, APIVersion, Status, Reason string }{"Status", "v1", "Failure", "ServiceUnavailable"}, status); diff != "" {
				t.Error(diff)
			}
			if e := g.events.stage(t, audit.StageResponseComplete, 0); e.ResponseStatus.Code != 502 || e.User.Username != "jane" || e.ResponseStatus.Message == "" {
				t.Errorf("%+v", e)
			}
			if !strings.Contains(g.log.String(), "connection refused") {
				t.Errorf("the log does not say why: %s", g.log)
			}
			if err := g.p.Ready(t.Context()); err == nil {
				t.Error("ready")
			}
		})
	}
}

// What is cut on the way is not passed on as whole.
func TestUpstreamBreaksOff(t *testing.T) {
	g := newRig(t, Passthrough, nil)
	g.handle("/api/v1/pods", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"kind":`)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	for name, c := range map[string]*http.Client{"HTTP/1.1": g.h1, "HTTP/2": g.h2} {
		res := g.do(t, c, "GET", "/api/v1/pods", nil, asJane)
		if b, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("%s: %q looks whole", name, b)
		}
	}
	for i := range 2 {
		if e := g.events.stage(t, audit.StageResponseComplete, i); e.ResponseStatus.Code != 200 || len(e.Annotations) == 0 {
			t.Errorf("%+v", e)
		}
	}
}

// An ordinary request that takes too long is answered, and gives its place back; so does one whose client neither sends nor reads.
func TestTimeout(t *testing.T) {
	const timeout = 100 * time.Millisecond
	hang := func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}
	t.Run("upstream", func(t *testing.T) {
		g := newRig(t, Passthrough, func(c *Config) { c.Timeout = timeout })
		g.handle("/api/v1/pods", hang)
		res := g.do(t, g.h2, "GET", "/api/v1/pods", nil, asJane)
		if body := text(t, res); res.StatusCode != 504 || !strings.Contains(body, `"reason":"Timeout"`) {
			t.Errorf("%d %s", res.StatusCode, body)
		}
		if e := g.events.stage(t, audit.StageResponseComplete, 0); e.ResponseStatus.Code != 504 {
			t.Errorf("%+v", e.ResponseStatus)
		}
	})
	t.Run("a client that does not send", func(t *testing.T) {
		g := newRig(t, Passthrough, func(c *Config) { c.Timeout = timeout })
		g.handle("/api/v1/pods", hang)
		conn := g.dial(t)
		io.WriteString(conn, "POST /api/v1/pods HTTP/1.1\r\nHost: x\r\n"+asJane+"\r\nContent-Length: 100\r\n\r\n{")
		g.events.stage(t, audit.StageResponseComplete, 0)
	})
	t.Run("a client that does not read", func(t *testing.T) {
		g := newRig(t, Passthrough, func(c *Config) { c.Timeout = timeout })
		released := make(chan struct{})
		g.handle("/api/v1/pods", func(w http.ResponseWriter, r *http.Request) {
			defer close(released)
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		})
		conn := g.dial(t)
		conn.NetConn().(*net.TCPConn).SetReadBuffer(4096)
		io.WriteString(conn, "GET /api/v1/pods HTTP/1.1\r\nHost: x\r\n"+asJane+"\r\n\r\n")
		<-released
		conn.NetConn().Close() // or crypto/tls takes five seconds more to say that it is over
		g.events.stage(t, audit.StageResponseComplete, 0)
	})
}

// A client that leaves before there is an answer takes its request with it.
func TestClientLeaves(t *testing.T) {
	g := newRig(t, Passthrough, nil)
	came, gone := make(chan struct{}), make(chan struct{})
	g.handle("/api/v1/pods", func(_ http.ResponseWriter, r *http.Request) {
		close(came)
		<-r.Context().Done()
		close(gone)
	})
	conn := g.dial(t)
	io.WriteString(conn, "GET /api/v1/pods HTTP/1.1\r\nHost: x\r\n"+asJane+"\r\n\r\n")
	<-came
	conn.Close()
	<-gone
	if e := g.events.stage(t, audit.StageResponseComplete, 0); e.ResponseStatus.Code != statusClientGone {
		t.Errorf("%+v", e.ResponseStatus)
	}
}

// Beyond its limits the proxy says so, in events too; watches and ordinary requests do not take each other's places.
func TestLimits(t *testing.T) {
	g := newRig(t, Passthrough, func(c *Config) { c.MaxRequests, c.MaxStreams = 1, 1 })
	hold, held := make(chan struct{}), make(chan struct{})
	g.handle("/api/v1/pods", func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		held <- struct{}{}
		<-hold
	})
	for i, path := range []string{"/api/v1/pods?watch=1", "/api/v1/pods"} {
		res := g.do(t, g.h2, "GET", path, nil, asJane)
		<-held
		again := g.do(t, g.h2, "GET", path, nil, asJane)
		if body := text(t, again); again.StatusCode != 429 || again.Header.Get("Retry-After") != "1" || !strings.Contains(body, "TooManyRequests") {
			t.Errorf("%s: %d %s", path, again.StatusCode, body)
		}
		if e := g.events.stage(t, audit.StageResponseComplete, i); e.ResponseStatus.Code != 429 {
			t.Errorf("%+v", e.ResponseStatus)
		}
		defer res.Body.Close()
	}
	close(hold)
	g.events.stage(t, audit.StageResponseComplete, 3)
	g.handle("/api/v1/pods", nil)
	if res := g.do(t, g.h2, "GET", "/api/v1/pods", nil, asJane); res.StatusCode != 200 {
		t.Errorf("the places are not given back: %d", res.StatusCode)
	}
}

// At the end what is under way is finished, if it does not take too long, and every event is there when Serve returns.
func TestDrain(t *testing.T) {
	g := newRig(t, Passthrough, nil)
	came := make(chan struct{})
	g.handle("/api/v1/pods", func(w http.ResponseWriter, r *http.Request) {
		close(came)
		time.Sleep(30 * time.Millisecond) // into the time for draining
		io.WriteString(w, "{}")
	})
	g.handle("/api/v1/nodes", func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	watch := g.do(t, g.h2, "GET", "/api/v1/nodes?watch=1", nil, asJane)
	code := make(chan int)
	go func() { code <- g.do(t, g.h1, "GET", "/api/v1/pods", nil, asJane).StatusCode }()
	<-came
	go g.stop()
	if got := <-code; got != 200 {
		t.Errorf("the request under way got %d", got)
	}
	g.stop()
	if n := strings.Count(g.events.text(), `"stage":"ResponseComplete"`); n != 2 {
		t.Errorf("%d requests have ended in the events\n%s", n, g.events.text())
	}
	if _, err := io.ReadAll(watch.Body); err == nil {
		t.Error("the watch that was cut looks whole")
	}
}
