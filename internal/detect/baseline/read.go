package baseline

import (
	"bytes"
	"hash/maphash"
	"net/netip"
	"strings"

	"annals.dev/audit"
)

// reader reads events, and holds the memory for it.
type reader struct {
	scratch []byte
	hashed  maphash.Hash
}

// text is valid until the next call.
func (r *reader) text(t audit.Text) []byte {
	r.scratch = t.Append(r.scratch[:0])
	return r.scratch
}

// peer is the address that a request came from: the last one, since those before it are the client's own claim.
func (r *reader) peer(v *audit.View) (last string) {
	var t audit.Text
	for ip := range v.SourceIPs.Strings {
		t = ip
	}
	return string(t)
}

// hash is of all that note looks at, so that what is known is known at once.
func (r *reader) hash(v *audit.View, peer string, hours int64) uint64 {
	h := &r.hashed
	h.SetSeed(seed)
	for _, t := range [...]audit.Text{v.User.Username, v.Verb, v.ObjectRef.Resource, v.ObjectRef.Subresource, v.ObjectRef.APIGroup, v.ObjectRef.Namespace, v.UserAgent} {
		h.Write(t)
		h.WriteByte(0)
	}
	h.WriteString(peer)
	for range 4 {
		h.WriteByte(byte(hours))
		hours >>= 8
	}
	return h.Sum64()
}

func (r *reader) event(v *audit.View, peer string, position uint64) event {
	e := event{
		Time: v.Time, Position: position, Peer: peer, Verb: v.Verb.String(), Resource: v.ObjectRef.Resource.String(),
		Namespace: v.ObjectRef.Namespace.String(), Name: v.ObjectRef.Name.String(), Code: v.ResponseStatus.Code,
	}
	if s := v.ObjectRef.Subresource.String(); s != "" {
		e.Resource += "/" + s
	}
	if g := v.ObjectRef.APIGroup.String(); g != "" && e.Resource != "" {
		e.Resource += "." + g
	}
	if e.Resource == "" {
		e.Resource, _, _ = strings.Cut(v.RequestURI.String(), "?")
		if parts := strings.SplitN(e.Resource, "/", 4); len(parts) > 3 {
			e.Resource = strings.Join(parts[:3], "/") // names below it are many
		}
	}
	return e
}

// isChange says whether an event ends a request that changes something people care for: not a lease, an event, or a question in
// the form of a create.
func isChange(v *audit.View) bool {
	if !v.Stage.Is(string(audit.StageResponseComplete)) || v.ObjectRef.Resource == nil {
		return false
	}
	switch string(v.Verb) {
	case "create", "update", "patch", "delete", "deletecollection":
	default:
		return false
	}
	switch string(v.ObjectRef.APIGroup) {
	case "authorization.k8s.io", "authentication.k8s.io", "coordination.k8s.io", "events.k8s.io":
		return false
	}
	return !v.ObjectRef.Resource.Is("events") && !v.ObjectRef.Subresource.Is("status")
}

// networkOf is the network that an address is in: people and pods change their addresses within one every day.
func networkOf(peer string) string {
	addr, err := netip.ParseAddr(peer)
	if err != nil {
		return ""
	}
	addr = addr.Unmap().WithZone("")
	size := 64
	if addr.Is4() {
		size = 24
	}
	p, _ := addr.Prefix(size)
	return p.String()
}

// clientOf is a user agent's first product, without its version: "kubectl" of "kubectl/v1.32.1 (linux/amd64) kubernetes/3a2b1c".
func clientOf(agent []byte) string {
	product, _, _ := bytes.Cut(agent, []byte(" "))
	product, _, _ = bytes.Cut(product, []byte("/"))
	return string(product[:min(len(product), 64)])
}
