package query

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	duck "github.com/duckdb/duckdb-go-bindings"
)

// instance is one DuckDB in memory. Its connections are kept idle between questions; any goroutine may take one.
type instance struct {
	db duck.Database

	mu     sync.Mutex
	idle   []*conn
	closed bool
}

// conn is one connection. One goroutine at a time uses it.
type conn struct {
	c duck.Connection
}

// openInstance starts a DuckDB with settings that are names and values of DuckDB's own.
func openInstance(settings [][2]string) (*instance, error) {
	var cfg duck.Config
	if duck.CreateConfig(&cfg) == duck.StateError {
		return nil, errors.New("query: duckdb gives no configuration: out of memory")
	}
	defer duck.DestroyConfig(&cfg)
	for _, s := range settings {
		if duck.SetConfig(cfg, s[0], s[1]) == duck.StateError {
			return nil, fmt.Errorf("query: duckdb refuses the setting %s = %q", s[0], s[1])
		}
	}
	in := new(instance)
	var why string
	if duck.OpenExt(":memory:", &in.db, cfg, &why) == duck.StateError {
		return nil, fmt.Errorf("query: starting duckdb: %s", why)
	}
	return in, nil
}

// acquire hands out an idle connection or a new one. Give it back with release.
func (in *instance) acquire() (*conn, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return nil, ErrClosed
	}
	if n := len(in.idle); n > 0 {
		c := in.idle[n-1]
		in.idle = in.idle[:n-1]
		return c, nil
	}
	c := new(conn)
	if duck.Connect(in.db, &c.c) == duck.StateError {
		return nil, errors.New("query: duckdb gives no connection")
	}
	return c, nil
}

func (in *instance) release(c *conn) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed || len(in.idle) >= maxIdle {
		duck.Disconnect(&c.c)
		return
	}
	in.idle = append(in.idle, c)
}

// maxIdle connections are kept; a burst of questions may open more.
const maxIdle = 8

// close ends the instance. Connections in use end it when they are released.
func (in *instance) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return
	}
	in.closed = true
	for _, c := range in.idle {
		duck.Disconnect(&c.c)
	}
	in.idle = nil
	duck.Close(&in.db)
}

// exec runs a statement for its effect.
func (c *conn) exec(sql string) error {
	var res duck.Result
	defer duck.DestroyResult(&res)
	if duck.Query(c.c, sql, &res) == duck.StateError {
		return &Error{Message: duck.ResultError(&res)}
	}
	return nil
}

// query runs a statement of ours whose whole result is small enough to hold, and hands its chunks to f.
func (c *conn) query(ctx context.Context, sql string, f func(chunk) error) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	stop := c.interruptOn(ctx)
	var res duck.Result
	state := duck.Query(c.c, sql, &res)
	stop()
	defer duck.DestroyResult(&res)
	if state == duck.StateError {
		return c.fault(ctx, &res)
	}
	return eachChunk(&res, f)
}

// stream runs one statement, which must be a SELECT, and hands its chunks to f as they come to be. begin is told the
// result's columns first.
func (c *conn) stream(ctx context.Context, sql string, begin func(*duck.Result) error, f func(chunk) error) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	stop := c.interruptOn(ctx)
	defer stop()
	var st duck.PreparedStatement
	state := duck.Prepare(c.c, sql, &st)
	defer duck.DestroyPrepare(&st)
	if state == duck.StateError {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return &Error{Message: duck.PrepareError(st)}
	}
	if duck.PreparedStatementType(st) != duck.StatementTypeSelect {
		return &RefusedError{What: "a statement that is not a SELECT"}
	}
	var pending duck.PendingResult
	state = duck.PendingPreparedStreaming(st, &pending)
	defer duck.DestroyPending(&pending)
	if state == duck.StateError {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return &Error{Message: duck.PendingError(pending)}
	}
	var res duck.Result
	state = duck.ExecutePending(pending, &res)
	defer duck.DestroyResult(&res)
	if state == duck.StateError {
		return c.fault(ctx, &res)
	}
	if err := begin(&res); err != nil {
		return err
	}
	if err := eachChunk(&res, f); err != nil {
		return err
	}
	if duck.ResultError(&res) != "" {
		return c.fault(ctx, &res)
	}
	return nil
}

func eachChunk(res *duck.Result, f func(chunk) error) error {
	for {
		data := duck.FetchChunk(*res)
		if data.Ptr == nil {
			return nil
		}
		ch := chunk{data: data, n: int(duck.DataChunkGetSize(data))}
		var err error
		if ch.n > 0 {
			err = f(ch)
		}
		duck.DestroyDataChunk(&data)
		if err != nil {
			return err
		}
	}
}

// fault is why a result failed: the cancellation, if that is what stopped it.
func (c *conn) fault(ctx context.Context, res *duck.Result) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &Error{Message: duck.ResultError(res)}
}

// interruptOn stops what the connection runs once ctx is done, until the returned function is called. DuckDB forgets an
// interrupt that comes before its query has begun, so it is repeated.
func (c *conn) interruptOn(ctx context.Context) (stop func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	over, idle := make(chan struct{}), make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(idle)
		for {
			duck.Interrupt(c.c)
			select {
			case <-over:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	})
	return sync.OnceFunc(func() {
		close(over)
		if !cancel() {
			<-idle
		}
	})
}
