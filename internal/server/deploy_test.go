package server

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus"

	"annals.dev/capture"
	"annals.dev/internal/source"
	"annals.dev/sink"
)

const deploy = "../../deploy"

// exported are the names of all metrics that a server with events tells, and those of sources that have told nothing yet.
func exported(t *testing.T, c *core) map[string]bool {
	t.Helper()
	names := map[string]bool{"up": true}
	for name := range source.MetricHelp {
		names[name] = true
	}
	families, err := newRegistry(c).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		names[f.GetName()] = true
		if f.GetHelp() == "" {
			t.Errorf("metric %s has no help text", f.GetName())
		}
	}
	for _, set := range []prometheus.Collector{capture.NewMetrics(), sink.NewMetrics()} {
		descriptions := make(chan *prometheus.Desc, 100)
		set.Describe(descriptions)
		close(descriptions)
		for d := range descriptions {
			_, rest, _ := strings.Cut(d.String(), `fqName: "`)
			name, _, _ := strings.Cut(rest, `"`)
			names[name] = true
		}
	}
	return names
}

var metricName = regexp.MustCompile(`\b(annals|apiserver|process|go)_[a-z_]+`)

// What dashboards and alerts ask for is there: a mistyped name never fires, and nobody notices.
func TestDeployedFilesNameRealMetrics(t *testing.T) {
	c := newCore(t)
	fill(t, c)
	deletions(t, c, 1)
	watchedCore(t, c)
	tellSomebody(t, c)
	known := exported(t, c)
	for _, name := range []string{"grafana-dashboard.json", "prometheus-alerts.yaml"} {
		b, err := os.ReadFile(filepath.Join(deploy, name))
		if err != nil {
			t.Fatal(err)
		}
		exprs := expressions(t, name, b)
		if len(exprs) < 10 {
			t.Errorf("%s: %d expressions", name, len(exprs))
		}
		for _, expr := range exprs {
			found := metricName.FindAllString(expr, -1)
			if len(found) == 0 && !strings.Contains(expr, "up{") {
				t.Errorf("%s: %q names no metric", name, expr)
			}
			for _, m := range found {
				if !known[m] && !known[strings.TrimSuffix(m, "_bucket")] {
					t.Errorf("%s: %q names %s, which is not exported", name, expr, m)
				}
			}
		}
	}
}

func expressions(t *testing.T, name string, b []byte) (exprs []string) {
	t.Helper()
	var v any
	var err error
	if strings.HasSuffix(name, ".json") {
		err = json.Unmarshal(b, &v)
	} else {
		err = yaml.UnmarshalWithOptions(b, &v, yaml.Strict())
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if e, ok := v["expr"].(string); ok {
				exprs = append(exprs, e)
			}
			for _, x := range v {
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(v)
	return exprs
}

func TestAlertsAreWhole(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(deploy, "prometheus-alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.UnmarshalWithOptions(b, &file, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if seen[r.Alert] || r.Expr == "" || r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("alert %q stands twice or lacks something", r.Alert)
			}
			seen[r.Alert] = true
		}
	}
	if len(seen) < 8 {
		t.Errorf("%d alerts", len(seen))
	}
}

// The kubeadm patch says what annals setup says.
func TestKubeadmPatch(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(deploy, "kubeadm", "kube-apiserver+json.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var patch []struct {
		Op, Path string
		Value    any
	}
	if err := yaml.UnmarshalWithOptions(b, &patch, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	flags, mounts := 0, 0
	for _, p := range patch {
		if p.Op != "add" || !strings.HasSuffix(p.Path, "/-") {
			t.Errorf("%s %s does not add to a list", p.Op, p.Path)
		}
		switch v := p.Value.(type) {
		case string:
			flags++
			if !strings.HasPrefix(v, "--audit-") {
				t.Errorf("flag %s", v)
			}
		case map[string]any:
			mounts++
		}
	}
	if flags != 7 || mounts != 4 {
		t.Errorf("%d flags and %d mounts and volumes, want 7 and 4", flags, mounts)
	}
}

func TestUnitIsStrict(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(deploy, "annals.service"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ExecStart=/usr/local/bin/annals serve\n", "ProtectSystem=strict\n", "UMask=0077\n", "User=annals\n", "Restart=on-failure\n"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("annals.service lacks %q", want)
		}
	}
}
