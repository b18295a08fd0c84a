package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// endpoint is what a kubeconfig says of a receiver.
type endpoint struct {
	client  *http.Client
	url     *url.URL
	base    *noting
	secrets []string // what no message may show
}

// open reads a kubeconfig: this file alone, and its current context. Neither the environment nor a pod's service account
// stands in for what it lacks.
func open(file string, timeout time.Duration) (*endpoint, error) {
	if file == "" {
		return nil, errors.New("no kubeconfig is named")
	}
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: file}
	raw, err := rules.Load()
	if err != nil {
		return nil, err
	}
	loader := clientcmd.NewNonInteractiveClientConfig(*raw, raw.CurrentContext, &clientcmd.ConfigOverrides{}, rules)
	cfg, err := loader.ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, fmt.Errorf("%s: it has no current context with a cluster", file)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	cluster, user := current(raw)
	u, _, err := rest.DefaultServerUrlFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("%s: the cluster's server is no URL", file) // which may hold a password
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%s: the cluster's server begins with %.20q: give https://HOST:PORT/PATH", file, u.Scheme)
	}
	if err := inClear(u, cluster, user); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	// client-go drops the query; a receiver that asks for one is told what its operator wrote.
	if whole, err := url.Parse(cluster.Server); err == nil && whole.Scheme != "" {
		u.RawQuery = whole.RawQuery
	}
	e := &endpoint{url: u, secrets: []string{user.Token, user.Password, u.RawQuery}}
	for _, values := range u.Query() {
		e.secrets = append(e.secrets, values...)
	}
	if u.User != nil {
		password, _ := u.User.Password()
		e.secrets = append(e.secrets, password)
	}
	if !u.Query().Has("timeout") {
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += "timeout=" + url.QueryEscape(timeout.String())
	}
	cfg.Timeout = timeout
	cfg.Wrap(func(rt http.RoundTripper) http.RoundTripper {
		e.base = &noting{rt}
		return e.base
	})
	transport, err := rest.TransportFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	e.client = &http.Client{
		Transport: transport, Timeout: timeout,
		// A POST that is redirected may arrive as a GET, and credentials with it at another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return e, nil
}

// current gives the cluster and the user of the current context; empty ones, if it names none.
func current(raw *api.Config) (api.Cluster, api.AuthInfo) {
	var cluster api.Cluster
	var user api.AuthInfo
	var names api.Context
	if c := raw.Contexts[raw.CurrentContext]; c != nil {
		names = *c
	}
	if c := raw.Clusters[names.Cluster]; c != nil {
		cluster = *c
	}
	if u := raw.AuthInfos[names.AuthInfo]; u != nil {
		user = *u
	}
	return cluster, user
}

// inClear refuses a connection without TLS where the kubeconfig has what is for TLS: client-go would leave it out in
// silence.
func inClear(u *url.URL, cluster api.Cluster, user api.AuthInfo) error {
	if u.Scheme == "https" {
		return nil
	}
	how := "with http://"
	if !strings.HasPrefix(strings.ToLower(cluster.Server), "http:") {
		how = "without https://"
	}
	user.LocationOfOrigin, user.Extensions = "", nil
	if u.User != nil || !reflect.DeepEqual(user, api.AuthInfo{}) {
		return fmt.Errorf("the server is given %s, over which the user's credentials are not sent: give https://, or a context without a user", how)
	}
	if cluster.CertificateAuthority != "" || len(cluster.CertificateAuthorityData) > 0 || cluster.InsecureSkipTLSVerify || cluster.TLSServerName != "" {
		return fmt.Errorf("the server is given %s, and the cluster has TLS settings, which would be left out: give https://, or remove them", how)
	}
	return nil
}
