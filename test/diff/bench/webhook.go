package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	auditinternal "k8s.io/apiserver/pkg/apis/audit"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	upstreamaudit "k8s.io/apiserver/pkg/audit"
	upstreambuffered "k8s.io/apiserver/plugin/pkg/audit/buffered"
	upstreamwebhook "k8s.io/apiserver/plugin/pkg/audit/webhook"

	"annals.dev/audit"
	"annals.dev/sink"
	"annals.dev/sink/webhook"
)

// receive is the other process: it takes what is posted, and nothing else.
func receive() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	go func() { // ends with the one who started it
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return http.Serve(l, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
}

const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://%s/audit"}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
users: [{name: u, user: {}}]
current-context: x
`

// webhooks compares handler, queue and webhook; the receiver's time is not counted. Batches are of 400 events, and not
// throttled.
func webhooks(c *config, t *table) (err error) {
	all, err := loadReplays(c)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(c.dir, "annals-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	receiver := exec.Command(os.Args[0], "receive")
	stdin, err := receiver.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := receiver.StdoutPipe()
	if err != nil {
		return err
	}
	receiver.Stderr = os.Stderr
	if err := receiver.Start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stdin.Close(), receiver.Wait()) }()
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(file, fmt.Appendf(nil, kubeconfig, strings.TrimSpace(addr)), 0o600); err != nil {
		return err
	}
	for _, level := range []audit.Level{audit.LevelMetadata, audit.LevelRequestResponse} {
		var events int
		costs, err := alternate(c.rounds, driven(http.HandlerFunc(endpoint), all, nil),
			func() (n int, err error) {
				n, err = oursByWebhook(level, file, all)
				events = n
				return n, err
			},
			func() (int, error) { return upstreamByWebhook(auditinternal.Level(level), file, all) })
		if err != nil {
			return err
		}
		report(t, "webhook, "+string(level), costs, float64(len(all))/float64(events))
	}
	return nil
}

const batch, queue = 400, 100_000

func oursByWebhook(level audit.Level, file string, all []*replay) (int, error) {
	w, err := webhook.New(webhook.Config{Kubeconfig: file})
	if err != nil {
		return 0, err
	}
	return oursByQueue(level, w, 8, all)
}

// oursByQueue makes the requests and waits until all events have gone through a queue.
func oursByQueue(level audit.Level, within sink.Sink, inFlight int, all []*replay) (int, error) {
	s := &counting{Sink: sink.Batch(within, sink.BatchConfig{BufferSize: queue, BufferBytes: 1 << 30, MaxBatchSize: batch, MaxBatchWait: 30 * time.Second, MaxInFlight: inFlight})}
	h, err := ourHandler(level, s)
	if err != nil {
		return 0, err
	}
	drive(h, all)
	return int(s.n.Load()), s.Close(context.Background())
}

func upstreamByWebhook(level auditinternal.Level, file string, all []*replay) (int, error) {
	w, err := upstreamwebhook.NewBackend(file, auditv1.SchemeGroupVersion, wait.Backoff{Steps: 1, Duration: time.Second}, nil)
	if err != nil {
		return 0, err
	}
	return upstreamByQueue(level, w, true, all)
}

func upstreamByQueue(level auditinternal.Level, within upstreamaudit.Backend, async bool, all []*replay) (int, error) {
	b := upstreambuffered.NewBackend(within, upstreambuffered.BatchConfig{BufferSize: queue, MaxBatchSize: batch, MaxBatchWait: 30 * time.Second, AsyncDelegate: async})
	stop := make(chan struct{})
	if err := b.Run(stop); err != nil {
		return 0, err
	}
	s := &upstreamCounting{Sink: b}
	drive(upstreamChain(level, s), all)
	close(stop)
	b.Shutdown()
	return int(s.n.Load()), nil
}
