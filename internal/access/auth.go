package access

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The reasons for which Authenticate and Caller refuse. Their errors wrap one of them and say more.
var (
	ErrNoCredentials  = errors.New("no credentials")
	ErrBadToken       = errors.New("unknown token")
	ErrBadCertificate = errors.New("client certificate not accepted")
	ErrExpired        = errors.New("credentials expired")
	ErrWrongRole      = errors.New("token of another role")
)

// Authenticate gives the cluster that a request speaks for, by its bearer token or else by its client certificate.
func (s *Store) Authenticate(r *http.Request) (cluster string, err error) {
	text, err := Bearer(r)
	if err != nil {
		return "", err
	}
	if text != "" {
		t, err := s.find(text)
		if errors.Is(err, ErrBadToken) {
			err = fmt.Errorf("%w; annals setup makes a new one", err)
		}
		if err != nil {
			return "", err
		}
		if t.Role != Ingest {
			return "", fmt.Errorf("%w: events are delivered with ingest tokens, and %s is a token of the role %s; annals setup makes one", ErrWrongRole, t.ID, t.Role)
		}
		return t.Cluster, nil
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		return s.fromCertificate(r.TLS.PeerCertificates)
	}
	return "", fmt.Errorf("%w: send a token (Authorization: Bearer %s…) or a client certificate; annals setup makes them", ErrNoCredentials, TokenPrefix)
}

// Bearer is the token that a request brings, "" if it brings none.
func Bearer(r *http.Request) (string, error) {
	all := r.Header["Authorization"]
	switch {
	case len(all) == 0:
		return "", nil
	case len(all) > 1:
		return "", fmt.Errorf("%w: there are %d Authorization headers", ErrBadToken, len(all))
	}
	scheme, text, _ := strings.Cut(all[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", fmt.Errorf("%w: Authorization is %.20q, only Bearer is known", ErrBadToken, scheme)
	}
	if text = strings.TrimSpace(text); text == "" {
		return "", fmt.Errorf("%w: the Authorization header holds none", ErrBadToken)
	}
	return text, nil
}

// Caller is whoever asks with this token, and by what it may be found again while it is in force.
func (s *Store) Caller(text string) (Caller, Hash, error) {
	t, err := s.find(text)
	if err != nil {
		return Caller{}, Hash{}, err
	}
	who, err := t.caller()
	return who, hashOf(text), err
}

// CallerAgain is whoever asked before with the token that has this hash, if it still is in force.
func (s *Store) CallerAgain(sum Hash) (Caller, error) {
	t, err := s.findHash(sum)
	if err != nil {
		return Caller{}, err
	}
	return t.caller()
}

func (t *held) caller() (Caller, error) {
	if t.Role == Ingest {
		return Caller{}, fmt.Errorf("%w: %s delivers events of cluster %s and asks nothing; annals token create makes one for you", ErrWrongRole, t.ID, t.Cluster)
	}
	return Caller{Name: t.Name, Role: t.Role, Scope: t.scope, ScopeText: t.Scope, Bodies: t.Bodies, TokenID: t.ID, Expires: t.Expires}, nil
}

// fromCertificate verifies a chain. It is asked with every request, not at the handshake: an API server keeps one
// connection for life, and a certificate must not outlive its date on it.
func (s *Store) fromCertificate(chain []*x509.Certificate) (string, error) {
	c, now := chain[0], s.now()
	if now.After(c.NotAfter) {
		return "", fmt.Errorf("%w: %q ended on %s; annals setup makes a new one", ErrExpired, c.Subject, c.NotAfter.UTC().Format(time.RFC3339))
	}
	sum := sha256.Sum256(c.Raw)
	s.seen.mu.Lock()
	cluster, ok := s.seen.m[sum]
	s.seen.mu.Unlock()
	if ok {
		return cluster, nil
	}
	// No intermediates: this authority signs every certificate itself.
	_, err := c.Verify(x509.VerifyOptions{
		Roots: s.clientPool, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return "", fmt.Errorf("%w: %q: %w", ErrBadCertificate, c.Subject, err)
	}
	if !slices.Contains(c.Subject.Organization, Organization) {
		return "", fmt.Errorf("%w: %q is not of O=%s", ErrBadCertificate, c.Subject, Organization)
	}
	if err := CheckCluster(c.Subject.CommonName); err != nil {
		return "", fmt.Errorf("%w: %q: %w", ErrBadCertificate, c.Subject, err)
	}
	s.seen.mu.Lock()
	defer s.seen.mu.Unlock()
	if s.seen.m == nil || len(s.seen.m) >= maxCertCache {
		s.seen.m = make(map[[32]byte]string)
	}
	s.seen.m[sum] = c.Subject.CommonName
	return c.Subject.CommonName, nil
}
