package proxy

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// lookEvery is how often files are looked at for a change, at most.
const lookEvery = time.Second

// reloading is something made of files, made anew when they change. What it was made of before stays while they are wrong.
type reloading[T any] struct {
	paths []string
	parse func(contents [][]byte) (T, error)
	log   *slog.Logger

	mu     sync.Mutex
	looked time.Time
	sum    [sha256.Size]byte
	value  T
}

func (f *reloading[T]) load() error {
	contents := make([][]byte, len(f.paths))
	for i, path := range f.paths {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		contents[i] = b
	}
	// By content, not by time: a secret that Kubernetes mounts changes by a link.
	sum := sha256.Sum256(bytes.Join(contents, []byte{0}))
	if sum == f.sum {
		return nil
	}
	f.sum = sum // a wrong one is reported once
	value, err := f.parse(contents)
	if err != nil {
		return fmt.Errorf("%q: %w", f.paths, err)
	}
	f.value = value
	return nil
}

func (f *reloading[T]) get() T {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); now.Sub(f.looked) >= lookEvery {
		f.looked = now
		before := f.sum
		if err := f.load(); err != nil {
			f.log.Error("proxy: changed files are not taken; what was read before still serves", "error", err)
		} else if f.sum != before {
			f.log.Info("proxy: changed files are taken", "files", f.paths)
		}
	}
	return f.value
}

// CertificateFiles gives, for tls.Config.GetCertificate, the certificate that two PEM files hold, and a new one when they
// change.
func CertificateFiles(cert, key string, log *slog.Logger) (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	f := &reloading[*tls.Certificate]{paths: []string{cert, key}, log: log, looked: time.Now(), parse: func(b [][]byte) (*tls.Certificate, error) {
		pair, err := tls.X509KeyPair(b[0], b[1])
		return &pair, err
	}}
	if err := f.load(); err != nil {
		return nil, fmt.Errorf("serving certificate: %w", err)
	}
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.get(), nil }, nil
}

// CAFile gives, for Config.ClientCAs, the authorities that a PEM file holds, and new ones when it changes.
func CAFile(path string, log *slog.Logger) (func() *x509.CertPool, error) {
	f := &reloading[*x509.CertPool]{paths: []string{path}, log: log, looked: time.Now(), parse: func(b [][]byte) (*x509.CertPool, error) {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(b[0]) {
			return nil, fmt.Errorf("no certificate in it: give PEM")
		}
		return pool, nil
	}}
	if err := f.load(); err != nil {
		return nil, fmt.Errorf("client CA: %w", err)
	}
	return f.get, nil
}
