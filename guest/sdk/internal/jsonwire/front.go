package jsonwire

// Front makes a whole of a text that was cut: it leaves out the member or element
// that is not complete, and closes what is open. What is not JSON before it was
// cut does not become any, and what is whole stays as it is.
func Front(text string) string {
	var open, closing [maxDepth]byte // what closes each level, now and at keep
	depth, keep, levels := 0, 0, 0
	kept := func(at int) {
		keep, levels = at, depth
		copy(closing[:], open[:depth])
	}
	for at := 0; at < len(text); at++ {
		switch c := text[at]; c {
		case '"':
			if at = quotedEnd(text, at); at == len(text) {
				return closed(text[:keep], closing[:levels])
			}
		case '{', '[':
			if depth == maxDepth {
				return text
			}
			open[depth] = c + 2 // '}' and ']' stand two behind
			depth++
			kept(at + 1)
		case '}', ']':
			if depth == 0 {
				return text
			}
			depth--
			kept(at + 1)
		case ',':
			kept(at)
		}
	}
	if depth == 0 {
		return text
	}
	return closed(text[:keep], closing[:levels])
}

// quotedEnd returns where the string that begins at the quote at ends: the place
// of its closing quote, or the text's length.
func quotedEnd(text string, at int) int {
	for at++; at < len(text); at++ {
		switch text[at] {
		case '"':
			return at
		case '\\':
			at++
		}
	}
	return len(text)
}

func closed(text string, closing []byte) string {
	out := make([]byte, 0, len(text)+len(closing))
	out = append(out, text...)
	for i := len(closing) - 1; i >= 0; i-- {
		out = append(out, closing[i])
	}
	return string(out)
}
