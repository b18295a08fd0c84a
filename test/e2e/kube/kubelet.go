package kube

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

// Kubelet stands in for a node's kubelet, since a test may start no containers. What the API server has of a kubelet, it has
// of this one: the same handlers over TLS that containerd and CRI-O serve, for exec, attach, port-forward and logs. What a
// container does is done here: a command is a process in a directory of the pod's own, attached to is something that says what it hears,
// and the one open port is an echo.
type Kubelet struct {
	Node string

	t    testing.TB
	port int
	echo string // the address of what listens in every pod at EchoPort
	root string // a directory for each pod
	logs *logs
}

// EchoPort is the port on which every pod gives back what it is sent.
const EchoPort = 7

// StartKubelet runs a kubelet and registers its node. It ends with the test.
func StartKubelet(t testing.TB, s *Server, cs *kubernetes.Clientset) *Kubelet {
	t.Helper()
	k := &Kubelet{Node: "node-1", t: t, root: t.TempDir(), logs: newLogs()}
	cert, err := tls.LoadX509KeyPair(s.path("kubelet.crt"), s.path("kubelet.key"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: s.kubelets.pool(),
		NextProtos: []string{"http/1.1"}, // SPDY takes the connection over, which HTTP/2 has not to give
	})
	if err != nil {
		t.Fatal(err)
	}
	k.port = l.Addr().(*net.TCPAddr).Port
	srv := &http.Server{Handler: k.handler(), ReadHeaderTimeout: 10 * time.Second}
	go srv.Serve(l)
	k.echo = startEcho(t)
	t.Cleanup(func() {
		k.logs.end()
		srv.Close()
	})
	k.register(cs)
	return k
}

func (k *Kubelet) register(cs *kubernetes.Clientset) {
	k.t.Helper()
	if _, err := cs.CoreV1().Nodes().Create(context.Background(), &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: k.Node},
		Status: corev1.NodeStatus{
			Addresses:       []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "127.0.0.1"}},
			DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: int32(k.port)}},
			Conditions:      []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		},
	}, metav1.CreateOptions{}); err != nil {
		k.t.Fatalf("register the node: %v", err)
	}
}

// Run binds a pod of one container to the node and has it Running, as a scheduler and a kubelet do.
func (k *Kubelet) Run(cs *kubernetes.Clientset, namespace, name string) {
	k.t.Helper()
	ctx := context.Background()
	pods := cs.CoreV1().Pods(namespace)
	if err := pods.Bind(ctx, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}, Target: corev1.ObjectReference{Kind: "Node", Name: k.Node},
	}, metav1.CreateOptions{}); err != nil {
		k.t.Fatalf("bind pod %s: %v", name, err)
	}
	pod, err := pods.Patch(ctx, name, types.MergePatchType, []byte(`{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}`),
		metav1.PatchOptions{}, "status")
	if err != nil {
		k.t.Fatalf("patch the status of pod %s: %v", name, err)
	}
	if err := os.MkdirAll(k.Dir(namespace, name), 0o700); err != nil {
		k.t.Fatal(err)
	}
	k.Say(namespace, name, fmt.Sprintf("%s is on %s", pod.Name, pod.Spec.NodeName))
}

// Dir is the working directory of a pod's commands.
func (k *Kubelet) Dir(namespace, name string) string { return filepath.Join(k.root, namespace, name) }

// Say adds a line to the log of a pod's container.
func (k *Kubelet) Say(namespace, name, line string) { k.logs.add(namespace+"/"+name, line+"\n") }

// EndLogs ends every log that is being followed, as the end of the containers would.
func (k *Kubelet) EndLogs() { k.logs.end() }

// handler serves the paths that the API server asks for.
func (k *Kubelet) handler() http.Handler {
	const never, soon = 0, 30 * time.Second
	protocols := []string{
		remotecommand.StreamProtocolV4Name, remotecommand.StreamProtocolV3Name, remotecommand.StreamProtocolV2Name,
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/exec/{namespace}/{pod}/{container}", func(w http.ResponseWriter, r *http.Request) {
		opts, err := remotecommand.NewOptions(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		remotecommand.ServeExec(w, r, k, fullName(r), "", r.PathValue("container"), r.URL.Query()["command"], opts, never, soon, protocols)
	})
	mux.HandleFunc("/attach/{namespace}/{pod}/{container}", func(w http.ResponseWriter, r *http.Request) {
		opts, err := remotecommand.NewOptions(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		remotecommand.ServeAttach(w, r, k, fullName(r), "", r.PathValue("container"), opts, never, soon, protocols)
	})
	mux.HandleFunc("/portForward/{namespace}/{pod}", func(w http.ResponseWriter, r *http.Request) {
		portforward.ServePortForward(w, r, k, fullName(r), "", &portforward.V4Options{}, never, soon, portforward.SupportedProtocols)
	})
	mux.HandleFunc("/containerLogs/{namespace}/{pod}/{container}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		k.logs.serve(r.Context(), w, fullName(r), r.URL.Query().Get("follow") == "true")
	})
	return mux
}

func fullName(r *http.Request) string { return r.PathValue("namespace") + "/" + r.PathValue("pod") }

// ExecInContainer runs a command as a process of this machine's.
func (k *Kubelet) ExecInContainer(ctx context.Context, pod, _, _ string, command []string, in io.Reader, out, errs io.WriteCloser, _ bool, _ <-chan remotecommand.TerminalSize, _ time.Duration) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = filepath.Join(k.root, filepath.FromSlash(pod))
	cmd.WaitDelay = time.Second // some stdin never ends
	if in != nil {
		stdin, err := cmd.StdinPipe() // so that the process may end before its input does
		if err != nil {
			return err
		}
		go func() {
			io.Copy(stdin, in)
			stdin.Close()
		}()
	}
	cmd.Stdout, cmd.Stderr = out, errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return utilexec.CodeExitError{Err: err, Code: exit.ExitCode()}
	}
	return err
}

// AttachContainer attaches to what says what it hears, until it hears no more.
func (k *Kubelet) AttachContainer(_ context.Context, _, _, _ string, in io.Reader, out, _ io.WriteCloser, _ bool, _ <-chan remotecommand.TerminalSize) error {
	if in == nil || out == nil {
		return errors.New("nothing to attach to without stdin and stdout")
	}
	_, err := io.Copy(out, in)
	return err
}

// PortForward leads to the echo.
func (k *Kubelet) PortForward(ctx context.Context, pod, _ string, port int32, stream io.ReadWriteCloser) error {
	if port != EchoPort {
		return fmt.Errorf("nothing in %s listens on port %d", pod, port)
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", k.echo)
	if err != nil {
		return err
	}
	defer c.Close()
	go func() {
		io.Copy(c, stream)
		c.(*net.TCPConn).CloseWrite()
	}()
	_, err = io.Copy(stream, c)
	return err
}

// startEcho listens at the address it gives back, and gives back what it is sent.
func startEcho(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	return l.Addr().String()
}
