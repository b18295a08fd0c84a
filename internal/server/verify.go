package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"annals.dev/capture"
	"annals.dev/internal/ledger"
)

// verifyEvery is how often a verification tells how far it is.
const verifyEvery = 100 * time.Millisecond

func (c *core) verify(ctx context.Context, _ *asker, q VerifyQuestion, emit func(VerifyProgress) error) (*ledger.Report, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	report, err := c.ledger.Verify(ctx, q.options(func(p VerifyProgress) {
		if emit(p) != nil {
			cancel() // nobody listens any more
		}
	}))
	if err == nil {
		capture.Annotate(ctx, noteVerified, verdictOf(report))
		if q.From == 0 && q.To == 0 {
			c.judged.put(report, time.Now())
		}
	}
	return report, err
}

// verdictOf is what a verification came to, in a word: "true", or the worst that was found.
func verdictOf(r *ledger.Report) string {
	for _, kind := range []ledger.FindingKind{ledger.Tampered, ledger.Missing, ledger.BadSignature, ledger.Unverifiable} {
		if slices.ContainsFunc(r.Findings, func(f ledger.Finding) bool { return f.Kind == kind }) {
			return strings.ReplaceAll(string(kind), " ", "-")
		}
	}
	return "true"
}

func (q VerifyQuestion) options(progress func(VerifyProgress)) ledger.VerifyOptions {
	last := time.Now()
	return ledger.VerifyOptions{
		Cluster: q.Cluster, From: q.From, To: q.To, Against: q.Against, Key: q.Key,
		Progress: func(done, total uint64) {
			if now := time.Now(); now.Sub(last) >= verifyEvery {
				last = now
				progress(VerifyProgress{done, total})
			}
		},
	}
}

// Verify has the server of a data directory hold the ledger against its signatures. Without a server it does so itself, without
// opening the ledger: one that is too damaged to be opened can still be judged.
func Verify(ctx context.Context, dir string, q VerifyQuestion, progress func(VerifyProgress)) (*ledger.Report, error) {
	for begun := time.Now(); ; {
		conn, err := dialSocket(dir)
		if err == nil {
			conn.Close()
			c := newClient(func(context.Context, string, string) (net.Conn, error) { return dialSocket(dir) })
			defer c.Close()
			return ask[VerifyProgress, *ledger.Report](ctx, c, "ledger/verify", q, func(p VerifyProgress) error { progress(p); return nil })
		}
		if !errors.Is(err, ErrNoServer) {
			return nil, err
		}
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return nil, errNoDirectory(dir)
		}
		report, err := ledger.Verify(ctx, dir, q.options(progress))
		if !errors.Is(err, ledger.ErrInUse) || time.Since(begun) > openPatience {
			return report, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(openRetry):
		}
	}
}

func errNoDirectory(dir string) error {
	return fmt.Errorf("data directory %s does not exist: name the right one with --data, or make one with annals init", dir)
}
