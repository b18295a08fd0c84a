package capture_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"annals.dev/audit"
	"annals.dev/capture"
	"annals.dev/policy"

	"github.com/google/go-cmp/cmp"
)

// A copy that fails before its first byte has not begun the answer: the code that the client gets is the one that follows.
func TestReadFromNothing(t *testing.T) {
	for _, l := range []audit.Level{audit.LevelMetadata, audit.LevelRequestResponse} {
		h, m := audited(t, func(w http.ResponseWriter, r *http.Request) {
			if n, err := w.(io.ReaderFrom).ReadFrom(iotest.ErrReader(errors.New("the disk is broken"))); n == 0 && err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
			}
		}, func(c *capture.Config) { c.Policy = level(l) })
		s, client := serve(t, h, false)
		answer, err := client.Get(s.URL + "/file")
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		want := []string{"RequestReceived", fmt.Sprintf("ResponseComplete %d", answer.StatusCode)}
		if diff := cmp.Diff(want, stages(m.wait(t, 2))); diff != "" || answer.StatusCode != http.StatusBadGateway {
			t.Errorf("%s: the client got %d: %s", l, answer.StatusCode, diff)
		}
	}
}

// A handler that unpacks a request's body says so in the request's header, which is its own. What was sent stays what it was.
func TestRequestHeaderChanges(t *testing.T) {
	h, m := audited(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		r.Header.Del("Content-Encoding")
		r.Header.Set("Content-Type", "text/plain")
		r.ContentLength = -1
	}, func(c *capture.Config) { c.Policy = level(audit.LevelRequest) })
	r := httptest.NewRequest("POST", pods, strings.NewReader(zipped("kind: Pod\n")))
	r.Header.Set("Content-Encoding", "gzip")
	r.Header.Set("Content-Type", "application/yaml")
	h.ServeHTTP(httptest.NewRecorder(), r)
	last := m.events()[1]
	if got := string(last.RequestObject); got != `{"kind":"Pod"}` || last.Annotations != nil {
		t.Errorf("%s, %v", got, last.Annotations)
	}
}

// Whether an answer is a Status shows in its first bytes: white space that drips for ever is neither kept nor read again and
// again.
func TestEndlessWhiteSpace(t *testing.T) {
	h, m := audited(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		for range 1 << 10 {
			w.Write(bytes.Repeat([]byte{' '}, 1<<10))
		}
	}, nil)
	w := &counting{ResponseWriter: httptest.NewRecorder()}
	w.wrote = func() { w.stages = stages(m.events()) }
	h.ServeHTTP(w, httptest.NewRequest("GET", pods+"?watch=true", nil))
	if want := []string{"RequestReceived", "ResponseStarted 403"}; !cmp.Equal(want, w.stages) {
		t.Errorf("after 1 MiB of white space: %v", w.stages)
	}
}

// counting calls wrote at each Write.
type counting struct {
	http.ResponseWriter
	wrote  func()
	stages []string
}

func (c *counting) Write(b []byte) (int, error) {
	c.wrote()
	return len(b), nil
}

// A sink that is down is said in the log once in a while, and not for each request, nor with what a client chose.
func TestLogIsNotFlooded(t *testing.T) {
	var text bytes.Buffer
	h, m := audited(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		capture.Annotate(r.Context(), "a", "1")
		capture.Annotate(r.Context(), "a", "2")
	}, func(c *capture.Config) {
		c.Log = slog.New(slog.NewTextHandler(&text, nil))
		c.Body = func(string, []byte) ([]byte, bool, error) { panic("oh") }
	})
	m.refuse = func(e *audit.Event) bool { return e.Stage == audit.StageResponseComplete }
	for range 100 {
		r := httptest.NewRequest("POST", pods, strings.NewReader("{}"))
		r.Header.Set("Audit-ID", strings.Repeat("x", 1000))
		r.Header.Set("Content-Type", "application/yaml;"+strings.Repeat("x", 1000))
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	if n := strings.Count(text.String(), "\n"); n != 3 || text.Len() > 1000 {
		t.Errorf("%d lines, %d bytes: %.300s", n, text.Len(), text.String())
	}
}

// A policy that is being copied into its file is a policy with fewer rules until it is whole: it must not come into force.
func TestWatchWhileWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.yaml")
	must(t, os.WriteFile(file, []byte(policyFile+"Metadata\n"), 0o600))
	const begun = policyFile + "None\n  users: [probe]\n"
	synctest.Test(t, func(t *testing.T) {
		h, m := audited(t, nil2, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var watch sync.WaitGroup
		watch.Go(func() { h.Watch(ctx, file, policy.Options{}, "an editor") })
		for i := range 30 { // half written at one look, more at the next
			time.Sleep(400 * time.Millisecond)
			must(t, os.WriteFile(file, []byte(begun+"# "+strings.Repeat("x", i)+"\n"), 0o600))
		}
		must(t, os.WriteFile(file, []byte(begun+"- level: Request\n"), 0o600))
		time.Sleep(time.Minute)
		cancel()
		watch.Wait()
		if list := m.events(); len(list) != 1 || list[0].Level != audit.LevelRequest {
			t.Errorf("%d changes: %s", len(list), bytes.Join(m.lines, []byte("\n")))
		}
	})
}

// What a client chose does not come into an annotation at any length.
func TestNotesAreShort(t *testing.T) {
	for _, c := range []struct{ contentType, encoding, body string }{
		{"application/yaml", "", "? [a]\n: " + strings.Repeat("v", 100000) + "\n"},
		{"text/" + strings.Repeat("x", 100000), "", "text"},
		{"application/json", strings.Repeat("x", 100000), "text"},
	} {
		h, m := audited(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }, func(c *capture.Config) {
			c.Policy = level(audit.LevelRequest)
		})
		r := httptest.NewRequest("POST", pods, strings.NewReader(c.body))
		r.Header.Set("Content-Type", c.contentType)
		r.Header.Set("Content-Encoding", c.encoding)
		h.ServeHTTP(httptest.NewRecorder(), r)
		if note := m.events()[1].Annotations[requestNote]; note == "" || len(note) > 1000 {
			t.Errorf("a note of %d bytes: %.100s", len(note), note)
		}
	}
}

// What a decoder gives is written into the event: no body may go on behind itself, as members of the event.
func TestDecoderInjects(t *testing.T) {
	h, m := audited(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }, func(c *capture.Config) {
		c.Policy = level(audit.LevelRequest)
		c.Body = func(_ string, body []byte) ([]byte, bool, error) { return body, true, nil }
	})
	for _, body := range []string{`{}},"user":{"username":"somebody-else"},"x":{"a":1}`, `{},"verb":"get"`, `{`, ` `} {
		m.lines = nil
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", pods, strings.NewReader(body)))
		e := m.events()[1] // which is JSON
		if e.User.Username != jane.Username || e.Verb != "create" || e.Annotations[requestNote] == "" {
			t.Errorf("%q: %s", body, m.lines[1])
		}
	}
}
