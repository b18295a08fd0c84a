package source

import (
	"os"
	"strconv"
	"strings"
)

// whereabouts gives the name that an open file has now, or had when it was deleted; "" if the system does not say.
func whereabouts(f *os.File) string {
	path, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
	if err != nil || !strings.HasPrefix(path, "/") {
		return ""
	}
	return strings.TrimSuffix(path, " (deleted)")
}
