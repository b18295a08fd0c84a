package match

import "bytes"

// state is what is known of a value by the names that lead to it. The same names lead there in an object and in the path of a
// JSON patch. A list is in the state of its elements.
type state struct {
	how   how
	fact  derived
	keys  map[string]*state
	like  *state                                   // whose keys it has too
	named func(x *extractor, key []byte, i int32)  // of an object whose keys are names
	whole func(x *extractor, s *state, i int32)    // takes an object in place of its members
	list  func(x *extractor, s *state, list int32) // takes a list in place of its elements
}

// how a fact is made of a scalar.
type how uint8

const (
	unused how = iota
	asItIs
	ifTrue
	trueOrFalse
	capability
	pathWritable
	ruleVerb
	ruleResource
	subjectName
	certificateRequest
)

// The states of a document. anywhere is any object in which a pod may stand at some depth.
var (
	anywhere, root, rootSpec, template, pod, metadata, labels, annotations state
	volume, hostPath, secretRef, sources, secretSources                    state
	container, ephemeralContainer, maybeContainer, security, env, hook     state
	rule, aggregation, subject                                             state
)

func fact(h how, d derived) *state                { return &state{how: h, fact: d} }
func textOf(d derived) *state                     { return fact(asItIs, d) }
func under(keys map[string]*state) *state         { return &state{keys: keys} }
func refTo(key string, d derived) *state          { return under(map[string]*state{key: textOf(d)}) }
func only(key string, s *state) map[string]*state { return map[string]*state{key: s} }

var nothing = &state{}

func init() {
	anywhere = state{whole: (*extractor).object, keys: map[string]*state{
		"status": nothing, "managedFields": nothing, "webhooks": nothing, "$patch": nothing,
		"metadata": &metadata, "template": &template, "podTemplate": &template, "podTemplateSpec": &template,
		"hostNetwork": fact(ifTrue, podHostNetwork), "hostPID": fact(ifTrue, podHostPID), "hostIPC": fact(ifTrue, podHostIPC),
		"shareProcessNamespace": fact(ifTrue, podShareProcessNamespace),
		"containers":            &container, "initContainers": &container, "ephemeralContainers": &ephemeralContainer,
		"container": &maybeContainer, "script": &maybeContainer, "stepTemplate": &maybeContainer,
		"steps": &maybeContainer, "sidecars": &maybeContainer,
		"volumes": &volume, "securityContext": &security, "rules": &rule,
	}}
	root = state{whole: (*extractor).object, like: &anywhere, keys: map[string]*state{
		"spec": &rootSpec, "subjects": &subject, "aggregationRule": &aggregation,
		"roleRef": refTo("name", bindingRole), "userNames": textOf(bindingUser), "groupNames": textOf(bindingGroup),
	}}
	rootSpec = state{whole: (*extractor).object, like: &anywhere, keys: map[string]*state{
		"signerName": textOf(csrSigner), "request": fact(certificateRequest, csrUser),
		"hostPath": &hostPath, "local": &hostPath, // of a PersistentVolume
	}}
	template = state{whole: (*extractor).object, like: &anywhere, keys: only("spec", &pod)}
	pod = state{whole: (*extractor).object, like: &anywhere, keys: map[string]*state{
		"nodeName": textOf(podNode), "serviceAccountName": textOf(podServiceAccount), "serviceAccount": textOf(podServiceAccount),
		"automountServiceAccountToken": fact(trueOrFalse, podAutomountToken), "imagePullSecrets": refTo("name", podImagePullSecret),
	}}

	metadata.keys = map[string]*state{"labels": &labels, "annotations": &annotations}
	labels.named, annotations.named = (*extractor).label, (*extractor).annotation

	secretRef = *refTo("name", podSecret)
	hostPath = state{fact: podHostPath, keys: only("path", fact(pathWritable, podHostPath))}
	volume = state{whole: (*extractor).volume, keys: map[string]*state{
		"hostPath": &hostPath, "secret": refTo("secretName", podSecret), "azureFile": refTo("secretName", podSecret),
		"projected": under(only("sources", under(only("secret", &secretRef)))),
		"csi":       under(only("nodePublishSecretRef", &secretRef)),
	}}
	for _, kind := range []string{"cephfs", "rbd", "iscsi", "scaleIO", "storageos", "flexVolume", "cinder"} {
		volume.keys[kind] = under(only("secretRef", &secretRef))
	}

	hook.keys = only("exec", &state{keys: only("command", &state{how: asItIs, fact: podCommand, list: (*extractor).joined})})
	security.keys = map[string]*state{
		"privileged": fact(ifTrue, podPrivileged), "capabilities": under(only("add", fact(capability, podCapability))),
		"runAsUser": textOf(podRunAsUser), "allowPrivilegeEscalation": fact(trueOrFalse, podAllowPrivilegeEscalation),
		"procMount": textOf(podProcMount), "seccompProfile": refTo("type", podSeccomp), "appArmorProfile": refTo("type", podAppArmor),
		"sysctls": refTo("name", podSysctl), "windowsOptions": under(only("hostProcess", fact(ifTrue, podHostProcess))),
	}
	env.keys = map[string]*state{"valueFrom": under(only("secretKeyRef", &secretRef)), "secretRef": &secretRef}
	command := &state{how: asItIs, fact: podCommand, list: (*extractor).joined}
	container = state{whole: (*extractor).container, fact: podContainer, keys: map[string]*state{
		"name": textOf(podContainer), "image": textOf(podImage), "command": command, "args": command,
		"securityContext": &security, "ports": refTo("hostPort", podHostPort), "env": &env, "envFrom": &env,
		"lifecycle":     under(map[string]*state{"postStart": &hook, "preStop": &hook}),
		"livenessProbe": &hook, "readinessProbe": &hook, "startupProbe": &hook,
	}}
	ephemeralContainer = state{whole: (*extractor).container, fact: podEphemeral, keys: only("name", textOf(podEphemeral)), like: &container}
	maybeContainer = state{whole: (*extractor).perhaps, keys: container.keys}

	rule = state{whole: (*extractor).rule, keys: map[string]*state{
		"verbs": fact(ruleVerb, roleVerb), "resources": fact(ruleResource, roleResource),
		"apiGroups": textOf(roleAPIGroup), "nonResourceURLs": textOf(roleNonResourceURL),
	}}
	aggregation.keys = only("clusterRoleSelectors", &state{keys: map[string]*state{
		"matchLabels":      {named: func(x *extractor, key []byte, _ int32) { x.f.add(roleAggregates, key) }},
		"matchExpressions": refTo("key", roleAggregates),
	}})
	subject = state{whole: (*extractor).subject, keys: only("name", fact(subjectName, bindingUser))}
}

// step is the state of a member.
func (s *state) step(key []byte) *state {
	for t := s; t != nil; t = t.like {
		if next, ok := t.keys[string(key)]; ok {
			return next
		}
		if t == &anywhere {
			return t
		}
	}
	return nothing
}

// patchStep is the state of what a part of a JSON patch's path leads to: an element's is the list's.
func (s *state) patchStep(part []byte) *state {
	if isIndex(part) {
		return s
	}
	return s.step(part)
}

// isIndex knows an index as those who apply patches to Kubernetes objects read it: with a sign, and "-" as the end.
func isIndex(part []byte) bool {
	if len(part) == 0 {
		return false
	}
	return len(bytes.TrimLeft(bytes.TrimLeft(part, "+-"), "0123456789")) == 0
}

// extractor finds the facts of a document.
type extractor struct {
	t       *tape
	f       *facts
	scratch []byte
	depth   int
	pod     int32           // the object whose volumes are looked at; -1 in a patch
	mounted map[string]bool // which of them its containers mount, and whether one can write; nil until somebody asks
}

// maxPodDepth is how deep in a document a pod is looked for. What is deeper no controller reads.
const maxPodDepth = 200

func extract(t *tape, f *facts) {
	if len(t.nodes) == 0 {
		return
	}
	x := &extractor{t: t, f: f, pod: -1}
	if t.nodes[0].kind == arrayValue {
		x.patch()
		return
	}
	x.walk(&root, 0)
}

// extractMeta finds the object's name and namespace.
func extractMeta(t *tape, f *facts) {
	if len(t.nodes) == 0 || t.nodes[0].kind != ObjectValue {
		return
	}
	var scratch []byte
	for d, path := range map[derived][]string{bodyName: {"metadata", "name"}, bodyNamespace: {"metadata", "namespace"}} {
		t.each(path, &scratch, func(v Value) bool {
			if v.Kind == StringValue {
				f.add(d, v.Text)
			}
			return true
		})
	}
}

func (x *extractor) walk(s *state, i int32) {
	if s == nothing || x.depth >= maxPodDepth {
		return
	}
	x.depth++
	switch n := &x.t.nodes[i]; n.kind {
	case NullValue:
	case arrayValue:
		if s.list != nil {
			s.list(x, s, i)
			break
		}
		for c := range x.t.in(i) {
			x.walk(s, c)
		}
	case ObjectValue:
		switch {
		case s.whole != nil:
			s.whole(x, s, i)
		case s.named != nil:
			for c := range x.t.in(i) {
				if x.t.nodes[c].kind != NullValue {
					s.named(x, x.key(c), c)
				}
			}
		default:
			x.members(s, i)
		}
	default:
		x.scalar(s, n.kind, x.t.text(i, &x.scratch))
	}
	x.depth--
}

func (x *extractor) members(s *state, i int32) {
	for c := range x.t.in(i) {
		x.walk(s.step(x.key(c)), c)
	}
}

// key is a member's name, decoded.
func (x *extractor) key(i int32) []byte {
	k := x.t.key(i)
	if k.Plain() {
		return k
	}
	return k.Append(nil)
}

func (x *extractor) string(i int32) []byte { return x.t.text(i, &x.scratch) }
