package falco

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

func (it *item) rule() {
	if it.name == "" {
		it.fail("a rule must have a name")
		return
	}
	known := it.byName[it.name]
	over := it.overrides(appendable, replaceable)
	switch {
	case it.failed:
	case over && known == nil:
		it.fail("rule %q is not defined before, so nothing can be overridden", it.name)
	case over:
		it.change(known)
	case len(it.keys) == 2 && it.has("enabled"):
		if known == nil {
			it.tell("warning", "rule %q is not defined before: enabled has no effect", it.name)
		} else {
			known.enabled = it.bool("enabled")
		}
	default:
		it.define(known)
	}
}

func (it *item) define(known *ruleDef) {
	for _, key := range []string{"condition", "output", "desc", "priority"} {
		if !it.has(key) {
			it.fail("the rule has no %s", key)
		}
	}
	d := &ruleDef{name: it.name, source: "syscall", enabled: true, file: it.file, line: it.line, text: it.text}
	d.condition, d.output, d.desc, d.priority = it.text1("condition"), it.text1("output"), it.text1("desc"), it.text1("priority")
	if it.has("source") {
		d.source = it.text1("source")
	}
	if it.has("enabled") {
		d.enabled = it.bool("enabled")
	}
	if it.has("skip-if-unknown-filter") {
		d.skipUnknown = it.bool("skip-if-unknown-filter")
	}
	d.tags = it.texts("tags")
	it.exceptionsInto(d, true)
	if known != nil && known.source != d.source {
		it.fail("rule %q is already one of source %s", it.name, known.source)
	}
	if it.failed {
		return
	}
	if it.byName[it.name] = d; known == nil {
		it.rules = append(it.rules, d)
	} else {
		it.rules[slices.Index(it.rules, known)] = d
	}
}

// change applies override to a rule that is there.
func (it *item) change(d *ruleDef) {
	if it.has("source") && it.text1("source") != d.source {
		it.fail("rule %q is one of source %s", it.name, d.source)
	}
	changed := *d
	for key, target := range map[string]*string{"condition": &changed.condition, "output": &changed.output, "desc": &changed.desc, "priority": &changed.priority} {
		switch text := it.text1(key); it.override[key] {
		case "append":
			*target = strings.TrimRight(*target, " \t\r\n") + " " + text
		case "replace":
			*target = text
		}
	}
	switch it.override["tags"] {
	case "append":
		changed.tags = append(slices.Clone(d.tags), it.texts("tags")...)
	case "replace":
		changed.tags = it.texts("tags")
	}
	if it.override["enabled"] != "" {
		changed.enabled = it.bool("enabled")
	}
	if it.override["skip-if-unknown-filter"] != "" {
		changed.skipUnknown = it.bool("skip-if-unknown-filter")
	}
	if how := it.override["exceptions"]; how != "" {
		it.exceptionsInto(&changed, how == "replace")
	}
	changed.text += "\n" + it.text
	if !it.failed {
		*d = changed
	}
}

var semver = regexp.MustCompile(`^[0-9]+(\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?)?$`)

func (it *item) version(n *yaml.Node, what string) {
	if n.Kind != yaml.ScalarNode || !semver.MatchString(n.Value) {
		it.tell("warning", "%s: %q is no version", what, n.Value)
	}
}

// plugins reads which plugins a file asks for. What matters of them are fields, and an unknown field is told where it is used.
func (it *item) plugins(n *yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		it.tell("warning", "required_plugin_versions must be a list")
		return
	}
	for _, p := range n.Content {
		var one struct {
			Name         string
			Version      string
			Alternatives []struct{ Name, Version string }
		}
		if err := p.Decode(&one); err != nil {
			it.tell("warning", "required_plugin_versions: %v", err)
			continue
		}
		ours := one.Name == "json" || strings.HasPrefix(one.Name, "k8saudit")
		for _, a := range one.Alternatives {
			ours = ours || strings.HasPrefix(a.Name, "k8saudit")
		}
		if !ours {
			it.tell("note", "the file asks for plugin %s, whose fields there are none of here", one.Name)
		}
		if !semver.MatchString(one.Version) {
			it.tell("warning", "plugin %s: %q is no version", one.Name, one.Version)
		}
	}
}
