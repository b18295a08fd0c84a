package match

import (
	"bytes"
	"fmt"
	"strings"
)

// derivation is how the language knows a derived field.
type derivation struct {
	id derived
	// marks are words of which one stands in every body that has the field. For the others it is their column.
	marks []string
	// verbatim says that the words of a value are words of the event.
	verbatim bool
}

const verbatim = true

func derive(name string, id derived, verbatim bool, marks ...string) *field {
	return &field{name: name, column: bodies, derivation: &derivation{id, marks, verbatim}}
}

var containerMarks = []string{"containers", "initContainers", "ephemeralContainers", "container", "script", "stepTemplate", "steps", "sidecars"}

var derivedFields = []*field{
	derive("pod.privileged", podPrivileged, false, "privileged"),
	derive("pod.hostPath", podHostPath, verbatim, "hostPath", "local"),
	derive("pod.hostPathWritable", podHostPathWritable, verbatim, "hostPath", "local"),
	derive("pod.hostNetwork", podHostNetwork, false, "hostNetwork"),
	derive("pod.hostPID", podHostPID, false, "hostPID"),
	derive("pod.hostIPC", podHostIPC, false, "hostIPC"),
	derive("pod.hostProcess", podHostProcess, false, "hostProcess"),
	derive("pod.shareProcessNamespace", podShareProcessNamespace, false, "shareProcessNamespace"),
	derive("pod.capability", podCapability, false, "capabilities"),
	derive("pod.image", podImage, verbatim, "image"),
	derive("pod.container", podContainer, verbatim, containerMarks...),
	derive("pod.command", podCommand, verbatim, "command", "args"),
	derive("pod.serviceAccount", podServiceAccount, verbatim, "serviceAccountName", "serviceAccount"),
	derive("pod.runAsUser", podRunAsUser, verbatim, "runAsUser"),
	derive("pod.allowPrivilegeEscalation", podAllowPrivilegeEscalation, false, "allowPrivilegeEscalation"),
	derive("pod.procMount", podProcMount, verbatim, "procMount"),
	derive("pod.seccomp", podSeccomp, verbatim, "seccompProfile"),
	derive("pod.apparmor", podAppArmor, verbatim, "appArmorProfile", "apparmor"),
	derive("pod.sysctl", podSysctl, verbatim, "sysctls"),
	derive("pod.volumeType", podVolumeType, verbatim, "volumes"),
	derive("pod.secret", podSecret, verbatim, "secret", "azureFile", "secretRef", "secretKeyRef", "nodePublishSecretRef"),
	derive("pod.node", podNode, verbatim, "nodeName"),
	derive("pod.hostPort", podHostPort, verbatim, "hostPort"),
	derive("pod.imagePullSecret", podImagePullSecret, verbatim, "imagePullSecrets"),
	derive("pod.automountToken", podAutomountToken, false, "automountServiceAccountToken"),
	derive("pod.ephemeral", podEphemeral, verbatim, "ephemeralContainers"),
	derive("role.verb", roleVerb, verbatim, "verbs"),
	derive("role.resource", roleResource, verbatim, "resources"),
	derive("role.apiGroup", roleAPIGroup, verbatim, "apiGroups"),
	derive("role.nonResourceURL", roleNonResourceURL, verbatim, "nonResourceURLs"),
	derive("role.grant", roleGrant, verbatim, "verbs", "resources"),
	derive("role.aggregates", roleAggregates, false, "rbac", "aggregationRule"),
	derive("binding.user", bindingUser, false, "subjects", "userNames"),
	derive("binding.group", bindingGroup, verbatim, "subjects", "groupNames"),
	derive("binding.role", bindingRole, verbatim, "roleRef"),
	derive("csr.signer", csrSigner, verbatim, "signerName"),
	derive("csr.user", csrUser, false, "request"),
	derive("csr.group", csrGroup, false, "request"),
	derive("object.name", bodyName, verbatim),
	derive("object.namespace", bodyNamespace, verbatim),
	derive("actor", actor, verbatim),
	{name: "exec.command", column: "requestURI", derivation: &derivation{id: execCommand}},
	{name: "exec.container", column: "requestURI", derivation: &derivation{id: execContainer}},
}

func init() {
	for _, f := range derivedFields {
		fields[f.name] = f
	}
}

// derivedTest tests the values of a derived field, any of them.
type derivedTest struct {
	field *field
	value value
}

func (t *derivedTest) match(r *Row) bool {
	return !r.eachDerived(t.field.derivation.id, func(b []byte) bool { return !t.value.matches(b, true) })
}

// in tests the field in its column.
func (t *derivedTest) in(column []byte) bool {
	d := t.field.derivation.id
	if d == execCommand || d == execContainer {
		return t.value.matches(appendExec(nil, d, column), true)
	}
	request, response, _ := bytes.Cut(column, []byte{bodySeparator})
	if len(request) == 0 && (d < bodyName || len(response) == 0) {
		return false
	}
	m := memos.Get().(*memo)
	defer memos.Put(m)
	m.reset()
	return !m.factsOf(request, response).each(d, func(b []byte) bool { return !t.value.matches(b, true) })
}

func (t *derivedTest) narrow() bool { return t.field.derivation.id >= actor }

// narrowed is what its columns say of it.
func (t *derivedTest) narrowed() node {
	name := "objectRef.name"
	switch t.field.derivation.id {
	case bodyName:
	case bodyNamespace:
		name = "objectRef.namespace"
	default:
		return nil
	}
	return or{&textTest{fields[name], t.value}, not{&textTest{fields[name], anything}}}
}

func (t *derivedTest) print(w *strings.Builder) {
	w.WriteString(t.field.name)
	t.value.print(w)
}

func (t *derivedTest) need() *Need {
	d := t.field.derivation
	var needs []*Need
	if d.verbatim {
		needs = t.value.words()
	}
	if any := needWords(split(strings.Join(d.marks, " "))); len(any) == 1 {
		needs = append(needs, any[0])
	} else if len(any) > 1 {
		needs = append(needs, &Need{Any: any})
	}
	return needAll(needs)
}

func (t *derivedTest) sql(negated bool) string {
	var leaf strings.Builder
	t.print(&leaf)
	d, column := t.field.derivation, identifier(t.field.column)
	exact := fmt.Sprintf("%s(%s, %s)", testFunction, quote(leaf.String()), column)
	either := func(column, otherwise string) string {
		return fmt.Sprintf("(CASE WHEN %s <> '' THEN %s ELSE %s END)", identifier(column), like(identifier(column), &t.value), otherwise)
	}
	marked := func(marks ...string) string {
		for i, m := range marks {
			marks[i] = "contains(" + column + ", " + quote(m) + ")"
		}
		return "(CASE WHEN " + strings.Join(marks, " OR ") + " THEN " + exact + " ELSE false END)"
	}
	test := ""
	switch d.id {
	case actor:
		test = either("impersonatedUsername", like(identifier("username"), &t.value))
	case bodyName:
		test = either("name", exact)
	case bodyNamespace:
		test = either("namespace", exact)
	case execCommand:
		test = marked("command", "%")
	case execContainer:
		test = marked("container", "%")
	default:
		test = marked(append(d.marks[:len(d.marks):len(d.marks)], `\u`)...)
	}
	return condition(test, negated)
}
