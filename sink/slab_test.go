package sink_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"annals.dev/sink"
	"annals.dev/sink/sinktest"
)

// sized is an event that tells by itself whether it is whole.
func sized(i, n int) []byte {
	return append(strconv.AppendInt(nil, int64(i), 10), bytes.Repeat([]byte{'a' + byte(i%26)}, n)...)
}

// Events lie in memory that is used again: none may change while it waits or is on its way, whichever batch is done first.
func TestBatchReusesMemory(t *testing.T) {
	const n = 20_000
	r := rand.New(rand.NewPCG(1, 2))
	var mu sync.Mutex
	seen := make([]bool, n)
	m := &sinktest.Memory{Fail: func(_ context.Context, events [][]byte) error {
		for range 20 {
			runtime.Gosched() // so that batches overtake one another
		}
		mu.Lock()
		defer mu.Unlock()
		for _, e := range events {
			digits := bytes.TrimRight(e, "abcdefghijklmnopqrstuvwxyz")
			i, err := strconv.Atoi(string(digits))
			if err != nil || seen[i] || !bytes.Equal(e, sized(i, len(e)-len(digits))) {
				t.Errorf("%.40q arrived", e)
				continue
			}
			seen[i] = true
		}
		return nil
	}}
	s := sink.Batch(m, sink.BatchConfig{BufferSize: n, BufferBytes: 1 << 30, MaxBatchSize: 50, MaxInFlight: 4, Log: quiet})
	for i := range n {
		size := r.IntN(2000)
		if r.IntN(500) == 0 {
			size = r.IntN(600 << 10) // more than is set aside for many
		}
		e := sized(i, size)
		must(t, s.Send(ctx, e))
		clear(e)
	}
	must(t, s.Close(ctx))
	for i, ok := range seen {
		if !ok {
			t.Errorf("event %d did not arrive", i)
		}
	}
}
