package cli

import (
	"time"

	"golang.org/x/sys/unix"
)

// clockKept asks the kernel whether an NTP client disciplines its clock, and how far off that may be.
func clockKept() (kept bool, off time.Duration, err error) {
	var tx unix.Timex
	state, err := unix.Adjtimex(&tx)
	return state != unix.TIME_ERROR, time.Duration(tx.Maxerror) * time.Microsecond, err
}
