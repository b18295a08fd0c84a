package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// parseTime reads a moment as people give it: how long ago (15m, 2h, 3d, 1w), yesterday, today, now, a date, or RFC 3339.
// Days begin at midnight in loc.
func parseTime(s string, now time.Time, loc *time.Location) (time.Time, error) {
	now = now.In(loc)
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, loc)
	switch s {
	case "now":
		return now, nil
	case "today":
		return midnight, nil
	case "yesterday":
		return midnight.AddDate(0, 0, -1), nil
	}
	if ago, ok := parseAgo(s); ok {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, loc); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: give how long ago (15m, 2h, 3d, 1w), today, yesterday, a date such as 2026-11-19, or RFC 3339 such as 2026-11-19T08:00:00Z", s)
}

const maxAgo = 50 * 365 * 24 * time.Hour

// parseAgo reads 1d12h and what time.ParseDuration reads, but nothing negative.
func parseAgo(s string) (time.Duration, bool) {
	var total time.Duration
	rest := s
	for _, unit := range []struct {
		letter string
		length time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		number, after, found := strings.Cut(rest, unit.letter)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 32)
		if err != nil || n > uint64(maxAgo/unit.length) {
			return 0, false
		}
		total += time.Duration(n) * unit.length
		rest = after
	}
	if rest == "" {
		return total, s != ""
	}
	d, err := time.ParseDuration(rest)
	return total + d, err == nil && d >= 0 && d <= maxAgo
}

// formatTime writes a time as RFC 3339 to the millisecond, in the zone that was asked for.
func formatTime(t time.Time, loc *time.Location) string {
	return t.In(loc).Format("2006-01-02T15:04:05.000Z07:00")
}
