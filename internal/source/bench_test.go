package source

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"annals.dev/internal/ledger"
)

// nowhere takes everything at once: what is left is the receiver's own work.
type nowhere struct{}

func (nowhere) Append(_ context.Context, b ledger.Batch) (ledger.Receipt, error) {
	return ledger.Receipt{Accepted: len(b.Events)}, nil
}

// recorded is 400 recorded events as one POST body.
func recorded(b *testing.B) []byte {
	f, err := os.Open("../../audit/testdata/normal-metadata.log.gz")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		b.Fatal(err)
	}
	all, err := io.ReadAll(z)
	if err != nil {
		b.Fatal(err)
	}
	var items []string
	for line := range bytes.Lines(all) {
		items = append(items, string(bytes.Replace(bytes.TrimSpace(line), []byte(`"kind":"Event","apiVersion":"audit.k8s.io/v1",`), nil, 1)))
	}
	for len(items) < 400 {
		items = append(items, items...)
	}
	return []byte(list(items[:400]...))
}

// BenchmarkWebhook is the receiver alone; an operation is one event.
func BenchmarkWebhook(b *testing.B) {
	body := recorded(b)
	w := NewWebhook(WebhookConfig{Access: anyone("prod"), Ledger: nowhere{}, Log: new(testLog).logger(), Metrics: new(Metrics)})
	b.SetBytes(int64(len(body)) / 400)
	b.ReportAllocs()
	for n := 0; n < b.N; n += 400 {
		rec := httptest.NewRecorder()
		w.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/v1/audit/prod", bytes.NewReader(body)))
		if rec.Code != 200 {
			b.Fatal(rec.Code, rec.Body)
		}
	}
}
