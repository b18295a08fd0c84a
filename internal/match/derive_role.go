package match

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"slices"
)

var aggregatePrefix = []byte("rbac.authorization.k8s.io/aggregate-to-")

func (x *extractor) label(key []byte, _ int32) {
	if bytes.HasPrefix(key, aggregatePrefix) {
		x.f.add(roleAggregates, key)
	}
}

// rule is a rule of a role if it has verbs.
func (x *extractor) rule(s *state, i int32) {
	var verbs, resources [][]byte
	for c := range x.t.in(i) {
		switch key := x.t.key(c); {
		case key.Is("verbs"):
			verbs = x.strings(verbs, c)
		case key.Is("resources"):
			resources = x.strings(resources, c)
		}
	}
	if verbs == nil {
		x.object(&anywhere, i)
		return
	}
	for _, v := range verbs {
		x.f.add(roleVerb, v)
	}
	for _, r := range resources {
		x.f.add(roleResource, r)
	}
	for c := range x.t.in(i) {
		if key := x.t.key(c); key.Is("apiGroups") || key.Is("nonResourceURLs") {
			x.walk(s.step(x.key(c)), c)
		}
	}
	x.grants(verbs, resources)
}

// strings appends the texts of a list.
func (x *extractor) strings(dst [][]byte, list int32) [][]byte {
	if x.t.nodes[list].kind == StringValue {
		return append(dst, bytes.Clone(x.string(list)))
	}
	if x.t.nodes[list].kind != arrayValue {
		return dst
	}
	for c := range x.t.in(list) {
		if x.t.nodes[c].kind == StringValue {
			s := x.string(c)
			if n := x.t.nodes[c]; int(n.to-n.from) != len(s)+2 { // decoded, to where the next one will be
				s = bytes.Clone(s)
			}
			dst = append(dst, s)
		}
	}
	return dst
}

// manyGrants is how many pairs of a rule are all named. Of a longer rule, which nobody needs, all are that have a verb or a
// resource from the lists below: so that one cannot be hidden among many, nor cost more than it is long.
const manyGrants = 4096

var (
	verbsOfNote = []string{
		"*", "escalate", "bind", "impersonate", "create", "update", "patch", "delete", "deletecollection", "get", "list", "watch",
		"approve", "sign", "attest", "use", "proxy", unsaid,
	}
	resourcesOfNote = []string{
		"*", "secrets", "pods", "pods/exec", "pods/attach", "pods/ephemeralcontainers", "pods/portforward", "nodes", "nodes/proxy",
		"services/proxy", "serviceaccounts", "serviceaccounts/token", "users", "groups", "roles", "clusterroles", "rolebindings",
		"clusterrolebindings", "certificatesigningrequests", "certificatesigningrequests/approval", "signers", "configmaps",
		"daemonsets", "deployments", "statefulsets", "jobs", "cronjobs", "mutatingwebhookconfigurations",
		"validatingwebhookconfigurations", "persistentvolumes", "userextras", "uids", "apiservices", "customresourcedefinitions",
	}
)

func (x *extractor) grants(verbs, resources [][]byte) {
	pair := func(v, r []byte) { x.f.add(roleGrant, v, []byte(" "), r) }
	if len(verbs)*len(resources) <= manyGrants {
		for _, v := range verbs {
			for _, r := range resources {
				pair(v, r)
			}
		}
		return
	}
	for _, v := range ofNote(verbs, verbsOfNote) {
		for _, r := range resources {
			pair(v, r)
		}
	}
	for _, r := range ofNote(resources, resourcesOfNote) {
		for _, v := range verbs {
			pair(v, r)
		}
	}
}

// ofNote are those of all that are in the list, each once.
func ofNote(all [][]byte, list []string) [][]byte {
	var found [][]byte
	for _, s := range all {
		if slices.Contains(list, string(s)) && !slices.ContainsFunc(found, func(f []byte) bool { return bytes.Equal(f, s) }) {
			found = append(found, s)
		}
	}
	return found
}

// subject is whom a role is bound to. Of a member that stands more than once, the last few may count.
func (x *extractor) subject(s *state, i int32) {
	var kinds, names, namespaces [][]byte
	add := func(all *[][]byte, c int32) {
		if x.t.nodes[c].kind == StringValue {
			if *all = append(*all, bytes.Clone(x.string(c))); len(*all) > 4 {
				*all = (*all)[1:]
			}
		}
	}
	for c := range x.t.in(i) {
		switch key := x.t.key(c); {
		case key.Is("kind"):
			add(&kinds, c)
		case key.Is("name"):
			add(&names, c)
		case key.Is("namespace"):
			add(&namespaces, c)
		}
	}
	if namespaces == nil {
		namespaces = [][]byte{nil}
	}
	for _, name := range names {
		for _, kind := range kinds {
			switch string(kind) {
			case "User":
				x.f.add(bindingUser, name)
			case "Group":
				x.f.add(bindingGroup, name)
			case "ServiceAccount":
				for _, ns := range namespaces {
					x.f.add(bindingUser, []byte("system:serviceaccount:"), ns, []byte(":"), name)
				}
			}
		}
	}
}

// request reads a certificate signing request as the API server does.
func (x *extractor) request(text []byte) {
	der, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		return
	}
	block, _ := pem.Decode(der)
	if block == nil {
		return
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return
	}
	x.f.add(csrUser, bytes.ToValidUTF8([]byte(csr.Subject.CommonName), []byte("\ufffd")))
	for _, o := range csr.Subject.Organization {
		x.f.add(csrGroup, bytes.ToValidUTF8([]byte(o), []byte("\ufffd")))
	}
}
