package capture

import (
	"net/http"
	"net/netip"
)

// peerIP is the address of whoever sent the request, "" if it has none, as over a unix socket.
func peerIP(r *http.Request) string {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return addr.Addr().Unmap().String()
}
