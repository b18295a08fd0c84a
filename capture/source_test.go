package capture

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestForwardedSourceIPs(t *testing.T) {
	for _, c := range []struct {
		name, realIP, forwarded, peer, want string
	}{
		{name: "nothing"},
		{name: "peer and port", peer: "1.2.3.4:555", want: "1.2.3.4"},
		{name: "peer alone", peer: "1.2.3.4", want: "1.2.3.4"},
		{name: "peer and no port", peer: "1.2.3.4:http", want: "1.2.3.4"},
		{name: "no header", forwarded: " ", peer: "1.2.3.4", want: "1.2.3.4"},
		{name: "no address", forwarded: "no address!", peer: "1.2.3.4", want: "1.2.3.4"},
		{name: "one address", forwarded: "no address!,4.5.6.7", peer: "1.2.3.4", want: "4.5.6.7 1.2.3.4"},
		{name: "chain", forwarded: "8.8.8.8, 2.2.2.2 ,4.5.6.7", peer: "1.2.3.4", want: "8.8.8.8 2.2.2.2 4.5.6.7 1.2.3.4"},
		{name: "chain ends at peer", forwarded: "2.2.2.2,1.2.3.4", peer: "1.2.3.4", want: "2.2.2.2 1.2.3.4"},
		{name: "chain begins at peer", forwarded: "1.2.3.4,2.2.2.2", peer: "1.2.3.4", want: "1.2.3.4 2.2.2.2 1.2.3.4"},
		{name: "real ip no address", realIP: "no, not one", peer: "1.2.3.4", want: "1.2.3.4"},
		{name: "real ip no address, chain", realIP: "no, not one", forwarded: "2.2.2.2", peer: "1.2.3.4", want: "2.2.2.2 1.2.3.4"},
		{name: "real ip", realIP: "2.2.2.2", peer: "1.2.3.4", want: "2.2.2.2 1.2.3.4"},
		{name: "real ip is not trimmed", realIP: " 2.2.2.2", peer: "1.2.3.4", want: "1.2.3.4"},
		{name: "real ip is peer", realIP: "1.2.3.4", peer: "1.2.3.4", want: "1.2.3.4"},
		{name: "real ip and chain", realIP: "2.2.2.2", forwarded: "8.8.8.8,4.5.6.7", peer: "1.2.3.4", want: "8.8.8.8 4.5.6.7 2.2.2.2 1.2.3.4"},
		{name: "real ip in chain", realIP: "2.2.2.2", forwarded: "8.8.8.8,2.2.2.2,4.5.6.7", peer: "1.2.3.4", want: "8.8.8.8 2.2.2.2 4.5.6.7 1.2.3.4"},
		{name: "all the same", realIP: "1.2.3.4", forwarded: "1.2.3.4", peer: "1.2.3.4", want: "1.2.3.4"},
		{name: "IPv6", realIP: "abcd:ef01::6789", forwarded: "aaaa:bbbb:cccc:dddd:eeee:ffff:0:1111,0:1111:2222:3333:4444:5555:6666:7777", peer: "[aaaa::aaaa]:1",
			want: "aaaa:bbbb:cccc:dddd:eeee:ffff:0:1111 0:1111:2222:3333:4444:5555:6666:7777 abcd:ef01::6789 aaaa::aaaa"},
		{name: "IPv4 in IPv6", forwarded: "aaaa::1111,1.2.3.4", peer: "0:0:0:0:0:ffff:102:304", want: "aaaa::1111 1.2.3.4"},
		{name: "leading zeros", forwarded: "010.001.02.0,::00001,::ffff:010.1.2.3", peer: "1.2.3.4", want: "10.1.2.0 ::1 10.1.2.3 1.2.3.4"},
		{name: "zone", forwarded: "fe80::1%eth0", peer: "[fe80::1%eth0]:80"},
		{name: "unix socket", peer: "@"},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{}}
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if c.realIP != "" {
			r.Header.Set("X-Real-Ip", c.realIP)
		}
		if got := strings.Join(ForwardedSourceIPs(r), " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	lines := &http.Request{RemoteAddr: "1.2.3.4:5", Header: http.Header{"X-Forwarded-For": {"1.1.1.1", "2.2.2.2"}}}
	if got := strings.Join(ForwardedSourceIPs(lines), " "); got != "1.1.1.1 1.2.3.4" {
		t.Errorf("two lines: %q", got)
	}
}

func TestTrustedSourceIPs(t *testing.T) {
	sources := TrustedSourceIPs([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")})
	for _, c := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"peer", "10.1.1.1:5", nil, "10.1.1.1"},
		{"stranger", "1.1.1.1:5", []string{"6.6.6.6"}, "1.1.1.1"},
		{"through a proxy", "10.1.1.1:5", []string{"6.6.6.6"}, "6.6.6.6 10.1.1.1"},
		{"client's own header is not believed", "10.1.1.1:5", []string{"127.0.0.1, 6.6.6.6"}, "6.6.6.6 10.1.1.1"},
		{"two proxies", "10.1.1.1:5", []string{"9.9.9.9, 6.6.6.6, 10.2.2.2"}, "6.6.6.6 10.2.2.2 10.1.1.1"},
		{"a line of its own", "10.1.1.1:5", []string{"9.9.9.9", "6.6.6.6"}, "6.6.6.6 10.1.1.1"},
		{"no address ends it", "10.1.1.1:5", []string{"6.6.6.6, unknown"}, "10.1.1.1"},
		{"a proxy is the client", "10.1.1.1:5", []string{"10.9.9.9"}, "10.9.9.9 10.1.1.1"},
		{"IPv6", "[fd00::1]:5", []string{"2001:db8::1"}, "2001:db8::1 fd00::1"},
		{"IPv4 in IPv6", "[::ffff:10.1.1.1]:5", []string{"::ffff:6.6.6.6"}, "6.6.6.6 10.1.1.1"},
		{"unix socket", "@", []string{"6.6.6.6"}, ""},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.forwarded, "X-Real-Ip": {"7.7.7.7"}}}
		if got := strings.Join(sources(r), " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// FuzzSourceIPs: what stands in the events are addresses; the last is the peer's, and nobody puts another there.
func FuzzSourceIPs(f *testing.F) {
	f.Add("1.1.1.1, 2.2.2.2", "3.3.3.3", "10.0.0.1:80")
	f.Add("::00001,010.0.0.1", "::ffff:1.2.3.4", "[fd00::1]:1")
	trusted := TrustedSourceIPs([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	f.Fuzz(func(t *testing.T, forwarded, realIP, peerAddr string) {
		r := &http.Request{RemoteAddr: peerAddr, Header: http.Header{"X-Forwarded-For": {forwarded}, "X-Real-Ip": {realIP}}}
		_, text, ok := peer(r)
		for _, list := range [][]string{ForwardedSourceIPs(r), trusted(r)} {
			for _, s := range list {
				if a, err := netip.ParseAddr(s); err != nil || a.String() != s || a.Is4In6() {
					t.Errorf("%q is no address as it is written", s)
				}
			}
			if ok && (len(list) == 0 || list[len(list)-1] != text) {
				t.Errorf("%q does not end with the peer %s", list, text)
			}
		}
	})
}

func TestProxyProtocol(t *testing.T) {
	trusting := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	elsewhere := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	const get = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
	for _, c := range []struct {
		name    string
		trusted []netip.Prefix
		sent    string
		want    string // "CODE ADDRESS", or "" for a connection that is refused
	}{
		{"version 1", trusting, "PROXY TCP4 203.0.113.9 127.0.0.1 1 2\r\n" + get, "200 203.0.113.9"},
		{"version 2", trusting, "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x09\x7f\x00\x00\x01\x00\x01\x00\x02" + get, "200 203.0.113.9"},
		{"listed, but without", trusting, get, ""},
		{"not listed", elsewhere, get, "200 127.0.0.1"},
		{"not listed, but with", elsewhere, "PROXY TCP4 203.0.113.9 127.0.0.1 1 2\r\n" + get, "400 "},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, ip, _ := peer(r)
			fmt.Fprint(w, ip)
		})}
		go server.Serve(ProxyProtocol(l, c.trusted))
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, c.sent)
		got := ""
		if answer, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
			b := make([]byte, 15)
			n, _ := answer.Body.Read(b)
			got = fmt.Sprintf("%d %s", answer.StatusCode, b[:n])
			answer.Body.Close()
		}
		if strings.HasPrefix(c.want, "400") && strings.HasPrefix(got, "400") {
			got = c.want
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		conn.Close()
		server.Close()
	}
}
