package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// examples are the command lines of the help texts, by command.
func examples(root *cobra.Command) (lines []string) {
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		for _, line := range strings.Split(c.Example, "\n") {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				lines = append(lines, line)
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
	return lines
}

// sandbox is a folder in which the examples find what they speak of: a ledger, logs, exports, a proof, a checkpoint.
func sandbox(t *testing.T) (dir string, env []string) {
	t.Helper()
	dir = t.TempDir()
	env = []string{
		"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH"), "HOME=" + dir, "ANNALS_LISTEN=127.0.0.1:0", "ANNALS_HTTP=127.0.0.1:0",
		"TMPDIR=" + dir,
	}
	for _, d := range []string{"bin", "my-rules", "var/log/kubernetes/audit", "s3-export", "usb"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	event := []byte(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"0a6bd2a4-0000-4000-8000-000000000001","stage":"ResponseComplete","requestURI":"/version","verb":"get","user":{"username":"jane"},"stageTimestamp":"2026-11-21T00:54:00.000000Z"}` + "\n")
	files := map[string][]byte{
		"recording.log.gz": story, "s3-export/1.gz": story, "must-gather.tar.gz": story, "var/log/kubernetes/audit/audit.log": event,
		"audit-policy.yaml":       []byte("apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n- level: Metadata\n"),
		"audit-policy-cases.yaml": []byte("policy: audit-policy.yaml\ncases:\n- request: {user: jane, verb: get, resource: secrets}\n  expect: {level: Metadata}\n"),
		"watch.yaml":              []byte("rules:\n  builtin: true\n"),
		"my-rules/shell.yml": []byte("title: A shell\nid: 6f1c2f0e-8f7a-4a4e-9d61-0f1f6c1f7b11\nlevel: high\ntags: [attack.execution, attack.t1609]\nlogsource: {product: kubernetes, service: audit}\n" +
			"detection:\n  selection: {objectRef.resource: pods, objectRef.subresource: exec, verb: [create, get]}\n  condition: selection\n"),
		"my-rules/shell.test.yml": []byte("match:\n- name: kubectl exec\n  event: {verb: get, objectRef: {resource: pods, subresource: exec, name: web}}\nquiet:\n- name: a look at a pod\n  event: {verb: get, objectRef: {resource: pods, name: web}}\n"),
		"falco_rules.yaml":        []byte("- rule: Host Network\n  desc: a pod on the node's network\n  condition: ka.verb=create and ka.target.resource=pods and ka.req.pod.host_network=true\n  output: on the network %ka.target.name\n  priority: WARNING\n  source: k8s_audit\n"),
		"bin/aws":                 []byte("#!/bin/sh\ncat " + filepath.Join(dir, "var/log/kubernetes/audit/audit.log") + "\n"),
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	prepare := `annals init --ip 192.0.2.5 --ip 172.18.0.1 && annals import --cluster prod recording.log.gz &&
		annals prove 4812 --cluster prod --out proof.json && annals checkpoint --out prod.checkpoint &&
		sed -n 's/.*"publicKey": "\(.*\)",/\1/p' annals-data/ledger.json > ledger.pub`
	if out, code := shell(t, dir, env, prepare); code != 0 {
		t.Fatalf("preparing the examples: exit %d\n%s", code, out)
	}
	return dir, env
}

func shell(t *testing.T, dir string, env []string, line string) (output string, code int) {
	t.Helper()
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir, cmd.Env = dir, env
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// Every example in a help text works as it is printed; only paths, ports and the token are put in their place in the sandbox.
func TestExamples(t *testing.T) {
	dir, env := sandbox(t)
	token, code := shell(t, dir, env, `annals token create --cluster prod >/dev/null 2>&1; annals token list -o csv | sed -n 2p | cut -d, -f1`)
	if code != 0 || len(strings.TrimSpace(token)) != 12 {
		t.Fatalf("token: exit %d, %q", code, token)
	}
	silence, code := shell(t, dir, env, `annals silences create --user jane --for 1h --reason test 2>/dev/null`)
	if code != 0 || len(strings.TrimSpace(silence)) != 16 {
		t.Fatalf("silence: exit %d, %q", code, silence)
	}
	replace := strings.NewReplacer(
		"fedcba9876543210", strings.TrimSpace(silence),
		"/var/log/kubernetes", filepath.Join(dir, "var/log/kubernetes"), "/mnt/usb", filepath.Join(dir, "usb"),
		"127.0.0.1:7443", "127.0.0.1:0", "127.0.0.1:9100", "127.0.0.1:0", "0123456789ab", strings.TrimSpace(token),
	)
	lines := examples(newRoot(&streams{out: io.Discard, err: io.Discard, getenv: os.Getenv, now: time.Now}))
	slices.Sort(lines)
	lines = slices.Compact(lines)
	if len(lines) < 30 {
		t.Fatalf("only %d examples in the help texts", len(lines))
	}
	for _, line := range lines {
		t.Run(line, func(t *testing.T) {
			command := replace.Replace(line)
			switch {
			case strings.HasPrefix(line, "annals serve"), line == "annals demo":
				runsUntilStopped(t, dir, env, command)
				return
			case strings.HasPrefix(line, "annals init") && !strings.Contains(line, "--change-names"):
				command += " --data " + filepath.Join(t.TempDir(), "new")
			}
			want := exitDone
			if strings.Contains(line, "--fail-if-any") {
				// The recording is of one day: only on the next is the answer empty.
				command = strings.Replace(command, "--since 1d", "--since 2026-11-20", 1)
				want = exitMatched
			}
			switch {
			case strings.HasPrefix(line, "annals diff "), // there is a difference
				strings.HasPrefix(line, "annals rules coverage --policy"): // at Metadata some rules cannot fire
				want = exitFailed
			}
			if out, code := shell(t, dir, env, command); code != want {
				t.Errorf("%s: exit %d, want %d\n%s", command, code, want, out)
			}
		})
	}
}

// runsUntilStopped runs a command that goes on until it is told to stop, and tells it once it has said something.
func runsUntilStopped(t *testing.T, dir string, env []string, command string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", "exec "+command)
	cmd.Dir, cmd.Env = dir, env
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	var said bytes.Buffer
	buf := make([]byte, 4<<10)
	for !strings.Contains(said.String(), "serving") && !strings.Contains(said.String(), "Ctrl-C ends the demo") {
		n, err := r.Read(buf)
		said.Write(buf[:n])
		if err != nil {
			t.Fatalf("%s ended by itself: %v\n%s", command, cmd.Wait(), said.String())
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	io.Copy(&said, r)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v\n%s", command, err, said.String())
	}
}
