package ledger

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// made is an event of the kill test: number i of batch seq of a writer in a cycle. Its bytes follow from that, and that from its
// audit ID.
type made struct{ cycle, writer, seq, i int }

func (m made) id() string {
	return fmt.Sprintf("%08x-%04x-4%03x-8000-%012x", m.cycle, m.writer, m.i, m.seq)
}

func madeOf(id string) (m made, err error) {
	_, err = fmt.Sscanf(id, "%8x-%4x-4%3x-8000-%12x", &m.cycle, &m.writer, &m.i, &m.seq)
	return m, err
}

// line is the event's bytes: a recorded event under the audit ID.
func (m made) line(recorded [][]byte) []byte {
	b := bytes.Clone(recorded[(m.writer*31+m.seq*7+m.i)%len(recorded)])
	const key = `"auditID":"`
	copy(b[bytes.Index(b, []byte(key))+len(key):], m.id())
	return b
}

func (m made) cluster() string { return []string{"prod", "dev"}[m.writer%2] }

func batchSize(writer, seq int) int { return 1 + (seq*5+writer)%13 }

func madeBatch(tb testing.TB, recorded [][]byte, m made) Batch {
	b := Batch{Cluster: m.cluster(), Origin: fmt.Sprintf("file/cp-%d", m.writer)}
	for m.i = range batchSize(m.writer, m.seq) {
		b.Events = append(b.Events, event(tb, m.line(recorded)))
	}
	return b
}

const killWriters = 4

func killLines(tb testing.TB) [][]byte {
	return slices.DeleteFunc(lines(tb)[:1500], func(l []byte) bool { return len(l) > 20_000 })
}

// TestKilled is the process that is killed: it appends as fast as it can, and says on its standard output what was acknowledged.
func TestKilled(t *testing.T) {
	dir := os.Getenv("ANNALS_KILLED")
	if dir == "" {
		t.Skip("this is the process that TestKill kills")
	}
	cycle, err := strconv.Atoi(os.Getenv("ANNALS_KILLED_CYCLE"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(dir, Options{SealEvents: 150, MergeBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	recorded := killLines(t)
	said := os.Stdout
	fmt.Fprintln(said, "open")
	var wg sync.WaitGroup
	for writer := range killWriters {
		wg.Go(func() {
			for seq := 0; ; seq++ {
				m := made{cycle: cycle, writer: writer, seq: seq}
				b := madeBatch(t, recorded, m)
				r, err := l.Append(context.Background(), b)
				if err != nil || r.Accepted != len(b.Events) {
					fmt.Fprintf(said, "failed writer %d batch %d: %+v, %v\n", writer, seq, r, err)
					return
				}
				fmt.Fprintf(said, "kept %d %d %d\n", writer, seq, r.First)
				if seq%5 == 4 { // an earlier one comes again, by another way
					m.seq -= 3
					b = madeBatch(t, recorded, m)
					b.Origin = "import/again"
					if r, err = l.Append(context.Background(), b); err != nil || r.Duplicates != len(b.Events) {
						fmt.Fprintf(said, "failed again writer %d batch %d: %+v, %v\n", writer, m.seq, r, err)
						return
					}
					fmt.Fprintf(said, "again %d %d\n", writer, m.seq)
				}
			}
		})
	}
	wg.Go(func() {
		for {
			if err := l.Seal(context.Background()); err != nil {
				fmt.Fprintf(said, "failed seal: %v\n", err)
				return
			}
		}
	})
	wg.Wait()
}

// killed is what is known of a ledger whose process is killed again and again.
type killed struct {
	t        *testing.T
	dir      string
	recorded [][]byte
	kept     map[made]uint64 // first event of each batch that is there, and its position
	again    map[made]bool   // batches that were acknowledged a second time
	last     [killWriters]int
	unsaid   int
	sealed   int // events in segments, at the last look
}

// cycle starts the process, kills it at some moment, and notes what it had said.
func (k *killed) cycle(n int, after time.Duration) {
	k.t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), "ANNALS_KILLED="+k.dir, "ANNALS_KILLED_CYCLE="+strconv.Itoa(n))
	out, err := cmd.StdoutPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	in := bufio.NewScanner(out)
	if !in.Scan() || in.Text() != "open" {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		k.t.Fatalf("cycle %d: it does not open: %s", n, in.Text())
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	for i := range k.last {
		k.last[i] = -1
	}
	var wrong []string
	for in.Scan() {
		m := made{cycle: n}
		var first uint64
		if c, _ := fmt.Sscanf(in.Text(), "kept %d %d %d", &m.writer, &m.seq, &first); c == 3 {
			k.kept[m] = first
			k.last[m.writer] = m.seq
		} else if c, _ := fmt.Sscanf(in.Text(), "again %d %d", &m.writer, &m.seq); c == 2 {
			k.again[m] = true
		} else {
			wrong = append(wrong, in.Text())
		}
	}
	_ = cmd.Wait() // killed
	if len(wrong) > 0 {
		k.t.Fatalf("cycle %d: %s", n, strings.Join(wrong, "\n"))
	}
}

func (k *killed) verify(when string) {
	k.t.Helper()
	report, err := Verify(k.t.Context(), k.dir, VerifyOptions{})
	if err != nil || len(report.Findings) > 0 {
		k.t.Fatalf("%s: verify: %v, %+v", when, err, report)
	}
}

// check opens the ledger and holds it against what the process had said.
func (k *killed) check(n int) (events int) {
	k.t.Helper()
	l, err := Open(k.dir, Options{})
	if err != nil {
		k.t.Fatalf("cycle %d: %v", n, err)
	}
	defer l.Close()
	s := l.Snapshot()
	defer s.Release()
	at := make(map[made]uint64)
	k.sealed = 0
	for _, c := range s.Clusters {
		take := func(_ int, e *Stored) error {
			m, err := madeOf(e.View.AuditID.String())
			if err != nil || !bytes.Equal(e.Bytes, m.line(k.recorded)) || m.cluster() != c.Name || m.i >= batchSize(m.writer, m.seq) {
				return fmt.Errorf("cluster %s, position %d is nothing that was sent: %.300q", c.Name, e.Position, e.Bytes)
			}
			if before, ok := at[m]; ok {
				return fmt.Errorf("cluster %s, positions %d and %d are the same event", c.Name, before, e.Position)
			}
			at[m] = e.Position
			events++
			return nil
		}
		for _, seg := range c.Segments {
			k.sealed += seg.Rows()
			if err := seg.Read(k.t.Context(), allRows(seg.Rows()), take); err != nil {
				k.t.Fatalf("cycle %d: %v", n, err)
			}
		}
		for _, h := range c.Hot {
			if err := h.Read(k.t.Context(), allRows(h.N), take); err != nil {
				k.t.Fatalf("cycle %d: %v", n, err)
			}
		}
	}
	for m, first := range at { // batches that are there although nobody was told: the one each writer was waiting for
		if _, ok := k.kept[made{m.cycle, m.writer, m.seq, 0}]; m.i == 0 && !ok {
			if m.cycle != n || m.seq != k.last[m.writer]+1 {
				k.t.Fatalf("cycle %d: %+v was never sent, or was gone before", n, m)
			}
			k.kept[m] = first
			k.unsaid++
		}
	}
	due := 0
	for m, first := range k.kept {
		again := k.again[m]
		for m.i = range batchSize(m.writer, m.seq) {
			due++
			if p, ok := at[m]; !ok || p != first+uint64(m.i) {
				k.t.Fatalf("cycle %d: %+v was acknowledged at position %d and is at %d (%v)", n, m, first+uint64(m.i), p, ok)
			}
			if again && !slices.Contains(l.Seen(m.cluster(), first+uint64(m.i)), "import/again") {
				k.t.Fatalf("cycle %d: that %+v came again is forgotten", n, m)
			}
		}
	}
	if due != events {
		k.t.Fatalf("cycle %d: %d events, %d are in batches that are wholly there", n, events, due)
	}
	return events
}

// TestKill kills a process that appends, seals and merges as fast as it can, again and again, and holds what is on disk against
// what it had acknowledged. ANNALS_KILLS says how often.
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
	events, sealed, unsaid := 0, 0, 0
	var k *killed
	for n := range kills {
		if n%10 == 0 { // not ever more to read
			dir := t.TempDir()
			if _, err := Init(dir, ""); err != nil {
				t.Fatal(err)
			}
			k = &killed{t: t, dir: dir, recorded: killLines(t), kept: make(map[made]uint64), again: make(map[made]bool)}
		}
		k.cycle(n, time.Duration(rng.IntN(300))*time.Millisecond)
		k.verify(fmt.Sprintf("cycle %d, right after the kill", n))
		before := k.unsaid
		held := k.check(n)
		unsaid += k.unsaid - before
		if n%10 == 9 || n == kills-1 {
			k.verify(fmt.Sprintf("cycle %d, opened and closed", n))
			events += held
			sealed += k.sealed
		}
	}
	t.Logf("%d kills, %d events kept, %d of them sealed, %d batches that nobody was told are kept", kills, events, sealed, unsaid)
	if sealed == 0 || sealed == events {
		t.Error("nothing, or all, was ever sealed: this tests too little")
	}
}
