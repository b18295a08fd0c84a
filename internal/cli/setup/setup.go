// Package setup writes what people paste into a Kubernetes distribution so that its API server delivers to Annals. Start
// with Write. Every YAML document that it prints is valid by itself; where something is to be added to a file that is there
// already, it stands between two marks that name the file.
package setup

import (
	"embed"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"
)

//go:embed *.tmpl policy.yaml forward.service
var files embed.FS

// Target is a way in which a cluster is run.
type Target struct {
	Name    string // as people type it
	Title   string
	Webhook bool // its API server can be told to deliver; elsewhere events are fetched, and no token is needed
}

// Targets in the order of the help text.
var Targets = []Target{
	{"kubeadm", "static pods made by kubeadm", true},
	{"kind", "kind, Kubernetes in Docker", true},
	{"k3s", "k3s", true},
	{"rke2", "RKE2", true},
	{"systemd", "kube-apiserver as a systemd service", true},
	{"forward", "log files on control-plane nodes, any of the above", true},
	{"eks", "Amazon EKS, through CloudWatch Logs", false},
	{"gke", "Google GKE, through Cloud Logging", false},
	{"aks", "Azure AKS, through a storage account", false},
}

// Find gives the target of a name, however it is capitalised.
func Find(name string) (Target, error) {
	i := slices.IndexFunc(Targets, func(t Target) bool { return t.Name == strings.ToLower(name) })
	if i < 0 {
		var names []string
		for _, t := range Targets {
			names = append(names, t.Name)
		}
		return Target{}, fmt.Errorf("target %q is not known: choose one of %s", name, strings.Join(names, ", "))
	}
	return Targets[i], nil
}

// Values are what the text is filled with. All but Cluster are empty for a target without webhook.
type Values struct {
	Cluster string // checked by access.CheckCluster: it is pasted into shells and YAML
	Server  string // https://192.0.2.5:7443
	CA      []byte // PEM
	Token   string // or else:

	Certificate, Key []byte // PEM
}

// Policy is the audit policy that setup recommends.
func Policy() string {
	b, err := files.ReadFile("policy.yaml")
	if err != nil {
		panic(err) // embedded: it is there
	}
	return string(b)
}

// Write prints the text for a target.
func Write(w io.Writer, t Target, v Values) error {
	funcs := template.FuncMap{
		"files": func(dir string) (string, error) { return heredocs(t, v, dir) },
		"flags": func(dir, logs string) []string {
			var out []string
			for _, f := range flags(dir, logs) {
				out = append(out, f.Name+"="+f.Value)
			}
			return out
		},
		"args":       flags,
		"open":       func(what string) string { return "# ---8<--- " + what },
		"close":      func() string { return "# --->8---" },
		"heredocEnd": func() string { return "EOF" },
		"kubeconfig": func() (string, error) { return kubeconfig(v, "") },
		"unit": func() (string, error) {
			b, err := files.ReadFile("forward.service")
			return string(b), err
		},
		"check": func() string { return strings.ReplaceAll(check, "CLUSTER", v.Cluster) },
	}
	tmpl, err := template.New(t.Name+".tmpl").Funcs(funcs).ParseFS(files, t.Name+".tmpl")
	if err == nil {
		err = tmpl.Execute(w, v)
	}
	if err != nil {
		return fmt.Errorf("setup %s: %w", t.Name, err)
	}
	return nil
}

type flag struct{ Name, Value string }

// flags are kube-apiserver's. A batch waits a second instead of half a minute, so that what happened is found at once. The
// log file holds what the webhook had to give up while the server was away: the API server tries for a minute and a half.
func flags(dir, logs string) []flag {
	return []flag{
		{"audit-policy-file", dir + "/policy.yaml"},
		{"audit-webhook-config-file", dir + "/webhook.yaml"},
		{"audit-webhook-batch-max-wait", "1s"},
		{"audit-log-path", logs + "/audit.log"},
		{"audit-log-maxsize", "100"},
		{"audit-log-maxbackup", "20"},
		{"audit-log-maxage", "7"},
	}
}

// heredocs are the shell lines that write the policy and the webhook's kubeconfig. The kubeconfig holds a secret: nobody but
// its owner may read it.
func heredocs(t Target, v Values, dir string) (string, error) {
	node := "$(hostname -s | tr A-Z a-z)" // so that an event tells which API server it came from
	if t.Name == "kind" {
		node = "control-plane"
	}
	webhook, err := kubeconfig(v, node)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("install -d -m 0700 %[1]s\numask 077\ncat > %[1]s/policy.yaml <<'EOF'\n%[2]sEOF\ncat > %[1]s/webhook.yaml <<EOF\n%[3]sEOF",
		dir, Policy(), webhook), nil
}

// kubeconfig is the webhook's; node is what tells one API server of the cluster from another, or "".
func kubeconfig(v Values, node string) (string, error) {
	var webhook strings.Builder
	tmpl, err := template.ParseFS(files, "webhook.yaml.tmpl")
	if err != nil {
		return "", err
	}
	err = tmpl.Execute(&webhook, struct{ Server, Cluster, Node, CA, Token, Certificate, Key string }{
		v.Server, v.Cluster, node, base64.StdEncoding.EncodeToString(v.CA), v.Token,
		base64.StdEncoding.EncodeToString(v.Certificate), base64.StdEncoding.EncodeToString(v.Key),
	})
	return webhook.String(), err
}

const check = `# Then see it arrive:
#      annals search --cluster CLUSTER --since 5m
#
# If the server was away for longer than a minute and a half, the API server has dropped what it could not deliver; and each
# time it is stopped, it ends its webhook before its last requests. Its log file has all of that. Copy it here, and only what
# is missing is added:
#      annals import --cluster CLUSTER audit*.log*`
