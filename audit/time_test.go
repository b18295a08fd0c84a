package audit

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestMicros(t *testing.T) {
	for in, want := range map[string]string{
		"2026-11-21T00:52:58.832647Z":       "2026-11-21T00:52:58.832647Z",
		"1970-01-01T00:00:00.000000Z":       "1970-01-01T00:00:00Z",
		"1969-12-31T23:59:59.999999Z":       "1969-12-31T23:59:59.999999Z",
		"0000-01-01T00:00:00Z":              "0000-01-01T00:00:00Z",
		"9999-12-31T23:59:59.999999999Z":    "9999-12-31T23:59:59.999999Z",
		"2000-02-29T00:00:00Z":              "2000-02-29T00:00:00Z",
		"2017-07-12T11:02:43Z":              "2017-07-12T11:02:43Z",
		"2017-07-12T11:02:43.5Z":            "2017-07-12T11:02:43.5Z",
		"2017-06-15T21:50:50.259470834Z":    "2017-06-15T21:50:50.25947Z",
		"2017-07-12T11:02:43+02:00":         "2017-07-12T09:02:43Z",
		"2017-07-12t11:02:43.123456-05:30":  "2017-07-12T16:32:43.123456Z",
		"2017-07-12 11:02:43z":              "2017-07-12T11:02:43Z",
		"2017-07-12T11:02:43.1234567+00:00": "2017-07-12T11:02:43.123456Z",
	} {
		parsed, err := time.Parse(time.RFC3339Nano, want)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := Micros([]byte(in)); !ok || got != parsed.UnixMicro() {
			t.Errorf("%s: %d, %v; want %d", in, got, ok, parsed.UnixMicro())
		}
	}
	for _, in := range []string{
		"", "null", "2026-11-21", "2026-11-21T00:52:58", "2026-11-21T00:52:58.Z", "2026-11-21T00:52:58.83264xZ",
		"2026-11-21T00:52:58.832647", "2026-13-21T00:52:58Z", "2026-00-21T00:52:58Z", "2026-11-31T00:52:58Z",
		"2026-02-29T00:52:58Z", "1900-02-29T00:00:00Z", "2026-11-00T00:52:58Z", "2026-11-21T24:00:00Z",
		"2026-11-21T00:60:00Z", "2026-11-21T00:00:60Z", "2026-11-21T00:52:58+2:00", "2026-11-21T00:52:58+25:00",
		"2026-11-21T00:52:58+02:61", "2026-11-21T00:52:58ZZ", "2026/11/21T00:52:58Z", "2026-11-21X00:52:58Z",
		"2018-07-20 10:22:43 +0800", "+026-11-21T00:52:58Z", "2026-11-21T00:52:58.832647\xff", "2026-11-21T00:52:58.8326/7Z",
		"2026-11-21T00:52:58.83264:Z",
	} {
		if got, ok := Micros([]byte(in)); ok {
			t.Errorf("%q is read as %d", in, got)
		}
	}
}

func TestMicrosAgreesWithTimeParse(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		at := time.Unix(r.Int64N(300_000_000_000)-60_000_000_000, r.Int64N(1e9)).UTC()
		for _, layout := range []string{microLayout, time.RFC3339, time.RFC3339Nano} {
			s := at.Format(layout)
			checkMicros(t, s)
			i := r.IntN(len(s))
			checkMicros(t, s[:i]+string("0123456789.:-+TZ"[r.IntN(16)])+s[i+1:])
		}
	}
}

func checkMicros(t testing.TB, s string) {
	t.Helper()
	got, ok := Micros([]byte(s))
	want, err := time.Parse(time.RFC3339Nano, s)
	switch {
	case ok && strings.ContainsAny(s, " tz"): // time.Parse does not take these
	case ok != (err == nil):
		t.Fatalf("%q: read is %v, time.Parse says %v", s, ok, err)
	case ok && got != want.UnixMicro():
		t.Fatalf("%q is %d, want %d", s, got, want.UnixMicro())
	}
}

func FuzzMicros(f *testing.F) {
	f.Add("2026-11-21T00:52:58.832647Z")
	f.Add("2017-07-12T11:02:43.1234567+05:30")
	f.Fuzz(func(t *testing.T, s string) {
		if strings.Contains(s, ",") || len(s) > 12 && s[12] == ':' {
			return // time.Parse takes a comma for the point, and an hour of one digit
		}
		checkMicros(t, s)
	})
}
