package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"annals.dev/audit"
	"annals.dev/capture"
	"annals.dev/internal/access"
	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
	"annals.dev/policy"
)

// Whatever is asked is itself an event, in the cluster ledger.Own: who asked what, from where, and how much was given out. It
// is on disk before the answer ends. Where the ledger takes nothing any more, questions are answered all the same, and the
// log says what could not be recorded: an auditor needs the answers most when something has failed.

// Annotations of these events.
const (
	noteReturned = "annals.dev/returned" // events or rows given
	noteComplete = "annals.dev/complete" // whether the answer was whole
	noteBodies   = "annals.dev/bodies"   // "true": bodies were given out
	noteScope    = "annals.dev/scope"    // what whoever asked may see
	noteFailed   = "annals.dev/failed"   // why the question was not answered
	noteQuestion = "annals.dev/question" // of a request whose body is not recorded
	noteToken    = "annals.dev/token"    // the ID of the token that was made or ended
	noteVerified = "annals.dev/verified" // what a verification came to: verdictOf
	noteGranted  = "annals.dev/granted"  // and what it is good for

	decisionKey = "authorization.k8s.io/decision"
	reasonKey   = "authorization.k8s.io/reason"

	extraToken = "annals.dev/token" // in user.extra: the ID of the token with which it was asked
	extraUID   = "annals.dev/uid"   // in user.extra: the user's number on the server's machine
	ownGroup   = "annals.dev"
)

// ownPolicy is what is recorded. Questions are small; a token's text is in none but those of the resources signins and tokens.
const ownPolicy = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None # they tell nothing of events
  resources: [{group: annals.dev, resources: [me, fields, openapi.json, api]}]
- level: Metadata
  resources: [{group: annals.dev, resources: [signins, tokens]}]
- level: Request
`

// refusalPolicy is what is recorded of those who are not let in: whatever they were after, but nothing of what they send, since
// nobody without a token decides what the ledger holds.
const refusalPolicy = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
`

// recorded makes an event of each request to next. Whoever asks was put into the context before.
func (c *core) recorded(next http.Handler) http.Handler { return c.recordedBy(ownPolicy, next) }

func (c *core) recordedBy(rules string, next http.Handler) http.Handler {
	p, err := policy.Parse([]byte(rules), policy.Options{})
	if err != nil {
		panic(err) // it is a constant
	}
	h, err := capture.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { tellOf(next, w, r) }), capture.Config{
		Policy: p, Sink: &ownSink{c}, RequestInfo: actOf, Log: c.log, MaxBody: maxQuestion,
		LongRunning: func(r *http.Request, info *capture.RequestInfo) bool {
			return longOf(r.Context()) != nil || info.Resource == "imports"
		},
	})
	if err != nil {
		panic(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Audit-Id") // it is ours to give: whoever asks must not choose which events look like one request
		spend, err := c.limits.record(askerOf(r.Context()))
		if err != nil {
			fail(w, r, err)
			return
		}
		sent := &counted{ReadCloser: r.Body}
		if r.URL.Path != api+"import" { // its content is events, not a question
			r.Body = sent
		}
		h.ServeHTTP(w, r)
		spend(sent.n + int64(len(r.RequestURI)+len(r.UserAgent())) + 1<<10)
	})
}

// counted counts what is read of a body.
type counted struct {
	io.ReadCloser
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n += int64(n)
	return n, err
}

// acts are what requests do, by what stands behind /api/v1/. What is not here is got: resource/subresource.
var acts = map[string]struct{ verb, resource, subresource string }{
	"events":           {"list", "events", ""},
	"tail":             {"watch", "events", ""},
	"event":            {"get", "events", ""},
	"hits":             {"list", "events", "hits"},
	"facets":           {"list", "events", "facets"},
	"values":           {"list", "events", "values"},
	"neighbours":       {"list", "events", "neighbours"},
	"overview":         {"list", "events", "overview"},
	"export":           {"create", "exports", ""},
	"sql":              {"create", "sql", ""},
	"proof":            {"get", "proofs", ""},
	"import":           {"create", "imports", ""},
	"ask":              {"get", "questions", ""},
	"tokens/list":      {"list", "tokens", ""},
	"tokens/create":    {"create", "tokens", ""},
	"tokens/revoke":    {"delete", "tokens", ""},
	"findings":         {"list", "findings", ""},
	"findings/groups":  {"list", "findings", "groups"},
	"findings/finding": {"get", "findings", ""},
	"findings/tail":    {"watch", "findings", ""},
	"rules":            {"list", "rules", ""},
	"rules/rule":       {"get", "rules", ""},
	"rules/hunt":       {"create", "rules", "hunt"},
	"rules/save":       {"create", "rules", ""},
	"rules/remove":     {"delete", "rules", ""},
	"silences":         {"list", "silences", ""},
	"silences/create":  {"create", "silences", ""},
	"silences/expire":  {"delete", "silences", ""},
	"alerts":           {"list", "alerts", ""},
	"alerts/test":      {"create", "alerts", "test"},
	"":                 {"get", "api", ""},
	"session:POST":     {"create", "signins", ""},
	"session:DELETE":   {"delete", "signins", ""},
}

// actOf says what a request is about.
func actOf(r *http.Request) (*capture.RequestInfo, error) {
	name := strings.Trim(strings.TrimPrefix(r.URL.Path, "/api/v1"), "/")
	if name == "session" {
		name += ":" + r.Method
	}
	act, ok := acts[name]
	if !ok {
		act.verb = "get"
		act.resource, act.subresource, _ = strings.Cut(name, "/")
	}
	if long := longOf(r.Context()); long != nil && long.watches {
		act.verb = "watch"
	}
	return &capture.RequestInfo{APIVersion: "v1", Attributes: policy.Attributes{
		Verb: act.verb, ResourceRequest: true, APIGroup: ownGroup, Resource: act.resource, Subresource: act.subresource, Path: r.URL.Path,
	}}, nil
}

// withUser puts whoever asks into the context, for the record.
func withUser(ctx context.Context, by access.Caller, name string, uid int) context.Context {
	u := &audit.UserInfo{Username: name, Groups: []string{"annals:role:" + string(by.Role)}}
	if by.TokenID != "" {
		u.Extra = map[string][]string{extraToken: {by.TokenID}}
	} else if uid >= 0 {
		u.Extra = map[string][]string{extraUID: {strconv.Itoa(uid)}}
	}
	return capture.WithUser(ctx, u)
}

// longQuestion is one whose answer may go on for long. It is on record when the answer begins, and so not as a body.
type longQuestion struct {
	text    string
	watches bool // for what is yet to come
}

type longKey struct{}

func longOf(ctx context.Context) *longQuestion {
	q, _ := ctx.Value(longKey{}).(*longQuestion)
	return q
}

// markLong looks whether the answer may go on for long.
func markLong(r *http.Request) *http.Request {
	name := strings.TrimPrefix(r.URL.Path, api)
	long := &longQuestion{watches: name != "export"}
	switch {
	case name != "events" && name != "tail" && name != "findings/tail" && name != "export":
		return r
	case r.Method == http.MethodPost:
		var body []byte
		body, r.Body = peekBody(r)
		// Whole, as bodies are: a question could stand behind any number of spaces, or of other members.
		var text bytes.Buffer
		if json.Compact(&text, body) != nil {
			text.Write(body)
		}
		long.text = strings.ToValidUTF8(text.String(), "\uFFFD")
		var q struct {
			Follow bool `json:"follow"`
		}
		if name == "events" && (json.Unmarshal(body, &q) != nil || !q.Follow) {
			return r
		}
	case name == "events":
		if follow, err := strconv.ParseBool(r.URL.Query().Get("follow")); err != nil || !follow {
			return r
		}
	}
	return r.WithContext(context.WithValue(r.Context(), longKey{}, long))
}

// peekBody reads a question, and gives back a body that still has it.
func peekBody(r *http.Request) (question []byte, body io.ReadCloser) {
	// An error comes again when the rest is read.
	question, _ = io.ReadAll(io.LimitReader(r.Body, maxQuestion+1))
	return question, struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(question), r.Body), r.Body}
}

// tellOf has next answer and says in the event how it answered.
func tellOf(next http.Handler, w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	by := askerOf(ctx)
	if long := longOf(ctx); long != nil && long.text != "" {
		capture.Annotate(ctx, noteQuestion, long.text)
	}
	if r.Method == http.MethodPost && r.URL.Path != api+"import" && r.URL.Path != sessionPath {
		_, r.Body = peekBody(r) // a question is on record even if it is refused before anybody reads it
	}
	a := &account{ResponseWriter: w, status: http.StatusOK}
	if by != nil {
		if by.ScopeText != "" {
			capture.Annotate(ctx, noteScope, by.ScopeText)
		}
		a.bodies = by.Bodies
	}
	defer a.tell(ctx, by, r)
	next.ServeHTTP(a, r)
}

// noteImport puts the question of an import on record: what stands behind it is the events themselves.
func noteImport(ctx context.Context, q ImportQuestion) {
	if b, err := json.Marshal(q); err == nil {
		capture.Annotate(ctx, noteQuestion, strings.ToValidUTF8(string(b), ""))
	}
}

func reasonOf(by *asker) string {
	switch {
	case by.Demo:
		return "this is a demo: nobody has to sign in"
	case by.TokenID == "":
		return "the data directory's owner, through its socket"
	}
	return fmt.Sprintf("token %s has the role %s", by.TokenID, by.Role)
}

// recordWithin is how long an answer waits for a ledger that is busy.
const recordWithin = 5 * time.Second

// ownSink appends our own events to the ledger.
type ownSink struct{ c *core }

var tokenText = regexp.MustCompile(access.TokenPrefix + `[a-z2-7]{52}`)

func (s *ownSink) Send(ctx context.Context, events ...[]byte) error {
	err := s.append(ctx, events)
	if err != nil {
		s.c.lost.Add(uint64(len(events)))
	}
	return err
}

func (s *ownSink) append(ctx context.Context, events [][]byte) error {
	b := ledger.Batch{Cluster: ledger.Own, Origin: "annals", Events: make([]format.Event, len(events))}
	for i, text := range events {
		// Somebody may have put a token where it does not belong: into a query, or an address.
		if bytes.Contains(text, []byte(access.TokenPrefix)) {
			text = tokenText.ReplaceAll(text, []byte("(a token)"))
		}
		b.Events[i].Bytes = text
		if err := b.Events[i].View.Parse(text); err != nil {
			return fmt.Errorf("own event: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, recordWithin)
	defer cancel()
	if _, err := s.c.ledger.Append(ctx, b); err != nil {
		return fmt.Errorf("what was asked is not on record: %w", err)
	}
	return nil
}

func (s *ownSink) Close(context.Context) error { return nil }
func (s *ownSink) String() string              { return "ledger" }
