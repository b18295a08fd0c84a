package cli

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"annals.dev/internal/ledger"
	"annals.dev/internal/server"
)

// remote is a server elsewhere that commands ask, as the flags say.
type remote struct {
	server.Remote
}

const (
	serverUsage = "ask the server at this URL (https://HOST:PORT), instead of --data"
	tokenUsage  = "the token to show to --server; other users of this machine see it in the list of processes, so put it into ANNALS_TOKEN instead"
	caUsage     = "file with the CA of --server, if the system does not know it"
)

func (r *remote) flags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&r.URL, "server", "", serverUsage)
	f.StringVar(&r.Token, "token", "", tokenUsage)
	f.StringVar(&r.CAFile, "server-ca", "", caUsage)
}

// onTheSpot are the commands that work on files of this machine, and ask no server elsewhere.
var onTheSpot = []string{"demo", "init", "serve", "forward", "setup", "proxy", "policy", "doctor"}

// settle refuses a server where none is asked, if it was named on the command line: one that the environment names is for the
// other commands. A directory on the command line goes before a server in the environment.
func (r *remote) settle(cmd *cobra.Command, named, here bool) error {
	top := cmd
	for top.HasParent() && top.Parent().HasParent() {
		top = top.Parent()
	}
	if slices.Contains(onTheSpot, top.Name()) {
		if named && r.URL != "" {
			return usagef("annals %s works on this machine's --data, not on a server elsewhere: leave out --server", top.Name())
		}
		r.URL = ""
	}
	if named && here && r.URL != "" { // setup's --server is another
		return usagef("--server and --data name two different ledgers: give one")
	}
	if here {
		r.URL = ""
	}
	return nil
}

// connect finds the server that was named, or that of the data directory, or opens the directory.
func (e *env) connect(ctx context.Context) (*server.Client, error) {
	if e.remote.URL != "" {
		return server.Dial(e.remote.Remote)
	}
	return server.Connect(ctx, e.data, e.logger(slog.LevelWarn))
}

// verification has a ledger held against its signatures, by the server that was named or on the spot.
func (e *env) verification(ctx context.Context, q server.VerifyQuestion, progress func(server.VerifyProgress)) (*ledger.Report, error) {
	if e.remote.URL == "" {
		return server.Verify(ctx, e.data, q, progress)
	}
	client, err := server.Dial(e.remote.Remote)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return client.Verify(ctx, q, progress)
}

// signInFirst tells what to do about exit code 4.
const signInFirst = "Put a token into ANNALS_TOKEN. Whoever runs the server makes one: annals token create --role reader --name YOU"

// life reads how long a token is to last: 30d, 12h, never, or "" for what is usual.
func life(s string) (seconds float64, never bool, err error) {
	switch s = strings.TrimSpace(s); s {
	case "":
		return 0, false, nil
	case "never":
		return 0, true, nil
	}
	d, ok := parseAgo(s)
	if !ok || d <= 0 {
		return 0, false, usagef("--expires %q: give how long the token is to last, such as 30d or 12h, or never", s)
	}
	return d.Seconds(), false, nil
}
