package proxy

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"time"
)

// upgradable is the answer to a request that may be upgraded. The connection that comes of it ends with the request's context,
// of which net/http knows nothing more once it has handed the connection over.
type upgradable struct {
	http.ResponseWriter
	ctx context.Context
}

func (u *upgradable) Unwrap() http.ResponseWriter { return u.ResponseWriter }

func (u *upgradable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buf, err := http.NewResponseController(u.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	context.AfterFunc(u.ctx, func() { conn.Close() })
	return &upgraded{conn}, buf, nil
}

// lingerFor is how long a client may take to end a connection that the upstream has ended. It is not closed at once: what
// the client has not read yet would be lost with it.
const lingerFor = 5 * time.Second

// upgraded is a client's connection.
type upgraded struct{ net.Conn }

// CloseWrite is called when the upstream has no more to say.
func (c *upgraded) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return c.Close()
	}
	if err := half.CloseWrite(); err != nil {
		return err
	}
	return c.SetReadDeadline(time.Now().Add(lingerFor))
}
