package falco

import (
	"bytes"
	"net/url"
	"strconv"
	"strings"

	"annals.dev/audit"
)

// definition is a field that conditions and outputs can name.
type definition struct {
	name  string
	list  bool
	arg   argKind
	reads string // where in the event it stands, in words of JSON
	path  string // the event's path, if one path of package match leads to just these values or to what they are made of
	exact bool   // they are just these

	text func(*audit.View) audit.Text                // of fields that are one text of the event
	read func(v *audit.View, arg selection) [][]byte // of all others; none: absent
	as   func(v *audit.View, arg selection) [][]byte // as Falco reads it, where that is broken
	was  string                                      // what is broken about it
	body string                                      // request or response: absent where that is not recorded
}

type argKind uint8

const (
	noArgument argKind = iota
	anIndex            // may select one element
	aKey               // must be there
)

// selection is a field's argument.
type selection struct {
	index int // -1: all
	key   string
}

var definitions = index()

func index() map[string]*definition {
	m := map[string]*definition{}
	for _, d := range table() {
		m[d.name] = d
	}
	for alias, name := range map[string]string{"jevt.value": "json.value", "jevt.obj": "json.obj", "jevt.rawtime": "json.rawtime"} {
		d := *m[name]
		d.name = alias
		m[alias] = &d
	}
	return m
}

// table are all fields, in the order of Falco's own documentation.
func table() []*definition {
	all := []*definition{
		plain("auditid", "auditID", func(v *audit.View) audit.Text { return v.AuditID }),
		plain("stage", "stage", func(v *audit.View) audit.Text { return v.Stage }),
		plain("auth.decision", "annotations."+decision, func(v *audit.View) audit.Text { return v.Decision }),
		plain("auth.reason", "annotations."+reason, func(v *audit.View) audit.Text { return v.Reason }),
		annotation("auth.openshift.decision", "authentication.openshift.io/decision"),
		annotation("validations.admission.policy.failure", "validation.policy.admission.k8s.io/validation_failure"),
		annotation("security.pod.violations", "pod-security.kubernetes.io/audit-violations"),
		annotation("auth.openshift.username", "authentication.openshift.io/username"),
		plain("user.name", "user.username", func(v *audit.View) audit.Text { return v.User.Username }),
		{name: "ka.user.groups", list: true, reads: "user.groups", path: "user.groups", exact: true,
			read: func(v *audit.View, _ selection) [][]byte { return elements(v.User.Groups, -1) }},
		plain("impuser.name", "impersonatedUser.username", func(v *audit.View) audit.Text { return v.ImpersonatedUser.Username }),
		plain("verb", "verb", func(v *audit.View) audit.Text { return v.Verb }),
		plain("uri", "requestURI", func(v *audit.View) audit.Text { return v.RequestURI }),
		{name: "ka.uri.param", arg: aKey, reads: "the first value of the query parameter [key] in requestURI", path: "requestURI", read: parameter},
		plain("target.name", "objectRef.name", func(v *audit.View) audit.Text { return v.ObjectRef.Name }),
		plain("target.namespace", "objectRef.namespace", func(v *audit.View) audit.Text { return v.ObjectRef.Namespace }),
		plain("target.resource", "objectRef.resource", func(v *audit.View) audit.Text { return v.ObjectRef.Resource }),
		plain("target.subresource", "objectRef.subresource", func(v *audit.View) audit.Text { return v.ObjectRef.Subresource }),
		{name: "ka.target.pod.name", reads: "responseObject.metadata.name, of pods without a subresource", path: "responseObject.metadata.name", body: "response",
			read: func(v *audit.View, _ selection) [][]byte {
				if !v.ObjectRef.Resource.Is("pods") || v.ObjectRef.Subresource != nil {
					return nil
				}
				return one(v.ResponseObject, "metadata", "name")
			}},
		request("req.binding.subjects", true, "subjects"),
		subjects("user_names", "User", ""),
		subjects("serviceaccount_names", "ServiceAccount", ""),
		subjects("serviceaccount_ns_names", "ServiceAccount", ":"),
		subjects("group_names", "Group", ""),
		request("req.binding.role", false, "roleRef", "name"),
		{name: "ka.req.binding.subject.has_name", arg: aKey, reads: "always true",
			read: func(*audit.View, selection) [][]byte { return [][]byte{[]byte("true")} }},
		plain("req.configmap.name", "objectRef.name", func(v *audit.View) audit.Text { return v.ObjectRef.Name }),
		request("req.configmap.obj", false, "data"),
		request("req.pod.host_ipc", false, "spec", "hostIPC"),
		request("req.pod.host_network", false, "spec", "hostNetwork"),
		request("req.container.host_network", false, "spec", "hostNetwork"),
		request("req.pod.host_pid", false, "spec", "hostPID"),
		first("req.container.image", image),
		first("req.container.image.repository", repository),
		{name: "ka.req.container.privileged", reads: "true if any of requestObject.spec.containers[].securityContext.privileged is, else false",
			path: "requestObject.spec.containers.securityContext.privileged", body: "request", read: anyPrivileged},
		request("req.pod.run_as_user", false, "spec", "securityContext", "runAsUser"),
		request("req.pod.run_as_group", false, "spec", "securityContext", "runAsGroup"),
		request("req.pod.fs_group", false, "spec", "securityContext", "fsGroup"),
		request("req.pod.supplemental_groups", true, "spec", "securityContext", "supplementalGroups"),
		request("req.role.rules", true, "rules"),
		rules("apiGroups"), rules("nonResourceURLs"), rules("verbs"), rules("resources"),
		request("req.service.type", false, "spec", "type"),
		ports(),
		each("req.pod.volumes.hostpath", "spec", "volumes", "hostPath", "path"),
		{name: "ka.req.volume.hostpath", arg: aKey, path: "requestObject.spec.volumes.hostPath.path", body: "request",
			reads: "true if any of requestObject.spec.volumes[].hostPath.path is [key], or begins with it where the key ends with *, else false", read: hasHostPath},
		each("req.pod.volumes.flexvolume_driver", "spec", "volumes", "flexVolume", "driver"),
		{name: "ka.req.pod.volumes.volume_type", list: true, arg: anIndex, path: "requestObject.spec.volumes", body: "request",
			reads: "the members' names of requestObject.spec.volumes[], but for name", read: volumeTypes},
		{name: "ka.resp.name", reads: "responseObject.metadata.name", path: "responseObject.metadata.name", exact: true, body: "response",
			read: func(v *audit.View, _ selection) [][]byte { return one(v.ResponseObject, "metadata", "name") }},
		{name: "ka.response.code", reads: "responseStatus.code", path: "responseStatus.code", exact: true, text: code},
		plain("response.reason", "responseStatus.reason", func(v *audit.View) audit.Text { return v.ResponseStatus.Reason }),
		plain("useragent", "userAgent", func(v *audit.View) audit.Text { return v.UserAgent }),
		{name: "ka.sourceips", list: true, arg: anIndex, reads: "sourceIPs", path: "sourceIPs", exact: true,
			read: func(v *audit.View, arg selection) [][]byte { return elements(v.SourceIPs, arg.index) },
			as: func(v *audit.View, arg selection) [][]byte {
				return flat(v.RequestObject, arg.index, "rules", "sourceIPs")
			},
			was: "reads requestObject.rules[].sourceIPs, which is nowhere"},
		annotation("cluster.name", "cluster_name"),
	}
	for _, of := range []string{"containers", "initContainers", "ephemeralContainers"} {
		all = append(all, containers(of)...)
	}
	return append(all,
		&definition{name: "json.value", arg: aKey, exact: true, reads: "the value at the JSON pointer [key]",
			read: func(v *audit.View, arg selection) [][]byte { return some(pointer(v, keysOf(arg.key))) }},
		&definition{name: "json.obj", reads: "the whole event, indented",
			read: func(v *audit.View, _ selection) [][]byte { return some(indented(v.Raw)) }},
		&definition{name: "json.rawtime", reads: "stageTimestamp in nanoseconds since 1970",
			read: func(v *audit.View, _ selection) [][]byte {
				return [][]byte{strconv.AppendInt(nil, v.Time*1000, 10)}
			}},
	)
}

func plain(name, path string, get func(*audit.View) audit.Text) *definition {
	return &definition{name: "ka." + name, reads: path, path: path, exact: true, text: get}
}

func annotation(name, key string) *definition {
	return &definition{name: "ka." + name, reads: "annotations." + key, path: "annotations." + key, exact: true,
		read: func(v *audit.View, _ selection) [][]byte { return one(v.Annotations, key) }}
}

// request is a value of the request's body; if it is a list, its elements.
func request(name string, list bool, path ...string) *definition {
	where := "requestObject." + strings.Join(path, ".")
	d := &definition{name: "ka." + name, list: list, reads: where, path: where, exact: name != "req.configmap.obj", body: "request"}
	d.read = func(v *audit.View, _ selection) [][]byte { return one(v.RequestObject, path...) }
	if list {
		d.exact = name == "req.pod.supplemental_groups"
		d.reads += "[]"
		d.read = func(v *audit.View, _ selection) [][]byte {
			found, _ := all(v.RequestObject, -1, path...)
			if len(found) != 1 {
				return nil
			}
			return elements(found[0], -1)
		}
	}
	return d
}

// each are the values that a path through arrays leads to.
func each(name string, path ...string) *definition {
	return &definition{name: "ka." + name, list: true, arg: anIndex, reads: words(path), path: "requestObject." + strings.Join(path, "."), exact: true,
		body: "request", read: func(v *audit.View, arg selection) [][]byte {
			found, _ := all(v.RequestObject, arg.index, path...)
			return renderAll(found)
		}}
}

// words write a path with [] after the arrays in it.
func words(path []string) string {
	s := "requestObject." + strings.Join(path, ".") + "."
	for _, array := range []string{"initContainers", "ephemeralContainers", "containers", "volumes", "rules", "ports", "subjects"} {
		s = strings.ReplaceAll(s, "."+array+".", "."+array+"[].")
	}
	return strings.TrimSuffix(s, ".")
}

func rules(name string) *definition {
	return &definition{name: "ka.req.role.rules." + name, list: true, arg: anIndex, reads: "requestObject.rules[]." + name + "[]",
		path: "requestObject.rules." + name, exact: true, body: "request",
		read: func(v *audit.View, arg selection) [][]byte { return flat(v.RequestObject, arg.index, "rules", name) }}
}

func ports() *definition {
	return &definition{name: "ka.req.service.ports", list: true, arg: anIndex, reads: "requestObject.spec.ports[]", path: "requestObject.spec.ports", body: "request",
		read: func(v *audit.View, arg selection) [][]byte {
			found, _ := all(v.RequestObject, -1, "spec", "ports")
			if len(found) != 1 {
				return nil
			}
			return elements(found[0], arg.index)
		},
		as: func(v *audit.View, arg selection) [][]byte {
			found, _ := all(v.RequestObject, arg.index, "spec", "ports")
			return renderAll(found)
		},
		was: "is the whole array as one text"}
}

func subjects(name, kind, separator string) *definition {
	d := &definition{name: "ka.req.binding.subjects." + name, list: true, path: "requestObject.subjects.name", exact: separator == "", body: "request",
		reads: "the names of requestObject.subjects[] of kind " + kind}
	if separator != "" {
		d.reads = "namespace:name of requestObject.subjects[] of kind " + kind
	}
	d.read = func(v *audit.View, _ selection) (names [][]byte) {
		for s := range member(v.RequestObject, "subjects").Elements {
			k, name := member(s, "kind"), member(s, "name")
			if k == nil || name == nil || string(render(k)) != kind {
				continue
			}
			text := render(name)
			if separator != "" {
				var namespace []byte
				if ns := member(s, "namespace"); ns != nil {
					namespace = render(ns)
				}
				text = bytes.Join([][]byte{namespace, text}, []byte(separator))
			}
			names = append(names, text)
		}
		return names
	}
	return d
}

// one is a single value, an array as the JSON that it is.
func one(s audit.Span, path ...string) [][]byte {
	for _, name := range path {
		if s = member(s, name); s == nil {
			return nil
		}
	}
	if s == nil {
		return nil
	}
	return [][]byte{render(s)}
}

func some(text []byte) [][]byte {
	if text == nil {
		return nil
	}
	return [][]byte{text}
}

func elements(s audit.Span, index int) (texts [][]byte) {
	for e := range s.Elements {
		if index <= 0 {
			texts = append(texts, render(e))
		}
		if index--; index == -1 {
			break
		}
	}
	return texts
}

// flat are the elements of the arrays that a path leads to.
func flat(s audit.Span, index int, path ...string) (texts [][]byte) {
	found, _ := all(s, index, path...)
	for _, array := range found {
		texts = append(texts, elements(array, -1)...)
	}
	return texts
}

// parameter is N/A as a whole where the URI or its query is not well-formed.
func parameter(v *audit.View, arg selection) [][]byte {
	if v.RequestURI == nil {
		return nil
	}
	uri, err := url.Parse(v.RequestURI.String())
	if err != nil {
		return nil
	}
	query, err := url.ParseQuery(uri.RawQuery)
	if err != nil || len(query[arg.key]) == 0 {
		return nil
	}
	return [][]byte{[]byte(query[arg.key][0])}
}

func hasHostPath(v *audit.View, arg selection) [][]byte {
	found, ok := all(v.RequestObject, -1, "spec", "volumes", "hostPath", "path")
	if !ok {
		return nil
	}
	prefix, begins := strings.CutSuffix(arg.key, "*")
	for _, p := range renderAll(found) {
		if string(p) == arg.key || begins && bytes.HasPrefix(p, []byte(prefix)) {
			return [][]byte{[]byte("true")}
		}
	}
	return [][]byte{[]byte("false")}
}

func volumeTypes(v *audit.View, arg selection) (types [][]byte) {
	i := 0
	for volume := range member(member(v.RequestObject, "spec"), "volumes").Elements {
		if arg.index < 0 || arg.index == i {
			for key := range volume.Members {
				if !key.Is("name") {
					types = append(types, key.Decode(nil))
				}
			}
		}
		i++
	}
	return types
}
