package falco

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"annals.dev/audit"
)

var update = flag.Bool("update", false, "write the tables of docs/falco.md anew")

const everything = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"id-1","stage":"ResponseComplete","requestURI":"/api?command=a%20b&command=c","verb":"create",
"user":{"username":"jane","groups":["g1","g2"]},"impersonatedUser":{"username":"root"},"sourceIPs":["10.0.0.1","10.0.0.2"],"userAgent":"kubectl",
"objectRef":{"resource":"pods","namespace":"ns","name":"web"},"responseStatus":{"code":403,"reason":"Forbidden"},
"requestObject":{
 "data":{"k":"v"},
 "subjects":[{"kind":"User","name":"u1"},{"kind":"ServiceAccount","name":"sa1","namespace":"n1"},{"kind":"Group","name":"gr1"},{"kind":"ServiceAccount","name":"sa2"}],
 "roleRef":{"name":"admin"},
 "rules":[{"apiGroups":[""],"resources":["pods","secrets"],"verbs":["get"]},{"nonResourceURLs":["/healthz"],"verbs":["*"]}],
 "spec":{"type":"NodePort","ports":[{"port":80},{"port":443,"nodePort":30443}],
  "hostIPC":true,"hostNetwork":true,"hostPID":false,
  "securityContext":{"runAsUser":1000,"runAsGroup":2000,"fsGroup":3000,"supplementalGroups":[1,2]},
  "volumes":[{"name":"a","hostPath":{"path":"/etc/x"}},{"name":"b","flexVolume":{"driver":"d/f"}},{"name":"c","emptyDir":{}}],
  "containers":[
   {"name":"c0","image":"reg.io/a:1","command":["sh","-c"],"args":["x","y"],"ports":[{"hostPort":8080,"containerPort":80},{"containerPort":90}],
    "securityContext":{"privileged":true,"allowPrivilegeEscalation":true,"readOnlyRootFilesystem":false,"runAsUser":5,"procMount":"Unmasked","capabilities":{"add":["SYS_ADMIN","NET_RAW"]}}},
   {"name":"c1","image":"localhost:5000/b@sha256:0","securityContext":{"runAsGroup":6,"capabilities":{"add":["ALL"]}}}],
  "initContainers":[{"name":"i0","image":"init","securityContext":{"privileged":false}}],
  "ephemeralContainers":[{"name":"e0","image":"debug:2","args":["z"]}]}},
"responseObject":{"metadata":{"name":"web-1"}},
"stageTimestamp":"2026-01-01T00:00:00.000000Z",
"annotations":{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"RBAC","authentication.openshift.io/decision":"error","authentication.openshift.io/username":"os",
 "validation.policy.admission.k8s.io/validation_failure":"[x]","pod-security.kubernetes.io/audit-violations":"would violate","cluster_name":"prod"}}`

// TestFields reads every field from one event; | stands between values, - for none. A field may stand with an argument, or with
// @upstream for what Falco itself reads.
func TestFields(t *testing.T) {
	want := map[string]string{
		"ka.auditid": "id-1", "ka.stage": "ResponseComplete", "ka.auth.decision": "allow", "ka.auth.reason": "RBAC", "ka.auth.openshift.decision": "error",
		"ka.validations.admission.policy.failure": "[x]", "ka.security.pod.violations": "would violate", "ka.auth.openshift.username": "os",
		"ka.user.name": "jane", "ka.user.groups": "g1|g2", "ka.impuser.name": "root", "ka.verb": "create", "ka.uri": "/api?command=a%20b&command=c",
		"ka.uri.param[command]": "a b", "ka.target.name": "web", "ka.target.namespace": "ns", "ka.target.resource": "pods", "ka.target.subresource": "-", "ka.target.pod.name": "web-1",
		"ka.req.binding.subjects":            `{"kind":"User","name":"u1"}|{"kind":"ServiceAccount","name":"sa1","namespace":"n1"}|{"kind":"Group","name":"gr1"}|{"kind":"ServiceAccount","name":"sa2"}`,
		"ka.req.binding.subjects.user_names": "u1", "ka.req.binding.subjects.serviceaccount_names": "sa1|sa2", "ka.req.binding.subjects.serviceaccount_ns_names": "n1:sa1|:sa2",
		"ka.req.binding.subjects.group_names": "gr1", "ka.req.binding.role": "admin", "ka.req.binding.subject.has_name[x]": "true",
		"ka.req.configmap.name": "web", "ka.req.configmap.obj": `{"k":"v"}`, "ka.req.pod.host_ipc": "true", "ka.req.pod.host_network": "true", "ka.req.container.host_network": "true",
		"ka.req.pod.host_pid": "false", "ka.req.container.image": "reg.io/a:1", "ka.req.container.image.repository": "reg.io/a", "ka.req.container.privileged": "true",
		"ka.req.pod.run_as_user": "1000", "ka.req.pod.run_as_group": "2000", "ka.req.pod.fs_group": "3000", "ka.req.pod.supplemental_groups": "1|2",
		"ka.req.role.rules":           `{"apiGroups":[""],"resources":["pods","secrets"],"verbs":["get"]}|{"nonResourceURLs":["/healthz"],"verbs":["*"]}`,
		"ka.req.role.rules.apiGroups": "", "ka.req.role.rules.nonResourceURLs": "/healthz", "ka.req.role.rules.verbs": "get|*", "ka.req.role.rules.verbs[1]": "*", "ka.req.role.rules.resources": "pods|secrets",
		"ka.req.role.rules.verbs[2]": "-",
		"ka.req.service.type":        "NodePort", "ka.req.service.ports": `{"port":80}|{"port":443,"nodePort":30443}`, "ka.req.service.ports[1]": `{"port":443,"nodePort":30443}`,
		"ka.req.service.ports@upstream": `[{"port":80},{"port":443,"nodePort":30443}]`,
		"ka.req.pod.volumes.hostpath":   "/etc/x", "ka.req.pod.volumes.hostpath[1]": "-", "ka.req.volume.hostpath[/etc/x]": "true", "ka.req.volume.hostpath[/etc*]": "true", "ka.req.volume.hostpath[/etc]": "false",
		"ka.req.pod.volumes.flexvolume_driver": "d/f", "ka.req.pod.volumes.volume_type": "hostPath|flexVolume|emptyDir", "ka.req.pod.volumes.volume_type[2]": "emptyDir",
		"ka.resp.name": "web-1", "ka.response.code": "403", "ka.response.reason": "Forbidden", "ka.useragent": "kubectl",
		"ka.sourceips": "10.0.0.1|10.0.0.2", "ka.sourceips[1]": "10.0.0.2", "ka.sourceips@upstream": "-", "ka.cluster.name": "prod",

		"ka.req.pod.containers.args": "x y", "ka.req.pod.containers.command": "sh -c", "ka.req.pod.containers.name": "c0|c1", "ka.req.pod.containers.image": "reg.io/a:1|localhost:5000/b@sha256:0",
		"ka.req.pod.containers.image[1]": "localhost:5000/b@sha256:0", "ka.req.pod.containers.image.repository": "reg.io/a|localhost", "ka.req.pod.containers.host_port": "8080|90",
		"ka.req.pod.containers.privileged": "true", "ka.req.pod.containers.privileged[1]": "-", "ka.req.pod.containers.allow_privilege_escalation": "true", "ka.req.pod.containers.read_only_fs": "false",
		"ka.req.pod.containers.run_as_user": "5", "ka.req.pod.containers.run_as_group": "6", "ka.req.pod.containers.proc_mount": "Unmasked",
		"ka.req.pod.containers.eff_run_as_user": "5|1000", "ka.req.pod.containers.eff_run_as_user[1]": "1000", "ka.req.pod.containers.eff_run_as_user@upstream": "0|0",
		"ka.req.pod.containers.eff_run_as_group": "2000|6", "ka.req.pod.containers.eff_run_as_group@upstream": "0|0",
		"ka.req.pod.containers.add_capabilities": "SYS_ADMIN|NET_RAW|ALL", "ka.req.pod.containers.add_capabilities[1]": "ALL", "ka.req.pod.containers.add_capabilities@upstream": `["SYS_ADMIN","NET_RAW"]|["ALL"]`,

		"ka.req.pod.initContainers.args": "-", "ka.req.pod.initContainers.command": "-", "ka.req.pod.initContainers.name": "i0", "ka.req.pod.initContainers.image": "init",
		"ka.req.pod.initContainers.image.repository": "init", "ka.req.pod.initContainers.host_port": "-", "ka.req.pod.initContainers.privileged": "false",
		"ka.req.pod.initContainers.allow_privilege_escalation": "-", "ka.req.pod.initContainers.read_only_fs": "-", "ka.req.pod.initContainers.run_as_user": "-", "ka.req.pod.initContainers.eff_run_as_user": "1000",
		"ka.req.pod.initContainers.run_as_group": "-", "ka.req.pod.initContainers.eff_run_as_group": "2000", "ka.req.pod.initContainers.proc_mount": "-", "ka.req.pod.initContainers.add_capabilities": "-",
		"ka.req.pod.ephemeralContainers.args": "z", "ka.req.pod.ephemeralContainers.command": "-", "ka.req.pod.ephemeralContainers.name": "e0", "ka.req.pod.ephemeralContainers.image": "debug:2",
		"ka.req.pod.ephemeralContainers.image.repository": "debug", "ka.req.pod.ephemeralContainers.privileged": "-", "ka.req.pod.ephemeralContainers.allow_privilege_escalation": "-",
		"ka.req.pod.ephemeralContainers.read_only_fs": "-", "ka.req.pod.ephemeralContainers.run_as_user": "-", "ka.req.pod.ephemeralContainers.eff_run_as_user": "1000",
		"ka.req.pod.ephemeralContainers.run_as_group": "-", "ka.req.pod.ephemeralContainers.eff_run_as_group": "2000", "ka.req.pod.ephemeralContainers.proc_mount": "-", "ka.req.pod.ephemeralContainers.add_capabilities": "-",

		"json.value[/user/groups/0]": "g1", "json.value[user/username]": "jane", "json.value[/impersonatedUser]": `{"username":"root"}`, "json.value[/kind]": "Event", "json.value[/sourceIPs/1]": "10.0.0.2",
		"json.value[/objectRef/apiGroup]": "-", "json.value[/responseStatus]": `{"code":403,"reason":"Forbidden"}`, "json.value[/annotations/cluster_name]": "prod", "json.value[/level/x]": "-",
		"jevt.value[/responseStatus/code]": "403", "json.rawtime": "1767225600000000000", "jevt.rawtime": "1767225600000000000",
	}
	v := row(t, everything).View
	seen := map[string]bool{"json.obj": true, "jevt.obj": true}
	for name, value := range want {
		plain, upstream := strings.CutSuffix(name, "@upstream")
		p := &parser{in: plain}
		s, err := binder{upstream}.bind(p.left())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		seen[s.def.name] = true
		got := "-"
		if values := s.values(v); len(values) > 0 {
			var all []string
			for _, b := range values {
				all = append(all, string(b))
			}
			got = strings.Join(all, "|")
		}
		if diff := cmp.Diff(value, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		if d := s.def; d.path != "" && fieldOf(d, s.arg) == "" {
			t.Errorf("%s: the event has no path %s", name, d.path)
		}
	}
	ka := 0
	for name, d := range definitions {
		if !seen[name] {
			t.Errorf("%s is not tested", name)
		}
		if strings.HasPrefix(name, "ka.") {
			ka++
		}
		if d.reads == "" || d.read == nil && d.text == nil || (d.as == nil) != (d.was == "") {
			t.Errorf("%s is defined in part", name)
		}
	}
	if ka != 100 {
		t.Errorf("%d fields begin with ka., Falco has 100", ka)
	}
}

// TestContainersWithoutImage: one that has none leaves no value at all.
func TestContainersWithoutImage(t *testing.T) {
	r := row(t, `{"auditID":"1","requestObject":{"spec":{"containers":[{"name":"a","image":"x"},{"name":"b"}]}}}`)
	for in, want := range map[string]bool{
		"ka.req.pod.containers.image exists": false, "ka.req.pod.containers.image.repository in (x)": false, "ka.req.pod.containers.image[0] in (x)": true,
		"ka.req.container.image = x": true, "ka.req.pod.containers.name in (a, b)": true,
	} {
		p, err := condition(in, false)
		if err != nil {
			t.Fatal(err)
		}
		if p.Match(r) != want {
			t.Errorf("%s is not %v", in, want)
		}
	}
}

// TestOddBodies: no body is odd enough to do harm.
func TestOddBodies(t *testing.T) {
	for _, body := range []string{`null`, `"text"`, `[]`, `[[]]`, `{}`, `{"spec":null}`, `{"spec":[]}`, `{"spec":{"containers":null,"volumes":{},"ports":"x"}}`,
		`{"spec":{"containers":[null,1,"x",[],{"securityContext":null,"args":"x","ports":[1,{"hostPort":null}]}],"volumes":[null,1]},"rules":[null,{"verbs":null},{"verbs":[null,1,{}]}],"subjects":[null,{"kind":1}]}`} {
		r := row(t, `{"auditID":"1","requestURI":"%zz?%","user":{"groups":{}},"sourceIPs":"x","annotations":[],"requestObject":`+body+`,"responseObject":`+body+`}`)
		for _, d := range table() {
			for _, arg := range []selection{{index: -1}, {index: 0}, {index: 7}, {index: -1, key: "/requestObject/spec/containers/0"}} {
				for _, read := range []func(*audit.View, selection) [][]byte{d.read, d.as} {
					if read == nil {
						continue
					}
					for _, value := range read(r.View, arg) {
						if value == nil {
							t.Errorf("%s of %s has a value that is none", d.name, body)
						}
					}
				}
			}
		}
	}
}

func TestOutput(t *testing.T) {
	r := newResolver(newLoader(), Options{})
	for in, want := range map[string]string{
		"text": "text", "%ka.user.name": "jane", "*%ka.user.name": "jane", "(user=%ka.user.name ns=%ka.target.namespace)": "(user=jane ns=ns)",
		"%ka.target.subresource": "<NA>", "%ka.user.groups": "(g1,g2)", "%ka.uri.param[command]!": "a b!", "%jevt.value[/requestObject/spec/volumes/0]": `{"name":"a","hostPath":{"path":"/etc/x"}}`,
		"%toupper(ka.verb) %len(ka.user.groups)": "CREATE 2", `%join("-", (ka.verb, ka.target.name))`: "create-web", "100% %": "100% %", "%ka.target.name/%ka.target.resource": "web/pods",
		"%ka.nosuch x": "<NA> x", "%ka.uri.param x": "<NA> x", "%ka.verb[0] x": "<NA> x", "%ka.verb, %ka.user.name.": "create, jane.", "%tolower( x": "%tolower( x",
	} {
		if got := r.output(in).text(row(t, everything)); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	long := r.output("%ka.user.name").text(row(t, `{"auditID":"1","user":{"username":"`+strings.Repeat("é", 2000)+`"}}`))
	if len(long) > maxShown+3 || !strings.HasSuffix(long, "é…") {
		t.Errorf("%d bytes are shown: …%s", len(long), long[max(0, len(long)-10):])
	}
}

// TestDocument holds the tables of the document to the code.
func TestDocument(t *testing.T) {
	const file = "../../../docs/falco.md"
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("| field | values | argument | read from | here not as in Falco |\n|---|---|---|---|---|\n")
	for _, d := range table() {
		values := "one"
		if d.list {
			values = "several"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", d.name, values, []string{"", "may be an index", "must be a key"}[d.arg], strings.ReplaceAll(d.reads, "|", "\\|"), d.was)
	}
	const begin, end = "<!-- fields: written by go test ./internal/detect/falco -update -->\n", "<!-- end of fields -->"
	before, rest, ok := strings.Cut(string(old), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("docs/falco.md has no place for the fields")
	}
	text := before + begin + b.String() + end + after
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if diff := cmp.Diff(string(old), text); diff != "" {
		t.Errorf("docs/falco.md (-update writes it anew):\n%s", diff)
	}
	for _, op := range slices.Concat(numberOps, stringOps, modifiers, listOps, transformer, []string{"exists", "val("}) {
		if !strings.Contains(text, "`"+strings.TrimRight(op, " (")) {
			t.Errorf("docs/falco.md does not say what %s is", op)
		}
	}
}
