package match

import (
	"bytes"
	"path"
)

// scalar makes a fact of a text, a number or a boolean.
func (x *extractor) scalar(s *state, kind ValueKind, text []byte) {
	switch s.how {
	case asItIs:
		x.f.add(s.fact, text)
	case ifTrue:
		if kind == BoolValue && text[0] == 't' {
			x.f.add(s.fact, text)
		}
	case trueOrFalse:
		if kind == BoolValue {
			x.f.add(s.fact, text)
		}
	case capability:
		x.f.add(s.fact, bytes.TrimPrefix(bytes.ToUpper(text), []byte("CAP_")))
	case pathWritable:
		x.hostPath(text, true)
	case ruleVerb:
		x.f.add(roleVerb, text)
		x.f.add(roleGrant, text, []byte(" "+unsaid))
	case ruleResource:
		x.f.add(roleResource, text)
		x.f.add(roleGrant, []byte(unsaid+" "), text)
	case subjectName: // of which a patch does not say what it is
		x.f.add(bindingUser, text)
		x.f.add(bindingGroup, text)
	case certificateRequest:
		x.request(text)
	}
}

// unknown makes a fact of a value that a patch copies from what is there.
func (x *extractor) unknown(s *state) {
	switch {
	case s.how == ifTrue, s.how == trueOrFalse:
		x.f.add(s.fact, []byte("true"))
	case s == &hostPath, s.how == pathWritable:
		x.f.add(podHostPath, []byte(unsaid))
		x.f.add(podHostPathWritable, []byte(unsaid))
	case s.how != unused && s.how != certificateRequest:
		x.scalar(s, StringValue, []byte(unsaid))
	}
}

// object looks for a pod in an object, which is one's specification if it has containers.
func (x *extractor) object(s *state, i int32) {
	isPod, outer, mounted := s == &pod || x.hasContainers(i), x.pod, x.mounted
	x.pod, x.mounted = i, nil
	for c := range x.t.in(i) {
		key := x.key(c)
		next := s.step(key)
		if isPod {
			if own, ok := pod.keys[string(key)]; ok {
				next = own
			}
		}
		x.walk(next, c)
	}
	x.pod, x.mounted = outer, mounted
}

var containerLists = map[string]bool{
	"containers": true, "initContainers": true, "ephemeralContainers": true, "container": true, "script": true, "sidecars": true, "steps": true,
}

func (x *extractor) hasContainers(i int32) bool {
	for c := range x.t.in(i) {
		if containerLists[string(x.key(c))] {
			for e := range x.elements(c) {
				if x.has(e, "image") || x.has(e, "name") && x.t.nodes[c].kind == arrayValue {
					return true
				}
			}
		}
	}
	return false
}

// elements yields the objects in a list, or the value itself if it is one.
func (x *extractor) elements(i int32) func(yield func(int32) bool) {
	return func(yield func(int32) bool) {
		switch x.t.nodes[i].kind {
		case ObjectValue:
			yield(i)
		case arrayValue:
			for c := range x.t.in(i) {
				if x.t.nodes[c].kind == ObjectValue && !yield(c) {
					return
				}
			}
		}
	}
}

func (x *extractor) has(i int32, key string) bool {
	for c := range x.t.in(i) {
		if x.t.key(c).Is(key) && x.t.nodes[c].kind != NullValue {
			return true
		}
	}
	return false
}

func (x *extractor) container(s *state, i int32) {
	f := x.f
	var commands, args []int32
	for c := range x.t.in(i) {
		switch key := x.key(c); string(key) {
		case "name":
			if x.t.nodes[c].kind == StringValue {
				f.add(podContainer, x.string(c))
				if s.fact == podEphemeral {
					f.add(podEphemeral, x.string(c))
				}
			}
		case "command":
			commands = append(commands, c)
		case "args":
			args = append(args, c)
		default:
			x.walk(s.step(key), c)
		}
	}
	x.join(podCommand, append(commands, args...)...)
}

// joined is a list of texts as one.
func (x *extractor) joined(s *state, list int32) { x.join(s.fact, list) }

func (x *extractor) join(d derived, lists ...int32) {
	f := x.f
	from := len(f.text)
	add := func(i int32) {
		if x.t.nodes[i].kind == StringValue {
			if len(f.text) > from {
				f.text = append(f.text, ' ')
			}
			f.text = append(f.text, x.string(i)...)
		}
	}
	for _, list := range lists {
		if x.t.nodes[list].kind != arrayValue {
			add(list)
			continue
		}
		for c := range x.t.in(list) {
			add(c)
		}
	}
	f.since(d, from)
}

// perhaps is what only some workloads have containers in.
func (x *extractor) perhaps(s *state, i int32) {
	if x.has(i, "image") || x.has(i, "securityContext") || x.has(i, "command") || x.has(i, "args") {
		x.container(&container, i)
		return
	}
	x.object(&anywhere, i)
}

func (x *extractor) volume(s *state, i int32) {
	for c := range x.t.in(i) {
		key := x.key(c)
		if string(key) == "name" || len(key) == 0 || key[0] == '$' || x.t.nodes[c].kind == NullValue {
			continue
		}
		if k := x.t.nodes[c].kind; k == ObjectValue {
			x.f.add(podVolumeType, key)
		}
		if string(key) != "hostPath" {
			x.walk(s.step(key), c)
			continue
		}
		for p := range x.t.in(c) {
			if x.t.key(p).Is("path") && x.t.nodes[p].kind == StringValue {
				x.hostPath(x.string(p), x.writable(i))
			}
		}
	}
}

func (x *extractor) hostPath(text []byte, writable bool) {
	if len(text) == 0 {
		return
	}
	clean := []byte(path.Clean(string(text)))
	x.f.add(podHostPath, clean)
	if writable {
		x.f.add(podHostPathWritable, clean)
	}
}

// writable says whether a container of the pod mounts a volume so that it can write to it, or none mounts it that is known.
func (x *extractor) writable(volume int32) bool {
	if x.pod < 0 {
		return true
	}
	if x.mounted == nil {
		x.mounted = map[string]bool{}
		x.mounts(x.pod)
	}
	named := false
	for c := range x.t.in(volume) {
		if x.t.key(c).Is("name") {
			named = true
			if writable, known := x.mounted[string(x.string(c))]; writable || !known {
				return true
			}
		}
	}
	return !named
}

// mounts notes which volumes the containers of a pod mount, and whether one can write.
func (x *extractor) mounts(pod int32) {
	for c := range x.t.in(pod) {
		if !containerLists[string(x.key(c))] {
			continue
		}
		for e := range x.elements(c) {
			for m := range x.t.in(e) {
				if x.t.key(m).Is("volumeMounts") {
					for mount := range x.elements(m) {
						x.mount(mount)
					}
				}
			}
		}
	}
}

func (x *extractor) mount(i int32) {
	readOnly, named, writable := false, int32(-1), false
	for c := range x.t.in(i) {
		switch key := x.t.key(c); {
		case key.Is("name"):
			named = c
		case key.Is("readOnly"):
			isTrue := x.t.nodes[c].kind == BoolValue && x.string(c)[0] == 't'
			readOnly, writable = readOnly || isTrue, writable || !isTrue
		}
	}
	if named >= 0 {
		name := string(x.string(named))
		x.mounted[name] = x.mounted[name] || writable || !readOnly
	}
}

var appArmorPrefix = []byte("container.apparmor.security.beta.kubernetes.io/")

func (x *extractor) annotation(key []byte, i int32) {
	if bytes.HasPrefix(key, appArmorPrefix) {
		if i < 0 {
			x.f.add(podAppArmor, []byte(unsaid))
		} else if x.t.nodes[i].kind == StringValue {
			x.f.add(podAppArmor, x.string(i))
		}
	}
}
