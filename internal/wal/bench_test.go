package wal_test

import (
	"fmt"
	"testing"

	"annals.dev/internal/disk"
)

// BenchmarkAppend stands beside BenchmarkWriteAndSync, the least that durability costs on the same disk.
func BenchmarkAppend(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			l := open(b, disk.OS(b.TempDir()))
			payload := make([]byte, size)
			pieces := [][]byte{payload[:size/2], payload[size/2:]}
			b.SetBytes(int64(size))
			written := 0
			for b.Loop() {
				if _, err := l.Append(pieces); err != nil {
					b.Fatal(err)
				}
				if written += size; written > fileMax {
					written = 0
					if err := l.Rotate(); err != nil {
						b.Fatal(err)
					}
					files := l.Files()
					if err := l.Drop(files[len(files)-1].File); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func BenchmarkWriteAndSync(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			d := disk.OS(b.TempDir())
			f, err := d.Create("f")
			if err != nil {
				b.Fatal(err)
			}
			payload := make([]byte, size)
			b.SetBytes(int64(size))
			off := int64(0)
			for b.Loop() {
				if _, err := f.WriteAt(payload, off); err != nil {
					b.Fatal(err)
				}
				if err := f.Sync(); err != nil {
					b.Fatal(err)
				}
				if off += int64(size); off > fileMax {
					off = 0
					f.Close()
					if err := d.Remove("f"); err != nil {
						b.Fatal(err)
					}
					if f, err = d.Create("f"); err != nil {
						b.Fatal(err)
					}
				}
			}
			f.Close()
		})
	}
}

const fileMax = 64 << 20

var sizes = []int{1 << 10, 64 << 10, 1 << 20, 8 << 20}
