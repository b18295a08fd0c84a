package webhook

import (
	"encoding/base64"
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func TestKubeconfigs(t *testing.T) {
	t.Setenv("KUBERNETES_MASTER", "http://elsewhere.example") // it stands in for nothing
	t.Setenv("KUBERNETES_SERVICE_HOST", "192.0.2.1")
	t.Setenv("KUBERNETES_SERVICE_PORT", "443")
	token := map[string]any{"token": "hush-hush"}
	tests := []struct {
		name          string
		cluster, user map[string]any
		text          string // instead
		want          string // in the error; "" is none
	}{
		{name: "https and a token", cluster: map[string]any{"server": "https://receiver.example"}, user: token},
		{name: "http without a user", cluster: map[string]any{"server": "http://receiver.example"}},
		{name: "no scheme, no user", cluster: map[string]any{"server": "receiver.example:8080"}},
		{name: "http and a token", cluster: map[string]any{"server": "http://receiver.example"}, user: token, want: "given with http://, over which the user's credentials are not sent"},
		{name: "http and a password", cluster: map[string]any{"server": "http://receiver.example"}, user: map[string]any{"username": "a", "password": "hush-hush"}, want: "credentials are not sent"},
		{name: "http and a token file", cluster: map[string]any{"server": "http://receiver.example"}, user: map[string]any{"tokenFile": "/hush-hush"}, want: "credentials are not sent"},
		{name: "http and a password in the URL", cluster: map[string]any{"server": "http://a:hush-hush@receiver.example"}, want: "credentials are not sent"},
		{name: "http and a certificate", cluster: map[string]any{"server": "http://receiver.example"}, user: map[string]any{"client-certificate-data": "aGk=", "client-key-data": "aGk="}, want: "credentials are not sent"},
		{name: "http and impersonation", cluster: map[string]any{"server": "http://receiver.example"}, user: map[string]any{"as": "root"}, want: "credentials are not sent"},
		{name: "no scheme and a token", cluster: map[string]any{"server": "receiver.example"}, user: token, want: "given without https://"},
		{name: "no scheme and a CA", cluster: map[string]any{"server": "receiver.example", "certificate-authority-data": "aGk="}, want: "given without https://"},
		{name: "http and insecure", cluster: map[string]any{"server": "http://receiver.example", "insecure-skip-tls-verify": true}, want: "TLS settings, which would be left out"},
		{name: "another scheme", cluster: map[string]any{"server": "ftp://receiver.example"}, want: `begins with "ftp"`},
		{name: "no URL", cluster: map[string]any{"server": "https://a:hush-hush@[x"}, want: "no URL"},
		{name: "empty", text: " ", want: "no current context"},
		{name: "no current context", text: "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'http://receiver.example'}}]\n", want: "no current context"},
		{name: "a context that is not there", text: "apiVersion: v1\nkind: Config\ncurrent-context: x\n", want: `context was not found for specified context: x`},
		{name: "not YAML", text: "\t{", want: "yaml"},
		{name: "a CA that is none", cluster: map[string]any{"server": "https://receiver.example", "certificate-authority-data": base64.StdEncoding.EncodeToString([]byte("no"))}, want: "root certificates"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := ""
			if tt.text != "" {
				file = write(t, filepath.Join(t.TempDir(), "kubeconfig"), []byte(tt.text))
			} else {
				file = kubeconfig(t, tt.cluster, tt.user)
			}
			_, err := New(Config{Kubeconfig: file})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "hush") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
	for _, file := range []string{"", filepath.Join(t.TempDir(), "none")} {
		if _, err := New(Config{Kubeconfig: file}); err == nil {
			t.Errorf("kubeconfig %q is accepted", file)
		}
	}
	if _, err := New(Config{Kubeconfig: kubeconfig(t, map[string]any{"server": "http://receiver.example"}, nil), InFlight: -1}); err == nil {
		t.Error("-1 requests in flight are accepted")
	}
}

// TestSecretsStayHidden has a receiver that repeats what it was sent.
func TestSecretsStayHidden(t *testing.T) {
	v := secure(t, func(_ int, r request) (int, map[string]string, string) {
		return 403, nil, r.uri + "\n\x1b[31m" + r.header.Get("Authorization") + strings.Repeat(" filler", 200)
	}, nil)
	for _, user := range []map[string]any{
		{"token": "hush-hush"},
		{"username": "somebody", "password": "hush-hush"},
	} {
		cluster := map[string]any{"server": v.URL + "/a?token=hush-hush", "certificate-authority-data": base64Of(v.ca())}
		err := open1(t, Config{Kubeconfig: kubeconfig(t, cluster, user), Attempts: 1}).Send(t.Context(), event("1"))
		s, ok := errors.AsType[*StatusError](err)
		if !ok || s.Status != 403 {
			t.Fatalf("error %v", err)
		}
		text := err.Error()
		if strings.Contains(text, "hush") || strings.Contains(text, base64Of([]byte("somebody:hush-hush"))) || strings.ContainsAny(text, "\x1b\n") || len(text) > 700 {
			t.Errorf("error %q", text)
		}
		if !strings.Contains(text, "403 Forbidden: /a?token=[hidden]") {
			t.Errorf("error %q", text)
		}
	}
}
