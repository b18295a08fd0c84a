//go:build !linux

package query

// bound does nothing where the system has no limit that can be set while a statement runs.
func bound(int64) (end func()) { return func() {} }
