package sigma

// Literals are texts of which a value includes one wherever the test is true, compared without the case of letters.
func (t *anyOf) Literals() []string {
	if len(t.others) > 0 || t.numeric {
		return nil
	}
	all := append([]string{}, t.exact...)
	for i := range t.patterns {
		var longest []byte
		for _, r := range t.patterns[i].runs {
			for _, text := range append(r.parts[:len(r.parts):len(r.parts)], r.text) {
				if len(text) > len(longest) {
					longest = text
				}
			}
		}
		all = append(all, string(longest))
	}
	return all
}
