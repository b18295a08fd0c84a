package options

import (
	"math"
	"testing"
	"time"
)

// A number that is meant as "for ever" must not become a few minutes, after which backups are deleted.
func TestProductDoesNotOverflow(t *testing.T) {
	for _, tt := range []struct {
		n          int
		unit, want int64
	}{
		{0, megabyte, 0},
		{100, megabyte, 100 << 20},
		{1 << 44, megabyte, math.MaxInt64},
		{1<<44 + 1, megabyte, math.MaxInt64},
		{math.MaxInt, megabyte, math.MaxInt64},
		{366, day, int64(366 * 24 * time.Hour)},
		{213504, day, math.MaxInt64}, // 25 minutes, modulo 2^64 nanoseconds
		{999999, day, math.MaxInt64},
	} {
		if got := product(tt.n, tt.unit); got != tt.want {
			t.Errorf("%d × %d is %d, want %d", tt.n, tt.unit, got, tt.want)
		}
	}
}
