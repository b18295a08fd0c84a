package capture

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/pires/go-proxyproto"
)

// ForwardedSourceIPs is kube-apiserver's Config.SourceIPs: it believes the X-Forwarded-For and X-Real-Ip of everybody, so
// that all addresses but the last are what the client says.
func ForwardedSourceIPs(r *http.Request) []string {
	if first(r.Header, "X-Forwarded-For") == "" && first(r.Header, "X-Real-Ip") == "" {
		if _, text, ok := peer(r); ok {
			return []string{text}
		}
		return nil
	}
	var addrs []netip.Addr
	for part := range strings.SplitSeq(first(r.Header, "X-Forwarded-For"), ",") {
		if addr, ok := parseIP(strings.TrimSpace(part)); ok {
			addrs = append(addrs, addr)
		}
	}
	if addr, ok := parseIP(first(r.Header, "X-Real-Ip")); ok && !slices.Contains(addrs, addr) {
		addrs = append(addrs, addr)
	}
	if addr, _, ok := peer(r); ok && (len(addrs) == 0 || addrs[len(addrs)-1] != addr) {
		addrs = append(addrs, addr)
	}
	return texts(addrs)
}

// TrustedSourceIPs returns a Config.SourceIPs that believes X-Forwarded-For, from its end on, for as long as it was written
// by one of the proxies. The first address is then the client as the last listed proxy saw it, and whatever the client
// wrote into the header itself is left out.
func TrustedSourceIPs(proxies []netip.Prefix) func(*http.Request) []string {
	proxies = slices.Clone(proxies)
	return func(r *http.Request) []string {
		addr, text, ok := peer(r)
		if !ok {
			return nil
		}
		lines := r.Header["X-Forwarded-For"]
		if len(lines) == 0 || !listed(proxies, addr) {
			return []string{text}
		}
		addrs := []netip.Addr{addr}
		hops := strings.Split(strings.Join(lines, ","), ",")
		for _, hop := range slices.Backward(hops) {
			if addr, ok = parseIP(strings.TrimSpace(hop)); !ok {
				break
			}
			if addrs = append(addrs, addr); !listed(proxies, addr) {
				break
			}
		}
		slices.Reverse(addrs)
		return texts(addrs)
	}
}

func listed(proxies []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

func texts(addrs []netip.Addr) []string {
	list := make([]string, len(addrs))
	for i, addr := range addrs {
		list[i] = addr.String()
	}
	return list
}

// peer is the address of whoever sent the request, and its text; a unix socket has none.
func peer(r *http.Request) (addr netip.Addr, text string, ok bool) {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		addr, ok = parseIP(host)
		text = host
	}
	if !ok {
		if addr, ok = parseIP(r.RemoteAddr); !ok {
			return addr, "", false
		}
	}
	var canonical [64]byte
	if b := addr.AppendTo(canonical[:0]); string(b) != text {
		text = string(b)
	}
	return addr, text, true
}

// parseIP reads an address as kube-apiserver does: numbers may begin with zeros, a zone is refused, and an IPv4 address
// in an IPv6 one is that.
func parseIP(s string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		if !strings.Contains(s, "0") {
			return netip.Addr{}, false
		}
		var b strings.Builder
		for s != "" {
			n := strings.IndexAny(s, ".:") + 1
			if n == 0 {
				n = len(s)
			}
			number := strings.TrimRight(s[:n], ".:")
			short := strings.TrimLeft(number, "0")
			if short == "" && number != "" {
				short = "0"
			}
			b.WriteString(short)
			b.WriteString(s[len(number):n])
			s = s[n:]
		}
		if addr, err = netip.ParseAddr(b.String()); err != nil {
			return netip.Addr{}, false
		}
	}
	return addr.Unmap(), addr.Zone() == ""
}

// proxyHeaderTimeout is how long a proxy may take to say whom a connection is for.
const proxyHeaderTimeout = 10 * time.Second

// ProxyProtocol makes the connections of l come from where the PROXY protocol (version 1 or 2) says, if they come from one
// of the trusted proxies; one of those that does not begin with its header is refused. Connections from elsewhere are
// passed on as they are: a header there is no HTTP, nor TLS, and is answered so.
func ProxyProtocol(l net.Listener, trusted []netip.Prefix) net.Listener {
	trusted = slices.Clone(trusted)
	return &proxyproto.Listener{
		Listener:          l,
		ReadHeaderTimeout: proxyHeaderTimeout,
		ConnPolicy: func(o proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
			if tcp, ok := o.Upstream.(*net.TCPAddr); ok && listed(trusted, tcp.AddrPort().Addr().Unmap()) {
				return proxyproto.REQUIRE, nil
			}
			return proxyproto.SKIP, nil
		},
	}
}
