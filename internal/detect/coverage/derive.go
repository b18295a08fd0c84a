package coverage

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strconv"
	"strings"
)

// templates are where the pod is in a workload.
var templates = map[string]string{
	"pods": "spec", "podtemplates": "template.spec", "cronjobs": "spec.jobTemplate.spec.template.spec", "replicationcontrollers": "spec.template.spec",
	"deployments": "spec.template.spec", "daemonsets": "spec.template.spec", "statefulsets": "spec.template.spec", "replicasets": "spec.template.spec",
	"jobs": "spec.template.spec",
}

// ofContainer are the fields that are a container's, by where they are in it; ofPod those of the pod.
var (
	ofContainer = map[string]string{
		"privileged": "securityContext.privileged", "hostProcess": "securityContext.windowsOptions.hostProcess", "image": "image",
		"container": "name", "runAsUser": "securityContext.runAsUser", "allowPrivilegeEscalation": "securityContext.allowPrivilegeEscalation",
		"procMount": "securityContext.procMount",
	}
	ofPod = map[string]string{
		"hostNetwork": "hostNetwork", "hostPID": "hostPID", "hostIPC": "hostIPC", "shareProcessNamespace": "shareProcessNamespace",
		"serviceAccount": "serviceAccountName", "seccomp": "securityContext.seccompProfile.type", "apparmor": "securityContext.appArmorProfile.type",
		"node": "nodeName", "automountToken": "automountServiceAccountToken",
	}
)

// derive makes a body of which a derived field has these values.
func (e *event) derive(top, field string, values []string) {
	if values == nil {
		return
	}
	body := e.under("requestObject")
	switch top {
	case "pod":
		e.derivePod(body, field, values)
	case "role":
		e.deriveRole(body, field, values)
	case "binding":
		e.deriveBinding(body, field, values)
	case "csr":
		e.deriveCSR(body, field, values)
	}
}

func (e *event) derivePod(body map[string]any, field string, values []string) {
	at := templates[e.request.resource]
	if e.request.resource == "persistentvolumes" && strings.HasPrefix(field, "hostPath") {
		e.path(body, []string{"spec", "hostPath", "path"}, nil, values[0])
		return
	}
	if at == "" {
		at = "spec.template.spec"
	}
	spec := body
	for name := range strings.SplitSeq(at, ".") {
		next, ok := spec[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			spec[name] = next
		}
		spec = next
	}
	container := func(i int) map[string]any {
		list, _ := spec["containers"].([]any)
		for len(list) <= i {
			list = append(list, map[string]any{"name": "c" + strconv.Itoa(len(list)), "image": "image"})
		}
		spec["containers"] = list
		return list[i].(map[string]any)
	}
	add := func(in map[string]any, key string, value any) {
		list, _ := in[key].([]any)
		in[key] = append(list, value)
	}
	container(0)
	for i, v := range values {
		volume := map[string]any{"name": "v" + strconv.Itoa(i)}
		switch {
		case ofContainer[field] != "":
			e.path(container(i), strings.Split(ofContainer[field], "."), nil, typed(field, v))
		case ofPod[field] != "":
			e.path(spec, strings.Split(ofPod[field], "."), nil, typed(field, v))
		case field == "hostPath" || field == "hostPathWritable":
			volume["hostPath"] = map[string]any{"path": v}
			add(spec, "volumes", volume)
			add(container(0), "volumeMounts", map[string]any{"name": volume["name"], "mountPath": "/host" + strconv.Itoa(i)})
		case field == "volumeType":
			volume[v] = map[string]any{}
			add(spec, "volumes", volume)
		case field == "secret":
			volume["secret"] = map[string]any{"secretName": v}
			add(spec, "volumes", volume)
		case field == "capability":
			e.path(container(i), []string{"securityContext", "capabilities", "add"}, nil, []any{v})
		case field == "command":
			container(i)["command"] = []any{v}
		case field == "sysctl":
			c, ok := spec["securityContext"].(map[string]any)
			if !ok {
				c = map[string]any{}
				spec["securityContext"] = c
			}
			add(c, "sysctls", map[string]any{"name": v, "value": "1"})
		case field == "hostPort":
			add(container(i), "ports", map[string]any{"hostPort": typed(field, v), "containerPort": 80})
		case field == "imagePullSecret":
			add(spec, "imagePullSecrets", map[string]any{"name": v})
		case field == "ephemeral":
			add(spec, "ephemeralContainers", map[string]any{"name": v, "image": "image"})
		}
	}
}

// typed is a value as JSON has it there.
func typed(field, v string) any {
	switch field {
	case "container", "image", "serviceAccount", "node", "seccomp", "apparmor", "procMount":
		return v
	}
	if b, err := strconv.ParseBool(v); err == nil && len(v) > 1 {
		return b
	}
	if n, err := strconv.ParseInt(v, 10, 64); err == nil {
		return n
	}
	return v
}

const aggregates = "rbac.authorization.k8s.io/aggregate-to-"

func (e *event) deriveRole(body map[string]any, field string, values []string) {
	rules, _ := body["rules"].([]any)
	first := func() map[string]any {
		if len(rules) == 0 {
			rules = append(rules, map[string]any{})
		}
		return rules[0].(map[string]any)
	}
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = v
	}
	switch field {
	case "verb", "resource", "apiGroup", "nonResourceURL":
		first()[map[string]string{"verb": "verbs", "resource": "resources", "apiGroup": "apiGroups", "nonResourceURL": "nonResourceURLs"}[field]] = list
	case "grant":
		for _, v := range values {
			verb, resource, _ := strings.Cut(v, " ")
			rules = append(rules, map[string]any{"apiGroups": []any{"*"}, "verbs": []any{verb}, "resources": []any{resource}})
		}
	case "aggregates":
		for _, v := range values {
			if !strings.HasPrefix(v, aggregates) {
				v = aggregates + v
			}
			e.path(body, []string{"metadata", "labels", v}, nil, "true")
		}
	}
	if rules != nil {
		body["rules"] = rules
	}
}

func (e *event) deriveBinding(body map[string]any, field string, values []string) {
	subjects, _ := body["subjects"].([]any)
	for _, v := range values {
		switch account, is := strings.CutPrefix(v, "system:serviceaccount:"); {
		case field == "role":
			e.path(body, []string{"roleRef", "name"}, nil, v)
			continue
		case field == "group":
			subjects = append(subjects, map[string]any{"kind": "Group", "name": v})
		case is && strings.Contains(account, ":"):
			ns, name, _ := strings.Cut(account, ":")
			subjects = append(subjects, map[string]any{"kind": "ServiceAccount", "namespace": ns, "name": name})
		default:
			subjects = append(subjects, map[string]any{"kind": "User", "name": v})
		}
	}
	if subjects != nil {
		body["subjects"] = subjects
	}
}

func (e *event) deriveCSR(body map[string]any, field string, values []string) {
	if field == "signer" {
		e.path(body, []string{"spec", "signerName"}, nil, values[0])
		return
	}
	known := e.subject
	if field == "user" {
		known.CommonName = values[0]
	} else {
		known.Organization = values
	}
	e.subject = known
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: known}, key)
	if err == nil {
		e.path(body, []string{"spec", "request"}, nil, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	}
}
