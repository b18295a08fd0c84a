package capture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"annals.dev/audit"
	"annals.dev/sink"
)

// Handler audits the handler inside it.
type Handler struct {
	next    http.Handler
	cfg     Config
	custom  bool          // Config.Body was given, and may know any type
	trouble sink.Reporter // of what goes wrong with requests, which may be with each of them
	policy  atomic.Pointer[active]
	change  sync.Mutex // held while the policy is changed, and the change recorded
}

// New puts a Handler around next.
func New(next http.Handler, cfg Config) (*Handler, error) {
	switch {
	case next == nil:
		return nil, errors.New("capture: there is no handler to audit")
	case cfg.Policy == nil:
		return nil, errors.New("capture: Config.Policy is missing: it says what is recorded")
	case cfg.Sink == nil:
		return nil, errors.New("capture: Config.Sink is missing: it is where events go")
	case cfg.MaxBody < 0:
		return nil, fmt.Errorf("capture: Config.MaxBody is %d, which is below 0; 0 is the default of %d bytes", cfg.MaxBody, DefaultMaxBody)
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = DefaultMaxBody
	}
	if cfg.Authenticate == nil {
		cfg.Authenticate = ContextUser
	}
	if cfg.Unauthorized == nil {
		cfg.Unauthorized = http.HandlerFunc(unauthorized)
	}
	custom := cfg.Body != nil
	if !custom {
		cfg.Body = DecodeBody
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	a, err := newActive(cfg.Policy)
	if err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	h := &Handler{next: next, cfg: cfg, custom: custom, trouble: sink.Reporter{Plugin: "capture", Log: cfg.Log}}
	h.policy.Store(a)
	cfg.Metrics.inForce(a.hash)
	return h, nil
}

// ServeHTTP records the request as the policy says, and has the handler within answer it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	received := time.Now()
	s := newScope(w, r)
	r = r.WithContext(s)

	var info RequestInfo
	if err := h.requestInfo(r, &info); err != nil {
		internalError(w, r, fmt.Errorf("failed to create RequestInfo: %w", err))
		return
	}
	user, failed := h.cfg.Authenticate.Authenticate(r)
	next := h.next
	if failed != nil {
		user, next = nil, h.cfg.Unauthorized
	}
	info.User = user

	d := h.policy.Load().evaluator.Decide(&info.Attributes)
	h.cfg.Metrics.level(d.Level)
	if d.Level == audit.LevelNone {
		s.close()
		next.ServeHTTP(w, r)
		return
	}

	x := &exchange{h: h, scope: s, level: d.Level, omit: d.Omit, strip: d.OmitManagedFields, info: info, w: w, r: r}
	if x.alone = failed != nil; !x.alone {
		x.long = h.longRunning(r, &x.info)
	}
	if err := x.send(x.begin(received)); err != nil {
		h.cfg.Metrics.rejected()
		s.close()
		internalError(w, r, errors.New("failed to store audit event"))
		return
	}
	x.serve(next)
}

func (h *Handler) requestInfo(r *http.Request, info *RequestInfo) error {
	if h.cfg.RequestInfo == nil {
		return kubernetes(r, info)
	}
	given, err := h.cfg.RequestInfo(r)
	if given != nil {
		*info = *given
	}
	return err
}

func (h *Handler) longRunning(r *http.Request, info *RequestInfo) bool {
	if h.cfg.LongRunning == nil {
		return KubernetesLongRunning(r, info)
	}
	return h.cfg.LongRunning(r, info)
}

// background is what sinks get: an event is written whether or not its client still waits.
var background = context.Background()

var noHTML = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// internalError answers as kube-apiserver does where it has no Status to give.
func internalError(w http.ResponseWriter, r *http.Request, err error) {
	http.Error(w, noHTML.Replace(fmt.Sprintf("Internal Server Error: %q: %v", r.RequestURI, err)), http.StatusInternalServerError)
}
