//go:build !unix

package spool

import (
	"errors"
	"fmt"
)

func lock(dir string) (unlock func(), err error) {
	return nil, fmt.Errorf("lock the spool in %s: nothing here keeps a second process out: %w", dir, errors.ErrUnsupported)
}
