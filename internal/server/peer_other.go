//go:build !linux

package server

import "net"

// peerUID is not told: only the owner can open the socket.
func peerUID(*net.UnixConn) (uid int, ok bool) { return 0, false }
