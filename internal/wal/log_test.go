package wal_test

import (
	"bytes"
	"fmt"
	"testing"

	"annals.dev/internal/disk"
	"annals.dev/internal/wal"
)

func TestAppendAndReopen(t *testing.T) {
	d := disk.OS(t.TempDir())
	if err := wal.Create(d, "log"); err != nil {
		t.Fatal(err)
	}
	var want []string
	for round := range 3 {
		var got []string
		l, r, err := wal.Open(d, "log", func(e wal.Entry) error {
			got = append(got, string(e.Payload))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || r.Next != uint64(len(want))+1 {
			t.Fatalf("replayed %q, want %q; report %+v", got, want, r)
		}
		for i := range 3 {
			p := fmt.Sprintf("payload %d of round %d", i, round)
			places, err := l.Append([][]byte{[]byte(p[:4]), nil, []byte(p[4:])}, nil)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, p, "")
			b := make([]byte, places[0].Len)
			if _, err := l.ReadAt(places[0].File, b, places[0].Off); err != nil || !bytes.Equal(b, []byte(p)) {
				t.Fatalf("read back %q, %v", b, err)
			}
		}
		if err := l.Rotate(); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
