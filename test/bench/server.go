package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"

	"annals.dev/internal/server"
)

// annals is an annals serve in a process of its own.
type annals struct {
	data    string
	address string // of the webhook
	token   string
	cmd     *exec.Cmd
	ended   chan error
}

// start makes a ledger and serves it. With profile the same code runs in a process of this program, which can write one.
func (c *config) start(ctx context.Context, name, profile string) (*annals, error) {
	s, err := c.create(ctx, name)
	if err != nil {
		return nil, err
	}
	args := []string{c.annals, "serve", "--data", s.data, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"}
	if profile != "" {
		if args, err = s.own(profile); err != nil {
			return nil, err
		}
	}
	return s, c.serve(ctx, s, args)
}

// create makes a ledger.
func (c *config) create(ctx context.Context, name string) (*annals, error) {
	s := &annals{data: filepath.Join(c.dir, name)}
	if _, err := c.command(ctx, "init", "--data", s.data, "--ip", "127.0.0.1"); err != nil {
		return nil, err
	}
	token, err := c.command(ctx, "token", "create", "--data", s.data, "--cluster", cluster)
	if err != nil {
		return nil, err
	}
	s.token = strings.TrimSpace(token)
	return s, nil
}

// own is the command by which a process of this program serves.
func (s *annals) own(profile string, more ...string) ([]string, error) {
	self, err := os.Executable()
	return append([]string{self, "serve", s.data, profile}, more...), err
}

// serve starts a server.
func (c *config) serve(ctx context.Context, s *annals, args []string) error {
	s.cmd, s.ended = exec.Command(args[0], args[1:]...), make(chan error, 1)
	s.cmd.Dir, s.cmd.Env = c.dir, environment()
	log, err := s.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	serving := make(chan string, 1)
	go func() {
		s.read(log, serving)
		s.ended <- s.cmd.Wait()
	}()
	select {
	case s.address = <-serving:
		return nil
	case err := <-s.ended:
		return fmt.Errorf("annals serve ended: %w", errors.Join(err, ctx.Err()))
	case <-ctx.Done():
		return errors.Join(ctx.Err(), s.stop())
	}
}

var servingAt = regexp.MustCompile(`msg=serving .*webhook=(\S+)`)

// read passes on what the server logs, but for where it listens.
func (s *annals) read(log io.Reader, serving chan<- string) {
	for in := bufio.NewScanner(log); in.Scan(); {
		if m := servingAt.FindStringSubmatch(in.Text()); m != nil {
			serving <- m[1]
		} else if !strings.Contains(in.Text(), "level=INFO") {
			say("server: %s", in.Text())
		}
	}
}

// stop ends the server as an operator does.
func (s *annals) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return <-s.ended
}

func (c *config) command(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.annals, args...)
	cmd.Dir, cmd.Env = c.dir, environment()
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
	}
	if err != nil {
		return "", fmt.Errorf("annals %s: %w", args[0], err)
	}
	return string(out), nil
}

// environment is this process's without settings of annals: what is measured are the defaults.
func environment() (env []string) {
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "ANNALS_") {
			env = append(env, v)
		}
	}
	return env
}

// settle waits until the server has sealed all events by itself and looked at them, and then done nothing for a while: so it has merged, too. It
// asks the server only when that is idle, since answers cost it time as well.
func (s *annals) settle(ctx context.Context) error {
	const every, quiet = 500 * time.Millisecond, 3 * time.Second
	c, err := server.Connect(ctx, s.data, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer c.Close()
	before, since := cpu{}, time.Now()
	for {
		select {
		case err := <-s.ended:
			s.ended <- err
			return fmt.Errorf("annals serve ended: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every):
		}
		used, err := cpuOf(s.cmd.Process.Pid)
		if err != nil {
			return err
		}
		if used.total()-before.total() > every/20 {
			since = time.Now()
		}
		before = used
		if time.Since(since) < quiet {
			continue
		}
		if sealed, err := isDone(ctx, c); err != nil || sealed {
			return err
		}
		since = time.Now()
	}
}

func isDone(ctx context.Context, c *server.Client) (bool, error) {
	st, err := c.Status(ctx)
	if err != nil {
		return false, err
	}
	if st.Failed != "" || st.SealFailed {
		return false, fmt.Errorf("the server could not seal: %s", st.Failed)
	}
	for _, k := range st.Clusters {
		if k.Unsealed > 0 || k.Unsigned > 0 {
			return false, nil
		}
	}
	for _, k := range st.Watching.Clusters {
		if k.Behind > 0 {
			return false, nil
		}
	}
	return true, nil
}

// serve is what annals serve does, with a CPU profile if a file is named for it, and without watching if that is asked for.
func serve(args []string) (err error) {
	if len(args) < 2 {
		return errors.New("serve DIR PROFILE [blind]")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if args[1] != "" {
		f, err := os.Create(args[1])
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	return server.Run(ctx, server.Config{
		Dir: args[0], Listen: "127.0.0.1:0", HTTP: "127.0.0.1:0", Log: log, Blind: slices.Contains(args[2:], "blind"),
		Started: func(at server.Addresses) { log.Info("serving", "webhook", at.Webhook) },
	})
}
