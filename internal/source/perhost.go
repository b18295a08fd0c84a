package source

import (
	"net"
	"net/netip"
	"sync"
)

// perHost is a listener that turns away whoever holds more connections than one may. Without it, one host that holds its
// connections open, and need not say who it is for that, would keep every API server out.
type perHost struct {
	net.Listener
	limit int
	full  func(host string) // told of each connection turned away

	mu   sync.Mutex
	open map[netip.Prefix]int
}

func newPerHost(l net.Listener, limit int, full func(host string)) *perHost {
	return &perHost{Listener: l, limit: limit, full: full, open: make(map[netip.Prefix]int)}
}

func (p *perHost) Accept() (net.Conn, error) {
	for {
		c, err := p.Listener.Accept()
		if err != nil {
			return nil, err
		}
		host := hostOf(c.RemoteAddr())
		if !host.IsValid() {
			return c, nil
		}
		if p.enter(host) {
			return &hostConn{Conn: c, leave: sync.OnceFunc(func() { p.leave(host) })}, nil
		}
		c.Close() // nothing was said on it yet
		p.full(host.Addr().String())
	}
}

func (p *perHost) enter(host netip.Prefix) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open[host] >= p.limit {
		return false
	}
	p.open[host]++
	return true
}

func (p *perHost) leave(host netip.Prefix) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open[host]--; p.open[host] == 0 {
		delete(p.open, host)
	}
}

// hostOf is an IPv4 address, or the /64 of an IPv6 one, of which a host has as many addresses as it likes.
func hostOf(a net.Addr) netip.Prefix {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Prefix{}
	}
	ip := ap.Addr().Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	prefix, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}

type hostConn struct {
	net.Conn
	leave func()
}

func (c *hostConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
