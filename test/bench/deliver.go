package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// What kube-apiserver's webhook backend does: 400 events to a list, several lists on their way at once over one HTTP/2
// connection. It sends a list again that was refused; here that is an error.
const (
	batchEvents = 400
	inFlight    = 4
	maxLine     = 64 << 20
	cluster     = "bench"
)

// delivered is what a delivery came to.
type delivered struct {
	Lines    int
	Bytes    int64 // of the lines
	Accepted int
}

// receipt is the webhook's answer.
type receipt struct {
	Accepted, Duplicates, Conflicts, Salvaged, Quarantined int
}

// deliver posts the lines of a log.
func (s *annals) deliver(ctx context.Context, log io.Reader) (d delivered, err error) {
	ca, err := os.ReadFile(filepath.Join(s.data, "pki", "server-ca.crt"))
	if err != nil {
		return d, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return d, errors.New("the server's authority is not PEM")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}

	bodies := make(chan []byte)
	free := make(chan []byte, inFlight+1)
	for range cap(free) {
		free <- nil
	}
	var mu sync.Mutex // d.Accepted
	g, ctx := errgroup.WithContext(ctx)
	for range inFlight {
		g.Go(func() error {
			for body := range bodies {
				r, err := s.post(ctx, client, body)
				if err != nil {
					return err
				}
				mu.Lock()
				d.Accepted += r.Accepted
				mu.Unlock()
				free <- body[:0]
			}
			return nil
		})
	}
	g.Go(func() error {
		defer close(bodies)
		room := func() []byte {
			select {
			case b := <-free:
				return b
			case <-ctx.Done(): // then nothing is sent
				return nil
			}
		}
		return lists(log, &d, room, func(body []byte) error {
			select {
			case bodies <- body:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	if err := g.Wait(); err != nil {
		return d, err
	}
	if d.Accepted != d.Lines {
		return d, fmt.Errorf("%d of %d events were new", d.Accepted, d.Lines)
	}
	return d, nil
}

// lists makes event lists of lines. The items of a list have no kind and apiVersion, those of a log do.
func lists(log io.Reader, d *delivered, room func() []byte, send func([]byte) error) error {
	in := bufio.NewScanner(log)
	in.Buffer(make([]byte, 1<<20), maxLine)
	typed := []byte(`{"kind":"Event","apiVersion":"audit.k8s.io/v1",`)
	var body []byte
	n := 0
	flush := func() error {
		if n == 0 {
			return nil
		}
		n = 0
		return send(append(body, "]}\n"...))
	}
	for in.Scan() {
		line := in.Bytes()
		d.Lines++
		d.Bytes += int64(len(line)) + 1
		if n == 0 {
			body = append(room(), `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[`...)
		} else {
			body = append(body, ',')
		}
		n++
		if rest, ok := bytes.CutPrefix(line, typed); ok {
			body = append(append(body, '{'), rest...)
		} else {
			body = append(body, line...)
		}
		if n == batchEvents {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := in.Err(); err != nil {
		return err
	}
	return flush()
}

func (s *annals) post(ctx context.Context, client *http.Client, body []byte) (r receipt, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+s.address+"/v1/audit/"+cluster+"/cp-1?timeout=30s", bytes.NewReader(body))
	if err != nil {
		return r, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+s.token)
	resp, err := client.Do(req)
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return r, err
	case resp.StatusCode != http.StatusOK:
		return r, fmt.Errorf("the webhook answered %s: %s", resp.Status, strings.TrimSpace(string(text)))
	case resp.ProtoMajor != 2:
		return r, fmt.Errorf("the webhook spoke %s, kube-apiserver speaks HTTP/2 to it", resp.Proto)
	}
	return r, json.Unmarshal(text, &r)
}
