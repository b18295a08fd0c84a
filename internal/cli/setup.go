package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"annals.dev/internal/access"
	"annals.dev/internal/cli/setup"
	"annals.dev/internal/server"
)

const setupLong = `Setup prints what to paste so that a cluster's API server delivers to this machine: the audit policy,
the flags, the mounts, and the webhook's kubeconfig with the server's CA and a token. The token is made
now and shown this once; of it only a hash is kept. For managed clusters it prints how their events
come out.

Targets:
`

const setupExample = `  annals setup kubeadm --cluster prod
  annals setup kubeadm --cluster prod --client-certificate
  annals setup kind --cluster dev --server https://172.18.0.1:7443
  annals setup forward --cluster prod
  annals setup eks --cluster prod`

func newSetup(e *env) *cobra.Command {
	long := setupLong
	var names []string
	for _, t := range setup.Targets {
		long += fmt.Sprintf("  %-9s %s\n", t.Name, t.Title)
		names = append(names, t.Name)
	}
	var cluster, address string
	var certificate bool
	cmd := &cobra.Command{
		Use: "setup TARGET", Short: "Print what to paste into a cluster", Long: strings.TrimSpace(long), Example: setupExample,
		Args: cobra.ExactArgs(1), ValidArgs: names,
	}
	cmd.Flags().StringVar(&cluster, "cluster", "", "the name that the cluster's events get")
	cmd.Flags().StringVar(&address, "server", "", "how the API server reaches this machine (default: the first address given to init, port 7443)")
	cmd.Flags().BoolVar(&certificate, "client-certificate", false, "give the API server a client certificate for a year instead of a token")
	perCall(cmd, "client-certificate", "server") // ANNALS_SERVER is whom other commands ask
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		target, err := setup.Find(args[0])
		if err != nil {
			return &usageError{err}
		}
		if cluster == "" {
			return usagef("give the cluster a name: --cluster prod")
		}
		if err := access.CheckCluster(cluster); err != nil {
			return &usageError{err}
		}
		values := setup.Values{Cluster: cluster}
		if target.Webhook {
			if err := e.fillWebhook(cmd.Context(), &values, target, address, certificate); err != nil {
				return err
			}
		}
		var out bytes.Buffer
		if err := setup.Write(&out, target, values); err != nil {
			return err
		}
		_, err = e.out.Write(out.Bytes())
		return err
	}
	return cmd
}

const clientLife = 365 * 24 * time.Hour

// fillWebhook adds what only a target with a webhook needs; it makes the token or the client certificate.
func (e *env) fillWebhook(ctx context.Context, v *setup.Values, t setup.Target, address string, certificate bool) error {
	keys, err := access.Open(e.data, e.logger(slog.LevelWarn))
	if err != nil {
		return err
	}
	cert, err := keys.TLSConfig().GetCertificate(nil)
	if err != nil {
		return err
	}
	host := certificateHost(cert)
	if address == "" {
		if host == "" {
			host = "localhost"
			e.say("annals: the server's certificate is for localhost alone: an API server elsewhere will not reach it. annals init --change-names --ip ADDRESS gives it one.")
		}
		address = "https://" + net.JoinHostPort(host, "7443")
	}
	if v.Server, err = serverURL(address); err != nil {
		return err
	}
	u, err := url.Parse(v.Server)
	if err != nil {
		return err
	}
	if err := cert.Leaf.VerifyHostname(u.Hostname()); err != nil {
		return usagef("the server's certificate is not for %s, so API servers would refuse it: %w", u.Hostname(), err)
	}
	v.CA = keys.ServerCA()
	if certificate {
		e.say("annals: the client certificate ends on %s, and cannot be called back before: run setup again in time.", e.now().Add(clientLife).UTC().Format("2006-01-02"))
		v.Certificate, v.Key, err = keys.IssueClient(v.Cluster, clientLife)
		return err
	}
	client, err := e.connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	made, err := client.CreateToken(ctx, server.TokenQuestion{Role: access.Ingest, Cluster: v.Cluster, Note: "setup " + t.Name})
	v.Token = made.Text
	return err
}

// certificateHost is the first address or name of the certificate that is not of this machine alone.
func certificateHost(cert *tls.Certificate) string {
	for _, ip := range cert.Leaf.IPAddresses {
		if !ip.IsLoopback() {
			return ip.String()
		}
	}
	for _, name := range cert.Leaf.DNSNames {
		if name != "localhost" && !strings.HasPrefix(name, "*") {
			return name
		}
	}
	return ""
}

// serverURL reads https://HOST:PORT, which is pasted into shells and YAML.
func serverURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", usagef("--server %q: give https://HOST:PORT, nothing more", s)
	}
	for _, c := range u.Host {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]", c) {
			return "", usagef("--server %q: %q does not belong into a host name", s, c)
		}
	}
	return "https://" + u.Host, nil
}
