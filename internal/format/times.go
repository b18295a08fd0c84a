package format

import (
	"bytes"
	"strconv"
	"time"

	"annals.dev/audit"
)

// timeOf reads a carrier's time, a JSON value: RFC 3339, the same without a zone (then it is UTC), or seconds,
// milliseconds, microseconds or nanoseconds since 1970, in quotes or not. It is 0 if it is none of them.
func timeOf(value []byte) int64 {
	if t := content(value); t != nil {
		return timeText(t)
	}
	return epoch(value)
}

func timeText(t []byte) int64 {
	if micros, ok := audit.Micros(t); ok {
		return micros
	}
	if len(t) >= len("2018-10-25T14:09:12") && len(t) < 40 && t[4] == '-' {
		if micros, ok := audit.Micros(append(bytes.Clone(t), 'Z')); ok {
			return micros
		}
	}
	return epoch(t)
}

func epoch(t []byte) int64 {
	if len(t) == 0 || len(t) > 32 || t[0]-'0' > 9 {
		return 0
	}
	f, err := strconv.ParseFloat(string(t), 64)
	switch {
	case err != nil || f < 1e8: // before 1973: not a time
		return 0
	case f < 1e11:
		return int64(f*1e3+0.5) * 1e3 // no carrier says more than milliseconds so
	case f < 1e14:
		return int64(f * 1e3)
	case f < 1e17:
		return int64(f)
	case f < 1e20:
		return int64(f / 1e3)
	}
	return 0
}

func formatMicros(t int64) string { return time.UnixMicro(t).UTC().Format(time.RFC3339Nano) }
