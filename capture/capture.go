// Package capture records requests to an HTTP handler as Kubernetes audit events.
//
// Start with New, which puts a Handler around another. Behind it, the handler within adds to the event with Annotate and
// SetImpersonatedUser. The reverse proxy made of it is package capture/proxy.
//
// It promises: the event is kube-apiserver's for the same policy and request, but for the differences that
// docs/capture.md names; what is not recorded costs nearly nothing; no body is held in memory beyond Config.MaxBody.
package capture

import (
	"context"
	"log/slog"
	"net/http"

	"annals.dev/audit"
	"annals.dev/policy"
	"annals.dev/sink"
)

// Config is what a Handler needs.
type Config struct {
	Policy *policy.Policy // what is recorded; SetPolicy changes it
	Sink   sink.Sink      // where events go; whoever made it closes it

	// Authenticate says who makes a request. Optional: ContextUser, which takes what WithUser put there.
	Authenticate Authenticator
	// Unauthorized answers a request whose caller Authenticate did not accept. Optional: 401 with a Kubernetes Status.
	Unauthorized http.Handler
	// RequestInfo says what a request is about. Optional: Kubernetes paths below /api and /apis.
	RequestInfo func(*http.Request) (*RequestInfo, error)
	// SourceIPs says where a request came from, client first and peer last. Optional: the peer alone.
	SourceIPs func(*http.Request) []string
	// LongRunning says which requests get the stage ResponseStarted. Optional: those that kube-apiserver has so.
	LongRunning func(*http.Request, *RequestInfo) bool
	// Body makes a recorded body JSON. Optional: JSON, YAML and CBOR.
	Body BodyDecoder
	// MaxBody is the most of one body that is kept in memory and recorded; 0 is DefaultMaxBody.
	MaxBody int64

	Log     *slog.Logger // Optional.
	Metrics *Metrics     // Optional.
}

// DefaultMaxBody is kube-apiserver's own limit of a request's body.
const DefaultMaxBody = 3 << 20

// Authenticator says who makes a request.
type Authenticator interface {
	// Authenticate returns the user, or an error if the request's credentials are not accepted; then the request ends with
	// Config.Unauthorized and one event.
	Authenticate(*http.Request) (*audit.UserInfo, error)
}

// RequestInfo is what a request is about.
type RequestInfo struct {
	policy.Attributes        // all but the user
	APIVersion        string // for objectRef
}

// BodyDecoder makes a body JSON. ok is false for one that is not to be recorded. The body is whole and not compressed.
type BodyDecoder func(contentType string, body []byte) (json []byte, ok bool, err error)

// Metrics counts as kube-apiserver does.
type Metrics struct{}

// Handler audits the handler inside it.
type Handler struct{ next http.Handler }

// New puts a Handler around next.
func New(next http.Handler, cfg Config) (*Handler, error) { return &Handler{next}, nil }

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.next.ServeHTTP(w, r) }

// SetPolicy changes what is recorded from the next request on. The change is itself recorded, as an event whose user is
// by.
func (h *Handler) SetPolicy(p *policy.Policy, by string) error { return nil }

// WithUser is ctx with who makes the request, for a handler that stands behind one that authenticates.
func WithUser(ctx context.Context, u *audit.UserInfo) context.Context { return ctx }

// ContextUser is an Authenticator that takes what WithUser put into the request's context; without it, nobody.
var ContextUser Authenticator

// Annotate adds an annotation to the request's event. The first value of a key stays.
func Annotate(ctx context.Context, key, value string) {}

// SetImpersonatedUser says as whom the request acts, from the next stage on. constraint is by what right, or "".
func SetImpersonatedUser(ctx context.Context, u *audit.UserInfo, constraint string) {}

// AuditID is the request's audit ID, "" outside a Handler.
func AuditID(ctx context.Context) string { return "" }
