package match

import "bytes"

const maxPhrase = 64 // words; a bit each in phrase.in

// words reads the words of a text one by one, as AppendWords does, and the quotes between them.
type words struct {
	text   []byte
	i      int
	quoted bool // a quote that is not escaped stood before the last word
}

// next returns the next word as it stands, or nil.
func (w *words) next() []byte {
	w.quoted = false
	for w.i < len(w.text) && fold[w.text[w.i]] <= backslash {
		switch w.text[w.i] {
		case '"':
			w.quoted = true
			w.i++
		case '\\':
			n, _, kept := escape(w.text[w.i:])
			if kept {
				w.text, w.i = unescape(w.text[w.i:]), 0
			} else {
				w.i += n
			}
		default:
			w.i++
		}
	}
	if w.i >= len(w.text) {
		return nil
	}
	end := w.i
	for end < len(w.text) && fold[w.text[end]] > backslash {
		end++
	}
	if end < len(w.text) && w.text[end] == '-' && end-w.i == 8 && isUUID(w.text[w.i:]) {
		end = w.i + uuidLen
	}
	if end < len(w.text) && w.text[end] == '\\' {
		if _, _, kept := escape(w.text[end:]); kept {
			quoted := w.quoted
			w.text, w.i = unescape(w.text[w.i:]), 0
			word := w.next()
			w.quoted = quoted
			return word
		}
	}
	word := w.text[w.i:end]
	w.i = end
	return word
}

// split is the words of a text, folded.
func split(text string) (all [][]byte) {
	w := words{text: []byte(text)}
	for word := w.next(); word != nil; word = w.next() {
		all = append(all, folded(word))
	}
	return all
}

func folded(word []byte) []byte {
	out := bytes.Clone(word)
	for i, c := range out {
		if f := fold[c]; f > backslash {
			out[i] = f
		}
	}
	return out
}

// in looks for the phrase in a span of text. Only in JSON does a quote end a string.
func (p *phrase) in(span []byte, json bool) bool {
	w := words{text: span}
	var begun uint64 // bit i: the last words read are the phrase's first i+1
	for word := w.next(); word != nil; word = w.next() {
		if json && w.quoted {
			begun = 0
		}
		begun = begun<<1 | 1
		for i, want := range p.words {
			if begun&(1<<i) != 0 && !sameWord(word, want, p.prefix && i == len(p.words)-1) {
				begun &^= 1 << i
			}
		}
		if begun&(1<<(len(p.words)-1)) != 0 {
			return true
		}
	}
	return false
}

func sameWord(word, want []byte, prefix bool) bool {
	if len(word) < len(want) || len(word) > len(want) && !prefix {
		return false
	}
	for i, c := range want {
		if d := word[i]; d != c && fold[d] != c {
			return false
		}
	}
	return true
}
