package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"annals.dev/internal/source"
)

// Held is an open data directory in the hands of whoever puts events into it.
type Held struct {
	Ledger source.Appender
	Ready  func() error // why the ledger takes nothing at present
}

// Hold opens a data directory and answers the questions of commands about it while use puts events into it. It ends when the
// context does, which use is told first; what use puts in until it returns is kept. A use that ends before is a failure.
func Hold(ctx context.Context, dir string, log *slog.Logger, use func(context.Context, Held) error) (err error) {
	c, err := openServed(ctx, dir, log)
	if err != nil {
		if conn, derr := dialSocket(dir); derr == nil {
			conn.Close()
			err = fmt.Errorf("%w: have events delivered to it by its webhook, as annals setup forward shows, or use another directory", err)
		}
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	socket, err := listenSocket(c.dir)
	if err != nil {
		return err
	}
	return runParts(ctx, []part{
		c.httpPart("socket", socket, c.handler()),
		{"events", func(ctx context.Context) error { return use(ctx, Held{c.ledger, c.ready}) }, func() {}},
	}, log, func() {})
}
