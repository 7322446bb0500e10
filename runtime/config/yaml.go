package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// parseYAML returns the root mapping of the one document in data. Its Problem never repeats what the YAML library says:
// that quotes anchors and tags, which may be half of a token that was not put in quotes.
func parseYAML(data []byte) (*yaml.Node, *Problem) {
	if p := checkText(data); p != nil {
		return nil, p
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, &Problem{Message: "the file has no settings in it"}
	} else if err != nil {
		return nil, syntaxProblem(data, err)
	}
	var second yaml.Node
	if err := decoder.Decode(&second); err == nil {
		return nil, &Problem{Line: second.Line, Message: "a second YAML document begins here",
			Hint: "a configuration is one document: remove the line ---"}
	} else if !errors.Is(err, io.EOF) {
		return nil, syntaxProblem(data, err)
	}
	return rootMapping(&doc)
}

func rootMapping(doc *yaml.Node) (*yaml.Node, *Problem) {
	root := doc.Content[0]
	switch {
	case isNull(root):
		return nil, &Problem{Message: "the file has no settings in it"}
	case root.Kind != yaml.MappingNode:
		return nil, &Problem{Line: root.Line, Message: "a configuration is a section of keys, not " + shape(root),
			Hint: "begin with a key such as bot_token:"}
	}
	return root, nil
}

// checkText refuses what is not text, before the YAML library sees it.
func checkText(data []byte) *Problem {
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return &Problem{Line: lineAt(data, i), Message: "a NUL byte: this is not a text file"}
	}
	if utf8.Valid(data) {
		return nil
	}
	good := 0
	for good < len(data) {
		r, size := utf8.DecodeRune(data[good:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		good += size
	}
	return &Problem{Line: lineAt(data, good), Message: "not UTF-8 text", Hint: "save the file as UTF-8"}
}

func lineAt(data []byte, offset int) int { return 1 + bytes.Count(data[:offset], []byte("\n")) }

// syntaxMessages turns the library's words, as far as they can be relied on, into ours.
var syntaxMessages = []struct{ part, message, hint string }{
	{"unknown anchor", "a value that begins with * points to an anchor that is not there", "put the value in quotes"},
	{"cannot start any token", "a value begins with a character that YAML keeps for itself", "put the value in quotes"},
	{"mapping values are not allowed", "a colon where no key can be", "look at the indentation, or put the value in quotes"},
	{"unexpected end of stream", "a quote is opened and not closed", ""},
	{"expected ',' or", "a bracket or brace is opened and not closed", "a value with braces in brackets needs quotes"},
	{"did not find expected key", "this does not fit the lines above", "look at the indentation and the quotes"},
	{"did not find expected '-'", "this does not fit the lines above", "look at the indentation and the quotes"},
	{"could not find expected ':'", "a key without a colon", "write key: value"},
	{"control characters", "a control character", "remove it"},
	{"escape", "a backslash in double quotes that YAML does not know", "use single quotes"},
	{"tag", "a value that begins with ! names a YAML tag", "put the value in quotes"},
	{"directive", "a line that begins with % is for YAML itself", "put the value in quotes"},
	{"exceeded max depth", "nested too deeply", ""},
}

func syntaxProblem(data []byte, err error) *Problem {
	p := &Problem{Line: errorLine(data, err), Message: "this is not YAML", Hint: "look at the indentation and the quotes"}
	if indentedByTab(data, p.Line) {
		p.Message, p.Hint = "a tab in the indentation", "YAML wants spaces"
		return p
	}
	for _, m := range syntaxMessages {
		if strings.Contains(err.Error(), m.part) {
			p.Message, p.Hint = m.message, m.hint
			break
		}
	}
	return p
}

var indentTab = regexp.MustCompile(`^ *\t`)

func indentedByTab(data []byte, line int) bool {
	lines := bytes.Split(data, []byte("\n"))
	return line >= 1 && line <= len(lines) && indentTab.Match(lines[line-1])
}

// The library often names the line at which the surrounding section began, far above the mistake, or none. So the
// file is cut shorter, line by line, until it parses: the mistake is in the first line that was cut off. That costs a
// parse for each line, so it is done for files of ordinary size only.
const (
	maxLocatedLines = 500
	maxLocatedBytes = 32 << 10
)

func errorLine(data []byte, err error) int {
	lines := bytes.SplitAfter(data, []byte("\n"))
	if len(lines) > maxLocatedLines || len(data) > maxLocatedBytes {
		return reportedLine(err)
	}
	end := len(data)
	for n := len(lines) - 1; n > 0; n-- {
		end -= len(lines[n])
		if parses(data[:end]) {
			return n + 1
		}
	}
	return 1
}

func parses(data []byte) bool {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var n yaml.Node
		if err := decoder.Decode(&n); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

var libraryLine = regexp.MustCompile(`line (\d+):`)

// reportedLine is the line that the library names, or 0.
func reportedLine(err error) int {
	m := libraryLine.FindStringSubmatch(err.Error())
	if m == nil {
		return 0
	}
	line, _ := strconv.Atoi(m[1])
	return line
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }
