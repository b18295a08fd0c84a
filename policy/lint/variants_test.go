package lint

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Rules that are wrong, or look so and are not, before a catch-all. Infos of the whole policy (L37, L38) are left out.
func TestVariants(t *testing.T) {
	core := func(names string) string {
		return `{level: Metadata, resources: [{group: "", resources: [` + names + `]}]}`
	}
	for _, c := range []struct{ rule, want, meant string }{
		{core("pod"), "L10 warning", "pods"},
		{core("po, svc"), "L10 warning, L10 warning", "services"},
		{core("pods/logs"), "L10 warning", "pods/log"},
		{core("podss"), "L10 warning", "pods"},
		{core("deployments"), "L10 warning", "group apps"},
		{core("Deployment/scale"), "L10 warning", "deployments"},
		{core("secrets/status"), "L10 warning", "no subresources"},
		{core(`"pods/*"`), "L12 info", "pods"},
		{core(`"*/scale", "pods/exec", "*"`), "", ""},
		{core(`"pods*"`), "L7 warning", ""},
		{core(`a/b/c`), "L7 warning, L10 warning", ""},
		{`{level: Metadata, resources: [{group: v1, resources: [pods]}]}`, "L9 warning", "core group"},
		{`{level: Metadata, resources: [{group: core, resources: [pods]}]}`, "L10 warning", "core group"},
		{`{level: Metadata, resources: [{group: rbac, resources: [roles]}]}`, "L10 warning", "group rbac.authorization.k8s.io"},
		{`{level: Metadata, resources: [{group: apps, resources: [deployments/scale]}, {group: metrics.k8s.io, resources: [pods]}]}`, "", ""},
		{`{level: Metadata, resources: [{group: "*", resources: [Secret]}]}`, "L10 warning", "secrets"},
		{`{level: Metadata, resources: [{group: "*", resources: [widgets]}]}`, "", ""},
		{`{level: Metadata, resources: [{group: "*.k8s.io"}]}`, "L7 error", "full name"},
		{`{level: Metadata, resources: [{groups: ["", apps], resources: [pods]}]}`, "L1 error", "an entry for each"},
		{`{level: Metadata, resources: [{groups: [""], resources: [pods]}]}`, "L1 error", "group"},
		{`{level: Metadata, verb: [get]}`, "L1 error, L18 info", "verbs"},
		{`{level: Metadata, group: apps}`, "L1 error, L18 info", "in an entry under resources"},
		{`{level: Metadata, frobnicate: 1}`, "L1 error, L18 info", "one of level"},
		{`{level: request-response, users: [jane], nonResourceURLs: [/x]}`, "L28 error", "RequestResponse"},
		{`{level: Full}`, "L28 error", "one of None"},
		{`{users: [jane]}`, "L28 error", "one of None"},
		{`{level: Metadata, users: [yes]}`, "L0 error", "in quotes"},
		{`{level: Metadata, users: jane}`, "L0 error", "list"},
		{`{level: Metadata, users: [jane], omitStages: [requestReceived]}`, "L0 error", "RequestReceived"},
		{`{level: Metadata, nonResourceURLs: ["/*/x"]}`, "L0 error", ""},
		{`{level: Metadata, nonResourceURLs: ["*"]}`, "", ""},
		{`{level: Metadata, nonResourceURLs: ["/apis/apps/v1/*"]}`, "L14 warning", "resources"},
		{`{level: None, verbs: [GET], nonResourceURLs: [/x]}`, "L39 warning", "get"},
		{`{level: None, verbs: [post], users: [jane], resources: [{group: apps}]}`, "L39 warning", "create"},
		{`{level: Request, verbs: [post, get], users: [jane]}`, "L39 warning", "create"},
		{`{level: Request, verbs: [PUT], users: [jane]}`, "L39 warning", "update"},
		{`{level: Metadata, verbs: [create, post, update, put], users: [jane]}`, "", ""},
		{`{level: None, verbs: [get, list, watch]}`, "L24 warning", "before it"},
		{`{level: None, verbs: [get, list, watch], users: [jane]}`, "", ""},
		{`{level: None, verbs: [exec], users: [jane]}`, "L39 warning", "pods/exec"},
		{`{level: None, users: ["system:serviceaccount:ci:*"]}`, "L7 warning", "system:serviceaccounts:ci"},
		{`{level: None, userGroups: [system:kube-proxy]}`, "L40 warning", "users"},
		{`{level: None, namespaces: ["*"]}`, "L6 warning", "leave namespaces out"},
		{`{level: None, verbs: [get], namespaces: [""], resources: [{group: "", resources: [secrets]}]}`, "", ""},
		{`{level: Metadata, namespaces: [""]}`, "L16 info", ""},
		{`{level: Metadata, resources: [{group: "", resources: [namespaces]}], namespaces: [prod]}`, "L17 info", ""},
		{`{level: Metadata, verbs: [create], resources: [{group: "", resources: [pods/exec], resourceNames: [db-0]}]}`, "", ""},
		{`{level: Metadata, verbs: [list, watch], resources: [{group: "", resources: [pods], resourceNames: [db-0]}]}`, "L13 info", "get"},
		{`{level: Request, verbs: [delete], resources: [{group: apps}]}`, "L25 info", "deletecollection"},
		{`{level: Request, verbs: [delete], resources: [{group: "", resources: [namespaces]}]}`, "", ""},
		{`{level: RequestResponse, verbs: [watch, delete], users: [jane], resources: [{group: "", resources: [secrets]}]}`, "L25 info", ""},
		{`{level: Request, verbs: [update], resources: [{group: "", resources: [configmaps], resourceNames: [coredns]}]}`, "", ""},
		{`{level: Request, verbs: [update], resources: [{group: "", resources: [configmaps]}]}`, "L22 warning", "Metadata"},
		{`{level: Metadata, omitStages: [RequestReceived, ResponseStarted, ResponseComplete]}`, "L20 error, L18 warning", ""},
		{`{level: Metadata, users: [jane], omitStages: [ResponseComplete]}`, "L20 warning", ""},
		{`{level: Metadata, users: [jane], nonResourceURLs: []}`, "", ""},
	} {
		found := Check("p", []byte("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- "+c.rule+"\n- {level: Metadata}\n"), Options{})
		var got []string
		meant := c.meant == ""
		for _, f := range found {
			if f.ID == "L37" || f.ID == "L38" {
				continue
			}
			got = append(got, fmt.Sprintf("%s %s", f.ID, f.Severity))
			meant = meant || strings.Contains(f.Meant, c.meant)
		}
		if s := strings.Join(got, ", "); s != c.want || !meant {
			t.Errorf("%s\n  got  %s\n  want %s, meant %q\n%s", c.rule, s, c.want, c.meant, text(found))
		}
	}
}

func TestParseServer(t *testing.T) {
	want := map[string]string{"audit-log-path": "/var/log/audit.log", "audit-log-mode": "batch", "audit-log-compress": "", "audit-log-truncate-enabled": "true"}
	for name, text := range map[string]string{
		"a list":        "# --audit-log-maxage=3\n--audit-log-path=/var/log/audit.log --audit-log-mode batch --secure-port=1\n--audit-log-compress\n--audit-log-truncate-enabled\n",
		"a unit":        "[Service]\nExecStart=/usr/bin/kube-apiserver \\\n  --audit-log-path=/var/log/audit.log \\\n  --audit-log-mode=\"batch\" --audit-log-compress \\\n --audit-log-truncate-enabled\n",
		"a static pod":  "spec:\n  containers:\n  - command: [kube-apiserver, --audit-log-path, /var/log/audit.log]\n    args: [--audit-log-mode=batch, --audit-log-compress, --audit-log-truncate-enabled, --v=2]\n",
		"kubeadm, old":  "kind: ClusterConfiguration\napiServer:\n  extraArgs: {audit-log-path: /var/log/audit.log, audit-log-mode: batch, audit-log-compress: '', audit-log-truncate-enabled: 'true'}\n",
		"kubeadm, new":  "kind: InitConfiguration\n---\nkind: ClusterConfiguration\napiServer:\n  extraArgs:\n  - {name: audit-log-path, value: /var/log/audit.log}\n  - {name: audit-log-mode, value: batch}\n  - {name: audit-log-compress, value: ''}\n  - {name: audit-log-truncate-enabled, value: 'true'}\n",
		"a flat recipe": "- command:\n- kube-apiserver\n- --audit-log-path=/var/log/audit.log # here\n- --audit-log-mode=batch\n- --audit-log-compress\n- --audit-log-truncate-enabled\n",
	} {
		s, err := ParseServer(name, []byte(text))
		if err != nil {
			t.Error(err)
			continue
		}
		got := map[string]string{}
		for flag, v := range s.flags {
			got[flag] = v.value
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	if _, err := ParseServer("empty", []byte("kind: Pod\n")); err == nil {
		t.Error("a file without flags is taken")
	}
}

func TestWebhookConfigOnTheHost(t *testing.T) {
	s, err := ParseServer("pod", []byte(`spec:
  containers:
  - command: [kube-apiserver, --audit-webhook-config-file=/etc/audit/webhook.yaml]
    volumeMounts: [{name: a, mountPath: /etc}, {name: b, mountPath: /etc/audit}]
  volumes: [{name: a, hostPath: {path: /a}}, {name: b, hostPath: {path: /b}}]
`))
	if err != nil || s.WebhookConfig() != "/b/webhook.yaml" {
		t.Errorf("%v, %v", s.WebhookConfig(), err)
	}
}

// Versions change what the flags mean.
func TestRotationByVersion(t *testing.T) {
	for _, c := range []struct {
		flags      string
		kubernetes int
		want       string
	}{
		{"--audit-log-path=/l", 0, ""}, {"--audit-log-path=/l", 35, "L31 warning"},
		{"--audit-log-path=/l --audit-log-maxbackup=3", 35, ""},
		{"--audit-log-path=/l --audit-log-maxage=3", 35, "L31 info"},
		{"--audit-log-path=/l --audit-log-maxsize=0", 36, "L31 warning"},
		{"--audit-log-path=/l --audit-log-maxsize=0 --audit-log-maxbackup=3", 35, ""},
		{"--audit-log-path=- --audit-log-maxsize=0", 36, ""},
		{"--audit-log-path=/l --audit-log-maxage=0 --audit-log-maxbackup=0", 37, "L31 warning"},
	} {
		s, err := ParseServer("flags", []byte(c.flags))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, f := range CheckServer(Options{Server: s, Kubernetes: c.kubernetes}) {
			got += f.ID + " " + f.Severity.String()
		}
		if got != c.want {
			t.Errorf("%s on 1.%d: %q, want %q", c.flags, c.kubernetes, got, c.want)
		}
	}
}
