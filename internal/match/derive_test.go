package match

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"testing"

	"annals.dev/audit"
)

// factsOf is all that is derived from an event, written as name=value.
func factsOf(t testing.TB, event string) []string {
	v := new(audit.View)
	if err := v.Parse([]byte(event)); err != nil {
		t.Fatalf("%s: %v", event, err)
	}
	var all []string
	for _, f := range derivedFields {
		(&Path{field: f}).Each(&Row{View: v}, func(v Value) bool {
			all = append(all, f.name+"="+string(v.Text))
			return true
		})
	}
	return all
}

var derivedBodies = []struct{ name, body, want string }{
	{"nothing", `{}`, ``},
	{"a pod", `{"kind":"Pod","metadata":{"name":"p","namespace":"n"},"spec":{"hostNetwork":true,"hostPID":true,"hostIPC":false,"nodeName":"n1","serviceAccountName":"sa",
			"containers":[{"name":"a","image":"i:1","command":["sh","-c"],"args":["id"],"securityContext":{"privileged":true,"capabilities":{"add":["SYS_ADMIN","cap_net_raw"]},"runAsUser":0}}],
			"initContainers":[{"name":"b","image":"j","ports":[{"containerPort":80,"hostPort":8080}]}]}}`,
		`pod.privileged=true|pod.hostNetwork=true|pod.hostPID=true|pod.capability=SYS_ADMIN|pod.capability=NET_RAW|pod.image=i:1|pod.image=j|pod.container=a|pod.container=b|pod.command=sh -c id|pod.serviceAccount=sa|pod.runAsUser=0|pod.node=n1|pod.hostPort=8080|object.name=p|object.namespace=n`},
	{"a CronJob", `{"spec":{"jobTemplate":{"spec":{"template":{"spec":{"containers":[{"name":"a","securityContext":{"privileged":true}}]}}}}}}`,
		`pod.privileged=true|pod.container=a`},
	{"a patch of a template without containers", `{"spec":{"template":{"spec":{"hostPID":true,"serviceAccountName":"x","automountServiceAccountToken":false}}}}`,
		`pod.hostPID=true|pod.serviceAccount=x|pod.automountToken=false`},
	{"a PodTemplate", `{"template":{"spec":{"hostIPC":true,"nodeName":"n"}}}`, `pod.hostIPC=true|pod.node=n`},
	{"an Argo Workflow", `{"spec":{"hostNetwork":true,"volumes":[{"name":"v","hostPath":{"path":"/"}}],"templates":[{"name":"t","steps":[[{"name":"s","template":"u"}]]},
			{"container":{"image":"x","args":["y"],"securityContext":{"privileged":true}}},{"script":{"image":"z","command":["bash"]}}]}}`,
		`pod.privileged=true|pod.hostPath=/|pod.hostPathWritable=/|pod.hostNetwork=true|pod.image=x|pod.image=z|pod.command=y|pod.command=bash|pod.volumeType=hostPath`},
	{"a Knative Service", `{"spec":{"template":{"spec":{"containerConcurrency":1,"containers":[{"image":"x","securityContext":{"allowPrivilegeEscalation":true}}]}}}}`,
		`pod.image=x|pod.allowPrivilegeEscalation=true`},
	{"a Tekton Task", `{"spec":{"stepTemplate":{"securityContext":{"privileged":true}},"steps":[{"name":"a","image":"b"}],"sidecars":[{"name":"c","image":"d"}]}}`,
		`pod.privileged=true|pod.image=b|pod.image=d|pod.container=a|pod.container=c`},
	{"an ephemeral container", `{"spec":{"ephemeralContainers":[{"name":"d","image":"e","targetContainerName":"c","securityContext":{"privileged":true}}]}}`,
		`pod.privileged=true|pod.image=e|pod.container=d|pod.ephemeral=d`},
	{"paths", `{"spec":{"containers":[{"name":"a","volumeMounts":[{"name":"r","readOnly":true},{"name":"w"},{"name":"b","readOnly":true}]},{"name":"b","volumeMounts":[{"name":"b","readOnly":false}]}],
			"volumes":[{"name":"r","hostPath":{"path":"/etc/"}},{"name":"w","hostPath":{"path":"//var//run/"}},{"name":"b","hostPath":{"path":"/proc/../root"}},{"name":"n","hostPath":{"path":"/x"}},{"name":"none","hostPath":null}]}}`,
		`pod.hostPath=/etc|pod.hostPath=/var/run|pod.hostPath=/root|pod.hostPath=/x|pod.hostPathWritable=/var/run|pod.hostPathWritable=/root|pod.hostPathWritable=/x|pod.container=a|pod.container=b|pod.volumeType=hostPath`},
	{"read-only twice", `{"spec":{"containers":[{"name":"a","volumeMounts":[{"name":"v","readOnly":true,"readOnly":false}]}],"volumes":[{"name":"v","hostPath":{"path":"/a","path":"/b"}}]}}`,
		`pod.hostPath=/a|pod.hostPath=/b|pod.hostPathWritable=/a|pod.hostPathWritable=/b|pod.container=a|pod.volumeType=hostPath`},
	{"members that stand twice", `{"spec":{"containers":[{"name":"a","securityContext":{"privileged":false,"privileged":true}}],"containers":[]}}`, `pod.privileged=true|pod.container=a`},
	{"escapes", `{"sp\u0065c":{"c\u006fntainers":[{"name":"\u0061","securityContext":{"\u0070rivileged":true,"capabilities":{"add":["cap_sys_\u0061dmin"]}}}]}}`,
		`pod.privileged=true|pod.capability=SYS_ADMIN|pod.container=a`},
	{"wrong types", `{"spec":{"containers":[7,"x",null,{"name":{},"image":[1],"command":{"a":1},"securityContext":{"privileged":"true","capabilities":{"add":{"a":1}}}}],"volumes":{"hostPath":{"path":5}},"hostPID":"true","hostIPC":1,"template":[]},"rules":{},"subjects":"x","metadata":[]}`,
		`pod.image=1|pod.volumeType=hostPath`},
	{"secrets and profiles", `{"spec":{"imagePullSecrets":[{"name":"reg"}],"securityContext":{"seccompProfile":{"type":"Unconfined"},"sysctls":[{"name":"kernel.msgmax","value":"1"}]},"containers":[{"name":"a","procMount":"x","env":[{"name":"E","valueFrom":{"secretKeyRef":{"name":"s1","key":"k"}}}],"envFrom":[{"secretRef":{"name":"s2"}}],
			"securityContext":{"procMount":"Unmasked","appArmorProfile":{"type":"Unconfined"}},"lifecycle":{"postStart":{"exec":{"command":["curl","x"]}}},"livenessProbe":{"exec":{"command":["true"]}}}],
			"volumes":[{"name":"v","secret":{"secretName":"s3"}},{"name":"w","projected":{"sources":[{"secret":{"name":"s4"}}]}},{"name":"e","emptyDir":{}}]},"metadata":{"annotations":{"container.apparmor.security.beta.kubernetes.io/a":"unconfined"}}}`,
		`pod.container=a|pod.command=curl x|pod.command=true|pod.procMount=Unmasked|pod.seccomp=Unconfined|pod.apparmor=Unconfined|pod.apparmor=unconfined|pod.sysctl=kernel.msgmax|pod.volumeType=secret|pod.volumeType=projected|pod.volumeType=emptyDir|pod.secret=s1|pod.secret=s2|pod.secret=s3|pod.secret=s4|pod.imagePullSecret=reg`},
	{"a status", `{"spec":{"replicas":1},"status":{"containers":[{"name":"a","securityContext":{"privileged":true}}]},"metadata":{"managedFields":[{"f:spec":{"f:hostPID":{}}}]}}`, ``},
	{"a PodSecurityPolicy and a schema", `{"spec":{"privileged":true,"volumes":["*"],"openAPIV3Schema":{"properties":{"privileged":{"type":"boolean"},"hostPID":{"type":"boolean"}}}}}`, ``},
	{"a ControllerRevision", `{"data":{"spec":{"template":{"spec":{"containers":[{"name":"a","securityContext":{"privileged":true}}]}}}}}`, `pod.privileged=true|pod.container=a`},

	{"a role", `{"rules":[{"apiGroups":["","apps"],"resources":["secrets","pods/exec"],"verbs":["get","*"]},{"nonResourceURLs":["/metrics"],"verbs":["get"]}]}`,
		`role.verb=get|role.verb=*|role.verb=get|role.resource=secrets|role.resource=pods/exec|role.apiGroup=apps|role.nonResourceURL=/metrics|role.grant=get secrets|role.grant=get pods/exec|role.grant=* secrets|role.grant=* pods/exec`},
	{"webhooks' and ingresses' rules", `{"webhooks":[{"rules":[{"operations":["*"],"resources":["*"],"verbs":["x"]}]}],"spec":{"rules":[{"host":"a"}]}}`, ``},
	{"aggregation", `{"metadata":{"labels":{"rbac.authorization.k8s.io/aggregate-to-admin":"true","rbac.authorization.k8s.io/aggregate-to-view":null,"a":"b"}},"aggregationRule":{"clusterRoleSelectors":[{"matchLabels":{"x/y":"true"},"matchExpressions":[{"key":"z","operator":"Exists"}]}]}}`,
		`role.aggregates=rbac.authorization.k8s.io/aggregate-to-admin|role.aggregates=x/y|role.aggregates=z`},
	{"a binding", `{"roleRef":{"kind":"ClusterRole","name":"cluster-admin"},"subjects":[{"kind":"User","name":"eve"},{"kind":"Group","name":"g"},{"kind":"ServiceAccount","namespace":"n","name":"s"},{"kind":"ServiceAccount","name":"t"},{"name":"x"}]}`,
		`binding.user=eve|binding.user=system:serviceaccount:n:s|binding.user=system:serviceaccount::t|binding.group=g|binding.role=cluster-admin`},

	{"a JSON patch", `[{"op":"test","path":"/spec/hostPID","value":true},{"op":"remove","path":"/spec/hostIPC"},{"op":"add","path":"/spec/template/spec/containers/0/securityContext","value":{"privileged":true}},
			{"op":"replace","path":"/spec/template/spec/hostNetwork","value":true},{"op":"add","path":"/spec/template/spec/containers/-","value":{"name":"x","image":"y"}},{"op":"add","path":"/spec/template/spec/containers/-1/command/0","value":"nsenter"}]`,
		`pod.privileged=true|pod.hostNetwork=true|pod.image=y|pod.container=x|pod.command=nsenter`},
	{"pieces of a volume", `[{"op":"add","path":"/spec/template/spec/volumes/0/hostPath","value":{"path":"/etc/"}},{"op":"replace","path":"/spec/template/spec/volumes/1/hostPath/path","value":"/root"},{"op":"add","path":"/spec/volumes/-","value":{"name":"a","hostPath":{"path":"/x"}}}]`,
		`pod.hostPath=/etc|pod.hostPath=/root|pod.hostPath=/x|pod.hostPathWritable=/etc|pod.hostPathWritable=/root|pod.hostPathWritable=/x|pod.volumeType=hostPath`},
	{"pieces of RBAC", `[{"op":"add","path":"/rules/0/verbs/-","value":"escalate"},{"op":"replace","path":"/rules/1/resources","value":["secrets"]},{"op":"add","path":"/rules/-","value":{"verbs":["*"],"resources":["*"]}},
			{"op":"add","path":"/subjects/-","value":{"kind":"User","name":"eve"}},{"op":"replace","path":"/subjects/0/name","value":"mallory"},{"op":"add","path":"/metadata/labels/rbac.authorization.k8s.io~1aggregate-to-edit","value":"true"}]`,
		`role.verb=escalate|role.verb=*|role.resource=secrets|role.resource=*|role.grant=escalate ?|role.grant=? secrets|role.grant=* *|role.aggregates=rbac.authorization.k8s.io/aggregate-to-edit|binding.user=eve|binding.user=mallory|binding.group=mallory`},
	{"a patch of all", `[{"op":"replace","path":"","value":{"spec":{"containers":[{"name":"a"}],"hostPID":true}}}]`, `pod.hostPID=true|pod.container=a`},
	{"a patch with a path that has no slash at its beginning", `[{"op":"add","path":"x/spec/hostPID","value":true}]`, `pod.hostPID=true`},
	{"copies", `[{"op":"copy","from":"/spec/x","path":"/spec/containers/0/securityContext/privileged"},{"op":"copy","from":"/a","path":"/spec/volumes/0/hostPath/path"},{"op":"move","from":"/a","path":"/spec/containers/0/image"}]`,
		`pod.privileged=true|pod.hostPath=?|pod.hostPathWritable=?|pod.image=?|pod.volumeType=hostPath`},
	{"copies of what the patch says", `[{"op":"add","path":"/metadata/annotations/x","value":{"y":["/a","/etc"],"z":false}},{"op":"copy","from":"/metadata/annotations/x/y/1","path":"/spec/volumes/0/hostPath/path"},{"op":"copy","from":"/metadata/annotations/x/z","path":"/spec/hostPID"}]`,
		`pod.hostPath=/etc|pod.hostPathWritable=/etc|pod.volumeType=hostPath`},
	{"no patch", `[1,"x",[],{"op":5,"path":7,"value":true},{"op":"add","path":"/"},{"op":"add","path":"/spec/hostPID"},{"path":"/spec/hostIPC","value":true}]`, ``},
}

func TestDerivedOfBodies(t *testing.T) {
	for _, tt := range derivedBodies {
		body := strings.Join(strings.Fields(strings.ReplaceAll(tt.body, "\n", " ")), " ")
		if got := strings.Join(factsOf(t, `{"requestObject":`+body+`}`), "|"); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, strings.ReplaceAll(got, "|", "\n     "), strings.ReplaceAll(tt.want, "|", "\n     "))
		}
	}
}

func TestDerivedOfTheRest(t *testing.T) {
	for event, want := range map[string]string{
		`{"user":{"username":"a"}}`:                                                                                               "actor=a",
		`{"user":{"username":"a"},"impersonatedUser":{"username":"b"}}`:                                                           "actor=b",
		`{"objectRef":{"name":"a","namespace":"n"},"requestObject":{"metadata":{"name":"b"}}}`:                                    "object.name=a|object.namespace=n",
		`{"requestObject":{"metadata":{"generateName":"b-"}},"responseObject":{"metadata":{"name":"b-x","namespace":"m"}}}`:       "object.name=b-x|object.namespace=m",
		`{"requestObject":{"metadata":{"name":"b"}},"responseObject":{"kind":"Status","metadata":{}}}`:                            "object.name=b",
		`{"responseObject":{"spec":{"hostPID":true}}}`:                                                                            "",
		`{"requestURI":"/api/v1/namespaces/n/pods/p/exec?command=sh&command=-c&c%6fmmand=cat+%2Fetc%2Fshadow&container=web&x=y"}`: "exec.command=sh -c cat /etc/shadow|exec.container=web",
		`{"requestURI":"/x?command=%zz%e4%&command"}`:                                                                             "exec.command=%zz\ufffd% ",
		`{"requestURI":"/x/command=y"}`:                                                                                           "",
	} {
		if got := strings.Join(factsOf(t, event), "|"); got != want {
			t.Errorf("%s: %q, want %q", event, got, want)
		}
	}
}

func TestDerivedOfCertificates(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "eve", Organization: []string{"system:masters", "b"}}}, key)
	if err != nil {
		t.Fatal(err)
	}
	request := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	got := strings.Join(factsOf(t, fmt.Sprintf(`{"requestObject":{"spec":{"request":%q,"signerName":"s"}}}`, request)), "|")
	if want := "csr.signer=s|csr.user=eve|csr.group=b|csr.group=system:masters"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, bad := range []string{"", "!", "AAAA", request[:len(request)/2], base64.StdEncoding.EncodeToString([]byte("-----BEGIN X-----\nAAAA\n-----END X-----\n"))} {
		if got := factsOf(t, fmt.Sprintf(`{"requestObject":{"spec":{"request":%q}}}`, bad)); len(got) > 0 {
			t.Errorf("%q: %s", bad, got)
		}
	}
}

// TestGrantsOfLongRules: what matters is not hidden by a rule that is too long to be written out.
func TestGrantsOfLongRules(t *testing.T) {
	var verbs, resources []string
	for i := range 5000 {
		verbs, resources = append(verbs, fmt.Sprintf(`"v%d"`, i)), append(resources, fmt.Sprintf(`"r%d"`, i))
	}
	verbs, resources = slices.Insert(verbs, 2500, `"escalate"`, `"escalate"`), slices.Insert(resources, 2500, `"secrets"`)
	facts := factsOf(t, fmt.Sprintf(`{"requestObject":{"rules":[{"verbs":[%s],"resources":[%s]}]}}`, strings.Join(verbs, ","), strings.Join(resources, ",")))
	for _, want := range []string{"escalate r4999", "escalate secrets", "v4999 secrets"} {
		if !slices.Contains(facts, "role.grant="+want) {
			t.Errorf("the grant %s is not there", want)
		}
	}
	if n := len(facts); n > 25_000 {
		t.Errorf("there are %d facts", n)
	}
}

// hostile are bodies that are large where it could hurt.
func hostile(n int) map[string]string {
	r := strings.Repeat
	return map[string]string{
		"deep objects":   r(`{"template":`, n) + "1" + r("}", n),
		"deep lists":     `{"containers":` + r("[", n) + r("]", n) + "}",
		"deep templates": r(`{"spec":{"containers":[{"name":"a"}],"volumes":[{"hostPath":{"path":"/"}}],"x":`, n/2) + "1" + r("}}", n/2),
		"containers":     `{"spec":{"containers":[` + r(`{"name":"a","securityContext":{"privileged":true}},`, n) + `{}]}}`,
		"mounts":         `{"spec":{"containers":[{"name":"a","volumeMounts":[` + r(`{"name":"v"},`, n) + `{}]}],"volumes":[` + r(`{"name":"v","hostPath":{"path":"/a"}},`, n) + `{}]}}`,
		"mounts again":   `{"containers":[{"name":"a","volumeMounts":[` + r(`{"name":"v"},`, n) + `{}]}],` + r(`"volumes":[{"name":"v","hostPath":{"path":"/a"}}],"x":{"volumes":[{"name":"v","hostPath":{"path":"/"}}]},`, n) + `"y":1}`,
		"names":          `{"subjects":[{` + r(`"kind":"User","name":"x","namespace":"n",`, n) + `"a":1}]}`,
		"copies":         `[` + r(`{"op":"add","path":"/a","value":[1,2,3,4,5,6,7,8,9]},{"op":"copy","from":"/a/8/x/y","path":"/spec/hostPID"},`, n) + `{}]`,
		"copies of one":  `[{"op":"add","path":"/a","value":[` + r("1,", n) + `1]},` + r(`{"op":"copy","from":"/a/0","path":"/b"},`, n) + `{}]`,
		"a long pointer": `[{"op":"copy","from":"` + r("/a", n) + `","path":"` + r("/a", n) + `"}]`,
		"tildes":         `[{"op":"add","path":"/metadata/labels/` + r("~1~0", n) + `","value":1}]`,
	}
}

// TestHostileBodies counts what is done about a body twice as large: it is no more than about twice as much.
func TestHostileBodies(t *testing.T) {
	small, large := hostile(400), hostile(4000)
	for name := range small {
		var sizes [2]int
		for i, body := range []string{small[name], large[name]} {
			var tp tape
			var f facts
			tp.read([]byte(body))
			extract(&tp, &f)
			sizes[i] = len(f.text) + len(tp.nodes) + tp.seen
			for d := range f.values {
				sizes[i] += len(f.values[d])
			}
		}
		if sizes[1] > 12*sizes[0]+5000 {
			t.Errorf("%s: ten times the body costs %d, not %d", name, sizes[1], sizes[0])
		}
	}
}

// TestMarks: of an event that has a derived field, its column holds one of the field's marks, by which SQL passes over others.
func TestMarks(t *testing.T) {
	for _, tt := range derivedBodies {
		body := []byte(tt.body)
		var tp tape
		var f facts
		tp.read(body)
		extract(&tp, &f)
		for _, field := range derivedFields {
			d := field.derivation
			if d.id >= bodyName || len(f.values[d.id]) == 0 || bytes.Contains(body, []byte(`\u`)) {
				continue
			}
			if !slices.ContainsFunc(d.marks, func(m string) bool { return bytes.Contains(body, []byte(m)) }) {
				t.Errorf("%s has a value in %s, but no mark", field.name, body)
			}
		}
	}
}
