package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net/http"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	authv1 "k8s.io/api/authentication/v1"
	certv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"annals.dev/test/e2e/kube"
)

// attacker is somebody with the credential of an administrator.
type attacker struct {
	t     *testing.T
	s     *kube.Server
	as    *rest.Config
	cs    *kubernetes.Clientset
	user  string
	thing string // a prefix of the names of all that is theirs
}

// attack is something that must be found.
type attack struct {
	name  string
	do    func(*attacker)
	whole []found // with bodies in the record
	names []found // at level Metadata
}

// found is what a rule must find.
type found struct {
	rule, technique string
	object          string // the finding's name, after the attacker's prefix; "" is any
	user            string // "" is the attacker, "?" anybody
}

// attacks are what is done to the API server by each attacker. Their objects are made before, by makeVictims.
var attacks = []attack{
	{"list the secrets of all namespaces", (*attacker).listSecrets,
		[]found{{rule: "secrets-listed-everywhere", technique: "T1552.007"}}, []found{{rule: "secrets-listed-everywhere", technique: "T1552.007"}}},
	{"create a pod that owns its node", (*attacker).createPod,
		[]found{{rule: "privileged-container", technique: "T1611", object: "pod"}, {rule: "sensitive-host-path", technique: "T1611", object: "pod"}, {rule: "host-pid", technique: "T1611", object: "pod"}},
		[]found{{rule: "pod-unseen", technique: "T1611", object: "pod"}}},
	{"create a Deployment with the node's root", (*attacker).createDeployment,
		[]found{{rule: "sensitive-host-path", technique: "T1611", object: "deployment"}}, []found{{rule: "workload-unseen", technique: "T1610", object: "deployment"}}},
	{"widen a ClusterRole by server-side apply", (*attacker).apply,
		[]found{{rule: "grants-role", technique: "T1098.006", object: "applied"}}, []found{{rule: "rights-changed-unseen", technique: "T1098.006", object: "applied"}}},
	{"widen a ClusterRole by strategic merge patch", (*attacker).strategic,
		[]found{{rule: "grants-role", technique: "T1098.006", object: "strategic"}}, []found{{rule: "rights-changed-unseen", technique: "T1098.006", object: "strategic"}}},
	{"widen a ClusterRole by merge patch", (*attacker).merge,
		[]found{{rule: "grants-role", technique: "T1098.006", object: "merged"}}, []found{{rule: "rights-changed-unseen", technique: "T1098.006", object: "merged"}}},
	{"widen a ClusterRole by JSON patch", (*attacker).jsonPatch,
		[]found{{rule: "grants-role", technique: "T1098.006", object: "json"}}, []found{{rule: "rights-changed-unseen", technique: "T1098.006", object: "json"}}},
	{"add a subject to a ClusterRoleBinding, and use it as that subject", (*attacker).bind,
		[]found{{rule: "grants-binding", technique: "T1098.006", object: "binding"}, {rule: "grants-used", technique: "T1078", object: "binding", user: "eve"}},
		[]found{{rule: "rights-changed-unseen", technique: "T1098.006", object: "binding"}}},
	{"ask for a token of a system account", (*attacker).token,
		[]found{{rule: "token-requested-for-system-account", technique: "T1528"}}, []found{{rule: "token-requested-for-system-account", technique: "T1528"}}},
	{"have a certificate of an administrator signed", (*attacker).certificate,
		[]found{{rule: "certificate-for-privileged-identity", technique: "T1649", object: "csr"}, {rule: "certificate-request-approved", technique: "T1649", object: "csr"}},
		[]found{{rule: "certificate-request-unseen", technique: "T1649", object: "csr"}, {rule: "certificate-request-approved", technique: "T1649", object: "csr"}}},
	{"act as an administrator", (*attacker).impersonate,
		[]found{{rule: "impersonation-of-privileged", technique: "T1134"}}, []found{{rule: "impersonation-of-privileged", technique: "T1134"}}},
	{"delete the events of a namespace", (*attacker).deleteEvents,
		[]found{{rule: "all-events-deleted", technique: "T1070"}}, []found{{rule: "all-events-deleted", technique: "T1070"}}},
	{"lower a namespace's pod security", (*attacker).lower,
		[]found{{rule: "pod-security-lowered", technique: "T1562.001", object: "guarded"}}, []found{{rule: "namespace-changed-unseen", technique: "T1562.001", object: "guarded"}}},
	{"delete the binding of an admission policy", (*attacker).unguard,
		[]found{{rule: "admission-control-deleted", technique: "T1562.001", object: "policy"}}, []found{{rule: "admission-control-deleted", technique: "T1562.001", object: "policy"}}},
	{"run a command in a production container", (*attacker).exec,
		[]found{{rule: "exec-into-production", technique: "T1609", object: "victim"}, {rule: "exec-into-container", technique: "T1609", object: "victim"}},
		[]found{{rule: "exec-into-production", technique: "T1609", object: "victim"}, {rule: "exec-into-container", technique: "T1609", object: "victim"}}},
}

// failures are attacks that come to nothing: by somebody who may not, and by nobody knows whom.
var failures = []attack{
	{name: "be refused a command", do: (*attacker).execRefused, whole: []found{{rule: "exec-denied", technique: "T1609", object: "victim", user: "bob"}}},
	{name: "probe without credentials, and with wrong ones", do: (*attacker).probe, whole: []found{
		{rule: "anonymous-probing", technique: "T1595", user: "?"}, {rule: "repeated-failed-logins", technique: "T1110", user: "?"},
	}},
}

var ctx = context.Background()

// makeVictims makes what an attacker finds.
func (x *attacker) makeVictims(admin *kubernetes.Clientset, k *kube.Kubelet) {
	x.t.Helper()
	make := func(err error) {
		x.t.Helper()
		must(x.t, err)
	}
	for _, name := range []string{"applied", "strategic", "merged", "json"} {
		_, err := admin.RbacV1().ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: meta(x.thing + name), Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}},
		}}, metav1.CreateOptions{})
		make(err)
	}
	_, err := admin.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta(x.thing + "binding"), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects: []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: "carol"}},
	}, metav1.CreateOptions{})
	make(err)
	_, err = admin.CoreV1().ServiceAccounts("kube-system").Create(ctx, &corev1.ServiceAccount{ObjectMeta: meta(x.thing + "controller")}, metav1.CreateOptions{})
	make(err)
	_, err = admin.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: x.thing + "guarded", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}, metav1.CreateOptions{})
	make(err)
	_, err = admin.AdmissionregistrationV1().ValidatingAdmissionPolicyBindings().Create(ctx, &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: meta(x.thing + "policy"), Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: "absent", ValidationActions: []admissionv1.ValidationAction{admissionv1.Audit}},
	}, metav1.CreateOptions{})
	make(err)
	_, err = admin.CoreV1().Pods("prod").Create(ctx, plainPod(x.thing+"victim"), metav1.CreateOptions{})
	make(err)
	k.Run(admin, "prod", x.thing+"victim")
}

func plainPod(name string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: meta(name), Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "example.com/c:1"}}}}
}

func (x *attacker) listSecrets() {
	_, err := x.cs.CoreV1().Secrets("").List(ctx, metav1.ListOptions{})
	must(x.t, err)
}

func (x *attacker) createPod() {
	_, err := x.cs.CoreV1().Pods(shop).Create(ctx, pod(x.thing+"pod"), metav1.CreateOptions{})
	must(x.t, err)
}

func (x *attacker) createDeployment() {
	spec := pod("").Spec
	spec.HostPID, spec.Containers[0].SecurityContext = false, nil
	labels := map[string]string{"app": "x"}
	_, err := x.cs.AppsV1().Deployments(shop).Create(ctx, &appsv1.Deployment{ObjectMeta: meta(x.thing + "deployment"), Spec: appsv1.DeploymentSpec{
		Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: spec},
	}}, metav1.CreateOptions{})
	must(x.t, err)
}

func (x *attacker) apply() {
	_, complaint, err := x.s.Kubectl(x.as, `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: `+x.thing+`applied}
rules: [{apiGroups: [""], resources: [pods, secrets], verbs: [get, list]}]
`, "apply", "--server-side", "--force-conflicts", "-f", "-")
	if err != nil {
		x.t.Fatal(err, complaint)
	}
}

func (x *attacker) patchRole(name string, kind types.PatchType, body string) {
	_, err := x.cs.RbacV1().ClusterRoles().Patch(ctx, x.thing+name, kind, []byte(body), metav1.PatchOptions{})
	must(x.t, err)
}

const more = `{"apiGroups":[""],"resources":["secrets"],"verbs":["*"]}`

func (x *attacker) strategic() {
	x.patchRole("strategic", types.StrategicMergePatchType, `{"rules":[`+more+`]}`)
}

func (x *attacker) merge() { x.patchRole("merged", types.MergePatchType, `{"rules":[`+more+`]}`) }

func (x *attacker) jsonPatch() {
	x.patchRole("json", types.JSONPatchType, `[{"op":"add","path":"/rules/-","value":`+more+`}]`)
}

func (x *attacker) bind() {
	_, err := x.cs.RbacV1().ClusterRoleBindings().Patch(ctx, x.thing+"binding", types.JSONPatchType,
		[]byte(`[{"op":"add","path":"/subjects/-","value":{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"eve"}}]`), metav1.PatchOptions{})
	must(x.t, err)
	eve := kube.Client(x.t, x.s.As("eve"))
	eventually(x.t, "the new binding is in force", func() error {
		_, err := eve.CoreV1().Pods("kube-system").List(ctx, metav1.ListOptions{})
		return err
	})
}

func (x *attacker) token() {
	_, err := x.cs.CoreV1().ServiceAccounts("kube-system").CreateToken(ctx, x.thing+"controller", &authv1.TokenRequest{}, metav1.CreateOptions{})
	must(x.t, err)
}

// certificate asks for one of system:masters first, which the API server has refused by itself since 1.18.
func (x *attacker) certificate() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(x.t, err)
	requests := x.cs.CertificatesV1().CertificateSigningRequests()
	ask := func(name, group string) (*certv1.CertificateSigningRequest, error) {
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "dave", Organization: []string{group}}}, key)
		must(x.t, err)
		return requests.Create(ctx, &certv1.CertificateSigningRequest{ObjectMeta: meta(x.thing + name), Spec: certv1.CertificateSigningRequestSpec{
			Request: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), SignerName: certv1.KubeAPIServerClientSignerName, Usages: []certv1.KeyUsage{certv1.UsageClientAuth},
		}}, metav1.CreateOptions{})
	}
	_, err = ask("masters", "system:masters")
	refused(x.t, apierrors.IsForbidden, err)
	csr, err := ask("csr", "kubeadm:cluster-admins")
	must(x.t, err)
	csr.Status.Conditions = []certv1.CertificateSigningRequestCondition{{Type: certv1.CertificateApproved, Status: corev1.ConditionTrue, Reason: "x"}}
	_, err = requests.UpdateApproval(ctx, csr.Name, csr, metav1.UpdateOptions{})
	must(x.t, err)
}

func (x *attacker) impersonate() {
	as := rest.CopyConfig(x.as)
	as.Impersonate = rest.ImpersonationConfig{UserName: "dave", Groups: []string{"system:masters"}}
	_, err := kube.Client(x.t, as).CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	must(x.t, err)
}

func (x *attacker) deleteEvents() {
	must(x.t, x.cs.CoreV1().Events(shop).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}))
}

func (x *attacker) lower() {
	_, err := x.cs.CoreV1().Namespaces().Patch(ctx, x.thing+"guarded", types.MergePatchType, []byte(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"privileged"}}}`), metav1.PatchOptions{})
	must(x.t, err)
}

func (x *attacker) unguard() {
	must(x.t, x.cs.AdmissionregistrationV1().ValidatingAdmissionPolicyBindings().Delete(ctx, x.thing+"policy", metav1.DeleteOptions{}))
}

func (x *attacker) exec() {
	_, complaint, err := x.s.Kubectl(x.as, "", "exec", "-n", "prod", x.thing+"victim", "--", "sh", "-c", "id")
	if err != nil {
		x.t.Fatal(err, complaint)
	}
}

func (x *attacker) execRefused() {
	bob := kube.Client(x.t, x.s.As("bob", "staff")).CoreV1().RESTClient() // kubectl asks for the pod first, and is refused that
	err := bob.Get().Namespace("prod").Resource("pods").Name(x.thing+"victim").SubResource("exec").Param("command", "id").Do(ctx).Error()
	refused(x.t, apierrors.IsForbidden, err)
}

func (x *attacker) probe() {
	for _, c := range []struct {
		token string
		code  int
	}{{"", http.StatusForbidden}, {"not-a-token", http.StatusUnauthorized}} {
		as := x.s.Anonymous()
		as.BearerToken = c.token
		hc, err := rest.HTTPClientFor(as)
		must(x.t, err)
		for _, path := range []string{"/api/v1/secrets", "/api/v1/pods", "/apis", "/metrics", "/logs/", "/debug/pprof/", "/api/v1/nodes", "/api/v1/configmaps", "/openapi/v2", "/apis/apps/v1/deployments", "/api/v1/namespaces", "/.well-known/openid-configuration"} {
			resp, err := hc.Get(x.s.URL + path)
			must(x.t, err)
			resp.Body.Close()
			if resp.StatusCode != c.code {
				x.t.Errorf("%s: %s, wanted %d", path, resp.Status, c.code)
			}
		}
	}
}
