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

// The reasons for which Authenticate refuses. Its error wraps one of them and says more.
var (
	ErrNoCredentials  = errors.New("no credentials")
	ErrBadToken       = errors.New("unknown token")
	ErrBadCertificate = errors.New("client certificate not accepted")
	ErrExpired        = errors.New("client certificate expired")
)

// Authenticate gives the cluster that a request speaks for, by its bearer token or else by its client certificate.
func (s *Store) Authenticate(r *http.Request) (cluster string, err error) {
	if h := r.Header.Get("Authorization"); h != "" {
		scheme, text, _ := strings.Cut(h, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", fmt.Errorf("%w: Authorization is %.20q, only Bearer is known", ErrBadToken, scheme)
		}
		t, ok := s.findToken(strings.TrimSpace(text))
		if !ok {
			return "", fmt.Errorf("%w: it was revoked, mistyped, or made for another server; annals setup makes a new one", ErrBadToken)
		}
		return t.Cluster, nil
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		return s.fromCertificate(r.TLS.PeerCertificates)
	}
	return "", fmt.Errorf("%w: send a token (Authorization: Bearer %s…) or a client certificate; annals setup makes them", ErrNoCredentials, TokenPrefix)
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
