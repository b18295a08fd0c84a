// Package capture records requests to an HTTP handler as Kubernetes audit events.
//
// Start with New, which puts a Handler around another. Behind it, the handler within adds to the event with Annotate and
// SetImpersonatedUser. The reverse proxy made of it is package capture/proxy.
//
// It promises: the event is kube-apiserver's for the same policy and request, but for the differences that
// docs/differences.md names; what is not recorded costs nearly nothing; no body is held in memory beyond Config.MaxBody.
package capture

import (
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
	// RequestInfo says what a request is about. Optional: KubernetesRequestInfo.
	RequestInfo func(*http.Request) (*RequestInfo, error)
	// SourceIPs says where a request came from, client first and peer last. Optional: the peer alone. Others are
	// TrustedSourceIPs and ForwardedSourceIPs.
	SourceIPs func(*http.Request) []string
	// LongRunning says which requests get the stage ResponseStarted, and are streams, whose bodies are not recorded.
	// Optional: KubernetesLongRunning.
	LongRunning func(*http.Request, *RequestInfo) bool
	// Body makes a recorded body JSON. Optional: DecodeBody, which knows JSON, YAML and CBOR.
	Body BodyDecoder
	// MaxBody is the most of one body that is kept in memory and recorded; 0 is DefaultMaxBody.
	MaxBody int64

	Log     *slog.Logger // Optional: slog.Default().
	Metrics *Metrics     // Optional.
}

// DefaultMaxBody is kube-apiserver's own limit of a request's body.
const DefaultMaxBody = 3 << 20

// Authenticator says who makes a request.
type Authenticator interface {
	// Authenticate returns the user, or an error if the request's credentials are not accepted; then the request ends with
	// Config.Unauthorized and one event. The user is not changed afterwards. It may be nil: nobody, who is accepted.
	Authenticate(*http.Request) (*audit.UserInfo, error)
}

// RequestInfo is what a request is about.
type RequestInfo struct {
	policy.Attributes        // all but the user
	APIVersion        string // for objectRef
}

// BodyDecoder makes a body JSON. ok is false for one that is not to be recorded. The body is whole and not compressed; the
// JSON may be a part of it.
type BodyDecoder func(contentType string, body []byte) (json []byte, ok bool, err error)
