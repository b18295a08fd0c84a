package baseline

import "math/bits"

// days is a set of days: the last one, and which of the 63 before it are in it. What is older is forgotten.
type days struct {
	Last int32  // days since 1970
	Bits uint64 // bit i is day Last-i
}

// add puts a day into the set, and says whether it was not in it. Days that are too old to be kept are as good as in it.
func (d *days) add(day int32) bool {
	switch back := int(d.Last) - int(day); {
	case d.Bits == 0:
		*d = days{day, 1}
	case back < 0:
		d.Bits, d.Last = d.Bits<<min(-back, 64)|1, day
	case back >= 64 || d.Bits&(1<<back) != 0:
		return false
	default:
		d.Bits |= 1 << back
	}
	return true
}

func (d days) has(day int32) bool {
	back := int(d.Last) - int(day)
	return back >= 0 && back < 64 && d.Bits&(1<<back) != 0
}

// before are the days of the set before a day: bit 0 is the day before it.
func (d days) before(day int32) uint64 {
	if back := int(d.Last) - int(day); back >= 0 {
		return d.Bits >> min(back+1, 64)
	} else {
		return d.Bits << min(-back-1, 64)
	}
}

// first is the earliest of some days before a day, as before gives them, alone.
func first(before uint64) uint64 {
	if before == 0 {
		return 0
	}
	return 1 << (bits.Len64(before) - 1)
}
