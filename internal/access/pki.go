package access

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"annals.dev/internal/disk"
)

const (
	caLife   = 20 * 365 * 24 * time.Hour
	leafLife = 30 * 24 * time.Hour
	leafLeft = 10 * 24 * time.Hour // renewed with this much left
	skew     = time.Hour           // clients whose clock is behind

	// Organization is the O of a client certificate; its CN is the cluster.
	Organization = "annals:cluster"
)

// Names are what the server's certificate is for, beside localhost and the loopback addresses, which it always is.
type Names struct {
	DNS []string     `json:"dns"`
	IPs []netip.Addr `json:"ips"`
}

// ParseNames reads what people give as names and addresses.
func ParseNames(dns, ips []string) (Names, error) {
	var n Names
	for _, s := range ips {
		ip, err := netip.ParseAddr(s)
		if err != nil || ip.Zone() != "" {
			return Names{}, fmt.Errorf("%q is not an IP address: give one such as 192.0.2.5 or 2001:db8::5, and a host name as a DNS name", s)
		}
		n.IPs = append(n.IPs, ip.Unmap())
	}
	for _, s := range dns {
		if _, err := netip.ParseAddr(s); err == nil {
			return Names{}, fmt.Errorf("%q is an IP address, not a DNS name: give it as an address", s)
		}
		if !validDNS(s) {
			return Names{}, fmt.Errorf("%q is not a DNS name: give a host name such as audit.example.com, without scheme or port", s)
		}
		n.DNS = append(n.DNS, strings.ToLower(s))
	}
	return n, nil
}

func validDNS(s string) bool {
	if len(s) > 253 {
		return false
	}
	for i, label := range strings.Split(s, ".") {
		if label == "*" && i == 0 {
			continue
		}
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	return true
}

func writeNames(d disk.FS, pki string, n Names) error {
	b, err := json.MarshalIndent(n, "", "  ")
	if err == nil {
		err = disk.WriteFile(d, pki+"/names.json", append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("server names: %w", err)
	}
	return nil
}

// authority is a certificate that signs others.
type authority struct {
	cert *x509.Certificate
	pem  []byte
	key  *ecdsa.PrivateKey
}

func makeAuthority(d disk.FS, path, name string, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	t := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-skew), NotAfter: now.Add(caLife),
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	keyPEM, err := encodeKey(key)
	if err == nil {
		err = disk.WriteFile(d, path+".key", keyPEM)
	}
	if err == nil {
		err = disk.WriteFile(d, path+".crt", encodeCert(der))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func readAuthority(d disk.FS, path string) (a authority, err error) {
	if a.pem, err = disk.ReadFile(d, path+".crt"); err != nil {
		return a, fmt.Errorf("keys: %w", err)
	}
	keyPEM, err := disk.ReadFile(d, path+".key")
	if err != nil {
		return a, fmt.Errorf("keys: %w", err)
	}
	pair, err := tls.X509KeyPair(a.pem, keyPEM)
	if err != nil {
		return a, fmt.Errorf("%s.crt and .key: %w", path, err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA {
		return a, fmt.Errorf("%s.crt and .key: not an ECDSA certificate authority", path)
	}
	a.cert, a.key = pair.Leaf, key
	return a, nil
}

// issue signs a certificate with a new key.
func (a *authority) issue(t *x509.Certificate, now time.Time, life time.Duration) (der []byte, key *ecdsa.PrivateKey, err error) {
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, nil, err
	}
	t.NotBefore, t.NotAfter = now.Add(-skew), now.Add(life)
	if t.NotAfter.After(a.cert.NotAfter) {
		t.NotAfter = a.cert.NotAfter
	}
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.BasicConstraintsValid = true
	der, err = x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), a.key)
	return der, key, err
}

// IssueClient makes a certificate and key, both in PEM, with which a cluster may deliver for the given time. There is no
// way to call one back before that: give tokens where that is needed.
func (s *Store) IssueClient(cluster string, life time.Duration) (cert, key []byte, err error) {
	if err := CheckCluster(cluster); err != nil {
		return nil, nil, err
	}
	der, k, err := s.client.issue(&x509.Certificate{
		Subject:     pkix.Name{Organization: []string{Organization}, CommonName: cluster},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, s.now(), life)
	if err != nil {
		return nil, nil, fmt.Errorf("client certificate for %q: %w", cluster, err)
	}
	if key, err = encodeKey(k); err != nil {
		return nil, nil, fmt.Errorf("client certificate for %q: %w", cluster, err)
	}
	return encodeCert(der), key, nil
}

// leaf is the server's certificate. It lives in memory only: a start makes a new one, and so a full disk never keeps the
// server from renewing it.
type leaf struct {
	mu    sync.Mutex
	cert  *tls.Certificate
	names fileStamp // names.json as it was when cert was made
}

// TLSConfig is for the port on which events arrive: the certificate renews itself, and a client certificate is asked for
// but judged by Authenticate, so that its owner is told what is wrong with it.
func (s *Store) TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{ // of TLS 1.2; those of 1.3 are AEAD all
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		NextProtos:     []string{"h2", "http/1.1"},
		ClientAuth:     tls.RequestClientCert,
		ClientCAs:      s.clientPool,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.certificate() },
	}
}

// certificate gives the server's certificate, a new one where the old has little time left or names.json changed.
func (s *Store) certificate() (*tls.Certificate, error) {
	s.leaf.mu.Lock()
	defer s.leaf.mu.Unlock()
	stamp, err := stampOf(s.fs, "pki/names.json")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("server names: %w", err)
	}
	now := s.now()
	if c := s.leaf.cert; c != nil && stamp == s.leaf.names && now.Before(c.Leaf.NotAfter.Add(-leafLeft)) {
		return c, nil
	}
	cert, err := s.newLeaf(now)
	if err != nil {
		if c := s.leaf.cert; c != nil && now.Before(c.Leaf.NotAfter) {
			s.log.Error("the server's certificate cannot be renewed; the old one still serves", "until", c.Leaf.NotAfter, "error", err)
			return c, nil
		}
		return nil, err
	}
	s.leaf.cert, s.leaf.names = cert, stamp
	return cert, nil
}

func (s *Store) newLeaf(now time.Time) (*tls.Certificate, error) {
	var names Names
	b, err := disk.ReadFile(s.fs, "pki/names.json")
	if err == nil {
		err = json.Unmarshal(b, &names)
	}
	if err != nil {
		return nil, fmt.Errorf("server names: pki/names.json: %w", err)
	}
	t := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "annals"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    append([]string{"localhost"}, names.DNS...),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	for _, ip := range names.IPs {
		t.IPAddresses = append(t.IPAddresses, ip.AsSlice())
	}
	slices.Sort(t.DNSNames)
	t.DNSNames = slices.Compact(t.DNSNames)
	der, key, err := s.server.issue(t, now, leafLife)
	if err != nil {
		return nil, fmt.Errorf("server certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("server certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: cert}, nil
}

func encodeCert(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
