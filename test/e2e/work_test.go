package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"annals.dev/test/e2e/kube"
)

// TestWork is all of kubectl's work straight at the API server: what cannot be done here cannot be asked of the proxy.
func TestWork(t *testing.T) {
	s := kube.Start(t, kube.Options{LogDir: t.TempDir()})
	k := kube.StartKubelet(t, s, kube.Client(t, s.Admin()))
	w := newWork(t, s, k, s.Admin(), "straight")
	w.objects()
	w.pods("WebSocket")
	w.pods("SPDY")
}

// work is what people do with kubectl in a namespace.
type work struct {
	*testing.T
	s  *kube.Server
	k  *kube.Kubelet
	as *rest.Config // who does it, and by which way
	ns string
}

// newWork makes a namespace with a pod that runs; that is not part of the work, and goes straight to the API server.
func newWork(t *testing.T, s *kube.Server, k *kube.Kubelet, as *rest.Config, ns string) *work {
	t.Helper()
	admin := kube.Client(t, s.Admin())
	_, err := admin.CoreV1().Namespaces().Create(context.Background(), &corev1.Namespace{ObjectMeta: meta(ns)}, metav1.CreateOptions{})
	must(t, err)
	_, err = admin.CoreV1().Pods(ns).Create(context.Background(), pod("till"), metav1.CreateOptions{})
	must(t, err)
	k.Run(admin, ns, "till")
	return &work{T: t, s: s, k: k, as: as, ns: ns}
}

// start runs kubectl with a command of words, and more arguments as they are.
func (w *work) start(env []string, words string, args ...string) *kube.Kubectl {
	w.Helper()
	return kube.StartKubectl(w.T, w.as, env, append(append([]string{"-n", w.ns}, strings.Fields(words)...), args...)...)
}

// do runs kubectl to its end, which must be a good one.
func (w *work) do(env []string, stdin, words string, args ...string) (stdout string) {
	w.Helper()
	c := w.start(env, words, args...)
	io.WriteString(c.Stdin, stdin)
	c.Stdin.Close()
	if err := c.Wait(); err != nil {
		w.Fatalf("kubectl %s: %v: %s", words, err, c.Stderr())
	}
	return c.Stdout()
}

// says waits until a running kubectl has written something.
func (w *work) says(c *kube.Kubectl, want string) {
	w.Helper()
	eventually(w.T, "kubectl writes "+want, func() error {
		if !strings.Contains(c.Stdout(), want) {
			return fmt.Errorf("so far: %q; complaints: %q", c.Stdout(), c.Stderr())
		}
		return nil
	})
}

func (w *work) interrupt(c *kube.Kubectl) {
	w.Helper()
	if err := c.Interrupt(); err != nil {
		w.Errorf("kubectl %q: %v; it wrote %q and %q", c.Args(), err, c.Stdout(), c.Stderr())
	}
}

func (w *work) want(what, got, want string) {
	w.Helper()
	if got != want {
		w.Errorf("%s: got %q, wanted %q", what, got, want)
	}
}

// objects is get, watch, apply in its ways, patch, scale, delete.
func (w *work) objects() {
	w.Helper()
	watch := w.start(nil, "get deployments --watch")
	defer w.interrupt(watch)
	manifest := strings.ReplaceAll(manifest, "namespace: shop", "namespace: "+w.ns)
	w.do(nil, strings.Replace(manifest, "%d", "1", 1), "apply -f -")
	w.says(watch, "till")
	w.do(nil, strings.Replace(manifest, "%d", "2", 1), "apply -f -")
	w.says(watch, "0/2")
	w.do(nil, strings.Replace(manifest, "%d", "3", 1), "apply --server-side --force-conflicts -f -")
	w.do(nil, "", "scale deployment/till --replicas=0")
	w.says(watch, "0/0")
	w.do(nil, "", "patch service till --type=json", "-p", `[{"op":"add","path":"/metadata/annotations","value":{"note":"<&>\u2028 é"}}]`)
	w.do(nil, "", "create secret generic api-key --from-literal=key=0000")
	w.do(nil, "", "create configmap large", "--from-literal=data="+strings.Repeat("0123456789 <&>\n", 8000))
	w.do(nil, "", "get secrets,configmaps,services -o yaml")
	w.do(nil, "", "describe service till")
	w.do(nil, "", "delete service till")
	w.do(nil, "", "delete configmaps --all")
	w.do(nil, "", "explain pod.spec.hostPID")
	w.do(nil, "", "auth can-i create pods")
	w.want("exit of get", fmt.Sprint(w.start(nil, "get secret absent").Wait()), "exit status 1")
}

// pods is what needs a kubelet, over WebSocket or SPDY.
func (w *work) pods(over string) {
	w.Helper()
	env := []string{"KUBECTL_REMOTE_COMMAND_WEBSOCKETS=true", "KUBECTL_PORT_FORWARD_WEBSOCKETS=true"}
	if over == "SPDY" {
		env = []string{"KUBECTL_REMOTE_COMMAND_WEBSOCKETS=false", "KUBECTL_PORT_FORWARD_WEBSOCKETS=false"}
	}
	hello := over + " <&> é\n"

	c := w.start(env, "exec till -- sh -c", "echo out; echo err >&2; exit 3")
	w.want("exit of exec", fmt.Sprint(c.Wait()), "exit status 3")
	w.want("stdout of exec", c.Stdout(), "out\n")
	w.want("stderr of exec", c.Stderr(), "err\ncommand terminated with exit code 3\n")
	w.want("exec with stdin", w.do(env, hello, "exec -i till -- cat"), hello)
	big := strings.Repeat("0123456789abcde\n", 1<<16)
	w.want("a megabyte through exec", w.do(env, big, "exec -i till -- cat"), big)
	w.want("attach", w.do(env, hello, "attach -i till"), hello)
	w.copies(env, big)
	w.forwards(env, hello)
	w.logs(over)
}

// copies: kubectl cp is an exec of tar.
func (w *work) copies(env []string, data string) {
	w.Helper()
	dir := w.TempDir()
	must(w.T, os.WriteFile(filepath.Join(dir, "there"), []byte(data), 0o600))
	w.do(env, "", "cp", filepath.Join(dir, "there"), "till:file")
	got, err := os.ReadFile(filepath.Join(w.k.Dir(w.ns, "till"), "file"))
	must(w.T, err)
	if string(got) != data {
		w.Errorf("cp to the pod: %d bytes of %d, or others", len(got), len(data))
	}
	w.do(env, "", "cp", "till:file", filepath.Join(dir, "back"))
	if got, err = os.ReadFile(filepath.Join(dir, "back")); err != nil || string(got) != data {
		w.Errorf("cp from the pod: %d bytes of %d, or others: %v", len(got), len(data), err)
	}
}

var forwarding = regexp.MustCompile(`Forwarding from (127\.0\.0\.1:\d+)`)

// forwards sends to the echo in the pod, twice over one port-forward.
func (w *work) forwards(env []string, hello string) {
	w.Helper()
	c := w.start(env, "port-forward pod/till", fmt.Sprint(":", kube.EchoPort))
	defer w.interrupt(c)
	w.says(c, "Forwarding from 127.0.0.1:")
	addr := forwarding.FindStringSubmatch(c.Stdout())[1]
	for range 2 {
		conn, err := net.DialTimeout("tcp", addr, 10*time.Second)
		must(w.T, err)
		must(w.T, conn.SetDeadline(time.Now().Add(time.Minute)))
		_, err = io.WriteString(conn, hello)
		must(w.T, err)
		got, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || got != hello {
			w.Errorf("port-forward: %q, %v; complaints: %q", got, err, c.Stderr())
		}
		conn.Close()
	}
}

// logs reads a log, and follows it while it grows.
func (w *work) logs(mark string) {
	w.Helper()
	if got := w.do(nil, "", "logs till"); !strings.HasPrefix(got, "till is on node-1\n") {
		w.Errorf("logs: %q", got)
	}
	c := w.start(nil, "logs -f till")
	w.says(c, "till is on node-1")
	for i := range 3 {
		line := fmt.Sprint(mark, " ", i)
		w.k.Say(w.ns, "till", line)
		w.says(c, line+"\n") // as it comes, not when the answer ends
	}
	w.interrupt(c)
}
