package format

import (
	"fmt"

	"annals.dev/audit"
)

// View makes v view the event that b is in dialect d. What it makes depends on d and b alone. For a dialect other than V1
// the view is over a v1 event made of b, which is appended to scratch[:0] and returned: it has to be kept as long as v.
// Where an event of V1 was cut, v holds what stood before the cut. Unreadable bytes have an empty view.
func View(d Dialect, b []byte, v *audit.View, scratch []byte) ([]byte, error) {
	var make func(b []byte, e *audit.Event) error
	switch d {
	case V1:
		if v.Parse(b) == nil {
			return scratch, nil
		}
		return scratch, v.ParseCut(b)
	case LegacyText:
		make = fromLegacy
	case GKE:
		make = fromGKE
	case AKSTable:
		make = fromAKS
	case Elastic:
		make = fromElastic
	case ViaQ:
		make = fromViaQ
	case FalcoAlert:
		make = fromFalco
	case Unreadable:
		*v = audit.View{}
		return scratch, nil
	default:
		return scratch, fmt.Errorf("dialect %d is not known to this version of annals", d)
	}
	var e audit.Event
	if err := make(b, &e); err != nil {
		*v = audit.View{}
		return scratch, err
	}
	scratch = e.AppendJSON(scratch[:0])
	return scratch, v.Parse(scratch)
}
