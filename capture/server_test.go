package capture_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"annals.dev/audit"
	"annals.dev/capture"
	"annals.dev/policy"

	"github.com/google/go-cmp/cmp"
)

// serve runs the handler on loopback, over HTTP/1.1 or HTTP/2, until the test ends.
func serve(t *testing.T, h http.Handler, http2 bool) (*httptest.Server, *http.Client) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = nil
	s.EnableHTTP2 = http2
	if http2 {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s, s.Client()
}

// wait returns the events once there are n, and fails if that takes too long.
func (m *memory) wait(t *testing.T, n int) []*audit.Event {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if events := m.events(); len(events) >= n {
			return events
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d events, want %d: %v", len(m.events()), n, stages(m.events()))
		}
	}
}

func protocols(t *testing.T, test func(t *testing.T, http2 bool)) {
	t.Run("http1", func(t *testing.T) { test(t, false) })
	t.Run("http2", func(t *testing.T) { test(t, true) })
}

func TestServer(t *testing.T) {
	protocols(t, func(t *testing.T, http2 bool) {
		h, m := audited(t, func(w http.ResponseWriter, r *http.Request) {
			if _, ok := w.(http.Hijacker); ok == http2 {
				t.Errorf("is a Hijacker: %v", ok)
			}
			if _, ok := w.(http.Pusher); ok != http2 {
				t.Errorf("is a Pusher: %v", ok)
			}
			if _, ok := w.(io.ReaderFrom); ok == http2 {
				t.Errorf("is a ReaderFrom: %v", ok)
			}
			if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Hour)); err != nil {
				t.Error(err)
			}
			b, _ := io.ReadAll(r.Body)
			w.Header().Set("Trailer", "After")
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusCreated)
			w.Write(b)
			w.(http.Flusher).Flush()
			w.Header().Set("After", "all")
		}, func(c *capture.Config) { c.Policy = level(audit.LevelRequestResponse) })
		s, client := serve(t, h, http2)

		body := `{"metadata":{"name":"p"}}`
		answer, err := client.Post(s.URL+pods, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if string(b) != body || answer.StatusCode != 201 || answer.Trailer.Get("After") != "all" || answer.ProtoMajor == 2 != http2 {
			t.Errorf("got %v %q, trailer %v", answer, b, answer.Trailer)
		}
		events := m.wait(t, 2)
		if diff := cmp.Diff([]string{"RequestReceived", "ResponseComplete 201"}, stages(events)); diff != "" {
			t.Error(diff)
		}
		e := events[1]
		if string(e.RequestObject) != body || string(e.ResponseObject) != body || e.ObjectRef.Name != "p" || e.SourceIPs[0] != "127.0.0.1" ||
			e.AuditID != answer.Header.Get("Audit-Id") {
			t.Errorf("%+v", e)
		}
	})
}

func TestWatchStream(t *testing.T) {
	protocols(t, func(t *testing.T, http2 bool) {
		next := make(chan string)
		h, m := audited(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for line := range next {
				io.WriteString(w, line)
				w.(http.Flusher).Flush()
			}
		}, func(c *capture.Config) { c.Policy = level(audit.LevelRequestResponse) })
		s, client := serve(t, h, http2)
		go func() { next <- "one\n" }()
		answer, err := client.Get(s.URL + "/api/v1/pods?watch=1")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		lines := bufio.NewReader(answer.Body)
		if line, err := lines.ReadString('\n'); line != "one\n" || err != nil {
			t.Errorf("%q, %v", line, err)
		}
		if got := m.wait(t, 2); got[1].Stage != audit.StageResponseStarted {
			t.Errorf("while it runs: %v", stages(got))
		}
		close(next)
		if rest, err := io.ReadAll(lines); len(rest) > 0 || err != nil {
			t.Errorf("%q, %v", rest, err)
		}
		if diff := cmp.Diff([]string{"RequestReceived", "ResponseStarted 200", "ResponseComplete 200"}, stages(m.wait(t, 3))); diff != "" {
			t.Error(diff)
		}
	})
}

func TestClientGone(t *testing.T) {
	protocols(t, func(t *testing.T, http2 bool) {
		h, m := audited(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, nil)
		s, client := serve(t, h, http2)
		ctx, cancel := context.WithCancel(t.Context())
		r, _ := http.NewRequestWithContext(ctx, "GET", s.URL+"/slow", nil)
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		answer.Body.Close()
		if diff := cmp.Diff([]string{"RequestReceived", "ResponseComplete 200"}, stages(m.wait(t, 2))); diff != "" {
			t.Error(diff)
		}
	})
}

func TestUpgrade(t *testing.T) {
	for _, byController := range []bool{false, true} {
		h, m := audited(t, func(w http.ResponseWriter, r *http.Request) {
			hijack := w.(http.Hijacker).Hijack
			if byController {
				hijack = http.NewResponseController(w).Hijack
			}
			conn, buffered, err := hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			line, _ := buffered.ReadString('\n')
			fmt.Fprint(conn, line)
		}, func(c *capture.Config) { c.Policy = level(audit.LevelRequestResponse) })
		s, _ := serve(t, h, false)
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, "GET "+pods+"/p/exec?command=sh HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		buffered := bufio.NewReader(conn)
		answer, err := http.ReadResponse(buffered, nil)
		if err != nil || answer.StatusCode != 101 {
			t.Fatalf("%v, %v", answer, err)
		}
		if got := m.wait(t, 2); got[1].Stage != audit.StageResponseStarted || got[1].ResponseStatus.Code != 101 {
			t.Errorf("while it runs: %v", stages(got))
		}
		fmt.Fprint(conn, "hello\n")
		if line, err := buffered.ReadString('\n'); line != "hello\n" || err != nil {
			t.Errorf("%q, %v", line, err)
		}
		conn.Close()
		if diff := cmp.Diff([]string{"RequestReceived", "ResponseStarted 101", "ResponseComplete 101"}, stages(m.wait(t, 3))); diff != "" {
			t.Error(diff)
		}
	}
}

// hidden is a ResponseWriter of somebody else's that can hijack only through Unwrap.
type hidden struct{ http.ResponseWriter }

func (h hidden) Unwrap() http.ResponseWriter { return h.ResponseWriter }

func TestHiddenHijack(t *testing.T) {
	h, m := audited(t, func(w http.ResponseWriter, r *http.Request) {
		if _, ok := w.(http.Hijacker); ok {
			t.Error("is a Hijacker")
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.Close()
	}, nil)
	s, client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(hidden{w}, r) }), false)
	if answer, err := client.Get(s.URL); err == nil {
		answer.Body.Close()
	}
	if diff := cmp.Diff([]string{"RequestReceived", "ResponseComplete 101"}, stages(m.wait(t, 2))); diff != "" {
		t.Error(diff)
	}
}

func TestNoHijack(t *testing.T) {
	h, m := audited(t, func(w http.ResponseWriter, r *http.Request) {
		if _, _, err := http.NewResponseController(w).Hijack(); err == nil {
			t.Error("hijacked")
		}
		w.WriteHeader(400)
	}, nil)
	s, client := serve(t, h, true)
	answer, err := client.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if diff := cmp.Diff([]string{"RequestReceived", "ResponseComplete 400"}, stages(m.wait(t, 2))); diff != "" {
		t.Error(diff)
	}
}

func TestEarlyHints(t *testing.T) {
	protocols(t, func(t *testing.T, http2 bool) {
		h, m := audited(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "</a>")
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusNotFound)
		}, nil)
		s, client := serve(t, h, http2)
		hints := 0
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
			hints = code
			return nil
		}})
		r, _ := http.NewRequestWithContext(ctx, "GET", s.URL, nil)
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if e := m.wait(t, 2)[1]; hints != 103 || answer.StatusCode != 404 || e.ResponseStatus.Code != 404 {
			t.Errorf("hints %d, answer %d, event %d", hints, answer.StatusCode, e.ResponseStatus.Code)
		}
	})
}

// TestFile sends a file, which net/http hands to the kernel if nobody looks at it.
func TestFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f.json")
	content := `{"a":"` + strings.Repeat("x", 100_000) + `"}`
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, level := range []audit.Level{audit.LevelMetadata, audit.LevelRequestResponse} {
		protocols(t, func(t *testing.T, http2 bool) {
			h, m := audited(t, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) }, func(c *capture.Config) {
				c.Policy = &policy.Policy{Rules: []policy.Rule{{Level: level}}}
			})
			s, client := serve(t, h, http2)
			answer, err := client.Get(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if string(b) != content || err != nil {
				t.Errorf("got %d bytes, %v", len(b), err)
			}
			e := m.wait(t, 2)[1]
			if want := level == audit.LevelRequestResponse; want && string(e.ResponseObject) != content || !want && e.ResponseObject != nil {
				t.Errorf("recorded %d bytes", len(e.ResponseObject))
			}
		})
	}
}

// TestReadFrom: what is not looked at goes the short way, also after a beginning that was.
func TestReadFrom(t *testing.T) {
	for _, c := range []struct {
		name, contentType, body string
		byKernel                int
	}{
		{"text", "text/plain", strings.Repeat("x", 10000), 10000 - 512},
		{"json", "application/json", `{"kind":"Pod"` + strings.Repeat("x", 99987), 100000 - 512},
		{"status", "application/json", notFound, 0},
	} {
		w := &readerFrom{ResponseRecorder: httptest.NewRecorder()}
		h, m := audited(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", c.contentType)
			if n, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader(c.body)); n != int64(len(c.body)) || err != nil {
				t.Errorf("%s: %d, %v", c.name, n, err)
			}
		}, nil)
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if w.Body.String() != c.body || c.byKernel == 0 != (w.direct == 0) || w.direct > c.byKernel {
			t.Errorf("%s: %d bytes, %d of them directly, want %d", c.name, w.Body.Len(), w.direct, c.byKernel)
		}
		if e := last(t, m); (e.ResponseStatus.Reason == "NotFound") != (c.name == "status") {
			t.Errorf("%s: %+v", c.name, e.ResponseStatus)
		}
	}
}

type readerFrom struct {
	*httptest.ResponseRecorder
	direct int
}

func (r *readerFrom) ReadFrom(src io.Reader) (int64, error) {
	n, err := io.Copy(struct{ io.Writer }{r.ResponseRecorder}, src)
	r.direct += int(n)
	return n, err
}

// TestVariants: the handler's writer can what the one below can, and no more.
func TestVariants(t *testing.T) {
	type (
		f struct{ http.Flusher }
		h struct{ http.Hijacker }
		r struct{ io.ReaderFrom }
		p struct{ http.Pusher }
	)
	type w struct{ http.ResponseWriter }
	base := w{httptest.NewRecorder()}
	for _, below := range []http.ResponseWriter{
		base, struct {
			w
			f
		}{w: base}, struct {
			w
			h
		}{w: base}, struct {
			w
			r
		}{w: base}, struct {
			w
			p
		}{w: base}, struct {
			w
			f
			h
		}{w: base}, struct {
			w
			f
			r
		}{w: base}, struct {
			w
			f
			p
		}{w: base}, struct {
			w
			h
			r
		}{w: base}, struct {
			w
			h
			p
		}{w: base}, struct {
			w
			r
			p
		}{w: base}, struct {
			w
			f
			h
			r
		}{w: base}, struct {
			w
			f
			h
			p
		}{w: base}, struct {
			w
			f
			r
			p
		}{w: base}, struct {
			w
			h
			r
			p
		}{w: base}, struct {
			w
			f
			h
			r
			p
		}{w: base},
	} {
		handler, _ := audited(t, func(got http.ResponseWriter, _ *http.Request) {
			if a, b := abilities(below), abilities(got); a != b {
				t.Errorf("below %s, within %s", a, b)
			}
		}, nil)
		handler.ServeHTTP(below, httptest.NewRequest("GET", "/", nil))
	}
}

func abilities(w http.ResponseWriter) (s string) {
	if _, ok := w.(http.Flusher); ok {
		s += "F"
	}
	if _, ok := w.(http.Hijacker); ok {
		s += "H"
	}
	if _, ok := w.(io.ReaderFrom); ok {
		s += "R"
	}
	if _, ok := w.(http.Pusher); ok {
		s += "P"
	}
	return s
}

// TestMany runs requests of all kinds at once, for the race detector.
func TestMany(t *testing.T) {
	h, m := audited(t, func(w http.ResponseWriter, r *http.Request) {
		go func(ctx context.Context) { capture.Annotate(ctx, "late", "perhaps") }(r.Context())
		capture.Annotate(r.Context(), "a", "b")
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.Write(b)
	}, func(c *capture.Config) { c.Policy = level(audit.LevelRequestResponse) })
	s, client := serve(t, h, true)
	client.Transport.(*http.Transport).TLSClientConfig.MinVersion = tls.VersionTLS12
	var all sync.WaitGroup
	const n = 200
	for i := range n {
		all.Go(func() {
			body := fmt.Sprintf(`{"metadata":{"name":"p%d"},"x":"%s"}`, i, strings.Repeat("x", i*10))
			answer, err := client.Post(s.URL+pods, "application/json", strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			b, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			if string(b) != body {
				t.Errorf("sent %.50s, got %.50s", body, b)
			}
		})
	}
	all.Wait()
	for _, e := range m.wait(t, 2*n) {
		if e.Stage == audit.StageResponseComplete && (!bytes.Equal(e.RequestObject, e.ResponseObject) || !strings.Contains(string(e.RequestObject), `"`+e.ObjectRef.Name+`"`)) {
			t.Errorf("%s: %.50s and %.50s", e.ObjectRef.Name, e.RequestObject, e.ResponseObject)
		}
	}
}
