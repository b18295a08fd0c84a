package source

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOlderFirst(t *testing.T) {
	want := []string{
		"audit-2026-11-21T00-50-32.240.log.gz",
		"audit-2026-11-21T00-50-33.794.log",
		"audit.log",
		"kube.log.10.gz",
		"kube.log.2.gz",
		"kube.log.1",
		"kube.log",
		"oauth.log-20261120.gz",
		"oauth.log-20261121",
		"oauth.log",
		"web-20261120.log.zst",
		"web.log",
	}
	for range 20 {
		got := append([]string(nil), want...)
		rand.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
		sortOlderFirst(got)
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	}
}

func TestParseRotated(t *testing.T) {
	for _, c := range []struct {
		name, live string
		rotated    bool
		compressed string
	}{
		{"audit.log", "audit.log", false, ""},
		{"audit", "audit", false, ""},
		{"audit-2026-11-21T00-50-32.240.log", "audit.log", true, ""},
		{"audit-2026-11-21T00-50-32.240.log.gz", "audit.log", true, ".gz"},
		{"audit-2026-11-21T00-50-32.240", "audit", true, ""},
		{"audit.log.1", "audit.log", true, ""},
		{"audit.log.12.zst", "audit.log", true, ".zst"},
		{"audit.log-20261121", "audit.log", true, ""},
		{"audit.log-20261121-1763680000.gz", "audit.log", true, ".gz"},
		{"audit.log.gz", "audit.log", false, ".gz"},
		{"1.log", "1.log", false, ""},
		{".1", ".1", false, ""},
		{".gz", ".gz", false, ""},
		{"-2026-11-21T00-50-32.240.log", "-2026-11-21T00-50-32.240.log", false, ""},
	} {
		got := parseRotated(c.name)
		if got.live != c.live || got.rotated != c.rotated || got.compressed != c.compressed {
			t.Errorf("parseRotated(%q) = %+v", c.name, got)
		}
	}
}
