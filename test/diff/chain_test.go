package diff

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	auditinternal "k8s.io/apiserver/pkg/apis/audit"
	upstreamaudit "k8s.io/apiserver/pkg/audit"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/filters"
	"k8s.io/apiserver/pkg/endpoints/filters/impersonation"
	upstreamlog "k8s.io/apiserver/plugin/pkg/audit/log"
	"k8s.io/client-go/kubernetes/scheme"

	"annals.dev/audit"
	"annals.dev/capture"
	"annals.dev/test/diff/upstream"
)

// identities are who the bearer tokens are for.
var identities = map[string]*user.DefaultInfo{
	"jane":  {Name: "jane", UID: "u1", Groups: []string{"devs", "system:authenticated"}, Extra: map[string][]string{"example.com/x": {"1", "<2>"}, "a": nil, "b": {}}},
	"admin": {Name: "admin", Groups: []string{"system:masters"}},
	"ops":   {Name: "ops"},
	"anon":  {Name: "system:anonymous", Groups: []string{"system:unauthenticated"}},
	"empty": {},
}

// authenticate is who makes a request, on both sides.
func authenticate(r *http.Request) (*user.DefaultInfo, error) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil, errors.New("no token")
	}
	u, ok := identities[token]
	if !ok {
		return nil, errors.New("unknown token")
	}
	return u, nil
}

type upstreamAuthenticator struct{}

func (upstreamAuthenticator) AuthenticateRequest(r *http.Request) (*authenticator.Response, bool, error) {
	u, err := authenticate(r)
	return &authenticator.Response{User: u}, err == nil, err
}

type ourAuthenticator struct{}

func (ourAuthenticator) Authenticate(r *http.Request) (*audit.UserInfo, error) {
	u, err := authenticate(r)
	if err != nil {
		return nil, err
	}
	return ourIdentity(u), nil
}

func ourIdentity(u user.Info) *audit.UserInfo {
	return &audit.UserInfo{Username: u.GetName(), UID: u.GetUID(), Groups: u.GetGroups(), Extra: u.GetExtra()}
}

// authorize allows all but the namespace forbidden, and fails for the namespace broken. admin may impersonate by the older
// right to do so, ops by the newer, constrained ones.
func authorize(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	switch {
	case strings.HasPrefix(a.GetVerb(), "impersonate"):
		if older := a.GetVerb() == "impersonate"; older && a.GetUser().GetName() == "admin" || !older && a.GetUser().GetName() == "ops" {
			return authorizer.DecisionAllow, "RBAC: allowed", nil
		}
		return authorizer.DecisionNoOpinion, "no RBAC policy matched", nil
	case a.GetNamespace() == "forbidden" || a.GetPath() == "/forbidden":
		return authorizer.DecisionNoOpinion, `no "RBAC" policy <matched>`, nil
	case a.GetNamespace() == "broken":
		return authorizer.DecisionNoOpinion, "", errors.New("webhook down")
	}
	return authorizer.DecisionAllow, `RBAC: allowed by "x"`, nil
}

// tells is the authorizer that writes into our events what upstream's filter writes into its own.
type tells struct{}

func (tells) Authorize(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	decision, reason, err := authorize(ctx, a)
	switch {
	case strings.HasPrefix(a.GetVerb(), "impersonate"):
	case err != nil:
		capture.Annotate(ctx, "authorization.k8s.io/reason", "internal error")
	case decision == authorizer.DecisionAllow:
		capture.Annotate(ctx, "authorization.k8s.io/decision", "allow")
		capture.Annotate(ctx, "authorization.k8s.io/reason", reason)
	default:
		capture.Annotate(ctx, "authorization.k8s.io/decision", "forbid")
		capture.Annotate(ctx, "authorization.k8s.io/reason", reason)
	}
	return decision, reason, err
}

// upstreamEvents keeps events as the lines that upstream's log has. Nobody else may touch an event while it is written.
type upstreamEvents struct {
	mu    sync.Mutex
	lines []string
}

func (s *upstreamEvents) ProcessEvents(events ...*auditinternal.Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		line := upstreamLine(e, upstreamlog.FormatJson)
		if line == "" { // lost, for a body that is not JSON
			e = e.DeepCopy()
			e.RequestObject = nil
			line = "lost " + upstreamLine(e, upstreamlog.FormatJson)
		}
		s.lines = append(s.lines, strings.TrimSuffix(line, "\n"))
	}
	return true
}

// ourEvents is a sink that keeps its events.
type ourEvents struct {
	mu    sync.Mutex
	lines []string
}

func (s *ourEvents) Send(_ context.Context, events ...[]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		s.lines = append(s.lines, string(e))
	}
	return nil
}

func (s *ourEvents) Close(context.Context) error { return nil }
func (s *ourEvents) String() string              { return "events" }

// upstreamSide is kube-apiserver's chain around the endpoint.
func upstreamSide(p *auditinternal.Policy, sink *upstreamEvents) http.Handler {
	return upstream.Chain(http.HandlerFunc(endpoint), upstream.Config{Policy: p, Sink: sink, Authenticator: upstreamAuthenticator{}, Authorizer: authorizer.AuthorizerFunc(authorize)})
}

// ourSide is our handler around the same endpoint, with upstream's own impersonation and authorization before it.
func ourSide(p *auditinternal.Policy, sink *ourEvents) http.Handler {
	h := filters.WithAuthorization(http.HandlerFunc(endpoint), tells{}, scheme.Codecs)
	h = impersonation.WithConstrainedImpersonation(tellsImpersonation(h), tells{}, scheme.Codecs)
	h = filters.WithAuthentication(h, upstreamAuthenticator{}, http.NotFoundHandler(), nil, nil)
	h = filters.WithRequestDeadline(h, nil, nil, upstream.LongRunning, scheme.Codecs, time.Minute)
	h = filters.WithRequestInfo(h, upstream.Resolver)
	h = withHiddenAudit(h)
	ours, err := capture.New(h, capture.Config{
		Log:    slog.New(slog.DiscardHandler),
		Policy: ourPolicy(p), Sink: sink, Authenticate: ourAuthenticator{}, SourceIPs: capture.ForwardedSourceIPs,
		Unauthorized: filters.WithRequestInfo(filters.Unauthorized(scheme.Codecs), upstream.Resolver),
	})
	must(err)
	return ours
}

// hidden is an audit sink of upstream's behind our handler: where upstream's impersonation filter tells what it decided.
type hidden struct{ last *auditinternal.Event }

func (h *hidden) ProcessEvents(events ...*auditinternal.Event) bool {
	h.last = events[len(events)-1].DeepCopy()
	return true
}

type hiddenKey struct{}

func withHiddenAudit(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sink := &hidden{}
		ctx := context.WithValue(upstreamaudit.WithAuditContext(r.Context()), hiddenKey{}, sink)
		must(upstreamaudit.AuditContextFrom(ctx).Init(upstreamaudit.RequestAuditConfig{Level: auditinternal.LevelMetadata}, sink))
		h.ServeHTTP(w, r.WithContext(ctx))
	})
}

// tellsImpersonation passes on whom the request now acts as.
func tellsImpersonation(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sink := r.Context().Value(hiddenKey{}).(*hidden)
		upstreamaudit.AuditContextFrom(r.Context()).ProcessEventStage(r.Context(), auditinternal.StageResponseStarted)
		if as := sink.last.ImpersonatedUser; as != nil {
			u, constraint := ourUser(*as), ""
			if m := sink.last.AuthenticationMetadata; m != nil {
				constraint = m.ImpersonationConstraint
			}
			capture.SetImpersonatedUser(r.Context(), &u, constraint)
		}
		h.ServeHTTP(w, r)
	})
}

// side is a server, over HTTP/1.1 and HTTP/2, whose handler is another for each request.
type side struct {
	handler  atomic.Pointer[http.Handler]
	one, two *httptest.Server
	anew     *http.Client // makes a new connection for each request
}

func newSide() *side {
	s := &side{}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.handler.Load()).ServeHTTP(w, r) })
	s.one, s.two = httptest.NewUnstartedServer(h), httptest.NewUnstartedServer(h)
	for _, server := range []*httptest.Server{s.one, s.two} {
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
	}
	s.one.Start()
	s.two.EnableHTTP2 = true
	s.two.StartTLS()
	for _, server := range []*httptest.Server{s.one, s.two} {
		server.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		server.Client().Transport.(*http.Transport).DisableCompression = true
	}
	transport := s.one.Client().Transport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	s.anew = &http.Client{Transport: transport}
	return s
}

func (s *side) close() {
	s.one.Close()
	s.two.Close()
}

// call is a request, and the policy that decides how it is recorded.
type call struct {
	policy  *auditinternal.Policy
	method  string
	url     string
	header  http.Header
	body    []byte
	http2   bool
	unsized bool // the body is sent in chunks
	leaves  bool // the client goes when the answer begins
}

func (c *call) String() string {
	return fmt.Sprintf("%s\n%s %s (HTTP/2 %v, unsized %v, leaves %v)\n%v\n%q", asJSON(ourPolicy(c.policy)), c.method, c.url, c.http2, c.unsized, c.leaves, c.header, c.body)
}

// send makes the request and waits until the server has done with it. It returns what the client sees.
func (s *side) send(t fails, c *call, h http.Handler) (a answer, id string) {
	t.Helper()
	done := make(chan struct{}, 8)
	var counted http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { done <- struct{}{} }()
		h.ServeHTTP(w, r)
	})
	s.handler.Store(&counted)
	finish := func() {
		t.Helper()
		select {
		case <-done:
		case <-time.After(patience):
			t.Fatalf("the handler has not returned after %v\n%v", patience, c)
		}
	}
	server, client := s.one, s.one.Client()
	switch {
	case c.http2:
		server, client = s.two, s.two.Client()
	case c.header.Get(doHeader) != "": // a client repeats a request if a connection that it used before breaks
		client = s.anew
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), patience, errors.New("no answer came"))
	defer cancel()
	var body io.Reader
	if c.body != nil {
		body = bytes.NewReader(c.body)
		if c.unsized {
			body = io.MultiReader(body)
		}
	}
	r, err := http.NewRequestWithContext(ctx, c.method, server.URL+c.url, body)
	if err != nil {
		t.Fatalf("%v\n%v", err, c)
	}
	r.Header = c.header.Clone()
	resp, err := client.Do(r)
	if ctx.Err() != nil {
		t.Fatalf("%v within %v\n%v", context.Cause(ctx), patience, c)
	}
	if err != nil {
		finish()
		return answer{}, ""
	}
	if c.leaves {
		cancel()
	}
	b, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	finish()
	id = resp.Header.Get("Audit-Id")
	resp.Header.Del("Audit-Id")
	resp.Header.Del("Date")
	if c.leaves {
		return answer{code: resp.StatusCode}, id
	}
	return answer{resp.StatusCode, resp.Header, resp.Trailer, b, err != nil && resp.StatusCode != http.StatusSwitchingProtocols}, id
}

// patience is how long a request that hangs is waited for.
const patience = 10 * time.Second

// answer is what a client sees of one. Its code is 0 if there was none.
type answer struct {
	code            int
	header, trailer http.Header
	body            []byte
	short           bool // it broke off
}

func (a answer) String() string {
	return fmt.Sprintf("%d %v %v %q broke off: %v", a.code, a.header, a.trailer, a.body, a.short)
}

// exchange is a case of a request to both.
type exchange struct {
	call           *call
	answer         answer // of our side
	ours, upstream events
	our, their     fields // the events that are compared
	stage          string
}

func (e *exchange) String() string {
	return fmt.Sprintf("%v\nour events\n%s\nupstream's\n%s", e.call, e.ours, e.upstream)
}

// fields are an event's members.
type fields map[string]json.RawMessage

type events struct {
	lines []string
	list  []fields
}

func (e events) String() string { return strings.Join(e.lines, "\n") }

func (e events) stages() (stages []string) {
	for _, f := range e.list {
		stages = append(stages, string(f["stage"]))
	}
	return stages
}

// read reads events, and takes out of them what is another for each request: they must have the audit ID, and times that
// follow on one another.
func read(t fails, lines []string, id, sent string) (e events) {
	t.Helper()
	e.lines = lines
	for _, line := range lines {
		f := fields{}
		rest, lost := strings.CutPrefix(line, "lost ")
		if err := json.Unmarshal([]byte(rest), &f); err != nil {
			t.Fatalf("%v\n%s", err, line)
		}
		if lost {
			f["lost"] = json.RawMessage("true")
		}
		var got string
		var received, at audit.MicroTime
		for key, into := range map[string]any{"auditID": &got, "requestReceivedTimestamp": &received, "stageTimestamp": &at} {
			if err := json.Unmarshal(f[key], into); err != nil {
				t.Fatalf("%s: %v\n%s", key, err, line)
			}
			delete(f, key)
		}
		if sent != "" && got != sent || sent == "" && (id != "" && got != id || len(got) != 36) {
			t.Fatalf("the audit ID is %q, the client sent %q and got %q\n%s", got, sent, id, line)
		}
		if received.IsZero() || at.Before(received.Time) || string(f["stage"]) == `"RequestReceived"` && !at.Equal(received.Time) {
			t.Fatalf("the times are wrong\n%s", line)
		}
		e.list = append(e.list, f)
	}
	return e
}

// compare makes a request to both sides and compares what the clients get and what is recorded.
func (p *pair) compare(t fails, c *call) {
	t.Helper()
	theirSink, ourSink := &upstreamEvents{}, &ourEvents{}
	x := &exchange{call: c}
	theirAnswer, theirID := p.upstream.send(t, c, upstreamSide(c.policy, theirSink))
	ourAnswer, ourID := p.ours.send(t, c, ourSide(c.policy, ourSink))
	x.upstream, x.ours = read(t, theirSink.lines, theirID, c.header.Get("Audit-Id")), read(t, ourSink.lines, ourID, c.header.Get("Audit-Id"))

	x.answer = ourAnswer
	same(t, "answer", ourAnswer.String(), theirAnswer.String(), x)
	ourStages, theirStages := x.ours.stages(), x.upstream.stages()
	same(t, "stages", fmt.Sprint(ourStages), fmt.Sprint(theirStages), x)
	for i, their := range x.upstream.list {
		n := i
		if n >= len(x.ours.list) || ourStages[n] != theirStages[i] {
			n = slices.Index(ourStages, theirStages[i])
		}
		if n < 0 {
			continue // an entry of Differences explained that
		}
		x.our, x.their, x.stage = x.ours.list[n], their, strings.Trim(theirStages[i], `"`)
		for _, key := range eventKeys {
			same(t, "event."+key, string(x.our[key]), string(their[key]), x)
		}
		for key := range x.our {
			if !slices.Contains(eventKeys, key) {
				t.Fatalf("an event has a member %s\n%v", key, x)
			}
		}
	}
}

var eventKeys = []string{"kind", "apiVersion", "level", "stage", "requestURI", "verb", "user", "impersonatedUser", "authenticationMetadata", "sourceIPs", "userAgent", "objectRef", "responseStatus",
	"requestObject", "responseObject", "annotations", "lost"}

// pair is both sides.
type pair struct{ ours, upstream *side }

func newPair(t *testing.T) *pair {
	p := &pair{newSide(), newSide()}
	t.Cleanup(func() {
		p.ours.close()
		p.upstream.close()
	})
	return p
}
