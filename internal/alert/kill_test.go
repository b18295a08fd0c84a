package alert

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"annals.dev/internal/detect"
	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
)

// put records a finding in a ledger, as the watcher does.
func put(l *ledger.Ledger, f *detect.Finding) error {
	text, err := f.Event(0)
	if err != nil {
		return err
	}
	e := format.Event{Bytes: text}
	if err := e.View.Parse(text); err != nil {
		return err
	}
	_, err = l.Append(context.Background(), ledger.Batch{Cluster: ledger.Own, Origin: detect.Origin, Events: []format.Event{e}})
	return err
}

// killFinding is finding n of a cycle: every fourth is below the threshold, every tenth silenced.
func killFinding(cycle, n int) *detect.Finding {
	return with(finding(n), func(f *detect.Finding) {
		f.ID = keyOf("kill", fmt.Sprint(cycle), fmt.Sprint(n))
		f.Rule = fmt.Sprint("rule-", n%3)
		f.User = "alice"
		if n%10 == 0 {
			f.User = "silent"
		}
		if n%4 == 3 {
			f.Severity = detect.Low
		}
	})
}

func killConfig(url string) Config {
	var soon Duration
	return Config{
		Destinations: []Destination{
			{Name: "groups", Kind: Webhook, URL: url + "/groups", MaxPerMinute: 1_000_000, Timeout: Duration(150 * time.Millisecond)},
			{Name: "singles", Kind: Falco, URL: url + "/singles", MaxPerMinute: 1_000_000, Timeout: Duration(150 * time.Millisecond)},
		},
		Routes:   []Route{{Severity: detect.Medium, To: []string{"groups", "singles"}}},
		Grouping: Grouping{Wait: &soon, Interval: &soon},
	}
}

// TestKilled is the process that is killed: it finds as fast as it can, delivers to a receiver that often fails, and says on its
// standard output what was recorded.
func TestKilled(t *testing.T) {
	dir := os.Getenv("ANNALS_KILLED")
	if dir == "" {
		t.Skip("this is the process that TestKills kills")
	}
	cycle, err := strconv.Atoi(os.Getenv("ANNALS_KILLED_CYCLE"))
	must(t, err)
	l, err := ledger.Open(filepath.Join(dir, "ledger"), ledger.Options{SealEvents: 300})
	must(t, err)
	a, err := open(killConfig(os.Getenv("ANNALS_KILLED_URL")), Deps{Ledger: l, Dir: filepath.Join(dir, "alert")}, osDir(dir), quick)
	must(t, err)
	if len(a.Silences()) == 0 {
		_, err = a.AddSilence(Silence{Match: map[string]string{"user": "silent"}, Owner: "carol", Reason: "test", End: time.Now().Add(time.Hour)})
		must(t, err)
	}
	go func() {
		if err := a.Run(context.Background()); err != nil {
			fmt.Println("failed:", err)
		}
	}()
	fmt.Println("open")
	for n := 0; ; n++ {
		if err := put(l, killFinding(cycle, n)); err != nil {
			fmt.Println("failed:", err)
			return
		}
		fmt.Println("kept", n)
		for a.Destinations()[1].Findings > maxQueue/2 { // else they become a digest, which is another test's
			time.Sleep(time.Millisecond)
		}
	}
}

// taker takes each key once, and often fails, hangs or lies about it.
type taker struct {
	*httptest.Server
	mu    sync.Mutex
	keys  map[string]bool
	told  map[string]map[string]int // by path: findings, and under how many keys they came
	tries int
	calm  bool
}

func newTaker(t *testing.T) *taker {
	k := &taker{keys: map[string]bool{}, told: map[string]map[string]int{"/groups": {}, "/singles": {}}}
	k.Server = httptest.NewServer(k)
	t.Cleanup(k.Close)
	return k
}

func (k *taker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	k.mu.Lock()
	k.tries++
	mood := k.tries % 9
	if k.calm {
		mood = 0
	}
	if mood != 1 {
		k.take(r.URL.Path, r.Header.Get("Idempotency-Key"), b)
	}
	k.mu.Unlock()
	switch mood {
	case 1, 2:
		w.WriteHeader(http.StatusInternalServerError)
	case 3:
		panic(http.ErrAbortHandler)
	case 4:
		<-r.Context().Done()
	}
}

func (k *taker) take(path, key string, body []byte) {
	if k.keys[key] {
		return
	}
	k.keys[key] = true
	var m struct {
		Findings []struct{ ID string }
		Fields   map[string]string `json:"output_fields"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		panic(err)
	}
	for _, f := range m.Findings {
		k.told[path][f.ID]++
	}
	if id := m.Fields["annals.finding"]; id != "" {
		k.told[path][id]++
	}
}

// TestKills kills the process with kill -9 at random moments: every finding above the threshold that was recorded is told, once
// where the key is honoured. ANNALS_KILLS says how often.
func TestKills(t *testing.T) {
	dir := t.TempDir()
	_, err := ledger.Init(filepath.Join(dir, "ledger"), "")
	must(t, err)
	k := newTaker(t)
	kills := 3
	if s := os.Getenv("ANNALS_KILLS"); s != "" {
		kills, err = strconv.Atoi(s)
		must(t, err)
	}
	kept := map[string]*detect.Finding{}
	for cycle := range kills {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), "ANNALS_KILLED="+dir, "ANNALS_KILLED_CYCLE="+strconv.Itoa(cycle), "ANNALS_KILLED_URL="+k.URL)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		var after *time.Timer
		for in := bufio.NewScanner(out); in.Scan(); {
			var n int
			switch _, err := fmt.Sscanf(in.Text(), "kept %d", &n); {
			case err == nil:
				f := killFinding(cycle, n)
				kept[f.ID] = f
			case in.Text() == "open":
				after = time.AfterFunc(time.Duration(50+rand.IntN(400))*time.Millisecond, func() { _ = cmd.Process.Kill() })
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
	k.mu.Lock()
	k.calm = true
	k.mu.Unlock()
	finish(t, dir, k.URL)
	counted := map[string]int{}
	for id, f := range kept {
		for path, told := range k.told {
			want := 1
			if f.Severity == detect.Low || f.User == "silent" {
				want = 0
			}
			counted[path] += told[id]
			if told[id] != want {
				t.Errorf("%s was told %d times of a %s finding by %s, want %d", path, told[id], f.Severity, f.User, want)
			}
		}
	}
	t.Logf("%d kills, %d findings kept, %d told in groups and %d one by one, in %d requests with %d keys", kills, len(kept), counted["/groups"], counted["/singles"], k.tries, len(k.keys))
	if counted["/groups"] == 0 || counted["/singles"] == 0 {
		t.Error("nothing was told")
	}
}

// finish delivers what is left, and sees that every outcome is in the ledger once.
func finish(t *testing.T, dir, url string) {
	l, err := ledger.Open(filepath.Join(dir, "ledger"), ledger.Options{})
	must(t, err)
	a, err := open(killConfig(url), Deps{Ledger: l}, osDir(dir), quick)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	until(t, "the end of all deliveries", func() (idle bool) {
		a.see(func(s *state) {
			idle = s.waiting == 0 && len(s.Queues) == 0 && len(s.Outbox) == 0 && a.at == (&ledgerSource{l: l}).End()
		})
		return idle
	})
	cancel()
	must(t, <-ended)
	s := l.Snapshot(ledger.Own)
	seen := map[string]int{}
	look := func(_ int, e *ledger.Stored) error {
		if v := &e.Event.View; v.ObjectRef.Resource.Is("alerts") {
			var o Outcome
			if err := json.Unmarshal(v.RequestObject, &o); err != nil {
				return err
			}
			seen[o.Key+string(o.Result)]++
		}
		return nil
	}
	for _, seg := range s.Clusters[0].Segments {
		rows, err := seg.From(0, "")
		must(t, err)
		must(t, seg.Read(t.Context(), rows, look))
	}
	for _, h := range s.Clusters[0].Hot {
		must(t, h.Read(t.Context(), h.From(0, ""), look))
	}
	s.Release()
	for key, n := range seen {
		if n != 1 {
			t.Errorf("outcome %s is in the ledger %d times", key, n)
		}
	}
	if len(seen) == 0 {
		t.Error("no outcome is in the ledger")
	}
	must(t, l.Close())
}
