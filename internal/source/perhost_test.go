package source

import (
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOneHostDoesNotTakeEveryConnection(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	turnedAway := make(chan string, 1)
	l := newPerHost(inner, 2, func(host string) { turnedAway <- host })
	defer l.Close()
	accepted := make(chan net.Conn)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	dial()
	first := <-accepted
	dial()
	second := <-accepted
	third := dial()
	if _, err := third.Read(make([]byte, 1)); err == nil {
		t.Error("a third connection was kept")
	}
	if host := <-turnedAway; host != "127.0.0.1" {
		t.Errorf("turned away: %s", host)
	}
	first.Close()
	first.Close() // counts once
	dial()
	fourth := <-accepted
	second.Close()
	fourth.Close()
	if len(l.open) != 0 {
		t.Errorf("still counted: %v", l.open)
	}
}

func TestHostOf(t *testing.T) {
	got := map[string]string{}
	for _, a := range []string{"192.0.2.7:1", "[2001:db8:1:2:3::4]:1", "[::ffff:192.0.2.7]:1", "[fe80::1%eth0]:1", "pipe"} {
		got[a] = hostOf(addr(a)).String()
	}
	want := map[string]string{
		"192.0.2.7:1": "192.0.2.7/32", "[2001:db8:1:2:3::4]:1": "2001:db8:1:2::/64", "[::ffff:192.0.2.7]:1": "192.0.2.7/32",
		"[fe80::1%eth0]:1": "fe80::/64", "pipe": "invalid Prefix",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

type addr string

func (addr) Network() string  { return "tcp" }
func (a addr) String() string { return string(a) }
