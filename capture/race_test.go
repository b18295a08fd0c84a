//go:build race

package capture_test

// The race detector makes pools forget at random.
func init() { countsAllocations = false }
