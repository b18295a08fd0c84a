package source

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// rotatedName is what a log file's name says about its place among those that were one log.
type rotatedName struct {
	live       string // the name of the file that is still written, which may be this one
	rotated    bool
	compressed string // "", ".gz", ".zst", ".xz", ".bz2"
	age        string // names of one log with an age by time: smaller is older
	number     int    // logrotate's .1, .2, …: larger is older
}

var (
	// audit-2026-11-21T00-50-32.240.log, as kube-apiserver renames it
	lumberjackName = regexp.MustCompile(`^(.*)-(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3})(\.[^.]*)?$`)
	// audit.log-20261121, audit.log-20261121-1763680000, audit-20261121.log: logrotate's dateext
	dateName = regexp.MustCompile(`^(.*)-(\d{8}(?:-\d{1,12})?)(\.[^.]*)?$`)
	// audit.log.1, as logrotate renames it
	numberName = regexp.MustCompile(`^(.*)\.(\d{1,6})$`)
)

var compressions = []string{".gz", ".zst", ".xz", ".bz2"}

// parseRotated reads a file's base name.
func parseRotated(name string) rotatedName {
	var r rotatedName
	for _, ext := range compressions {
		if plain, ok := strings.CutSuffix(name, ext); ok && plain != "" {
			name, r.compressed = plain, ext
			break
		}
	}
	if m := lumberjackName.FindStringSubmatch(name); m != nil && m[1] != "" {
		r.live, r.age, r.rotated = m[1]+m[3], m[2], true
	} else if m := dateName.FindStringSubmatch(name); m != nil && m[1] != "" {
		r.live, r.age, r.rotated = m[1]+m[3], m[2], true
	} else if m := numberName.FindStringSubmatch(name); m != nil && m[1] != "" {
		r.live, r.rotated = m[1], true
		r.number, _ = strconv.Atoi(m[2]) // six digits fit
	} else {
		r.live = name
	}
	return r
}

// olderFirst orders the files of a directory: log by log, each from its oldest part to the live one.
func olderFirst(a, b string) int {
	x, y := parseRotated(a), parseRotated(b)
	return cmp.Or(
		strings.Compare(x.live, y.live),
		cmp.Compare(x.rank(), y.rank()),
		cmp.Compare(y.number, x.number),
		strings.Compare(x.age, y.age),
		strings.Compare(a, b),
	)
}

func (r rotatedName) rank() int {
	if r.rotated {
		return 0
	}
	return 1
}

func sortOlderFirst(names []string) { slices.SortFunc(names, olderFirst) }
