package detect

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"annals.dev/internal/ledger"
)

// TestKilled is the process that is killed: it appends events and watches them, as fast as it can.
func TestKilled(t *testing.T) {
	dir := os.Getenv("ANNALS_KILLED")
	if dir == "" {
		t.Skip("this is the process that TestKill kills")
	}
	cycle, err := strconv.Atoi(os.Getenv("ANNALS_KILLED_CYCLE"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(dir, ledger.Options{SealEvents: 150, MergeBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	w, _, err := NewWatcher(WatchConfig{Ledger: l, Dir: dir, Rules: testRules(t), History: scan{l}, Lateness: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("open")
	go func() {
		for i, events := 0, madeEvents(uint64(cycle), 400); len(events) > 0; i++ {
			n := min(len(events), 1+i%9)
			for _, e := range events[:n] {
				e.received += time.Duration(cycle) * 10 * time.Minute
				if err := appendRaw(l, e.cluster, e.raw()); err != nil {
					fmt.Println("failed", err)
					return
				}
			}
			events = events[n:]
		}
	}()
	for {
		// The state is saved as often as can be, so that kills come at each of its moments.
		w.saved = time.Time{}
		if err := w.step(context.Background(), nil); err != nil {
			fmt.Println("failed", err)
			return
		}
		w.took = 0
		if err := w.save(true); err != nil {
			fmt.Println("failed", err)
			return
		}
	}
}

// TestKill kills a process that appends and watches, again and again: then the findings are those of the events that are there,
// and none is recorded twice. ANNALS_KILLS says how often.
func TestKill(t *testing.T) {
	kills := 20
	if s := os.Getenv("ANNALS_KILLS"); s != "" {
		var err error
		if kills, err = strconv.Atoi(s); err != nil {
			t.Fatalf("ANNALS_KILLS=%q is no number", s)
		}
	}
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	var dir string
	found, withdrawn := 0, 0
	for n := range kills {
		if n%5 == 0 {
			dir = t.TempDir()
			if _, err := ledger.Init(dir, ""); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), "ANNALS_KILLED="+dir, "ANNALS_KILLED_CYCLE="+strconv.Itoa(n))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewScanner(out)
		if !in.Scan() || in.Text() != "open" {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			t.Fatalf("kill %d: it does not begin: %s", n, in.Text())
		}
		timer := time.AfterFunc(time.Duration(rng.IntN(250))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		for in.Scan() {
			t.Errorf("kill %d: %s", n, in.Text())
		}
		_ = cmd.Wait() // killed
		timer.Stop()
		if n%5 == 4 || n == kills-1 {
			f, w := holdKilled(t, dir)
			found, withdrawn = found+f, withdrawn+w
		}
	}
	t.Logf("%d kills: %d findings stand, %d were withdrawn", kills, found, withdrawn)
	if found == 0 {
		t.Error("nothing was found: this tests too little")
	}
}

func holdKilled(t *testing.T, dir string) (found, withdrawn int) {
	t.Helper()
	l, err := ledger.Open(dir, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	rules := testRules(t)
	w, _, err := NewWatcher(WatchConfig{Ledger: l, Dir: dir, Rules: rules, History: scan{l}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.CatchUp(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	standing, withdrawn := holdRecord(t, l, rules)
	return len(standing), withdrawn
}
