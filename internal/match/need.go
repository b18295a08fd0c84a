package match

import "slices"

// Need is what the words of an event must include for a predicate to be true: a word, or all or any of several needs. A nil
// Need asks for nothing. So a filter of words can pass over events without reading them.
type Need struct {
	Word     uint32 // by HashWord, where both lists are nil
	All, Any []*Need
}

// Need is what the predicate needs.
func (p *Predicate) Need() *Need { return p.root.need() }

// Met says whether a set of words has what is needed.
func (n *Need) Met(has func(word uint32) bool) bool {
	met := func(c *Need) bool { return c.Met(has) }
	switch {
	case n == nil:
		return true
	case n.Any != nil:
		return slices.ContainsFunc(n.Any, met)
	case n.All != nil:
		return !slices.ContainsFunc(n.All, func(c *Need) bool { return !c.Met(has) })
	}
	return has(n.Word)
}

func needAll(needs []*Need) *Need {
	var all []*Need
	for _, n := range needs {
		if n != nil && n.All != nil {
			all = append(all, n.All...)
		} else if n != nil {
			all = append(all, n)
		}
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return &Need{All: all}
}

func needWords(words [][]byte) []*Need {
	var needs []*Need
	for _, w := range words {
		needs = append(needs, &Need{Word: HashWord(w)})
	}
	return needs
}

func (n and) need() *Need {
	var needs []*Need
	for _, c := range n {
		needs = append(needs, c.need())
	}
	return needAll(needs)
}

func (n or) need() *Need {
	var needs []*Need
	for _, c := range n {
		need := c.need()
		if need == nil {
			return nil
		}
		needs = append(needs, need)
	}
	return &Need{Any: needs}
}

func (not) need() *Need         { return nil }
func (*numberTest) need() *Need { return nil }
func (*enumTest) need() *Need   { return nil }

func (t *textTest) need() *Need {
	if !t.field.searched {
		return nil
	}
	return needAll(t.value.words())
}

func (t *jsonTest) need() *Need {
	needs := t.value.words()
	for _, key := range append(t.field.path[:len(t.field.path):len(t.field.path)], t.path...) {
		v := literal(key)
		needs = append(needs, v.words()...)
	}
	return needAll(needs)
}

func (p *phrase) need() *Need {
	if p.prefix {
		return needAll(needWords(p.words[:len(p.words)-1]))
	}
	return needAll(needWords(p.words))
}

// words are those that every text has that the value matches: not the ones that a * may continue. A backslash may be written
// in JSON so that what follows it is read as another word, so there it finds none.
func (v *value) words() []*Need {
	var needs []*Need
	for i, part := range v.parts {
		if slices.Contains(part, '\\') {
			return nil
		}
		part = part[:len(part):len(part)]
		if i > 0 {
			part = part[joined(part, 0, 1):]
		}
		if i < len(v.parts)-1 && len(part) > 0 {
			part = part[:joined(part, len(part)-1, -1)+1]
		}
		needs = append(needs, needWords(split(string(part)))...)
	}
	return needs
}

// joined goes from an open end of a text over the word there, which may go on beyond the end. It may be part of a UUID, so it
// goes on over dashes and words as long as all is hexadecimal.
func joined(text []byte, i, step int) int {
	open := i
	for hex := true; hex; i += step {
		j := i
		for ; j >= 0 && j < len(text) && fold[text[j]] > backslash; j += step {
			hex = hex && isHex(text[j])
		}
		if !hex && i != open {
			return i
		}
		if i = j; i < 0 || i >= len(text) || text[i] != '-' || !hex {
			return i
		}
	}
	return i
}
