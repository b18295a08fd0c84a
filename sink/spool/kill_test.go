package spool

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"annals.dev/sink"
	"annals.dev/sink/logfile"
	"annals.dev/sink/sinktest"
)

// killEvent is event i of a sender in a cycle: its bytes follow from its number, which is its audit ID.
func killEvent(cycle, sender, i int) []byte {
	n := cycle*1_000_000 + sender*100_000 + i
	return sinktest.Event(n, 200+n%3000)
}

// flaky fails now and then, and passes on what it does not.
type flaky struct{ sink.Sink }

func (f flaky) Send(ctx context.Context, events ...[]byte) error {
	if rand.IntN(4) == 0 {
		return errNo
	}
	return f.Sink.Send(ctx, events...)
}

// TestKilled is the process that is killed: four senders as fast as they can, a receiver that is a log file and often fails, a spool that is
// mostly full. It says on its standard output what was taken.
func TestKilled(t *testing.T) {
	dir := os.Getenv("ANNALS_KILLED")
	if dir == "" {
		t.Skip("this is the process that TestKills kills")
	}
	cycle, err := strconv.Atoi(os.Getenv("ANNALS_KILLED_CYCLE"))
	must(t, err)
	log, err := logfile.New(logfile.Config{Path: filepath.Join(dir, "receiver.log"), MaxSize: 1 << 20})
	must(t, err)
	s, err := Open(Config{Dir: filepath.Join(dir, "spool"), MaxBytes: 256 << 10, MaxBatchSize: 50, MinBackoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond, Log: quiet}, flaky{log})
	must(t, err)
	fmt.Println("open")
	var wg sync.WaitGroup
	for sender := range 4 {
		wg.Go(func() {
			for i := 0; ; i += 3 {
				if err := s.Send(ctx, killEvent(cycle, sender, i), killEvent(cycle, sender, i+1), killEvent(cycle, sender, i+2)); err != nil {
					fmt.Println("failed:", err)
					return
				}
				fmt.Println("kept", sender, i)
			}
		})
	}
	wg.Wait()
}

// TestKills kills a process with kill -9 at random moments and counts at the end. ANNALS_KILLS says how often.
func TestKills(t *testing.T) {
	dir := t.TempDir()
	kept := map[string]bool{}
	kills := times(t, "ANNALS_KILLS", 3)
	for cycle := range kills {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), "ANNALS_KILLED="+dir, "ANNALS_KILLED_CYCLE="+strconv.Itoa(cycle))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		var after *time.Timer
		for in := bufio.NewScanner(out); in.Scan(); {
			var sender, i int
			switch _, err := fmt.Sscanf(in.Text(), "kept %d %d", &sender, &i); {
			case err == nil:
				for more := range 3 {
					kept[string(killEvent(cycle, sender, i+more))] = true
				}
			case in.Text() == "open":
				after = time.AfterFunc(time.Duration(rand.IntN(200))*time.Millisecond, func() { _ = cmd.Process.Kill() })
			default:
				t.Errorf("cycle %d: %s", cycle, in.Text())
			}
		}
		if after == nil {
			_ = cmd.Process.Kill()
			t.Fatalf("cycle %d: it does not open", cycle)
		}
		_ = cmd.Wait()
		after.Stop()
	}
	log, err := logfile.New(logfile.Config{Path: filepath.Join(dir, "receiver.log"), MaxSize: 1 << 20})
	must(t, err)
	s, err := Open(Config{Dir: filepath.Join(dir, "spool"), Log: quiet}, log)
	must(t, err)
	left := s.depth().Events
	must(t, s.Close(ctx))
	files, err := filepath.Glob(filepath.Join(dir, "receiver*.log"))
	must(t, err)
	there, halves, again := map[string]bool{}, 0, 0
	for _, name := range files {
		b, err := os.ReadFile(name)
		must(t, err)
		for line := range bytes.Lines(b) {
			e := strings.TrimSuffix(string(line), "\n")
			if !strings.HasSuffix(e, "Z\"}") && !strings.HasSuffix(e, "u\"}") {
				halves++
			}
			if there[e] {
				again++
			}
			there[e] = true
		}
	}
	lost := 0
	for e := range kept {
		if !there[e] {
			lost++
		}
	}
	t.Logf("%d kills, %d events taken, %d in the spool at the last start, %d delivered twice, %d half lines in %d files", kills, len(kept), left, again, halves, len(files))
	if lost > 0 || len(kept) == 0 || halves > kills {
		t.Errorf("%d of %d events are lost; %d half lines", lost, len(kept), halves)
	}
	if _, err := os.Stat(filepath.Join(dir, "spool", refusedFile)); err == nil {
		t.Error("something was refused")
	}
}
