package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func TestTLS(t *testing.T) {
	v := secure(t, nil, nil)
	cluster := map[string]any{"server": v.URL + "/v1/audit/prod", "certificate-authority-data": base64Of(v.ca())}
	w := open1(t, Config{Kubeconfig: kubeconfig(t, cluster, map[string]any{"token": "abcdefgh"})})
	for range 3 {
		if err := w.Send(t.Context(), event("1")); err != nil {
			t.Fatal(err)
		}
	}
	got := v.got()
	if len(got) != 3 || got[0].proto != "HTTP/2.0" || got[0].header.Get("Authorization") != "Bearer abcdefgh" || got[0].uri != "/v1/audit/prod?timeout=30s" {
		t.Errorf("requests %+v", got)
	}

	delete(cluster, "certificate-authority-data")
	w = open1(t, Config{Kubeconfig: kubeconfig(t, cluster, nil), Attempts: 1})
	if err := w.Send(t.Context(), event("1")); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown authority: %v", err)
	}
}

func TestServerName(t *testing.T) {
	ca := newAuthority(t)
	certPEM, keyPEM := ca.issue(t, "receiver", "receiver.example")
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	v := secure(t, nil, func(c *tls.Config) { c.Certificates = []tls.Certificate{pair} })
	cluster := map[string]any{
		"server": v.URL, "tls-server-name": "receiver.example",
		"certificate-authority": write(t, filepath.Join(t.TempDir(), "ca.crt"), ca.pem),
	}
	if err := open1(t, Config{Kubeconfig: kubeconfig(t, cluster, nil)}).Send(t.Context(), event("1")); err != nil {
		t.Error(err)
	}
	delete(cluster, "tls-server-name")
	if err := open1(t, Config{Kubeconfig: kubeconfig(t, cluster, nil), Attempts: 1}).Send(t.Context(), event("1")); err == nil {
		t.Error("a certificate for another name is accepted")
	}
}

func TestClientCertificate(t *testing.T) {
	ca := newAuthority(t)
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	v := secure(t, nil, func(c *tls.Config) { c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, pool })
	certPEM, keyPEM := ca.issue(t, "cp-1")
	dir := t.TempDir()
	user := map[string]any{
		"client-certificate": write(t, filepath.Join(dir, "tls.crt"), certPEM), "client-key": write(t, filepath.Join(dir, "tls.key"), keyPEM),
	}
	w := open1(t, Config{Kubeconfig: kubeconfig(t, map[string]any{"server": v.URL, "certificate-authority-data": base64Of(v.ca())}, user)})
	if err := w.Send(t.Context(), event("1")); err != nil {
		t.Fatal(err)
	}
	// The files hold another certificate now; client-go reads them when it connects anew, once a second at most.
	certPEM, keyPEM = ca.issue(t, "cp-1 renewed")
	write(t, filepath.Join(dir, "tls.crt"), certPEM)
	write(t, filepath.Join(dir, "tls.key"), keyPEM)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		v.CloseClientConnections()
		if err := w.Send(t.Context(), event("2")); err != nil {
			t.Fatal(err)
		}
		got := v.got()
		if got[0].client != "cp-1" {
			t.Fatalf("client %q", got[0].client)
		}
		if got[len(got)-1].client == "cp-1 renewed" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("client %q for ten seconds", got[len(got)-1].client)
		}
	}
}

// TestRotatingToken has a receiver that no longer knows the first token; the file has the next, and client-go reads it within a
// minute, which is sooner than the last attempt.
func TestRotatingToken(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "token"), []byte("first-token\n"))
	config := kubeconfig(t, map[string]any{"server": "https://receiver.example"}, map[string]any{"tokenFile": file})
	synctest.Test(t, func(t *testing.T) {
		valid, n := "first-token", 0
		w := fake(t, Config{Kubeconfig: config}, func(r *http.Request) (*http.Response, error) {
			n++
			if r.Header.Get("Authorization") != "Bearer "+valid {
				return response(401, "", "no "+r.Header.Get("Authorization")), nil
			}
			return response(200, "", ""), nil
		})
		if err := w.Send(t.Context(), event("1")); err != nil {
			t.Fatal(err)
		}
		write(t, file, []byte("second-token\n"))
		valid = "second-token"
		if err := w.Send(t.Context(), event("2")); err != nil || n < 3 {
			t.Errorf("%v after %d requests", err, n)
		}
		valid = "third-token"
		if err := w.Send(t.Context(), event("3")); err == nil || strings.Contains(err.Error(), "second") {
			t.Errorf("error %v", err)
		}
	})
}

func TestExecPlugin(t *testing.T) {
	plugin := write(t, filepath.Join(t.TempDir(), "plugin"), []byte("#!/bin/sh\n"+
		`echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"from-the-plugin"}}'`+"\n"))
	if err := os.Chmod(plugin, 0o700); err != nil {
		t.Fatal(err)
	}
	v := secure(t, always(403, "you sent from-the-plugin"), nil)
	user := map[string]any{"exec": map[string]any{
		"apiVersion": "client.authentication.k8s.io/v1", "command": plugin, "interactiveMode": "Never",
	}}
	w := open1(t, Config{Kubeconfig: kubeconfig(t, map[string]any{"server": v.URL, "certificate-authority-data": base64Of(v.ca())}, user), Attempts: 1})
	err := w.Send(t.Context(), event("1"))
	if err == nil || !strings.Contains(err.Error(), "403 Forbidden: you sent [hidden]") {
		t.Errorf("error %v", err)
	}
	if got := v.got()[0].header.Get("Authorization"); got != "Bearer from-the-plugin" {
		t.Errorf("Authorization %q", got)
	}
}

func TestProxyURL(t *testing.T) {
	var asked string
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked = r.URL.String() }))
	t.Cleanup(proxy.Close)
	w := open1(t, Config{Kubeconfig: kubeconfig(t, map[string]any{"server": "http://receiver.example/a", "proxy-url": proxy.URL}, nil)})
	if err := w.Send(t.Context(), event("1")); err != nil {
		t.Fatal(err)
	}
	if asked != "http://receiver.example/a?timeout=30s" {
		t.Errorf("the proxy was asked for %q", asked)
	}
}

func TestHang(t *testing.T) {
	let := make(chan struct{})
	defer close(let)
	v := plain(t, func(n int, _ request) (int, map[string]string, string) {
		if n == 1 {
			<-let
		}
		return 200, nil, ""
	})
	w := open1(t, Config{Kubeconfig: kubeconfig(t, map[string]any{"server": v.URL}, nil), Timeout: 100 * time.Millisecond})
	if err := w.Send(t.Context(), event("1")); err != nil {
		t.Fatal(err)
	}
	if got := v.got(); len(got) != 2 || got[1].uri != "/?timeout=100ms" {
		t.Errorf("requests %+v", got)
	}
}

// TestBroken has a receiver that breaks off connections, and one that is not there.
func TestBroken(t *testing.T) {
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n++; n > 2 {
			return
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}))
	defer s.Close()
	w := open1(t, Config{Kubeconfig: kubeconfig(t, map[string]any{"server": s.URL}, nil)})
	if err := w.Send(t.Context(), event("1")); err != nil || n != 3 {
		t.Errorf("%v after %d requests", err, n)
	}
	w = open1(t, Config{Kubeconfig: kubeconfig(t, map[string]any{"server": "http://" + closedPort(t) + "/?token=hush-hush"}, nil)})
	if err := w.Send(context.Background(), event("1")); err == nil || strings.Contains(err.Error(), "hush") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("nobody there: %v", err)
	}
}
