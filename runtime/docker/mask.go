package docker

import (
	"regexp"
	"strings"
)

// masked stands in for a secret.
const masked = "•••"

// Names that look secret. A name too many costs a value that nobody can read;
// one too few costs a password.
const secretWords = `pass|pwd|secret|token|key|credential|dsn|auth|salt|cookie|jwt`

var (
	secretName = regexp.MustCompile(`(?i)` + secretWords)
	// innocent is what only looks like "auth": org.opencontainers.image.authors.
	innocent = regexp.MustCompile(`(?i)authors?([^a-z]|$)`)

	// userInfo is the part of a URL before its host. Behind a colon it goes up
	// to the last @: passwords hold slashes and at signs that should have been
	// escaped.
	userInfo = regexp.MustCompile(`(://)(?:[^\s/"'@:]*:[^\s"']*|[^\s/?#"'@]+)@`)
	// setting is name=value or name: value inside a longer text, quoted or not,
	// with an authentication scheme before the value or not.
	setting = regexp.MustCompile(`(?i)([\w.\-]*(?:` + secretWords + `)[\w.\-]*)([\\"']*\s*[=:]\s*\\*)` + secretValue)
	// option is --name value inside a longer text.
	option = regexp.MustCompile(`(?i)(--?[\w.\-]*(?:` + secretWords + `)[\w.\-]*)(\s+)` + secretValue)
	scheme = regexp.MustCompile(`(?i)\b(bearer|basic)(\s+)[\w.~+/=\-]{8,}`)
)

const secretValue = `((?:(?:bearer|basic|digest|negotiate|token)\s+)?(?:"[^"]*"?|'[^']*'?|[^\s"'&;|]+))`

// looksSecret tells whether a thing of this name is not to be shown.
func looksSecret(name string) bool {
	return secretName.MatchString(innocent.ReplaceAllString(name, "$1"))
}

// maskValue returns a label's value as it may be shown.
func maskValue(name, value string) string {
	if value != "" && looksSecret(name) {
		return masked
	}
	return maskText(value)
}

// maskCommand masks the words of a command: NAME=value, --name=value, the word
// after --name, and whatever is inside a word such as the script of `sh -c`.
// A short option such as -p says nothing about its value.
func maskCommand(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		if i > 0 && announcesSecret(words[i-1]) {
			out[i] = masked
			continue
		}
		out[i] = maskWord(w)
	}
	return out
}

// announcesSecret tells an option whose value is the next word. Even a word
// that looks like an option is hidden then: passwords begin with dashes too.
func announcesSecret(word string) bool {
	return strings.HasPrefix(word, "-") && !strings.ContainsAny(word, "= \t\n") && looksSecret(word)
}

// maskWord knows where the value of a word ends: where the word does.
func maskWord(word string) string {
	name, value, ok := strings.Cut(word, "=")
	if ok && value != "" && !strings.ContainsAny(name, " \t\n\"'") && looksSecret(name) {
		return maskText(name) + "=" + masked
	}
	return maskText(word)
}

// maskText masks what looks secret anywhere in a text.
func maskText(s string) string {
	s = userInfo.ReplaceAllString(s, "${1}"+masked+"@")
	s = maskPairs(setting, s)
	s = maskPairs(option, s)
	return scheme.ReplaceAllString(s, "${1}${2}"+masked)
}

// maskPairs replaces the values of a pattern of name, separator and value.
func maskPairs(pair *regexp.Regexp, s string) string {
	return pair.ReplaceAllStringFunc(s, func(match string) string {
		part := pair.FindStringSubmatch(match)
		if !looksSecret(part[1]) {
			return part[1] + part[2] + maskPairs(pair, part[3])
		}
		return part[1] + part[2] + masked
	})
}
