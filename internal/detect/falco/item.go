package falco

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// item is one element of a file of rules.
type item struct {
	*loader
	file, text string
	line       int
	name       string // of the rule, for problems
	keys       map[string]*yaml.Node
	override   map[string]string // key to append or replace
	failed     bool
}

var (
	ruleKeys = []string{"rule", "condition", "output", "desc", "priority", "source", "enabled", "tags", "exceptions", "override", "append",
		"capture", "capture_duration", "warn_evttypes", "skip-if-unknown-filter"}
	appendable  = []string{"condition", "output", "desc", "tags", "exceptions"}
	replaceable = []string{"condition", "output", "desc", "priority", "capture", "capture_duration", "tags", "exceptions", "enabled",
		"warn_evttypes", "skip-if-unknown-filter"}
)

func (it *item) fail(format string, args ...any) {
	it.failed = true
	it.tell("error", format, args...)
}

func (it *item) tell(kind, format string, args ...any) {
	rule := ""
	if it.name != "" {
		rule = id(it.name)
	}
	it.problem(it.file, it.line, rule, kind, format, args...)
}

func follow(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func (it *item) read(n *yaml.Node) {
	if n = follow(n); n.Kind != yaml.MappingNode {
		it.fail("an item must be a mapping: - rule: …")
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := n.Content[i].Value; it.keys[key] != nil {
			it.tell("warning", "key %q stands twice: the last one counts", key)
		}
		it.keys[n.Content[i].Value] = follow(n.Content[i+1])
	}
	switch {
	case it.has("rule"):
		it.name = it.text1("rule")
		it.known(ruleKeys)
		it.rule()
	case it.has("macro"):
		it.known([]string{"macro", "condition", "append", "override"})
		it.macro(it.text1("macro"))
	case it.has("list"):
		it.known([]string{"list", "items", "append", "override"})
		it.list(it.text1("list"))
	case it.has("required_engine_version"):
		it.version(it.keys["required_engine_version"], "required_engine_version")
	case it.has("required_plugin_versions"):
		it.plugins(it.keys["required_plugin_versions"])
	default:
		it.tell("warning", "an item that is no rule, macro or list is passed over")
	}
}

func (it *item) has(key string) bool { return it.keys[key] != nil }

func (it *item) known(keys []string) {
	for key := range it.keys {
		if !slices.Contains(keys, key) {
			it.tell("warning", "unknown key %q", key)
		}
	}
}

// text1 is a key's text, "" if it is none.
func (it *item) text1(key string) string {
	n := it.keys[key]
	if n == nil {
		return ""
	}
	if n.Kind != yaml.ScalarNode {
		it.fail("%s must be a text", key)
		return ""
	}
	return n.Value
}

func (it *item) bool(key string) bool {
	s := it.text1(key)
	b, err := strconv.ParseBool(strings.ToLower(s))
	if err != nil {
		it.fail("%s: %q is not true or false", key, s)
	}
	return b
}

func (it *item) texts(key string) (all []string) {
	n := it.keys[key]
	if n == nil || n.Tag == "!!null" {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		it.fail("%s must be a list", key)
		return nil
	}
	for _, e := range n.Content {
		if e = follow(e); e.Kind != yaml.ScalarNode {
			it.fail("%s must be a list of texts", key)
			return nil
		}
		all = append(all, e.Value)
	}
	return all
}

// overrides reads append and override, and says whether there is any. Each key it names must be there, and may be what it is.
func (it *item) overrides(appendable, replaceable []string) bool {
	it.override = map[string]string{}
	if it.has("append") && it.has("override") {
		it.fail("append and override exclude each other")
		return false
	}
	if it.has("append") && it.bool("append") {
		for _, key := range appendable {
			if it.has(key) {
				it.override[key] = "append"
			}
		}
		if len(it.override) == 0 {
			it.fail("append: true, but there is nothing to append: one of %s", strings.Join(appendable, ", "))
		}
		return true
	}
	if !it.has("override") {
		return false
	}
	n := it.keys["override"]
	if n.Kind != yaml.MappingNode {
		it.fail("override must be a mapping of keys to append or replace")
		return false
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, how := n.Content[i].Value, n.Content[i+1].Value
		switch {
		case !it.has(key):
			it.fail("override names %s, which the item does not have", key)
		case how == "append" && slices.Contains(appendable, key), how == "replace" && slices.Contains(replaceable, key):
			it.override[key] = how
		default:
			it.fail("override: %s cannot be %q", key, how)
		}
	}
	for key := range it.keys {
		if !it.failed && it.override[key] == "" && !slices.Contains([]string{"rule", "macro", "list", "override", "source"}, key) {
			it.tell("warning", "%s is not named in override, so it is not used", key)
		}
	}
	return true
}

func (it *item) macro(name string) {
	over := it.overrides([]string{"condition"}, []string{"condition"})
	condition := it.text1("condition")
	if !it.has("condition") || strings.TrimSpace(condition) == "" {
		it.fail("macro %s has no condition", name)
	}
	if it.failed {
		return
	}
	known := it.macros[name]
	switch {
	case known == nil && over:
		it.fail("macro %s is not defined before, so nothing can be overridden", name)
	case known == nil:
		it.macroOrder = append(it.macroOrder, name)
		it.macros[name] = &macroDef{condition, it.file, it.line}
	case it.override["condition"] == "append":
		known.condition += " " + condition
	default:
		*known = macroDef{condition, it.file, it.line}
	}
}

func (it *item) list(name string) {
	over := it.overrides([]string{"items"}, []string{"items"})
	items := it.texts("items")
	if !it.has("items") {
		it.fail("list %s has no items", name)
	}
	if it.failed {
		return
	}
	known := it.lists[name]
	switch {
	case known == nil && over:
		it.fail("list %s is not defined before, so nothing can be overridden", name)
	case known == nil:
		it.lists[name] = &listDef{items, it.file, it.line}
	case it.override["items"] == "append":
		known.items = append(known.items, items...)
	default:
		*known = listDef{items, it.file, it.line}
	}
}
