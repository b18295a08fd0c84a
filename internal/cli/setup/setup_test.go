package setup

import (
	"bytes"
	"encoding/base64"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

var values = Values{Cluster: "prod", Server: "https://192.0.2.5:7443", CA: []byte("-----BEGIN CERTIFICATE-----\n"), Token: "annals_abc"}

func text(t *testing.T, target Target) string {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, target, values); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

var (
	heredoc = regexp.MustCompile(`(?ms)^cat > (\S+) <<'?EOF'?\n(.*?)^EOF$`)
	snippet = regexp.MustCompile(`(?ms)^# ---8<--- ([^\n]*)\n(.*?)^# --->8---$`)
)

func TestYAMLIsValid(t *testing.T) {
	for _, target := range Targets {
		t.Run(target.Name, func(t *testing.T) {
			out := text(t, target)
			docs := append(heredoc.FindAllStringSubmatch(out, -1), snippet.FindAllStringSubmatch(out, -1)...)
			if target.Webhook && len(docs) < 2 && target.Name != "forward" {
				t.Errorf("%d YAML documents; want the policy and the kubeconfig at least", len(docs))
			}
			for _, d := range docs {
				var m map[string]any
				if err := yaml.Unmarshal([]byte(d[2]), &m); err != nil || len(m) == 0 {
					t.Errorf("%s: %v\n%s", d[1], err, d[2])
				}
			}
			if strings.Contains(out, "<no value>") {
				t.Error("a value is missing")
			}
		})
	}
}

// What is pasted must be whole and understood by a shell.
func TestShellIsValid(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh on this system")
	}
	for _, target := range Targets {
		script := snippet.ReplaceAllString(text(t, target), "")
		if target.Name == "systemd" { // the flags are for the unit, not for a shell
			script, _, _ = strings.Cut(script, "  --audit-policy-file")
		}
		cmd := exec.Command(sh, "-n")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", target.Name, err, out)
		}
	}
}

func TestWebhookTargets(t *testing.T) {
	ca := base64.StdEncoding.EncodeToString(values.CA)
	for _, target := range Targets {
		if target.Name == "forward" {
			continue // TestForward
		}
		out := text(t, target)
		for _, want := range []string{
			"https://192.0.2.5:7443/v1/audit/prod/", ca, "token: annals_abc", "audit-policy-file", "audit-webhook-config-file",
			"audit-webhook-batch-max-wait", "audit-log-path", "/policy.yaml", "/webhook.yaml", "annals search --cluster prod",
		} {
			if strings.Contains(out, want) != target.Webhook {
				t.Errorf("%s: holds %q: %v", target.Name, want, !target.Webhook)
			}
		}
		if !target.Webhook && !strings.Contains(out, "annals import --cluster prod") {
			t.Errorf("%s does not say how events come in", target.Name)
		}
	}
}

func TestForward(t *testing.T) {
	target, err := Find("forward")
	if err != nil {
		t.Fatal(err)
	}
	out := text(t, target)
	docs := heredoc.FindAllStringSubmatch(out, -1)
	if len(docs) != 1 || docs[0][1] != "/etc/annals/forward.yaml" {
		t.Fatalf("kubeconfigs %q, want one", docs)
	}
	for _, want := range []string{"server: https://192.0.2.5:7443/v1/audit/prod\n", "token: annals_abc", base64.StdEncoding.EncodeToString(values.CA)} {
		if !strings.Contains(docs[0][2], want) {
			t.Errorf("the kubeconfig lacks %q", want)
		}
	}
	unit, err := os.ReadFile("../../../deploy/annals-forward.service")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, string(unit)) {
		t.Error("the unit is not the one in deploy/")
	}
}

// A mount of one file keeps the API server from rotating it and from seeing its successor.
func TestFoldersAreMounted(t *testing.T) {
	for _, name := range []string{"kubeadm", "kind", "rke2"} {
		target, err := Find(name)
		if err != nil {
			t.Fatal(err)
		}
		out := text(t, target)
		mounts := regexp.MustCompile(`(?:mountPath|hostPath|containerPath|path): (\S+)|"(/\S+):/\S+"`).FindAllStringSubmatch(out, -1)
		if len(mounts) < 2 {
			t.Errorf("%s: %d mounts, want those of the policy and of the log", name, len(mounts))
		}
		for _, m := range mounts {
			if strings.HasSuffix(m[1]+m[2], ".yaml") || strings.HasSuffix(m[1]+m[2], ".log") {
				t.Errorf("%s mounts a file: %s", name, m[0])
			}
		}
	}
}

func TestPolicy(t *testing.T) {
	var p struct {
		APIVersion, Kind string
		OmitStages       []string `yaml:"omitStages"`
		Rules            []struct {
			Level     string
			Verbs     []string
			Resources []struct {
				Group     string
				Resources []string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(Policy()), &p); err != nil {
		t.Fatal(err)
	}
	if len(p.OmitStages) != 1 || p.OmitStages[0] != "RequestReceived" {
		t.Errorf("omitStages: %v", p.OmitStages)
	}
	// level is that of the first rule that names the resource for the verb, or for every verb.
	level := func(resource, verb string) string {
		for _, r := range p.Rules {
			if len(r.Verbs) > 0 && !strings.Contains(strings.Join(r.Verbs, " "), verb) {
				continue
			}
			for _, g := range r.Resources {
				for _, res := range g.Resources {
					if res == resource {
						return r.Level
					}
				}
			}
		}
		return ""
	}
	for _, c := range []struct{ resource, verb, want string }{
		{"secrets", "get", "Metadata"}, {"secrets", "create", "Metadata"}, {"serviceaccounts/token", "create", "Metadata"},
		{"tokenreviews", "create", "Metadata"}, {"pods/exec", "create", "Metadata"}, {"pods/exec", "get", "Metadata"},
		{"events", "create", "None"}, {"events", "delete", ""}, {"leases", "update", "None"},
	} {
		if got := level(c.resource, c.verb); got != c.want {
			t.Errorf("%s %s is recorded at %q, want %q", c.verb, c.resource, got, c.want)
		}
	}
	if last := p.Rules[len(p.Rules)-1]; last.Level != "Metadata" || last.Verbs != nil || last.Resources != nil {
		t.Errorf("the last rule does not catch everything else: %+v", last)
	}
	if n := strings.Count(Policy(), "\t"); n > 0 {
		t.Error("tabs in YAML")
	}
}

func TestFind(t *testing.T) {
	for _, name := range []string{"RKE2", "EKS", "kubeadm"} {
		if _, err := Find(name); err != nil {
			t.Error(err)
		}
	}
	if _, err := Find("openshift"); err == nil || !strings.Contains(err.Error(), "choose one of kubeadm, kind") {
		t.Errorf("unknown target: %v", err)
	}
}
