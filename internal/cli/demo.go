package cli

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"annals.dev/internal/access"
	"annals.dev/internal/server"
	"annals.dev/internal/source"
)

// story is what the demo tells: a recorded cluster. demodata/gen cuts it.
//
//go:embed demodata/story.log.gz
var story []byte

const demoCluster = "demo"

const demoLong = `Demo shows what Annals does, with nothing to configure: in a directory of its own it makes a ledger, brings
in the recording of a small cluster in which somebody steals secrets, opens shells and covers tracks,
and starts the server on loopback, which watches for attacks. It prints eight commands to try in another terminal.

Ctrl-C ends it and takes the directory away.`

func newDemo(e *env) *cobra.Command {
	cmd := &cobra.Command{Use: "demo", Short: "A recorded cluster to try everything on", Long: demoLong, Args: cobra.NoArgs, Example: "  annals demo"}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return e.demo(cmd.Context()) }
	return cmd
}

func (e *env) demo(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "annals-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	data := filepath.Join(dir, "data")
	if _, err := makeLedger(data, "", access.Names{}); err != nil {
		return err
	}
	recording := filepath.Join(dir, "recording.log.gz")
	if err := os.WriteFile(recording, story, 0o600); err != nil {
		return err
	}
	command, err := demoCommand(dir, data)
	if err != nil {
		return err
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	started, ended := make(chan server.Addresses, 1), make(chan error, 1)
	go func() {
		ended <- server.Run(ctx, server.Config{
			Dir: data, Listen: freeAddress("127.0.0.1:7443"), HTTP: freeAddress("127.0.0.1:7090"), Demo: true, Log: e.logger(slog.LevelWarn),
			Started: func(at server.Addresses) { started <- at },
		})
	}()
	var at server.Addresses
	select {
	case at = <-started:
	case err := <-ended:
		return err
	}
	err = e.demoImport(ctx, data, recording)
	if err == nil {
		e.demoText(command, at)
		select {
		case <-ctx.Done():
		case err := <-ended: // before it was told to
			return err
		}
	}
	cancel()
	if err = errors.Join(err, <-ended); errors.Is(err, context.Canceled) {
		err = nil // Ctrl-C while it was starting
	}
	return err
}

func (e *env) demoImport(ctx context.Context, data, recording string) error {
	client, err := server.Connect(ctx, data, e.logger(slog.LevelWarn))
	if err != nil {
		return err
	}
	defer client.Close()
	bar := e.progress()
	end, err := client.Import(ctx, server.ImportQuestion{Cluster: demoCluster, Paths: []string{recording}}, nil, func(p source.Progress) { showImport(bar, p) })
	bar.clear()
	if err != nil {
		return err
	}
	for _, f := range end.Failed {
		return fmt.Errorf("%s: %s", f.Path, f.Error)
	}
	e.say("%s recorded events are in the ledger; one of them arrived cut short.", count(end.Summary.New))
	return nil
}

// demoCommand makes a script that stands for annals with the demo's data: whoever came by go run has no annals to call.
func demoCommand(dir, data string) (string, error) {
	program, err := os.Executable()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "annals")
	script := fmt.Sprintf("#!/bin/sh\nexec %s --data %s \"$@\"\n", shellQuote(program), shellQuote(data))
	return path, os.WriteFile(path, []byte(script), 0o700)
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// demoQuestions are what to try. Each is telling on the recorded story.
var demoQuestions = []struct{ says, args string }{
	{"What rules found in it, the worst first: attacks, and what looks like one. annals findings ID tells all of one.", `findings --severity high --by rule`},
	{"Who ran commands in containers, and who was not allowed to? A question that has a name; annals ask lists them all.", `ask exec`},
	{"Alice listed every secret. One answer arrived cut short, and shows who asked for what all the same.", `search 'user:alice@example.com verb:list resource:secrets'`},
	{"Which pod reached for the node's Docker socket? The words stand deep in the request's body.", `search '"docker.sock" verb:create'`},
	{"Who tampered with the pod security of the namespace prod, and took the label away again? diff shows what it was.", `history ns/prod`},
	{"Who is Alice: from where she came, what she did, as whom she acted, and which bindings let her.", `who alice@example.com`},
	{"Sixty guessed tokens, second by second.", `sql "SELECT date_trunc('second', time) AS second, count(*) AS refused FROM events WHERE code = 401 GROUP BY ALL ORDER BY ALL"`},
	{"Is every event as it was recorded?", `verify`},
}

func (e *env) demoText(command string, at server.Addresses) {
	fmt.Fprintf(e.out, "Annals is running. Open it in a browser; nobody has to sign in to a demo:\n\n  %s\n\nOr try these in another terminal:\n", at.URL)
	for _, q := range demoQuestions {
		fmt.Fprintf(e.out, "\n# %s\n%s %s\n", q.says, command, q.args)
	}
	e.say("\nCtrl-C ends the demo and takes its data away.")
}

// freeAddress is the usual address, or any other port where that is taken.
func freeAddress(usual string) string {
	l, err := net.Listen("tcp", usual)
	if err != nil {
		host, _, _ := net.SplitHostPort(usual)
		return net.JoinHostPort(host, "0")
	}
	l.Close()
	return usual
}
