package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"time"

	"annals.dev/internal/ledger"
	"annals.dev/internal/source"
)

// Client asks about one data directory: the server that runs on it, or the directory itself, opened in this process. Close it.
type Client struct {
	http  *http.Client
	base  string // the server's URL
	close func() error
	seal  func(context.Context) error // of a directory opened here; nil: a server does that

	catchUp func(ctx context.Context, progress func(done, total uint64)) error // so, too
}

// How long a command waits for a directory that another command has open, and how often it looks.
const (
	openPatience = 10 * time.Second
	openRetry    = 100 * time.Millisecond
)

// Connect finds the server of a data directory, or opens the directory. log is for the second case.
func Connect(ctx context.Context, dir string, log *slog.Logger) (*Client, error) {
	for begun := time.Now(); ; {
		conn, err := dialSocket(dir)
		if err == nil {
			conn.Close()
			return newClient(func(context.Context, string, string) (net.Conn, error) { return dialSocket(dir) }), nil
		}
		if !errors.Is(err, ErrNoServer) {
			return nil, err
		}
		c, err := openCore(dir, log)
		if err == nil {
			return connectCore(c), nil
		}
		if !errors.Is(err, ledger.ErrInUse) {
			return nil, err
		}
		if time.Since(begun) > openPatience {
			return nil, fmt.Errorf("%w: another annals command works on it, or a server that is still starting; try again when it is done", err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(openRetry):
		}
	}
}

func newClient(dial func(ctx context.Context, network, addr string) (net.Conn, error)) *Client {
	t := &http.Transport{DialContext: dial, DisableCompression: true}
	return &Client{http: &http.Client{Transport: t}, base: "http://annals", close: func() error { t.CloseIdleConnections(); return nil }}
}

// connectCore serves a directory to this process alone.
func connectCore(c *core) *Client {
	listener := newMemory()
	srv := &http.Server{Handler: c.handler(), ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan struct{})
	go func() {
		defer close(served)
		srv.Serve(listener)
	}()
	client := newClient(listener.dial)
	idle := client.close
	client.seal, client.catchUp = c.ledger.Seal, c.catchUp
	client.close = func() error {
		idle()
		// What was asked last is perhaps still being recorded.
		ctx, cancel := context.WithTimeout(context.Background(), recordWithin)
		defer cancel()
		err := srv.Shutdown(ctx)
		if err != nil {
			err = srv.Close()
		}
		<-served
		return errors.Join(err, c.close())
	}
	return client
}

// refusal is what an answer that is none says.
func refusal(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 16<<10))
	var line struct {
		Error *Error `json:"error"`
	}
	if json.Unmarshal(text, &line) == nil && line.Error != nil {
		return line.Error
	}
	return fmt.Errorf("asking the server: %s: %.1000s", resp.Status, bytes.TrimSpace(text))
}

// Close ends the client; a directory that it opened is closed.
func (c *Client) Close() error { return c.close() }

// Local says that no server runs: the directory is open in this process.
func (c *Client) Local() bool { return c.seal != nil }

// Search hands each row of the answer to f, as it comes.
func (c *Client) Search(ctx context.Context, q SearchQuestion, f func(Row) error) (Coverage, error) {
	return ask[Row, Coverage](ctx, c, "events", q, f)
}

// SQL hands the columns to columns and each row to row.
func (c *Client) SQL(ctx context.Context, q SQLQuestion, columns func([]SQLColumn) error, row func([]json.RawMessage) error) (Coverage, error) {
	return ask[SQLItem, Coverage](ctx, c, "sql", q, func(i SQLItem) error {
		if i.Columns != nil {
			return columns(i.Columns)
		}
		return row(i.Row)
	})
}

// Verify has the ledger held against its signatures.
func (c *Client) Verify(ctx context.Context, q VerifyQuestion, progress func(VerifyProgress)) (*ledger.Report, error) {
	return ask[VerifyProgress, *ledger.Report](ctx, c, "ledger/verify", q, func(p VerifyProgress) error { progress(p); return nil })
}

// Import has files read: by their paths, which are absolute, or what content gives. Without a server the ledger seals what
// came before Import returns.
func (c *Client) Import(ctx context.Context, q ImportQuestion, content io.Reader, progress func(source.Progress)) (ImportEnd, error) {
	line, err := json.Marshal(q)
	if err != nil {
		return ImportEnd{}, err
	}
	var body io.Reader = bytes.NewReader(append(line, '\n'))
	if content != nil {
		body = io.MultiReader(body, content)
	}
	end, err := send[source.Progress, ImportEnd](ctx, c, "import", body, func(p source.Progress) error { progress(p); return nil })
	if err == nil && c.seal != nil {
		err = c.seal(ctx)
	}
	return end, err
}
