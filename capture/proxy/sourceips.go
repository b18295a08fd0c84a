package proxy

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// sourceIPs says where a request came from, the client first and the peer last, as far as that is believed: X-Forwarded-For
// counts only for as long as it was written by one of the trusted, read from its end.
func sourceIPs(r *http.Request, trusted []netip.Prefix) []string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return nil
	}
	at := peer.Addr().Unmap().WithZone("")
	ips := []string{at.String()}
	said := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for _, s := range slices.Backward(said) {
		if !slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(at) }) {
			break
		}
		ip, err := netip.ParseAddr(strings.TrimSpace(s))
		if err != nil {
			break
		}
		at = ip.Unmap().WithZone("")
		ips = append(ips, at.String())
	}
	slices.Reverse(ips)
	return ips
}
