package match

import (
	"bytes"
	"strconv"
)

// patch reads a JSON patch: what its operations put where, as if it stood there in an object.
func (x *extractor) patch() {
	type operation struct {
		op, path, from []byte
		value          int32
	}
	var ops []operation
	copies := false
	for e := range x.t.in(0) {
		if x.t.nodes[e].kind != ObjectValue {
			continue
		}
		o := operation{value: -1}
		for c := range x.t.in(e) { // of a member that stands twice, the last one counts
			switch key := x.t.key(c); {
			case key.Is("op"):
				o.op = bytes.Clone(x.string(c))
			case key.Is("path"):
				o.path = bytes.Clone(x.string(c))
			case key.Is("from"):
				o.from = bytes.Clone(x.string(c))
			case key.Is("value"):
				o.value = c
			}
		}
		copies = copies || string(o.op) == "copy" || string(o.op) == "move"
		ops = append(ops, o)
	}
	put := map[string]int32{}
	for _, o := range ops {
		switch string(o.op) {
		case "add", "replace":
			if o.value < 0 {
				continue
			}
		case "copy", "move":
			o.value = x.putAt(put, o.from)
		default:
			continue
		}
		if copies && o.value >= 0 {
			put[string(o.path)] = o.value
		}
		x.put(o.path, o.value)
	}
}

// put finds the facts of a value at a JSON pointer; -1 is a value that is not known.
func (x *extractor) put(pointer []byte, value int32) {
	// As those do who apply patches to Kubernetes objects, it does not look at what stands before the first slash.
	_, rest, more := bytes.Cut(pointer, []byte("/"))
	s := &root
	for more {
		var part []byte
		part, rest, more = bytes.Cut(rest, []byte("/"))
		if bytes.IndexByte(part, '~') >= 0 {
			part = bytes.ReplaceAll(bytes.ReplaceAll(part, []byte("~1"), []byte("/")), []byte("~0"), []byte("~"))
		}
		if s.named != nil {
			if !more && (value < 0 || x.t.nodes[value].kind != NullValue) {
				s.named(x, part, value)
			}
			return
		}
		from := s
		if s = s.patchStep(part); s == nothing {
			return
		}
		if from == &volume && !isIndex(part) && string(part) != "name" {
			x.f.add(podVolumeType, part)
		}
	}
	if value < 0 {
		x.unknown(s)
		return
	}
	x.walk(s, value)
}

// putAt is what earlier operations of the patch put at a pointer, -1 if that is not known.
func (x *extractor) putAt(put map[string]int32, pointer []byte) int32 {
	const deep = 32
	for end, n := len(pointer), 0; end > 0 && n < deep; end, n = bytes.LastIndexByte(pointer[:end], '/'), n+1 {
		if i, ok := put[string(pointer[:end])]; ok {
			return x.below(i, pointer[end:])
		}
	}
	return -1
}

// below follows a pointer from a value.
func (x *extractor) below(i int32, pointer []byte) int32 {
	for _, part := range bytes.Split(pointer, []byte("/"))[1:] {
		if x.t.seen > 10*len(x.t.nodes) { // many copies out of long lists
			return -1
		}
		part = bytes.ReplaceAll(bytes.ReplaceAll(part, []byte("~1"), []byte("/")), []byte("~0"), []byte("~"))
		found, index := int32(-1), 0
		want, err := strconv.Atoi(string(part))
		for c := range x.t.in(i) {
			if x.t.nodes[i].kind == ObjectValue && string(x.key(c)) == string(part) || x.t.nodes[i].kind == arrayValue && err == nil && index == want {
				found = c
			}
			index++
		}
		if i = found; i < 0 {
			return -1
		}
	}
	return i
}
