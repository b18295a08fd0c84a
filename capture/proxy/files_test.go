package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestFilesThatChange(t *testing.T) {
	dir := t.TempDir()
	cert, key, ca := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"), filepath.Join(dir, "ca.crt")
	write := func(path string, b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put := func(name string) {
		c, k := testCA.issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: name}})
		write(cert, c)
		write(key, k)
	}
	authorities := func(a *authority) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
	}
	synctest.Test(t, func(t *testing.T) {
		var said strings.Builder
		log := slog.New(slog.NewTextHandler(&said, nil))
		put("one")
		get, err := CertificateFiles(cert, key, log)
		if err != nil {
			t.Fatal(err)
		}
		write(ca, authorities(testCA))
		pool, err := CAFile(ca, log)
		if err != nil {
			t.Fatal(err)
		}
		name := func() string {
			t.Helper()
			c, err := get(&tls.ClientHelloInfo{})
			if err != nil {
				t.Fatal(err)
			}
			return c.Leaf.Subject.CommonName
		}
		is := func(want string, a *authority) {
			t.Helper()
			if got := name(); got != want {
				t.Errorf("certificate %q, want %q", got, want)
			}
			if !pool().Equal(a.pool()) {
				t.Error("other authorities")
			}
		}
		is("one", testCA)
		put("two")
		write(ca, authorities(strangeCA))
		is("one", testCA) // looked at a moment ago
		time.Sleep(lookEvery)
		is("two", strangeCA)

		// While files are wrong, what was read before serves; and it is said once.
		write(cert, []byte("nonsense"))
		write(ca, nil)
		time.Sleep(lookEvery)
		is("two", strangeCA)
		time.Sleep(lookEvery)
		is("two", strangeCA)
		if n := strings.Count(said.String(), "changed files are not taken"); n != 2 {
			t.Errorf("said %d times\n%s", n, said.String())
		}
		put("three")
		write(ca, authorities(testCA))
		time.Sleep(lookEvery)
		is("three", testCA)
		if strings.Contains(said.String(), "PRIVATE") {
			t.Error("the log holds a key")
		}
	})
	for name, make := range map[string]func() error{
		"no certificate": func() error { _, err := CertificateFiles(filepath.Join(dir, "none"), key, nil); return err },
		"no key":         func() error { _, err := CertificateFiles(cert, cert, nil); return err },
		"no CA":          func() error { _, err := CAFile(filepath.Join(dir, "none"), nil); return err },
		"CA without one": func() error { _, err := CAFile(key, nil); return err },
	} {
		if make() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
