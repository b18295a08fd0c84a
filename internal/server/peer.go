package server

import (
	"context"
	"net"
	"os"
	"os/user"
	"strconv"
	"sync"
)

// Those who come through the socket are on record as users of this machine.

type peerKey struct{}

// withPeer is the context of a connection's requests.
func withPeer(ctx context.Context, conn net.Conn) context.Context {
	unix, ok := conn.(*net.UnixConn)
	if !ok {
		return ctx
	}
	if uid, ok := peerUID(unix); ok {
		return context.WithValue(ctx, peerKey{}, uid)
	}
	return ctx
}

// peerOf is who asks: the other end of the socket where the system tells it, else the user that this process is.
func peerOf(ctx context.Context) (name string, uid int) {
	uid, ok := ctx.Value(peerKey{}).(int)
	if !ok {
		uid = os.Getuid()
	}
	return userName(uid), uid
}

var userNames sync.Map // by number: to ask the system may take long

func userName(uid int) string {
	if name, ok := userNames.Load(uid); ok {
		return name.(string)
	}
	name := "uid:" + strconv.Itoa(uid)
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil && u.Username != "" {
		name = u.Username
	}
	userNames.Store(uid, name)
	return name
}
