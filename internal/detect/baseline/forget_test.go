package baseline

import (
	"fmt"
	"testing"
	"time"

	"annals.dev/audit"
	"annals.dev/internal/detect"
	"annals.dev/internal/match"
)

// see feeds an event of a user on a day.
func see(t *testing.T, b *Baseline, user, resource string, day int, out detect.Output) {
	t.Helper()
	at := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC).AddDate(0, 0, day).Format("2006-01-02T15:04:05.000000Z")
	raw := fmt.Sprintf(`{"stage":"ResponseComplete","verb":"get","requestURI":"/x","user":{"username":%q},"objectRef":{"resource":%q},"requestReceivedTimestamp":%q,"stageTimestamp":%[3]q}`, user, resource, at)
	row := match.Row{View: new(audit.View), Cluster: "c"}
	if err := row.View.Parse([]byte(raw)); err != nil {
		t.Fatal(err)
	}
	b.Feed(&row, out)
}

// TestGone: whom and what nobody has seen for months takes no room from others.
func TestGone(t *testing.T) {
	b, out := New(), &detect.Collect{}
	for day := range 200 {
		see(t, b, fmt.Sprintf("job-%d", day), "pods", day, out)
		see(t, b, "alice", fmt.Sprintf("resource-%d", day), day, out)
		b.Tick(time.Time{}, out)
	}
	c := b.clusters["c"]
	if n := len(c.actors); n != gone+2 || len(c.kinds[person]) != n {
		t.Errorf("%d actors are kept, %d of them people, want those of %d days and alice", n, len(c.kinds[person]), gone+1)
	}
	if n := len(c.actors["alice"].Values[action]); n != gone+1 {
		t.Errorf("%d actions of alice are kept, want those of %d days", n, gone+1)
	}
}

// TestStaleIsSaved: that days are to be looked at again outlives a restart.
func TestStaleIsSaved(t *testing.T) {
	b, out := New(), &detect.Collect{}
	see(t, b, "alice", "pods", 20, out)
	b.Tick(time.Time{}, out)
	see(t, b, "alice", "secrets", 12, out)
	c := b.clusters["c"]
	want := c.stale
	state, err := b.Save()
	if err != nil {
		t.Fatal(err)
	}
	again := New()
	if err := again.Load(state); err != nil {
		t.Fatal(err)
	}
	if got := again.clusters["c"].stale; want == 0 || want != c.last-8 || got != want {
		t.Errorf("stale since day %d, want %d", got, want)
	}
}

// TestRests: days are not looked at again for a while after that took long, and are in the end.
func TestRests(t *testing.T) {
	b, out := New(), &detect.Collect{}
	see(t, b, "alice", "pods", 20, out)
	b.Tick(time.Time{}, out)
	c := b.clusters["c"]
	c.rest = time.Now().Add(time.Hour)
	see(t, b, "alice", "secrets", 12, out)
	b.Tick(time.Time{}, out)
	if c.stale == 0 {
		t.Error("the days were looked at again")
	}
	c.rest = time.Time{}
	b.Tick(time.Time{}, out)
	if c.stale != 0 {
		t.Error("the days were not looked at again")
	}
}
