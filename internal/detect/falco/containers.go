package falco

import (
	"bytes"
	"slices"
	"strings"

	"annals.dev/audit"
)

// containers are the fields of one of a pod's lists of containers.
func containers(of string) []*definition {
	name := "req.pod." + of + "."
	secure := func(field, member string) *definition {
		return each(name+field, "spec", of, "securityContext", member)
	}
	joined := func(field string) *definition {
		return container(name+field, of, field, "joined by blanks", func(c []audit.Span) (texts [][]byte) {
			for _, s := range c {
				if is(s, '[') {
					texts = append(texts, bytes.Join(elements(s, -1), []byte(" ")))
				}
			}
			return texts
		})
	}
	all := []*definition{
		joined("args"),
		joined("command"),
		container(name+"name", of, "name", "none if any has none", complete),
		container(name+"image", of, "image", "none if any has none", complete),
		container(name+"image.repository", of, "image", "up to its first colon or @", func(c []audit.Span) [][]byte { return cut(complete(c)) }),
		secure("privileged", "privileged"),
		secure("allow_privilege_escalation", "allowPrivilegeEscalation"),
		secure("read_only_fs", "readOnlyRootFilesystem"),
		secure("run_as_user", "runAsUser"),
		effective(name+"eff_run_as_user", of, "runAsUser"),
		secure("run_as_group", "runAsGroup"),
		effective(name+"eff_run_as_group", of, "runAsGroup"),
		secure("proc_mount", "procMount"),
		capabilities(name+"add_capabilities", of),
	}
	if of != "ephemeralContainers" {
		all = append(all, hostPorts(name+"host_port", of))
	}
	return all
}

// container is made of one member of each container; nil stands for a container without it.
func container(name, of, memberName, how string, made func([]audit.Span) [][]byte) *definition {
	path := []string{"spec", of, memberName}
	return &definition{name: "ka." + name, list: true, arg: anIndex, reads: words(path) + ", " + how, path: "requestObject." + strings.Join(path, "."),
		exact: strings.HasSuffix(name, ".name") || strings.HasSuffix(name, ".image"), body: "request",
		read: func(v *audit.View, arg selection) [][]byte {
			found, _ := all(v.RequestObject, arg.index, path...)
			return made(found)
		}}
}

func complete(found []audit.Span) [][]byte {
	if slices.ContainsFunc(found, func(s audit.Span) bool { return s == nil }) {
		return nil
	}
	return renderAll(found)
}

// cut leaves of each image what stands before its first colon or @: of one from a registry with a port only the registry's
// name, as upstream.
func cut(images [][]byte) [][]byte {
	for i, s := range images {
		s, _, _ = bytes.Cut(s, []byte(":"))
		images[i], _, _ = bytes.Cut(s, []byte("@"))
	}
	return images
}

func image(v *audit.View) [][]byte {
	found, _ := all(v.RequestObject, 0, "spec", "containers", "image")
	return complete(found)
}

func repository(v *audit.View) [][]byte { return cut(image(v)) }

// first is about the first container alone.
func first(name string, get func(*audit.View) [][]byte) *definition {
	d := &definition{name: "ka." + name, reads: "requestObject.spec.containers[0].image", path: "requestObject.spec.containers.image", exact: true, body: "request",
		read: func(v *audit.View, _ selection) [][]byte { return get(v) }}
	if strings.HasSuffix(name, "repository") {
		d.exact = false
		d.reads += ", up to its first colon or @"
	}
	return d
}

func anyPrivileged(v *audit.View, _ selection) [][]byte {
	found, ok := all(v.RequestObject, -1, "spec", "containers", "securityContext", "privileged")
	if !ok {
		return nil
	}
	for _, s := range found {
		if string(s) == "true" {
			return [][]byte{[]byte("true")}
		}
	}
	return [][]byte{[]byte("false")}
}

// effective is the container's own, else the pod's, else 0.
func effective(name, of, memberName string) *definition {
	inSpec := func(s audit.Span, path ...string) []byte {
		if found := one(s, path...); found != nil {
			return found[0]
		}
		return []byte("0")
	}
	fill := func(found []audit.Span, otherwise []byte) (texts [][]byte) {
		for _, s := range found {
			if s == nil {
				texts = append(texts, otherwise)
			} else {
				texts = append(texts, render(s))
			}
		}
		return texts
	}
	return &definition{name: "ka." + name, list: true, arg: anIndex, path: "requestObject.spec." + of + ".securityContext." + memberName, body: "request",
		reads: "requestObject.spec." + of + "[].securityContext." + memberName + ", else requestObject.spec.securityContext." + memberName + ", else 0",
		read: func(v *audit.View, arg selection) (texts [][]byte) {
			pod := inSpec(v.RequestObject, "spec", "securityContext", memberName)
			i := 0
			for c := range member(member(v.RequestObject, "spec"), of).Elements {
				if arg.index < 0 || arg.index == i {
					texts = append(texts, fill([]audit.Span{member(member(c, "securityContext"), memberName)}, pod)...)
				}
				i++
			}
			return texts
		},
		as: func(v *audit.View, arg selection) [][]byte {
			found, _ := all(v.RequestObject, arg.index, "spec", of, memberName)
			return fill(found, inSpec(v.RequestObject, "spec", memberName))
		},
		was: "leaves securityContext out of both paths: always 0"}
}

func capabilities(name, of string) *definition {
	path := []string{"spec", of, "securityContext", "capabilities", "add"}
	return &definition{name: "ka." + name, list: true, arg: anIndex, reads: words(path) + "[]", path: "requestObject." + strings.Join(path, "."), exact: true, body: "request",
		read: func(v *audit.View, arg selection) [][]byte { return flat(v.RequestObject, arg.index, path...) },
		as: func(v *audit.View, arg selection) [][]byte {
			found, _ := all(v.RequestObject, arg.index, path...)
			return renderAll(found)
		},
		was: "is each container's whole array as one text, so that no capability is ever equal to it"}
}

func hostPorts(name, of string) *definition {
	path := []string{"spec", of, "ports"}
	return &definition{name: "ka." + name, list: true, arg: anIndex, path: "requestObject." + strings.Join(path, "."), body: "request",
		reads: words(path) + "[].hostPort, else its containerPort",
		read: func(v *audit.View, arg selection) (texts [][]byte) {
			found, _ := all(v.RequestObject, arg.index, path...)
			for _, ports := range found {
				if ports != nil && !is(ports, '[') {
					return nil
				}
				for p := range ports.Elements {
					if s := member(p, "hostPort"); s != nil {
						texts = append(texts, render(s))
					} else if s := member(p, "containerPort"); s != nil {
						texts = append(texts, render(s))
					}
				}
			}
			return texts
		}}
}
