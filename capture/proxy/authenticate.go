package proxy

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"annals.dev/audit"
)

const (
	anonymous       = "system:anonymous"
	unauthenticated = "system:unauthenticated"
	authenticated   = "system:authenticated"
	credentialID    = "authentication.kubernetes.io/credential-id"
)

// refusal is why a request ends before it is passed on, and with which answer.
type refusal struct {
	code   int
	reason string // a metav1.StatusReason
	err    error
}

func (f *refusal) Error() string { return f.err.Error() }
func (f *refusal) Unwrap() error { return f.err }

func refuse(code int, reason, format string, args ...any) *refusal {
	return &refusal{code, reason, fmt.Errorf(format, args...)}
}

// authenticator says who calls, by the mode of its proxy.
type authenticator struct{ p *Proxy }

// Authenticate implements capture.Authenticator. Requests that are not to be passed on whoever sends them end here too, so
// that each of them is an event.
func (a authenticator) Authenticate(r *http.Request) (*audit.UserInfo, error) {
	c := callOf(r)
	user, err := a.authenticate(r, c)
	if err == nil {
		c.user = user
		return user, nil
	}
	var f *refusal
	switch {
	case errors.As(err, &f):
	case errors.Is(err, errNotAccepted):
		f = &refusal{http.StatusUnauthorized, "Unauthorized", err}
	case errors.Is(err, context.Canceled):
		f = &refusal{statusClientGone, "", errors.New("the client went away before it was known who it is")}
	default:
		a.p.complain("proxy: the upstream does not say who calls; the request is refused", err)
		f = refuse(http.StatusServiceUnavailable, "ServiceUnavailable", "it cannot be told who calls: the API server behind this proxy does not answer that")
	}
	c.refused = f
	return nil, err
}

func (a authenticator) authenticate(r *http.Request, c *call) (*audit.UserInfo, error) {
	if err := a.p.acceptable(r, c); err != nil {
		return nil, err
	}
	token, err := bearer(r)
	if err != nil {
		return nil, &refusal{http.StatusBadRequest, "BadRequest", err}
	}
	if a.p.cfg.Mode == Passthrough {
		if token == "" {
			return nobody(c), nil
		}
		return a.p.reviews.user(r.Context(), token, a.p.reviews.ofSelf)
	}
	var presented error
	if a.p.cfg.ClientCAs != nil && r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		user, err := certificateUser(r.TLS.PeerCertificates, a.p.cfg.ClientCAs())
		if err == nil {
			return user, nil
		}
		// A token may still do, as at the API server.
		presented = &refusal{http.StatusUnauthorized, "Unauthorized", err}
	}
	switch {
	case token != "" && len(a.p.cfg.Audiences) > 0:
		user, err := a.p.reviews.user(r.Context(), token, a.p.reviews.ofToken(a.p.cfg.Audiences))
		if err != nil {
			return nil, err
		}
		return withAuthenticated(user), nil
	case presented != nil:
		return nil, presented
	}
	if token != "" {
		return nil, refuse(http.StatusUnauthorized, "Unauthorized", "this proxy takes no tokens")
	}
	return nobody(c), nil
}

// nobody is a caller without credentials. The request goes up without any too, in both modes, rather than as an impersonated
// system:anonymous: whether it is let in is the upstream's to say.
func nobody(c *call) *audit.UserInfo {
	c.anonymous = true
	return &audit.UserInfo{Username: anonymous, Groups: []string{unauthenticated}}
}

// withAuthenticated is the user with the group that every authenticated one has.
func withAuthenticated(u *audit.UserInfo) *audit.UserInfo {
	if slices.Contains(u.Groups, authenticated) || slices.Contains(u.Groups, unauthenticated) {
		return u
	}
	with := *u
	with.Groups = append(slices.Clone(u.Groups), authenticated)
	return &with
}

// acceptable refuses requests that speak of other places than a path of the upstream.
func (p *Proxy) acceptable(r *http.Request, c *call) error {
	switch {
	case r.Method == http.MethodConnect:
		return refuse(http.StatusMethodNotAllowed, "MethodNotAllowed", "CONNECT is not for this proxy: it stands before one API server")
	case c.url.Opaque != "" || !strings.HasPrefix(c.url.Path, "/"):
		return refuse(http.StatusBadRequest, "BadRequest", "the request is for no path")
	case p.upstream.base.Path != "" && hasDots(c.url.Path):
		return refuse(http.StatusBadRequest, "BadRequest", "a path with . or .. could leave %s, below which the API server is", p.upstream.base.Path)
	}
	return nil
}

func hasDots(path string) bool {
	for s := range strings.FieldsFuncSeq(path, func(c rune) bool { return c == '/' || c == '\\' }) {
		if s == "." || s == ".." {
			return true
		}
	}
	return false
}

// subjectUID is where a certificate's subject holds the user's UID.
var subjectUID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57683, 2}

// certificateUser is whom a client certificate names, as Kubernetes reads one: CN is the user, O the groups.
func certificateUser(chain []*x509.Certificate, roots *x509.CertPool) (*audit.UserInfo, error) {
	leaf := chain[0]
	if roots == nil {
		return nil, errors.New("the client certificate is not accepted: there is no authority to hold it against") // and not the system's
	}
	options := x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, Intermediates: x509.NewCertPool()}
	for _, c := range chain[1:] {
		options.Intermediates.AddCert(c)
	}
	if _, err := leaf.Verify(options); err != nil {
		return nil, fmt.Errorf("the client certificate is not accepted: %w", err)
	}
	if leaf.Subject.CommonName == "" {
		return nil, errors.New("the client certificate names no user: its subject has no CN")
	}
	sum := sha256.Sum256(leaf.Raw)
	user := &audit.UserInfo{
		Username: leaf.Subject.CommonName, Groups: slices.Clone(leaf.Subject.Organization),
		Extra: map[string][]string{credentialID: {"X509SHA256=" + hex.EncodeToString(sum[:])}},
	}
	for _, name := range leaf.Subject.Names {
		if !name.Type.Equal(subjectUID) {
			continue
		}
		uid, ok := name.Value.(string)
		if !ok || uid == "" || user.UID != "" {
			return nil, errors.New("the client certificate's subject must have one UID, a text that is not empty")
		}
		user.UID = uid
	}
	return withAuthenticated(user), nil
}
