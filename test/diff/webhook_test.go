package diff

import (
	"context"
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
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	auditinternal "k8s.io/apiserver/pkg/apis/audit"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	upstreamwebhook "k8s.io/apiserver/plugin/pkg/audit/webhook"
	"pgregory.net/rapid"

	"annals.dev/sink"
	"annals.dev/sink/webhook"
)

// receiver keeps the requests that it gets, and answers as its script says, the last answer again and again.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	script   []func(http.ResponseWriter)
	requests []string
	bodies   []string
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		b, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.requests = append(r.requests, fmt.Sprintf("%s %s %v", q.Method, q.URL, q.Header))
		r.bodies = append(r.bodies, string(b))
		if len(r.script) > 0 {
			r.script[min(len(r.requests), len(r.script))-1](w)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// took returns what came since it was last called.
func (r *receiver) took() (requests, bodies string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	requests, bodies = strings.Join(r.requests, "\n"), strings.Join(r.bodies, "\n")
	r.requests, r.bodies = nil, nil
	return requests, bodies
}

const kubeconfigText = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
users: [{name: u, user: {}}]
current-context: x
`

func kubeconfig(t *testing.T, server string) string {
	file := filepath.Join(t.TempDir(), "kubeconfig")
	must(os.WriteFile(file, fmt.Appendf(nil, kubeconfigText, server), 0o600))
	return file
}

// hooks are both sides, with short pauses.
func hooks(t *testing.T, server string) (func(...*auditinternal.Event) bool, sink.Sink) {
	file := kubeconfig(t, server)
	theirs, err := upstreamwebhook.NewBackend(file, auditv1.SchemeGroupVersion, wait.Backoff{Duration: time.Millisecond, Factor: 1.5, Steps: 5}, nil)
	must(err)
	ours, err := webhook.New(webhook.Config{Kubeconfig: file, InitialBackoff: time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	must(err)
	t.Cleanup(func() { must(ours.Close(context.Background())) })
	return theirs.ProcessEvents, ours
}

func TestRandomEventsArePostedTheSame(t *testing.T) {
	r := newReceiver(t)
	theirs, ours := hooks(t, r.URL+"/some/path")
	check(t, 5, func(t *rapid.T) {
		var events []*auditinternal.Event
		for range rapid.IntRange(1, 4).Draw(t, "events") {
			events = append(events, drawJSONEvent(t))
		}
		ourErr := ours.Send(context.Background(), ourLines(events)...)
		ourRequests, ourBodies := r.took()
		ok := theirs(events...)
		theirRequests, theirBodies := r.took()
		same(t, "webhook.ok", fmt.Sprint(ourErr == nil), fmt.Sprint(ok), written{events})
		same(t, "webhook.body", ourBodies, theirBodies, written{events})
		same(t, "webhook.request", ourRequests, theirRequests, written{events})
	})
}

// posted is a case of a receiver's answers.
type posted struct {
	script string
	events int
}

func TestAnswersAreTakenTheSame(t *testing.T) {
	status := func(code int, header ...string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
		}
	}
	breaks := func(w http.ResponseWriter) {
		conn, _, err := http.NewResponseController(w).Hijack()
		must(err)
		conn.Close()
	}
	for name, script := range map[string][]func(http.ResponseWriter){
		"200": {status(200)}, "204": {status(204)}, "206": {status(206)}, "207": {status(207)}, "226": {status(226)}, "304": {status(304)},
		"500, 200": {status(500), status(200)}, "503, 502, 504, 500, 200": {status(503), status(502), status(504), status(500), status(200)}, "500": {status(500)}, "501": {status(501)},
		"401": {status(401)}, "403, 200": {status(403), status(200)}, "404": {status(404)}, "409": {status(409)}, "429, 200": {status(429), status(200)},
		"breaks, 200": {breaks, status(200)}, "breaks": {breaks},
		"400": {status(400)}, "413": {status(413)}, "422": {status(422)},
		"503 after 1 s, 200": {status(503, "Retry-After", "1"), status(200)}, "429 after 0 s, 200": {status(429, "Retry-After", "0"), status(200)}, "400 after 1 s, 200": {status(400, "Retry-After", "1"), status(200)},
		"307": {status(307, "Location", "/elsewhere"), status(200)}, "302": {status(302, "Location", "/elsewhere"), status(200)},
	} {
		for _, n := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s for %d", name, n), func(t *testing.T) {
				t.Parallel()
				r := newReceiver(t)
				r.script = script
				theirs, ours := hooks(t, r.URL)
				var events []*auditinternal.Event
				for i := range n {
					events = append(events, &auditinternal.Event{Level: auditinternal.LevelMetadata, AuditID: "a", Verb: fmt.Sprint(i)})
				}
				ok := theirs(events...)
				theirRequests, _ := r.took()
				err := ours.Send(context.Background(), ourLines(events)...)
				ourRequests, _ := r.took()
				of := posted{name, n}
				same(t, "webhook.ok", fmt.Sprint(err == nil), fmt.Sprint(ok), of)
				same(t, "webhook.requests", ourRequests, theirRequests, of)
			})
		}
	}
}

// TestServers is about what stands in a kubeconfig.
func TestServersAreReachedTheSame(t *testing.T) {
	r := newReceiver(t)
	for _, path := range []string{"", "/", "/a/b", "/a//b/", "/a?b=c", "/a%2Fb", "/ü"} {
		theirs, ours := hooks(t, r.URL+path)
		e := &auditinternal.Event{}
		theirs(e)
		theirRequests, _ := r.took()
		err := ours.Send(context.Background(), ourLines([]*auditinternal.Event{e})...)
		ourRequests, _ := r.took()
		if err != nil {
			t.Error(err)
		}
		same(t, "webhook.url", ourRequests, theirRequests, path)
	}
}
