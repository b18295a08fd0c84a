package server

import (
	"net"

	"golang.org/x/sys/unix"
)

// peerUID is the user of the process that opened the connection.
func peerUID(conn *net.UnixConn) (uid int, ok bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, false
	}
	var peer *unix.Ucred
	var perr error
	err = raw.Control(func(fd uintptr) { peer, perr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err != nil || perr != nil {
		return 0, false
	}
	return int(peer.Uid), true
}
