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

// shortWords are only secret at the end of a name and standing alone in it:
// "sig" is in "design" too.
const shortWords = `(?:pw|sig|signature)[\d_.\-]*`

// secretIn is a name within a longer text.
const secretIn = `[\w.\-]*(?:` + secretWords + `)[\w.\-]*|\b(?:[\w.\-]*[\d_.\-])?` + shortWords

var (
	secretName = regexp.MustCompile(`(?i)` + secretWords + `|(?:^|[^a-z])` + shortWords + `$`)
	// innocent is what only looks like "auth": org.opencontainers.image.authors.
	innocent = regexp.MustCompile(`(?i)authors?([^a-z]|$)`)

	// userInfo is the part of a URL before its host. Behind a colon it goes up
	// to the last @: passwords hold slashes and at signs that should have been
	// escaped.
	userInfo = regexp.MustCompile(`(://)(?:[^\s/"'@:]*:[^\s"']*|[^\s/?#"'@]+)@`)
	// setting is name=value or name: value inside a longer text, quoted or not,
	// with an authentication scheme before the value or not.
	setting = regexp.MustCompile(`(?i)(` + secretIn + `)([\\"']*\s*[=:]\s*\\*)` + secretValue)
	// option is --name value inside a longer text.
	option = regexp.MustCompile(`(?i)(--?(?:` + secretIn + `))(\s+)` + secretValue)
	scheme = regexp.MustCompile(`(?i)\b(bearer|basic)(\s+)[\w.~+/=\-]{8,}`)

	// secretPath is where the path of a URL is the password.
	secretPath = regexp.MustCompile(`(?i)(hooks\.slack\.com/(?:services|workflows|triggers)/|discord(?:app)?\.com/api/webhooks/|api\.telegram\.org/(?:file/)?bot)[^\s"'&;|]+`)

	// userOption is an option whose value is NAME:PASSWORD, as curl has it.
	userOption = regexp.MustCompile(`^(?:-[uU]|--?(?:proxy-)?user)$`)
	// userWord is that option with its value in one word, up to the colon.
	userWord = regexp.MustCompile(`^(?:-[uU]=?[^\s:=/]*|--?(?:proxy-)?user=[^:]*):`)
	// userInText is that option inside a longer text, its value quoted or not.
	userInText = regexp.MustCompile(`((?:^|[\s"'(;&|])(?:-[uU](?:\s+|=)|--?(?:proxy-)?user(?:\s+|=)))(?:(\\*"[^":]*:)[^"]*|(\\*'[^':]*:)[^']*|([^\s"':]*:)\S+)`)
	attached   = regexp.MustCompile(`((?:^|[\s"'(;&|])-[uU][^\s"':=/]+:)\S+`)

	// mysqlClient is a program whose option -p has its value in the same word;
	// mysqlInText is its call inside a longer text.
	mysqlClient = regexp.MustCompile(`^(?:.*/)?(?:mysql|mariadb)[\w\-]*$`)
	mysqlInText = regexp.MustCompile(`((?:mysql|mariadb)[\w\-]*\s(?:[^;&|\n]*?\s)?-p)(?:"[^"]*"?|'[^']*'?|\S+)`)
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
// after --name, what follows the colon in the word after --user, and whatever
// is inside a word such as the script of `sh -c`. Of the short options only -u
// says something about its value, and -p of MySQL's programs.
func maskCommand(words []string) []string {
	out := make([]string, len(words))
	mysql := false
	for i, w := range words {
		switch {
		case i > 0 && announcesSecret(words[i-1]):
			out[i] = masked
		case i > 0 && userOption.MatchString(words[i-1]):
			out[i] = maskUser(w)
		case mysql && len(w) > len("-p") && strings.HasPrefix(w, "-p"):
			out[i] = "-p" + masked
		default:
			out[i] = maskWord(w)
		}
		mysql = mysql || mysqlClient.MatchString(w)
	}
	return out
}

// maskUser keeps the name of NAME:PASSWORD.
func maskUser(word string) string {
	name, _, ok := strings.Cut(word, ":")
	if !ok {
		return maskWord(word)
	}
	return maskText(name) + ":" + masked
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
	if option := userWord.FindString(word); option != "" {
		return option + masked
	}
	return maskText(word)
}

// maskText masks what looks secret anywhere in a text.
func maskText(s string) string {
	s = userInfo.ReplaceAllString(s, "${1}"+masked+"@")
	s = secretPath.ReplaceAllString(s, "${1}"+masked)
	s = userInText.ReplaceAllString(s, "${1}${2}${3}${4}"+masked)
	s = attached.ReplaceAllString(s, "${1}"+masked)
	s = mysqlInText.ReplaceAllString(s, "${1}"+masked)
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
