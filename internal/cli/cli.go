// Package cli is the annals command: its subcommands, a file each, and what they have in common. Start with Main.
//
// Results go to standard output, everything else to standard error. What an exit code means is the same for every command.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"annals.dev/internal/server"
)

// Exit codes.
const (
	exitDone         = 0
	exitFailed       = 1
	exitUsage        = 2
	exitIncomplete   = 3
	exitSignIn       = 4
	exitMatched      = 5
	exitTampered     = 10
	exitMissing      = 11
	exitSignature    = 12
	exitUnverifiable = 13
	exitInterrupted  = 130
)

// usageError is a command that was given what it cannot use.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// exitError ends the command with a code, after it has said why; err may be nil when that is done.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}
func (e *exitError) Unwrap() error { return e.err }

// streams are what a command reads and writes.
type streams struct {
	in                       io.Reader
	out, err                 io.Writer
	outTerminal, errTerminal bool
	errFd                    int
	colour                   bool
	getenv                   func(string) string
	now                      func() time.Time
	hung                     atomic.Pointer[chan struct{}] // who wants to know of SIGHUP, instead of ending
}

// hangUp passes SIGHUP on to a command that wants to know of it; false if there is none.
func (io *streams) hangUp() bool {
	to := io.hung.Load()
	if to == nil {
		return false
	}
	select {
	case *to <- struct{}{}:
	default: // it was told already
	}
	return true
}

// hangUps are told of SIGHUP, which then does not end the command.
func (io *streams) hangUps() (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	io.hung.Store(&c)
	return c, func() { io.hung.Store(nil) }
}

func osStreams() *streams {
	io := &streams{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, getenv: os.Getenv, now: time.Now, errFd: int(os.Stderr.Fd()),
		outTerminal: term.IsTerminal(int(os.Stdout.Fd())), errTerminal: term.IsTerminal(int(os.Stderr.Fd())),
	}
	io.colour = io.outTerminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return io
}

// say tells people something, safe for a terminal.
func (io *streams) say(format string, args ...any) {
	lines := strings.Split(fmt.Sprintf(format, args...), "\n")
	for _, l := range lines {
		fmt.Fprintln(io.err, clean(l))
	}
}

// Main runs the command and gives its exit code.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	io := osStreams()
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		hup := make(chan os.Signal, 1)
		signal.Notify(hup, syscall.SIGHUP)
		ended, end := context.WithCancel(ctx)
		defer end()
		ctx = ended
		go func() {
			for range hup {
				if !io.hangUp() {
					end()
				}
			}
		}()
	}
	go func() {
		// A second signal ends the process at once: whoever sends it has waited long enough. Within a breath of the first it
		// is the same one: timeout(1) and some terminals send it to the process and to its group.
		<-ctx.Done()
		time.Sleep(time.Second)
		stop()
	}()
	return run(ctx, os.Args[1:], io)
}

func run(ctx context.Context, args []string, io *streams) int {
	root := newRoot(io)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	code := exitCode(err)
	var exit *exitError
	switch {
	case code == exitInterrupted:
		io.say("annals: interrupted")
	case errors.As(err, &exit) && exit.err == nil:
	default:
		io.say("annals: %v", err)
		if code == exitSignIn {
			io.say("%s", signInFirst)
		}
	}
	return code
}

func exitCode(err error) int {
	var exit *exitError
	var usage *usageError
	switch {
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	switch server.KindOf(err) {
	case server.Usage:
		return exitUsage
	case server.Tampered:
		return exitTampered
	case server.Missing:
		return exitMissing
	case server.BadSignature:
		return exitSignature
	case server.Unverifiable:
		return exitUnverifiable
	case server.SignIn:
		return exitSignIn
	}
	return exitFailed
}

// env is what every command is given.
type env struct {
	*streams
	data    string
	remote  remote
	noPager bool
}

const rootLong = `Annals keeps the record of what happens at a Kubernetes API: it receives audit events,
keeps them so that nobody can quietly change them, finds them at once, and proves all of it.

Data lies in one directory, --data. While a server runs on it, commands ask the server; otherwise
they open the directory themselves. With --server they ask one elsewhere, which wants a token.

Every flag can be given in the environment too, --data as ANNALS_DATA, or in annals.yaml, as
"data: /srv/annals"; a flag goes before the environment, the environment before the file.`

const rootExample = `  annals demo
  annals init --ip 192.0.2.5
  annals serve
  annals setup kubeadm --cluster prod
  annals search 'verb:delete resource:secrets' --since 2h
  annals ask secrets-read --since 7d
  annals history deploy/web -n prod
  annals verify`

// Commands stand in the order in which they are needed.
func init() { cobra.EnableCommandSorting = false }

func newRoot(io *streams) *cobra.Command {
	e := &env{streams: io}
	root := &cobra.Command{
		Use: "annals", Short: "The record of what happens at a Kubernetes API", Long: rootLong, Example: rootExample,
		SilenceErrors: true, SilenceUsage: true,
		SuggestionsMinimumDistance: 2,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
				return usagef("%q is not a command, did you mean %s? annals help lists them", args[0], strings.Join(like, " or "))
			}
			return usagef("%q is not a command; annals help lists them", args[0])
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			named, here := cmd.Flags().Changed("server"), cmd.Flags().Changed("data") // on the command line
			err := settle(cmd, io.getenv)
			if err == nil {
				e.data, err = filepath.Abs(e.data)
			}
			if err == nil {
				err = e.remote.settle(cmd, named, here)
			}
			return err
		},
	}
	root.SetOut(io.out)
	root.SetErr(io.err)
	root.SetIn(io.in)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if hint := flagHint(cmd, err); hint != "" {
			return usagef("%w; %s", err, hint)
		}
		return usagef("%w; %s --help lists the flags", err, cmd.CommandPath())
	})
	root.PersistentFlags().StringVar(&e.data, "data", "./annals-data", "the directory that holds the ledger")
	e.remote.flags(root)
	root.PersistentFlags().String("config", "", "file of settings (default annals.yaml here, then /etc/annals/annals.yaml)")
	group := func(id, title string, commands ...*cobra.Command) {
		root.AddGroup(&cobra.Group{ID: id, Title: title})
		for _, c := range commands {
			c.GroupID = id
		}
		root.AddCommand(commands...)
	}
	group("run", "Run:", newDemo(e), newInit(e), newServe(e), newToken(e), newDoctor(e))
	group("record", "Record:", newSetup(e), newImport(e), newForward(e), newProxy(e), newPolicy(e))
	group("ask", "Ask:", newSearch(e), newAsk(e), newSessions(e), newWho(e), newRBAC(e), newHistory(e), newDiff(e), newBlame(e), newSQL(e))
	group("watch", "Watch:", newFindings(e), newRules(e), newSilences(e), newAlerts(e))
	group("prove", "Prove:", newVerify(e), newProve(e), newCheckpoint(e))
	root.AddCommand(newVersion(e), helpExitCodes())
	root.CompletionOptions.HiddenDefaultCmd = false
	for _, c := range root.Commands() {
		c.Args = asUsage(c.Args)
		for _, sub := range c.Commands() {
			sub.Args = asUsage(sub.Args)
		}
	}
	return root
}

// flagHint answers the flags that kubectl's users have in their fingers, where a command has a query instead.
func flagHint(cmd *cobra.Command, err error) string {
	asked := func(flags ...string) bool {
		return slices.ContainsFunc(flags, func(f string) bool { return strings.HasSuffix(err.Error(), " "+f) })
	}
	switch cmd.Name() {
	case "search", "sessions", "ask":
		if asked("-n", "--namespace") {
			if cmd.Name() == "ask" {
				return "a namespace is a parameter of the question: ns=NAME"
			}
			return "a namespace is part of the query: ns:NAME"
		}
		if asked("-A", "--all-namespaces") {
			return "without ns in the query, all namespaces are meant"
		}
	}
	return ""
}

// asUsage gives a wrong number of arguments the exit code of wrong use.
func asUsage(check cobra.PositionalArgs) cobra.PositionalArgs {
	if check == nil {
		return nil
	}
	return func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		var told *usageError
		switch {
		case err == nil, errors.As(err, &told):
			return err
		case len(args) == 0:
			return usagef("an argument is missing; write %s, and see %s --help", cmd.UseLine(), cmd.CommandPath())
		}
		return usagef("too many or too few arguments: %s; write %s, and see %s --help", strings.Join(args, " "), cmd.UseLine(), cmd.CommandPath())
	}
}

func helpExitCodes() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: `   0  done; an empty answer too
   1  failed
   2  wrong use
   3  the answer is incomplete
   4  sign in first
   5  --fail-if-any matched
  10  tampered
  11  events are missing
  12  a signature is not by the ledger's key
  13  it cannot be verified
 130  interrupted`}
}

// versionText is what the build says of itself.
func versionText() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "annals (unknown version)"
	}
	version, revision := info.Main.Version, ""
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = ", commit " + s.Value[:min(12, len(s.Value))]
		}
	}
	if version == "" || version == "(devel)" {
		version = "development build"
	}
	return "annals " + version + revision + ", " + info.GoVersion
}

func newVersion(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Example: "  annals version",
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(e.out, versionText())
			return err
		},
	}
}
