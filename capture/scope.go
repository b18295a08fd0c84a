package capture

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"

	"github.com/google/uuid"

	"annals.dev/audit"
)

const auditIDHeader = "Audit-Id" // as http.Header has it

type contextKey int

const (
	userKey contextKey = iota
	scopeKey
)

// scope is a request's context. It outlives the request where the handler within leaves goroutines behind, and so is
// never used again for another.
type scope struct {
	context.Context
	id      string
	headers [1]string // the id again, as a value of both headers

	mu          sync.Mutex // guards all that follows, and what an exchange says it guards
	closed      bool       // nothing more is recorded
	x           *exchange  // nil before the policy has decided
	annotations map[string]string
}

// newScope takes the request's audit ID, or makes one, and puts it into both headers.
func newScope(w http.ResponseWriter, r *http.Request) *scope {
	s := &scope{Context: r.Context()}
	if s.id = first(r.Header, auditIDHeader); s.id == "" {
		s.id = newUUID()
		if r.Header == nil {
			r.Header = http.Header{}
		}
	}
	s.headers[0] = s.id
	r.Header[auditIDHeader] = s.headers[:1:1]
	if answer := w.Header(); first(answer, auditIDHeader) == "" {
		answer[auditIDHeader] = s.headers[:1:1]
	}
	return s
}

// first is h.Get for a key that is in its canonical form.
func first(h http.Header, key string) string {
	if values := h[key]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// newUUID is uuid.NewString with one allocation less, since every request has one.
func newUUID() string {
	var u uuid.UUID // of ChaCha8, which nobody can foresee
	binary.LittleEndian.PutUint64(u[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(u[8:], rand.Uint64())
	u[6] = u[6]&0x0f | 0x40 // version 4
	u[8] = u[8]&0x3f | 0x80
	return u.String()
}

func (s *scope) Value(key any) any {
	if key == scopeKey {
		return s
	}
	return s.Context.Value(key)
}

func (s *scope) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
}

func scopeOf(ctx context.Context) *scope {
	s, _ := ctx.Value(scopeKey).(*scope)
	return s
}

// WithUser is ctx with who makes the request, for a handler that stands behind one that authenticates.
func WithUser(ctx context.Context, u *audit.UserInfo) context.Context {
	return context.WithValue(ctx, userKey, u)
}

// ContextUser is an Authenticator that takes what WithUser put into the request's context; without it, nobody.
var ContextUser Authenticator = contextUser{}

type contextUser struct{}

func (contextUser) Authenticate(r *http.Request) (*audit.UserInfo, error) {
	u, _ := r.Context().Value(userKey).(*audit.UserInfo)
	return u, nil
}

// Annotate adds an annotation to the request's event. The first value of a key stays. What comes after the last event is
// lost.
func Annotate(ctx context.Context, key, value string) {
	if s := scopeOf(ctx); s != nil {
		s.annotate(key, value)
	}
}

func (s *scope) annotate(key, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		if s.x != nil {
			s.x.h.cfg.Metrics.lost("late")
			s.x.h.trouble.Problem("late annotation", fmt.Errorf("%.100q came after the request's last event", key))
		}
		return
	}
	if old, ok := s.annotations[key]; ok {
		if old != value && s.x != nil {
			s.x.h.cfg.Metrics.lost("conflict")
			s.x.h.trouble.Problem("conflicting annotation", fmt.Errorf("%.100q has another value already", key))
		}
		return
	}
	s.set(key, value)
}

// set puts an annotation there. The caller holds mu.
func (s *scope) set(key, value string) {
	if s.annotations == nil {
		s.annotations = map[string]string{}
	}
	s.annotations[key] = value
}

// SetImpersonatedUser says as whom the request acts, from the next stage on. constraint is by what right, or "".
func SetImpersonatedUser(ctx context.Context, u *audit.UserInfo, constraint string) {
	s := scopeOf(ctx)
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.x == nil {
		return
	}
	s.x.event.ImpersonatedUser = u
	if constraint != "" {
		s.x.event.AuthenticationMetadata = &audit.AuthenticationMetadata{ImpersonationConstraint: constraint}
	}
}

// AuditID is the request's audit ID, "" outside a Handler.
func AuditID(ctx context.Context) string {
	if s := scopeOf(ctx); s != nil {
		return s.id
	}
	return ""
}
