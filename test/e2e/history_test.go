package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"annals.dev/test/e2e/kube"
)

// TestHistory does to objects what people do, by every form that a write can have, and keeps after each act what the API server
// itself says of the object. What annals history, diff and blame tell of the recorded events is held against that.
func TestHistory(t *testing.T) {
	logs := t.TempDir()
	s := kube.Start(t, kube.Options{LogDir: logs, Flags: []string{"--audit-policy-file=" + abs(t, "testdata/history.yaml"), keepLogs}})
	makeWidgets(t, s)
	lives := map[string][]*life{}
	for _, ns := range []string{"whole", "sent", "names", "mixed", "patches"} {
		kubectl(t, s, []command{{s.Admin(), "", "create namespace " + ns, ""}})
		lives[ns] = []*life{driveDeployment(t, s, ns), driveConfigMap(t, s, ns), driveWidget(t, s, ns)}
	}
	s.Stop()
	a := newAnnals(t)
	a.must("import", "--cluster", "prod", s.AuditLog)
	for ns, all := range lives {
		for _, l := range all {
			t.Run(ns+"/"+l.resource.Resource, func(t *testing.T) {
				here := *a
				here.t = t
				l.name(t, s)
				l.check(t, &here)
			})
		}
	}
}

// life is an object's, as the API server told it.
type life struct {
	resource schema.GroupVersionResource
	ns, obj  string
	acts     []*moment
}

// moment is an act, and the object after it.
type moment struct {
	words    string
	from, to time.Time
	after    map[string]any // nil: gone
	auditIDs []string       // of its writes: kubectl may make several of which one changes something
}

const crd = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            x-kubernetes-preserve-unknown-fields: true
`

func makeWidgets(t *testing.T, s *kube.Server) {
	t.Helper()
	kubectl(t, s, []command{{s.Admin(), crd, "create -f -", ""}})
	eventually(t, "widgets are served", func() error {
		_, said, err := s.Kubectl(s.Admin(), "", "get", "widgets", "-A")
		if err != nil {
			return fmt.Errorf("%w: %s", err, said)
		}
		return nil
	})
}

// does has kubectl do one act after the other, and asks after each what the object is.
func does(t *testing.T, s *kube.Server, l *life, commands [][2]string) *life {
	t.Helper()
	client, err := dynamic.NewForConfig(s.Admin())
	must(t, err)
	for _, c := range commands {
		args := strings.Fields(c[0])
		if head, patch, ok := strings.Cut(c[0], " -p "); ok {
			args = append(strings.Fields(head), "-p", patch)
		}
		m := &moment{words: c[0], from: time.Now()}
		if _, said, err := s.Kubectl(s.Admin(), c[1], append(args, "-n", l.ns)...); err != nil {
			t.Fatalf("kubectl %s: %v: %s", c[0], err, said)
		}
		m.to = time.Now()
		o, err := client.Resource(l.resource).Namespace(l.ns).Get(context.Background(), l.obj, metav1.GetOptions{})
		switch {
		case err == nil:
			m.after = o.Object
		case !apierrors.IsNotFound(err):
			t.Fatal(err)
		}
		l.acts = append(l.acts, m)
	}
	return l
}

const webYAML = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: %s
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "example.com/web:%s", args: [--verbose, --port=80], env: [{name: A, value: "1"}], ports: [{containerPort: 80}]}
      - {name: log, image: "example.com/log:1"}
`

func deployment(replicas, tag string) string { return fmt.Sprintf(webYAML, replicas, tag) }

func driveDeployment(t *testing.T, s *kube.Server, ns string) *life {
	t.Helper()
	l := &life{schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, ns, "web", nil}
	return does(t, s, l, [][2]string{
		{"create -f -", deployment("1", "1")},
		{"apply -f -", deployment("2", "1")},
		{"apply -f -", deployment("2", "2")},
		{"set image deployment/web web=example.com/web:3", ""},
		{"label deployment web team=shop", ""},
		{"annotate deployment web note=<b>&", ""},
		{`patch deployment web --type json -p [{"op":"add","path":"/spec/template/spec/containers/0/env/-","value":{"name":"B","value":"2"}},{"op":"replace","path":"/spec/template/spec/containers/1/image","value":"example.com/log:2"}]`, ""},
		{`patch deployment web --type merge -p {"spec":{"minReadySeconds":5,"paused":true}}`, ""},
		{`patch deployment web --type strategic -p {"spec":{"template":{"spec":{"containers":[{"name":"side","image":"example.com/side:1","imagePullPolicy":"Always"}]}}}}`, ""},
		{"scale deployment/web --replicas=4", ""},
		{"apply --server-side --force-conflicts -f -", deployment("5", "4")},
		{`patch deployment web --type strategic -p {"spec":{"template":{"spec":{"containers":[{"name":"side","$patch":"delete"}]}}}}`, ""},
		{"replace -f -", strings.Replace(deployment("6", "5"), "args: [--verbose, --port=80]", "args: [--first, --verbose, --port=80]", 1)},
		{`patch deployment web --type merge --dry-run=server -p {"spec":{"paused":null}}`, ""},
		{"delete deployment web --wait=false", ""},
		{"create -f -", deployment("1", "9")},
		{"label deployment web team=till", ""},
	})
}

const appYAML = `
apiVersion: v1
kind: ConfigMap
metadata: {name: app}
data:
  level: %s
  app.conf: |
    # settings
    workers = %s
    cache = on
    %s
`

func driveConfigMap(t *testing.T, s *kube.Server, ns string) *life {
	t.Helper()
	l := &life{schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, ns, "app", nil}
	return does(t, s, l, [][2]string{
		{"create -f -", fmt.Sprintf(appYAML, "info", "1", "last = 1")},
		{"apply -f -", fmt.Sprintf(appYAML, "info", "2", "last = 1")},
		{`patch configmap app --type merge -p {"data":{"level":"debug","more":"yes"}}`, ""},
		{`patch configmap app --type json -p [{"op":"remove","path":"/data/more"},{"op":"add","path":"/data/other","value":"x: y"}]`, ""},
		{"replace -f -", fmt.Sprintf(appYAML, "warn", "2", "last = 2\n    added = 1")},
		{"annotate configmap app a/b=c", ""},
		{"annotate configmap app a/b-", ""},
	})
}

const blueYAML = `
apiVersion: example.com/v1
kind: Widget
metadata: {name: blue}
spec: {size: %s, parts: [{name: a, count: 1}, {name: b, count: %s}], tags: [x, z]}
`

func driveWidget(t *testing.T, s *kube.Server, ns string) *life {
	t.Helper()
	l := &life{schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "widgets"}, ns, "blue", nil}
	return does(t, s, l, [][2]string{
		{"apply -f -", fmt.Sprintf(blueYAML, "1", "1")},
		{"apply -f -", fmt.Sprintf(blueYAML, "2", "1")},
		{`patch widget blue --type merge -p {"spec":{"parts":[{"name":"b","count":2},{"name":"c","count":3}]}}`, ""},
		{`patch widget blue --type json -p [{"op":"add","path":"/spec/tags/0","value":"w"},{"op":"test","path":"/spec/size","value":2}]`, ""},
		{"apply --server-side --force-conflicts -f -", fmt.Sprintf(blueYAML, "3", "7")},
		{"replace -f -", fmt.Sprintf(blueYAML, "4", "8")},
		{"delete widget blue", ""},
	})
}

// name finds the audit IDs of each act's writes in the API server's own log.
func (l *life) name(t *testing.T, s *kube.Server) {
	t.Helper()
	lines, err := s.Log()
	must(t, err)
	for _, line := range lines {
		var e struct {
			AuditID, Verb, Stage     string
			ObjectRef                struct{ Resource, Namespace, Name string }
			ResponseStatus           struct{ Code int }
			RequestReceivedTimestamp time.Time
		}
		must(t, json.Unmarshal(line, &e))
		o := e.ObjectRef
		if slices.Contains([]string{"create", "update", "patch", "delete"}, e.Verb) && e.ResponseStatus.Code < 300 && e.Stage == "ResponseComplete" &&
			o.Resource == l.resource.Resource && o.Namespace == l.ns && o.Name == l.obj {
			for _, m := range l.acts {
				if at := e.RequestReceivedTimestamp; at.After(m.from) && at.Before(m.to) {
					m.auditIDs = append(m.auditIDs, e.AuditID)
				}
			}
		}
	}
	for _, m := range l.acts {
		if len(m.auditIDs) == 0 {
			t.Fatalf("the API server recorded no write of %s", m.words)
		}
	}
}

// told is what annals history -o json says.
type told struct {
	Versions []toldVersion
}

type toldVersion struct {
	Number             int
	Known, Why, Object string
	Missed             bool
	Event              struct{ AuditID string }
}

// shown is what of an object annals shows: what counts its changes, the status, and what kubectl apply notes are left out.
func shown(o map[string]any) map[string]any {
	if o == nil {
		return nil
	}
	b, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	var c map[string]any
	if err := json.Unmarshal(b, &c); err != nil {
		panic(err)
	}
	delete(c, "status")
	meta := c["metadata"].(map[string]any)
	for _, k := range []string{"resourceVersion", "generation", "managedFields"} {
		delete(meta, k)
	}
	if notes, ok := meta["annotations"].(map[string]any); ok {
		delete(notes, "kubectl.kubernetes.io/last-applied-configuration")
		if len(notes) == 0 {
			delete(meta, "annotations")
		}
	}
	return withoutNull(c).(map[string]any)
}

func withoutNull(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if x == nil {
				delete(v, k)
			} else {
				v[k] = withoutNull(x)
			}
		}
	case []any:
		for i, x := range v {
			v[i] = withoutNull(x)
		}
	}
	return v
}

// flat are an object's leaves by their paths. Elements of lists are known by their name, where they have one.
func flat(path string, v any, to map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			to[path] = "{}"
		}
		for k, x := range v {
			flat(path+"/"+k, x, to)
		}
	case []any:
		if len(v) == 0 {
			to[path] = "[]"
		}
		for i, x := range v {
			flat(path+"/"+element(i, x), x, to)
		}
	default:
		b, _ := json.Marshal(v)
		to[path] = string(b)
	}
}

func element(i int, v any) string {
	if m, ok := v.(map[string]any); ok {
		for _, key := range []string{"name", "containerPort"} {
			if m[key] != nil {
				return fmt.Sprint(m[key])
			}
		}
	}
	if s, ok := v.(string); ok { // no list of texts has one twice
		return s
	}
	return fmt.Sprint(i)
}

func leaves(o map[string]any) map[string]string {
	to := map[string]string{}
	if o != nil {
		flat("", o, to)
	}
	return to
}

// authors are, of each leaf of the object as it is last, the act that set it, as the API server's own answers tell.
func (l *life) authors() map[string]*moment {
	by := map[string]*moment{}
	was := map[string]string{}
	for _, m := range l.acts {
		is := leaves(shown(m.after))
		if m.after == nil {
			by, was = map[string]*moment{}, map[string]string{}
			continue
		}
		for path, v := range is {
			if old, ok := was[path]; !ok || old != v {
				by[path] = m
			}
		}
		maps.DeleteFunc(by, func(path string, _ *moment) bool { _, ok := is[path]; return !ok })
		was = is
	}
	return by
}
