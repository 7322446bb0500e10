// Package installs shows the loaded modules, and lets admins decide on files that
// wait to become one. What an approval permits is written by the host, and
// confirmed there: nothing that this module shows approves anything.
package installs

import (
	"strconv"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// Module returns the commands and actions of this module.
func Module() sdk.Module {
	return sdk.Module{
		Commands: map[string]sdk.Handler{"modules": typed, "plugins": typed},
		Actions: map[string]sdk.Handler{
			"list": list, "show": tapShow, "pending": tapPending, "narrow": tapNarrow,
			"approve": approve, "refuse": refuse, "revoke": revoke,
		},
	}
}

// typed reads what stands behind the command: nothing, a page, the name of a
// module, "pending NAME DIGEST", or "narrow NAME PERMISSION PATTERN …".
func typed(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	words := strings.Fields(req.Text)
	isAdmin := req.Actor.Role == abi.RoleAdmin
	switch {
	case len(words) == 0:
		return list(host, req)
	case !isAdmin || len(words) == 1 && isNumber(words[0]):
		req.Args = map[string]string{"page": words[0]}
		return list(host, req)
	case words[0] == "pending" && len(words) == 3:
		return pending(host, req, words[1], words[2])
	case words[0] == "narrow" && len(words) > 1:
		return typedNarrow(host, req, words[1:])
	}
	return show(host, req, words[0])
}

func isNumber(s string) bool {
	_, err := strconv.Atoi(s)
	return err == nil
}

func forAdmins(req sdk.Request) error {
	if req.Actor.Role != abi.RoleAdmin {
		return sdk.Fail(abi.Denied, texts.InstallsForAdmins)
	}
	return nil
}

// toList leads to the list of modules.
var toList = sdk.Do(texts.InstallsAll, "list")

// Bounds of what is shown, so that a view stays one that can be read. What others
// wrote is cut by them.
const (
	maxName     = 32
	maxVersion  = 24
	maxAuthor   = 60
	maxLine     = 160
	maxWords    = 400
	maxShown    = 24 // permissions, or commands, or lines
	maxPatterns = 64
)

// maxLabel bounds what stands on a button, in bytes.
const maxLabel = 64

// do is a button whose label fits, whatever it is made of.
func do(label, action string, args ...string) sdk.Button {
	if len(label) > maxLabel {
		cut := 0
		for i := range label {
			if i <= maxLabel-len("…") {
				cut = i
			}
		}
		label = label[:cut] + "…"
	}
	return sdk.Do(label, action, args...)
}

// What is made at many places is not inlined: see guest/sdk/build.go.

// says is a paragraph.
//
//go:noinline
func says(text string) sdk.Block { return sdk.Text(sdk.Plain(text)) }

// is is a line in the bot's own words, and its a line in a file's, cut to a number
// of characters and set apart. An empty one is left out.
//
//go:noinline
func is(fields []sdk.Field, name, text string) []sdk.Field {
	if text == "" {
		return fields
	}
	return append(fields, sdk.Is(name, sdk.Plain(text)))
}

//go:noinline
func its(fields []sdk.Field, name, text string, limit int) []sdk.Field {
	if text == "" {
		return fields
	}
	return append(fields, sdk.Is(name, sdk.Code(sdk.Line(text, limit))))
}

// listing joins texts of others, and says how many are left out.
//
//go:noinline
func listing(all []string, before, between string, limit int) string {
	text := ""
	for i, one := range all[:min(len(all), maxShown)] {
		if i > 0 {
			text += between
		}
		text += before + sdk.Line(one, limit)
	}
	if more := len(all) - maxShown; more > 0 {
		text += texts.InstallsAndMore(more)
	}
	return text
}
