package sigma

import (
	"fmt"
	"regexp"

	"go.yaml.in/yaml/v3"
)

// expand reads a value's text and puts what is configured in the place of its placeholders: every text that comes of it.
func (it *item) expand(n *yaml.Node) ([][]token, error) {
	m := it.mods
	plain := m.re || m.cidr || m.compare != "" || m.part != ""
	if !m.expand {
		if plain {
			return [][]token{{{textToken, n.Value}}}, nil
		}
		return [][]token{scan(n.Value, false)}, nil
	}
	tokens := scan(n.Value, true)
	if plain {
		tokens = literally(n.Value)
	}
	all := [][]token{nil}
	named := false
	for _, t := range tokens {
		if t.kind != placeholder {
			for i, a := range all {
				all[i] = append(a[:len(a):len(a)], t)
			}
			continue
		}
		named = true
		values, ok := it.opt.Placeholders[t.text]
		if !ok {
			return nil, fmt.Errorf("placeholder %%%s%% is not configured; add it to rules.placeholders, with its values", t.text)
		}
		if len(values) == 0 {
			it.tell(note, n.Line, "placeholder %%%s%% is configured without values: no event passes this test", t.text)
		}
		var more [][]token
		for _, a := range all {
			for _, v := range values {
				made := []token{{textToken, v}}
				if m.re {
					made[0].text = regexp.QuoteMeta(v)
				} else if !plain {
					made = scan(v, false)
				}
				more = append(more, append(a[:len(a):len(a)], made...))
			}
			if len(more) > maxForms {
				return nil, fmt.Errorf("its placeholders stand for more than %d texts; write fewer in one value", maxForms)
			}
		}
		all = more
	}
	if !named {
		it.tell(warning, n.Line, "%s: expand finds no placeholder in %q; write one as %%name%%, or leave expand out", it, n.Value)
	}
	return all, it.spend(len(all))
}

// literally scans for placeholders alone: everything else stands as it is written.
func literally(s string) (tokens []token) {
	from := 0
	for i := 0; i < len(s); i++ {
		if s[i] != '%' || i > 0 && s[i-1] == '\\' {
			continue
		}
		if name := placeholderName(s[i+1:]); name != "" {
			tokens = append(tokens, token{textToken, s[from:i]}, token{placeholder, name})
			i += len(name) + 1
			from = i + 1
		}
	}
	return append(tokens, token{textToken, s[from:]})
}
