package object

import "encoding/json"

// mergeKeys are the lists whose elements are known by a member, and by which. Where several are given, the first that tells
// all elements apart counts. In other lists it is name, if it does.
var mergeKeys = map[string][]string{
	"volumeMounts": {"mountPath"}, "volumeDevices": {"devicePath"}, "ports": {"containerPort", "port", "name"}, "conditions": {"type"},
	"ownerReferences": {"uid"}, "hostAliases": {"ip"}, "podIPs": {"ip"}, "hostIPs": {"ip"}, "addresses": {"type"},
	"topologySpreadConstraints": {"topologyKey"}, "taints": {"key"}, "subjects": {"name"}, "managedFields": {"manager"},
	"endpoints": {"name"},
}

var otherKeys = []string{"name"}

// keyText is the value of an element's key as it stands in a path.
func keyText(v any, key string) string {
	m, _ := v.(map[string]any)
	switch x := m[key].(type) {
	case string:
		return x
	case json.Number:
		return x.String()
	}
	return ""
}

// keyOf finds the member by which a list's elements are known; "" if there is none that tells them apart, before and after.
func keyOf(name string, lists ...[]any) string {
	keys := mergeKeys[name]
	if keys == nil {
		keys = otherKeys
	}
next:
	for _, key := range keys {
		for _, l := range lists {
			seen := make(map[string]bool, len(l))
			for _, v := range l {
				k := keyText(v, key)
				if k == "" || seen[k] {
					continue next
				}
				seen[k] = true
			}
		}
		return key
	}
	return ""
}

// pairUp says for each new element which old one it was, -1 for none, and by which key, "" if by likeness.
func pairUp(old *node, v []any, name string) (key string, from []int) {
	was := make([]any, len(old.items))
	for i, x := range old.items {
		was[i] = x.plain()
	}
	from = make([]int, len(v))
	if key = keyOf(name, was, v); key != "" {
		at := make(map[string]int, len(was))
		for i, x := range was {
			at[keyText(x, key)] = i
		}
		for i, x := range v {
			from[i] = -1
			if k, ok := at[keyText(x, key)]; ok {
				from[i] = k
			}
		}
		return key, from
	}
	a, b := make([]string, len(was)), make([]string, len(v))
	for i, x := range was {
		a[i] = jsonOf(x)
	}
	for i, x := range v {
		b[i] = jsonOf(x)
	}
	// Those that are equal are the same. Between them as many as there are before and after are the same, changed.
	var gone, come []int
	settle := func() {
		for i, k := range come {
			from[k] = -1
			if len(gone) == len(come) {
				from[k] = gone[i]
			}
		}
		gone, come = gone[:0], come[:0]
	}
	for _, e := range compare(a, b) {
		switch e.op {
		case ' ':
			settle()
			from[e.b] = e.a
		case '-':
			gone = append(gone, e.a)
		case '+':
			come = append(come, e.b)
		}
	}
	settle()
	return "", from
}
