//go:build !linux

package cli

import (
	"errors"
	"time"
)

func clockKept() (kept bool, off time.Duration, err error) {
	return false, 0, errors.New("not on this system")
}
