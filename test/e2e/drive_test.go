package e2e

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"annals.dev/test/e2e/kube"
)

const shop = "shop" // the namespace of most of it

// drive does what people, controllers and intruders do at an API server, so that its audit log has an example of each.
func drive(t *testing.T, s *kube.Server) {
	t.Helper()
	admin := kube.Client(t, s.Admin())
	driveObjects(t, admin, shop)
	driveKubectl(t, s)
	driveIntruder(t, s, admin)
	driveOddRequests(t, s.Admin(), shop)
}

// must fails the test unless a step ended as it should.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused fails the test unless a step was refused in the way that is says.
func refused(t *testing.T, is func(error) bool, err error) {
	t.Helper()
	if err == nil || !is(err) {
		t.Fatalf("wanted a refusal, got %v", err)
	}
}

func meta(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }

// driveObjects is what controllers do through client-go.
func driveObjects(t *testing.T, cs *kubernetes.Clientset, ns string) {
	t.Helper()
	ctx := context.Background()
	_, err := cs.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: ns, Annotations: map[string]string{"note": "<b>&\u2028\u2029 \"quoted\" \\ back\tslash é 漢字 😀 \x7f"},
	}}, metav1.CreateOptions{})
	must(t, err)

	watch, err := cs.CoreV1().ConfigMaps(ns).Watch(ctx, metav1.ListOptions{})
	must(t, err)
	maps := cs.CoreV1().ConfigMaps(ns)
	// Each of the large ones makes an event of two megabytes: request and response.
	for _, name := range []string{"large-1", "large-2", "large-3"} {
		_, err = maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: meta(name), Data: map[string]string{"data": strings.Repeat("0123456789 <&>\n", 60_000)}}, metav1.CreateOptions{})
		must(t, err)
	}
	select {
	case <-watch.ResultChan():
	case <-time.After(time.Minute):
		t.Fatal("the watch saw nothing for a minute")
	}
	watch.Stop()

	_, err = maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: meta("binary"), BinaryData: map[string][]byte{"b": {0, 1, 0xff}}}, metav1.CreateOptions{})
	must(t, err)
	_, err = maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: meta("binary")}, metav1.CreateOptions{})
	refused(t, apierrors.IsAlreadyExists, err)
	_, err = maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: meta("Not_A_Name")}, metav1.CreateOptions{})
	refused(t, apierrors.IsInvalid, err)
	_, err = maps.Get(ctx, "absent", metav1.GetOptions{})
	refused(t, apierrors.IsNotFound, err)
	_, err = maps.Update(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "binary", ResourceVersion: "1"}}, metav1.UpdateOptions{})
	refused(t, apierrors.IsConflict, err)
	_, err = maps.Patch(ctx, "binary", types.StrategicMergePatchType, []byte(`{"metadata":{"labels":{"app":"till"}}}`), metav1.PatchOptions{})
	must(t, err)
	_, err = maps.Patch(ctx, "binary", types.JSONPatchType, []byte(`[{"op":"add","path":"/data","value":{"k":"v"}}]`), metav1.PatchOptions{})
	must(t, err)
	must(t, maps.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "app=till"}))

	_, err = cs.CoreV1().Secrets(ns).Create(ctx, &corev1.Secret{ObjectMeta: meta("db-password"), StringData: map[string]string{"password": "hunter2"}}, metav1.CreateOptions{})
	must(t, err)
	_, err = cs.CoreV1().Pods(ns).Create(ctx, pod("till"), metav1.CreateOptions{})
	must(t, err)
	_, err = cs.CoreV1().Pods(ns).Create(ctx, pod("dry"), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	must(t, err)
}

// pod is one that owns the node it runs on.
func pod(name string) *corev1.Pod {
	yes := true
	return &corev1.Pod{ObjectMeta: meta(name), Spec: corev1.PodSpec{
		HostPID:    true,
		Containers: []corev1.Container{{Name: "c", Image: "example.com/c:1", SecurityContext: &corev1.SecurityContext{Privileged: &yes}}},
		Volumes:    []corev1.Volume{{Name: "root", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}}},
	}}
}

const manifest = `---
apiVersion: apps/v1
kind: Deployment
metadata: {name: till, namespace: shop}
spec:
  replicas: %d
  selector: {matchLabels: {app: till}}
  template:
    metadata: {labels: {app: till}}
    spec: {containers: [{name: c, image: "example.com/c:1"}]}
---
apiVersion: v1
kind: Service
metadata: {name: till, namespace: shop}
spec: {selector: {app: till}, ports: [{port: 80}]}
`

// driveKubectl is what an operator does, and what one tries who may not.
func driveKubectl(t *testing.T, s *kube.Server) {
	t.Helper()
	admin, bob := s.Admin(), s.As("bob", "staff")
	asBob := rest.CopyConfig(admin)
	asBob.Impersonate = rest.ImpersonationConfig{UserName: "bob", Groups: []string{"staff"}}
	kubectl(t, s, []command{
		{admin, "", "create role reader -n shop --verb=get,list,watch --resource=pods", ""},
		{admin, "", "create rolebinding bob -n shop --role=reader --user=bob", ""},
	})
	canRead(t, bob)
	kubectl(t, s, []command{
		{admin, strings.Replace(manifest, "%d", "1", 1), "apply -f -", ""},
		{admin, strings.Replace(manifest, "%d", "2", 1), "apply -f -", ""},
		{admin, strings.Replace(manifest, "%d", "3", 1), "apply --server-side --force-conflicts -f -", ""},
		{admin, "", "scale deployment/till -n shop --replicas=0", ""},
		{admin, "", "create secret generic api-key -n shop --from-literal=key=0000", ""},
		{admin, "", "get secrets -A -o yaml", ""},
		{admin, "", "create clusterrolebinding mallory --clusterrole=cluster-admin --user=mallory", ""},
		{admin, "", "create serviceaccount till -n shop", ""},
		{admin, "", "create token till -n shop", ""},
		{admin, "", "label configmap large-1 -n shop seen=yes", ""},
		{admin, "", "auth can-i --list -n shop", ""},
		{admin, "", "get --raw /metrics", ""},
		{asBob, "", "get pods -n shop", ""},
		{asBob, "", "get secrets -n shop", "forbidden"},
		{bob, "", "get pods -n shop -o wide", ""},
		{bob, "", "delete pod till -n shop", "forbidden"},
		{bob, "", "exec till -n shop -- cat /etc/shadow", "forbidden"},
		{admin, "", "exec till -n shop -- sh -c id", "does not have a host assigned"},
		{admin, "", "logs till -n shop", ""},
		{admin, "", "delete configmap large-2 -n shop", ""},
		{admin, "", "delete pod till -n shop --force --grace-period=0", ""},
	})
}

type command struct {
	as    *rest.Config
	stdin string
	args  string
	says  string // a part of the complaint; without it the command must succeed
}

func kubectl(t *testing.T, s *kube.Server, commands []command) {
	t.Helper()
	for _, c := range commands {
		_, complaint, err := s.Kubectl(c.as, c.stdin, strings.Fields(c.args)...)
		switch {
		case c.says == "" && err != nil:
			t.Fatalf("kubectl %s: %v: %s", c.args, err, complaint)
		case c.says != "" && (err == nil || !strings.Contains(complaint, c.says)):
			t.Fatalf("kubectl %s: %v: %s; wanted it to fail with %q", c.args, err, complaint, c.says)
		}
	}
}

// driveIntruder is somebody without credentials, with wrong ones, and with stolen ones.
func driveIntruder(t *testing.T, s *kube.Server, admin *kubernetes.Clientset) {
	t.Helper()
	ctx := context.Background()
	_, err := kube.Client(t, s.Anonymous()).CoreV1().Secrets("kube-system").List(ctx, metav1.ListOptions{})
	refused(t, apierrors.IsForbidden, err)
	bob := s.As("bob", "staff")
	bob.Impersonate.UserName = "system:admin"
	_, err = kube.Client(t, bob).CoreV1().Secrets(shop).List(ctx, metav1.ListOptions{})
	refused(t, apierrors.IsForbidden, err)
	wrong := s.Anonymous()
	wrong.BearerToken = "not-a-token"
	for range 3 {
		_, err = kube.Client(t, wrong).CoreV1().Pods(shop).List(ctx, metav1.ListOptions{})
		refused(t, apierrors.IsUnauthorized, err)
	}
	_, err = admin.RbacV1().Roles(shop).Create(ctx, &rbacv1.Role{ObjectMeta: meta("till"), Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"*"}, Verbs: []string{"*"}},
	}}, metav1.CreateOptions{})
	must(t, err)
	_, err = admin.RbacV1().RoleBindings(shop).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: meta("till"), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "till"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: "till", Namespace: shop}},
	}, metav1.CreateOptions{})
	must(t, err)
	tr, err := admin.CoreV1().ServiceAccounts(shop).CreateToken(ctx, "till", &authv1.TokenRequest{}, metav1.CreateOptions{})
	must(t, err)
	stolen := s.Anonymous()
	stolen.BearerToken = tr.Status.Token
	canRead(t, stolen)
	_, err = kube.Client(t, stolen).CoreV1().Secrets(shop).List(ctx, metav1.ListOptions{})
	must(t, err)
	_, err = kube.Client(t, stolen).CoreV1().Secrets("kube-system").List(ctx, metav1.ListOptions{})
	refused(t, apierrors.IsForbidden, err)
}

// canRead waits until a binding is in force: the authorizer learns of it by a watch of its own, a little after it is made.
func canRead(t *testing.T, c *rest.Config) {
	t.Helper()
	eventually(t, "a new binding is in force", func() error {
		_, err := kube.Client(t, c).CoreV1().Pods(shop).List(context.Background(), metav1.ListOptions{})
		return err
	})
}

// driveOddRequests sends what no client library does. Audit IDs are the client's to choose: the same one twice must hide
// nothing.
func driveOddRequests(t *testing.T, as *rest.Config, ns string) {
	t.Helper()
	hc, err := rest.HTTPClientFor(as)
	must(t, err)
	for _, c := range []struct {
		method, path, body string
		header             map[string]string
		code               int
	}{
		{"GET", "/api/v1/namespaces/" + ns + "/secrets/db-password", "", map[string]string{"Audit-ID": "chosen-by-the-client-of-" + ns}, 200},
		{"DELETE", "/api/v1/namespaces/" + ns + "/secrets/api-key", "", map[string]string{"Audit-ID": "chosen-by-the-client-of-" + ns}, 200},
		{"GET", "/api/v1/namespaces/" + ns + "/pods", "", map[string]string{"X-Forwarded-For": "203.0.113.9, 10.1.2.3", "X-Real-Ip": "198.51.100.7", "User-Agent": `a "b" <c>` + "\t\xff"}, 200},
		{"HEAD", "/api/v1/namespaces/" + ns + "/pods", "", nil, 405},
		{"PUT", "/api/v1/namespaces/" + ns + "/pods", "", nil, 405},
		{"POST", "/api/v1/namespaces/" + ns + "/configmaps", "{", nil, 400},
		{"POST", "/api/v1/namespaces/" + ns + "/configmaps", `{"metadata":{"name":"x"},"data":{"d":"` + strings.Repeat("x", 4<<20) + `"}}`, nil, 413},
		{"GET", "/api/v1/namespaces/%2e%2e%2f/pods?limit=%00&a=<&>%22", "", nil, 404},
		{"GET", "/api/v1/pods?timeout=never", "", nil, 400},
		{"GET", "/no/such/path", "", nil, 404},
		{"GET", "/openapi/v2", "", nil, 200},
	} {
		req, err := http.NewRequest(c.method, as.Host+c.path, strings.NewReader(c.body))
		must(t, err)
		req.Header.Set("Content-Type", "application/json")
		for k, v := range c.header {
			req.Header.Set(k, v)
		}
		resp, err := hc.Do(req)
		must(t, err)
		body, err := io.ReadAll(resp.Body)
		must(t, err)
		resp.Body.Close()
		if resp.StatusCode != c.code {
			t.Errorf("%s %s: %s, wanted %d: %.300s", c.method, c.path, resp.Status, c.code, body)
		}
	}
}

// eventually asks until the answer is good; after two minutes it fails the test with the last answer.
func eventually(t *testing.T, what string, ask func() error) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within two minutes: %s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
