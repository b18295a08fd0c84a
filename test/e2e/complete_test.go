package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"annals.dev/test/e2e/kube"
)

// record is one event, in the form that the webhook's and the log's copies of it have in common.
func record(b []byte) string {
	const head = `{"kind":"Event","apiVersion":"audit.k8s.io/v1",`
	if rest, ok := bytes.CutPrefix(b, []byte(head)); ok {
		return "{" + string(rest)
	}
	return string(b)
}

// TestComplete holds the ledger against the API server's own audit log, while both ways of delivery are at work, the log is
// rotated every few megabytes, and annals is killed again and again.
func TestComplete(t *testing.T) {
	a := newAnnals(t)
	p := a.paste("prod")
	log := filepath.Join(p.logs, "audit.log")
	a.follow = []string{"prod=" + log}
	a.serve()
	s := kube.Start(t, kube.Options{LogDir: p.logs, Flags: append(p.flags,
		"--audit-policy-file="+abs(t, "testdata/policy.yaml"), // everything, and most of it whole
		quickRetry, "--audit-log-maxsize=4", keepLogs,
	)})
	drive(t, s)
	a.holdsTwice(s)
	a.finds(s)
	a.seesConflict()
	a.isKilled(s, a.failDelivery)
	nothingDropped(t, s)
	s.Stop()
	a.isComplete(s)
	a.proves()
}

const (
	quickRetry = "--audit-webhook-initial-backoff=1s" // the wait after a failed delivery, ten seconds by default
	keepLogs   = "--audit-log-maxbackup=1000"         // what is compared with at the end must be there still
)

func abs(t *testing.T, path string) string {
	t.Helper()
	p, err := filepath.Abs(path)
	must(t, err)
	return p
}

// holdsTwice: once the webhook and the file have each brought every event, nothing was accepted twice, and every event tells both
// ways. The API server had no cause yet to deliver anything again, so the counts tell the first; the follower may do so at any
// time.
func (a *annals) holdsTwice(s *kube.Server) {
	events := 0
	count := func(source, outcome string) int {
		return a.counted("annals_source_events_total", `cluster="prod"`, fmt.Sprintf("source=%q", source), fmt.Sprintf("outcome=%q", outcome))
	}
	eventually(a.t, "webhook and file have brought every line of the log", func() error {
		lines, err := s.Log()
		if err != nil {
			return err
		}
		first, again := count("webhook", "accepted"), count("webhook", "duplicate")
		fileFirst, fileAgain := count("file", "accepted"), count("file", "duplicate")
		n := len(lines)
		if first+again != n || fileFirst+fileAgain < n || first+fileFirst != n {
			return fmt.Errorf("%d lines in the log; webhook: %d first, %d again; file: %d first, %d again", n, first, again, fileFirst, fileAgain)
		}
		events = n
		return nil
	})
	both := 0
	for _, line := range a.lines("search", "--cluster", "prod", "-o", "jsonl", "--limit", "0") {
		var e struct {
			Position int
			Origin   string
			AlsoFrom []string
		}
		must(a.t, json.Unmarshal(line, &e))
		if e.Position >= events { // what came since may be on its second way
			continue
		}
		ways := append(e.AlsoFrom, e.Origin)
		slices.Sort(ways)
		if len(ways) != 2 || !strings.HasPrefix(ways[0], "file/") || !strings.HasPrefix(ways[1], "webhook/") {
			a.t.Fatalf("position %d came by %q", e.Position, ways)
		}
		both++
	}
	if both != events {
		a.t.Errorf("%d of %d events tell both ways by which they came", both, events)
	}
}

// nothingDropped: the API server has given up on no batch, so what it delivered by webhook is whole as well.
func nothingDropped(t *testing.T, s *kube.Server) {
	hc, err := rest.HTTPClientFor(s.Admin())
	must(t, err)
	text, err := fetch(hc, s.URL+"/metrics")
	must(t, err)
	if n := sum(t, text, "apiserver_audit_error_total"); n != 0 {
		t.Errorf("the API server dropped %d events", n)
	}
	if n := sum(t, text, "apiserver_audit_event_total"); n == 0 {
		t.Error("the API server counts no audit events")
	}
}

// records are all events of the ledger, and how often each is there.
func (a *annals) records() map[string]int {
	a.t.Helper()
	got := make(map[string]int)
	for _, e := range a.lines("search", "--cluster", "prod", "-o", "raw", "--limit", "0") {
		got[record(e)]++
	}
	return got
}

// isComplete: every line of the API server's log is in the ledger once, byte for byte, and nothing else is.
func (a *annals) isComplete(s *kube.Server) {
	lines, err := s.Log()
	must(a.t, err)
	want := make(map[string]int, len(lines))
	size := 0
	for _, l := range lines {
		want[record(l)]++
		size += len(l)
	}
	if len(want) != len(lines) {
		a.t.Fatalf("the API server's log has %d lines, only %d of them different", len(lines), len(want))
	}
	var got map[string]int
	eventually(a.t, "the ledger has as many events as the log", func() error {
		got = a.records()
		if len(got) < len(want) {
			return fmt.Errorf("%d events, the log has %d", len(got), len(want))
		}
		return nil
	})
	for r := range got {
		if want[r] == 0 {
			want[r] = -1
		}
	}
	wrong := 0
	for r, n := range want {
		if got[r] == n {
			continue
		}
		if wrong++; wrong <= 10 {
			a.t.Errorf("%d times in the ledger, %d times in the API server's log: %.1000s", got[r], max(n, 0), r)
		}
	}
	if wrong > 10 {
		a.t.Errorf("and %d more", wrong-10)
	}
	a.t.Logf("%d events, %.1f MB", len(lines), float64(size)/1e6)
}

// proves: the ledger is as it was recorded, with the server running and without; a proof and a checkpoint hold.
func (a *annals) proves() {
	dir := a.t.TempDir()
	proof, checkpoint := filepath.Join(dir, "proof.json"), filepath.Join(dir, "checkpoint")
	a.must("verify")
	a.must("checkpoint", "--cluster", "prod", "--out", checkpoint)
	var first struct {
		Event struct{ AuditID string }
	}
	must(a.t, json.Unmarshal(a.lines("search", "-o", "jsonl", "--limit", "1", "verb:create resource:secrets")[0], &first))
	a.must("prove", "--cluster", "prod", first.Event.AuditID, "--out", proof)
	a.must("verify", proof)
	a.stop()
	a.must("verify", "--against", checkpoint)
}
