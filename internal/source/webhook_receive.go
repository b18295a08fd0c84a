package source

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"

	"github.com/klauspost/compress/gzip"

	"annals.dev/internal/format"
	"annals.dev/internal/ledger"
)

// bodyError is a body that could not be read to its end.
type bodyError struct {
	status int
	err    error
}

func (e *bodyError) Error() string { return e.err.Error() }
func (e *bodyError) Unwrap() error { return e.err }

// receive reads a body and has it in the ledger when it returns, chunk by chunk.
func (w *Webhook) receive(rw http.ResponseWriter, r *http.Request, cluster, origin string) (total ledger.Receipt, err error) {
	var text io.Reader = http.MaxBytesReader(rw, r.Body, w.largest)
	switch enc := r.Header.Get("Content-Encoding"); enc {
	case "", "identity":
	case "gzip":
		z, err := gunzip(text)
		if err != nil {
			return total, bodyFault(err)
		}
		defer gunzips.Put(z)
		text = z
	default:
		return total, &bodyError{http.StatusUnsupportedMediaType, fmt.Errorf("Content-Encoding %.40q is not known: send the body plain or as gzip", enc)}
	}
	in := &watched{r: text}
	v := receivers.Get().(*receiver)
	list := v.list
	list.Reset(in, w.largest, v.buf[:])
	defer func() {
		w.cfg.Metrics.unreadable(cluster, "webhook", list.Counts())
		list.Reset(nil, 0, nil) // at rest it holds on to no request
		receivers.Put(v)
	}()
	for before := int64(0); ; {
		events, err := list.Next(0)
		// A body that broke off comes again whole: what the network cut is no cut event.
		if in.err != nil && in.err != io.EOF {
			err = in.err
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return total, bodyFault(err)
		}
		receipt, err := w.cfg.Ledger.Append(r.Context(), ledger.Batch{Cluster: cluster, Origin: origin, Events: events})
		if err != nil {
			return total, err
		}
		sum(&total, receipt)
		w.cfg.Metrics.took(cluster, "webhook", int(in.n-before), receipt)
		before = in.n
	}
	if in.n == 0 {
		return total, &bodyError{http.StatusBadRequest, errors.New("the body is empty: an EventList was expected")}
	}
	return total, nil
}

// receiver is what it takes to read a body. It is used again: made anew it costs three times what reading does.
type receiver struct {
	list *format.ListReader
	buf  [1 << 20]byte
}

var (
	receivers = sync.Pool{New: func() any { return &receiver{list: format.NewListReader(nil, 0)} }}
	gunzips   sync.Pool // of *gzip.Reader
)

func gunzip(r io.Reader) (*gzip.Reader, error) {
	z, _ := gunzips.Get().(*gzip.Reader)
	if z == nil {
		return gzip.NewReader(r)
	}
	return z, z.Reset(r)
}

// watched counts what is read, and remembers why that ended.
type watched struct {
	r   io.Reader
	n   int64
	err error
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.r.Read(b)
	w.n += int64(n)
	w.err = err
	return n, err
}

func bodyFault(err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, format.ErrTooLarge) || errors.As(err, &tooLarge):
		return &bodyError{http.StatusRequestEntityTooLarge, fmt.Errorf("%w: send fewer events at once (--audit-webhook-batch-max-size)", err)}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &bodyError{http.StatusRequestTimeout, fmt.Errorf("the body took longer than %s: %w", bodyTimeout, err)}
	}
	return &bodyError{http.StatusBadRequest, fmt.Errorf("the body could not be read to its end: %w", err)}
}
