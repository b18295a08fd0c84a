package falco

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDefects(t *testing.T) {
	for condition, want := range map[string][]string{
		"ka.verb=get": nil,
		"ka.verb=create and ka.target.resource=pods and ka.req.pod.host_pid=true": nil,
		"jevt.rawtime=0": {"switched off"},
		"not jevt.rawtime exists or ka.verb=get and jevt.rawtime=0": {"switched off"},
		"jevt.rawtime exists":                                                                                           nil,
		"not ka.req.pod.host_pid=true":                                                                                  {"no body is recorded"},
		"ka.verb=create and not not ka.req.pod.host_pid=true":                                                           nil,
		"ka.req.pod.host_ipc=true and not ka.req.pod.host_pid=true":                                                     nil,
		"ka.verb=create and not jevt.value[/responseObject/x] exists":                                                   {"no body is recorded"},
		"ka.target.resource=clusterroles and ka.verb=create and ka.req.role.rules.verbs intersects (x)":                 {"create of clusterroles alone"},
		"ka.target.resource in (roles, clusterroles) and ka.verb in (create, patch) and ka.req.role.rules.verbs in (x)": nil,
		"ka.target.resource=clusterroles and ka.verb=create":                                                            nil,
		"ka.target.resource=secrets and ka.verb=get":                                                                    {"get of secrets alone"},
		"ka.target.resource=secrets and ka.verb in (get, list)":                                                         nil,
		"ka.target.resource=serviceaccounts and ka.verb=create":                                                         {"create of serviceaccounts/token"},
		"ka.target.resource=serviceaccounts and ka.verb=create and not ka.target.subresource exists":                    nil,
		"ka.stage=ResponseStarted":                                                                                      {"needs stage ResponseStarted"},
		"ka.stage in (ResponseStarted, ResponseComplete)":                                                               nil,
		"ka.target.subresource=exec and ka.response.code startswith 2":                                                  {"code 101"},
		"ka.response.code startswith 2":                                                                                 nil,
		"ka.req.pod.volumes.hostpath intersects (/etc)":                                                                 {"as they are written"},
		"ka.req.pod.volumes.hostpath exists":                                                                            nil,
		"ka.req.pod.containers.image.repository in (x)":                                                                 {"up to its first colon"},
		"ka.verb=create and ka.req.pod.ephemeralContainers.name exists":                                                 {"is never there"},
		"ka.verb=patch and ka.req.pod.ephemeralContainers.name exists":                                                  nil,
		"ka.response.code >= 400":                                                                                       {"compares as text"},
		"len(ka.uri) >= 400":                                                                                            nil,
		"ka.user.name = ka.impuser.name":                                                                                {"compares with a text"},
		"ka.user.name = val(ka.impuser.name)":                                                                           nil,
		"ka.sourceips intersects (x)":                                                                                   {"read as it should be"},
		"ka.req.pod.containers.add_capabilities intersects (ALL)":                                                       {"read as it should be"},
		"ka.verb=get and (ka.req.service.ports exists or ka.sourceips exists)":                                          {"ka.req.service.ports is read", "ka.sourceips is read"},
	} {
		r := newResolver(newLoader(), Options{})
		e, err := r.condition(condition)
		if err != nil {
			t.Fatalf("%s: %v", condition, err)
		}
		found := r.defects(&ruleDef{}, e, &output{})
		if len(found) != len(want) {
			t.Errorf("%s: %v, want %q", condition, found, want)
			continue
		}
		for _, w := range want {
			if !slices.ContainsFunc(found, func(d defect) bool { return strings.Contains(d.message, w) }) {
				t.Errorf("%s: %v, want %q", condition, found, w)
			}
		}
	}
	_, problems := load(t, Options{Upstream: true}, "rule A: ka.sourceips exists\n")
	if len(problems) != 1 || !strings.Contains(problems[0], "warning: ka.sourceips reads requestObject.rules[].sourceIPs") {
		t.Error(problems)
	}
}

// TestPack: Falco's own rules load as they are, and what is wrong with them is told.
func TestPack(t *testing.T) {
	files := packFiles(t, "k8s_audit_rules.yaml", "k8s_audit_rules_gke.yaml")
	rules, problems := Parse(files, Options{})
	if len(rules) != 48 {
		t.Errorf("%d rules", len(rules))
	}
	told := map[string][]string{}
	for _, p := range problems {
		name := strings.TrimPrefix(p.Rule, "falco/")
		told[p.Kind] = append(told[p.Kind], name)
		if p.Line == 0 || p.File != "k8s_audit_rules.yaml" {
			t.Errorf("%+v does not say where", p)
		}
	}
	for _, names := range told {
		slices.Sort(names)
	}
	want := map[string][]string{
		"warning": {"Attach Exec Pod", "Attach to cluster-admin Role", "ClusterRole With Pod Exec Created", "ClusterRole With Wildcard Created", "ClusterRole With Write Privileges Created",
			"Create NodePort Service", "Create Privileged Pod", "Create Sensitive Mount Pod", "EphemeralContainers Created", "Ingress Object without TLS Certificate Created",
			"Ingress Object without TLS Certificate Created", "K8s Secret Get Successfully", "K8s Secret Get Unsuccessfully Tried", "K8s Serviceaccount Created", "Pod Created in Kube Namespace",
			"Service Account Created in Kube Namespace"},
		"note": {"All K8s Audit Events", "Create Disallowed Pod", "Create HostIPC Pod", "Create HostNetwork Pod", "Create HostPid Pod", "Create Privileged Pod", "Create Sensitive Mount Pod",
			"Full K8s Administrative Access", "Pod Created in Kube Namespace", "Untrusted Node Successfully Joined the Cluster", "Untrusted Node Unsuccessfully Tried to Join the Cluster"},
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Error(diff)
	}
}
