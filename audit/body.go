package audit

// appendBody appends a body as encoding/json does: without white space between tokens, and with what HTML could mistake
// escaped; tokens stay as they are. Bytes that are not JSON become a string.
func appendBody(dst []byte, s Span) []byte {
	p := space(s, 0)
	from := p // of what is still to be copied
	if end := skipValue(s, p, 1); end < 0 || space(s, end) < len(s) {
		return appendString(dst, []byte(s))
	}
	for p < len(s) {
		switch c := s[p]; {
		case c == '"':
			p++
			for s[p] != '"' {
				switch c := s[p]; {
				case c == '\\':
					p++
				case c == '<' || c == '>' || c == '&':
					dst = appendEscape(append(dst, s[from:p]...), c)
					from = p + 1
				case c == 0xe2 && s[p+1] == 0x80 && s[p+2]&^1 == 0xa8: // U+2028 and U+2029
					dst = append(append(dst, s[from:p]...), `\u202`...)
					dst = append(dst, '8'+s[p+2]&1)
					from = p + 3
					p += 2
				}
				p++
			}
			p++
		case c <= ' ':
			dst = append(dst, s[from:p]...)
			p = space(s, p)
			from = p
		default:
			p++
		}
	}
	return append(dst, s[from:]...)
}
