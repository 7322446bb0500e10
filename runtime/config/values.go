package config

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// complaint says what is wrong with a value, without the value.
type complaint struct{ message, hint string }

// scalar reads one value of f's type.
func scalar(f *field, n *yaml.Node) (any, *complaint) {
	if n.Kind != yaml.ScalarNode {
		return nil, &complaint{"must be " + wanted(f) + ", not " + shape(n), ""}
	}
	if !coreTags[n.ShortTag()] {
		return nil, &complaint{"a YAML tag (!…) is not read here", "put the value in quotes"}
	}
	v, err := readScalar(f, n)
	if err == nil {
		return v, nil
	}
	var c complaint
	if errors.As(err, &c) {
		return nil, &c
	}
	return nil, &complaint{"must be " + wanted(f) + ", not " + shape(n), ""}
}

func (c complaint) Error() string { return c.message }

// coreTags are the tags that YAML gives to values by itself.
var coreTags = map[string]bool{
	"!!str": true, "!!int": true, "!!float": true, "!!bool": true, "!!timestamp": true, "!!merge": true, "": true,
}

// errNotThis stands for "must be what is wanted, not what it is".
var errNotThis = errors.New("another type is wanted")

// readScalar takes the text as it stands in the file, so that an id in quotes is an id, and a salt of digits a salt.
func readScalar(f *field, n *yaml.Node) (any, error) {
	switch f.typ {
	case reflect.TypeFor[time.Duration]():
		return readDuration(f, n.Value)
	case reflect.TypeFor[netip.Prefix]():
		return readPrefix(n.Value)
	case reflect.TypeFor[Chat]():
		return readChat(n.Value)
	case reflect.TypeFor[Bytes]():
		size, err := ParseBytes(n.Value)
		if err != nil {
			return nil, complaint{"must be a size, not " + shape(n), "write it like 64MiB"}
		}
		return size, nil
	}
	switch f.typ.Kind() {
	case reflect.Bool:
		return readBool(n.Value)
	case reflect.Int, reflect.Int64:
		return readInt(n.Value)
	case reflect.Float64:
		return readFloat(n.Value)
	default:
		return n.Value, nil
	}
}

func wanted(f *field) string {
	switch f.typ {
	case reflect.TypeFor[time.Duration]():
		return "a duration"
	case reflect.TypeFor[netip.Prefix]():
		return "an IP address or a range"
	case reflect.TypeFor[Chat]():
		return "a chat's id, or id/topic"
	case reflect.TypeFor[Bytes]():
		return "a size"
	}
	switch f.typ.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	default:
		return "a text"
	}
}

// readBool knows the words of YAML 1.1 too, which pyTMBot reads.
func readBool(text string) (any, error) {
	switch strings.ToLower(text) {
	case "true", "yes", "on":
		return true, nil
	case "false", "no", "off":
		return false, nil
	}
	return nil, errNotThis
}

var wholeNumber = regexp.MustCompile(`^[-+]?[0-9]+$`)

func readInt(text string) (any, error) {
	if !wholeNumber.MatchString(text) {
		return nil, errNotThis
	}
	if digits := strings.TrimLeft(text, "+-"); len(digits) > 1 && digits[0] == '0' {
		return nil, complaint{"a number begins with 0, which some read as octal", "remove the 0"}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, complaint{"the number is too large", ""}
	}
	return n, nil
}

func readFloat(text string) (any, error) {
	switch strings.ToLower(strings.TrimLeft(text, "+-.")) {
	case "inf", "infinity", "nan": // YAML writes .inf, ParseFloat reads inf
		return nil, complaint{"must be a finite number", ""}
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, errNotThis
	}
	return x, nil
}

func readDuration(f *field, text string) (any, error) {
	n, numberErr := readInt(text)
	if numberErr == nil && f.seconds {
		seconds := n.(int64)
		if seconds > int64(math.MaxInt64/time.Second) || seconds < 0 {
			return nil, complaint{"the number of seconds is out of range", ""}
		}
		return time.Duration(seconds) * time.Second, nil
	}
	if _, err := readFloat(text); err == nil {
		return nil, complaint{"a duration needs a unit", "write 300s, 5m or 1h"}
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return nil, complaint{"must be a duration, not " + shapeOf(text), "write 300s, 5m or 1h"}
	}
	return d, nil
}

// readPrefix returns text, since koanf copies its values and would lose a Prefix's unexported fields.
func readPrefix(text string) (any, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		return netip.PrefixFrom(addr, addr.BitLen()).String(), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return nil, errNotThis
	}
	if prefix != prefix.Masked() {
		return nil, complaint{"the address has bits set beyond the length of the range", "write the first address of the range"}
	}
	return prefix.String(), nil
}

// shortForms are the sections that may also be written as one text.
var shortForms = map[reflect.Type]func(text string) (any, error){
	reflect.TypeFor[Grant](): func(text string) (any, error) {
		g, err := ParseGrant(text)
		if err != nil {
			return nil, err
		}
		values := map[string]any{"capability": g.Capability}
		if g.Scope != nil {
			values["scope"] = g.Scope
		}
		return values, nil
	},
}

// shape describes a value without showing it.
func shape(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return fmt.Sprintf("a list of %d", len(n.Content))
	case yaml.MappingNode:
		return "a section"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!bool":
		return "true or false"
	case "!!int":
		return "a number"
	case "!!float":
		return "a number with a fraction"
	}
	return shapeOf(n.Value)
}

func shapeOf(text string) string { return "a text of " + characters(text) }

func characters(text string) string {
	n := utf8.RuneCountInString(text)
	if n == 1 {
		return "1 character"
	}
	return fmt.Sprintf("%d characters", n)
}

// The placeholders of pyTMBot's sample and of ours: YOUR_PROD_BOT_TOKEN, your-domain.com, …-replace-this-value.
var placeholder = regexp.MustCompile(`(?i)(^|[/._-])your[-_]|replace[-_]?(this|me|with)|change[-_]?(me|this)|^<.*>$`)

func isPlaceholder(text string) bool { return placeholder.MatchString(text) }
