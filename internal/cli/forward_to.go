package cli

import (
	"context"
	"fmt"
	"os"
	"strings"

	"annals.dev/internal/access"
	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
	"annals.dev/sink"
)

// forwardPath is where annals serve takes events: /v1/audit/<cluster>[/<server>].
const forwardPath = "/v1/audit/"

// parseDestination reads the path of the server's URL. node, if it is given, goes before the one in the path; if neither is, it is
// the host's name, so that one kubeconfig does for all nodes.
func parseDestination(path, node string) (destination, error) {
	rest, ok := strings.CutPrefix(path, forwardPath)
	cluster, named, _ := strings.Cut(strings.TrimSuffix(rest, "/"), "/")
	if err := access.CheckCluster(cluster); !ok || err != nil {
		return destination{}, fmt.Errorf("the server's URL has the path %.100q: annals serve takes events at https://HOST:PORT%s<cluster>[/<node>]", path, forwardPath)
	}
	if node == "" {
		node = named
	}
	if node == "" {
		host, err := os.Hostname()
		if err != nil {
			return destination{}, fmt.Errorf("name this node with --node: %w", err)
		}
		node, _, _ = strings.Cut(strings.ToLower(host), ".")
	}
	if err := access.CheckServer(node); err != nil {
		return destination{}, fmt.Errorf("%w: name this node with --node", err)
	}
	return destination{cluster, node}, nil
}

// forwarder is where the follower puts what it reads: events, and pieces that are none, each as its bytes. It returns when they
// are on this node's disk.
//
// The follower's own events are for the cluster "annals", to which nobody delivers: the server records there what it saw itself.
// They go with the cluster that they are about, for which this node has credentials.
type forwarder struct {
	to      sink.Sink
	cluster string
}

func (f *forwarder) Append(ctx context.Context, b ledger.Batch) (ledger.Receipt, error) {
	if b.Cluster != f.cluster && b.Cluster != access.Reserved {
		return ledger.Receipt{}, fmt.Errorf("forward: events of cluster %q, where the credentials are for %q", b.Cluster, f.cluster)
	}
	var r ledger.Receipt
	pieces := make([][]byte, 0, len(b.Events))
	for i := range b.Events {
		e := &b.Events[i]
		pieces = append(pieces, e.Bytes)
		r.Accepted++
		if e.Marks&format.Quarantined != 0 {
			r.Quarantined++
		}
		if e.Marks&format.Salvaged != 0 {
			r.Salvaged++
		}
	}
	err := f.to.Send(ctx, pieces...)
	if err != nil && ctx.Err() != nil {
		return ledger.Receipt{}, context.Cause(ctx) // by which the follower knows that it was told to end
	}
	if err != nil {
		return ledger.Receipt{}, fmt.Errorf("forward: %w", err)
	}
	return r, nil
}
