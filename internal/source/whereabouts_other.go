//go:build !linux

package source

import "os"

// whereabouts gives the name that an open file has now; this system does not say.
func whereabouts(*os.File) string { return "" }
