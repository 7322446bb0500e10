package pipeline

import (
	"errors"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// The host's own sentences, all of them.
const (
	textExpired       = "⌛ That message waited too long, so nothing was done. Send it again if you still want it."
	textInterrupted   = "⚠️ The bot was restarted while it worked on your last command. It may or may not have been carried out; it was not repeated. Please look before you try again."
	textStranger      = "🚫 You are not on this bot's list. /getmyid tells the ids that its operator needs to let you in."
	textSlowDown      = "🐢 Slow down, please. Try again in a few seconds."
	textLaneFull      = "🐢 Too much is waiting in this chat. Try again when it has been answered."
	textUnknown       = "🤷 I do not know that command. /help lists what I can do."
	textNotForYou     = "🚫 That is for admins only."
	textButtonExpired = "⌛ This button has expired. Send the command again for a fresh view."
	textButtonOther   = "🚫 This button belongs to somebody else, or to another chat. Send the command yourself."
	textButtonDead    = "🤷 What this button did is no longer there."
	textInternal      = "💥 Something went wrong inside the bot. The log has the reason."
	textBadReply      = "💥 The module gave an answer that cannot be shown. The log has the reason."
)

// faultText says to a user why a module was ended.
func faultText(err error, module string) string {
	var fault interface{ FaultCode() abi.Code }
	code := abi.Internal
	if errors.As(err, &fault) {
		code = fault.FaultCode()
	}
	switch code {
	case abi.Timeout:
		return "⏱ The module " + module + " took too long and was stopped."
	case abi.Limit:
		return "🛑 The module " + module + " went over its limits and was stopped."
	case abi.Unavailable:
		return "💤 The module " + module + " is not available. The log has the reason."
	}
	return "💥 The module " + module + " failed. Nothing else is affected; the log has the reason."
}

// codeText says what a module's code means, where the module itself said
// nothing.
func codeText(code abi.Code) string {
	switch code {
	case abi.Denied, abi.AuthRequired, abi.ConfirmRequired:
		return "🚫 That is not permitted."
	case abi.NotFound:
		return "🔍 That is not there any more."
	case abi.Conflict:
		return "↔️ That does not fit its present state."
	case abi.Unavailable:
		return "🔌 What is needed for that does not answer."
	case abi.Timeout:
		return "⏱ That took too long."
	case abi.Limit:
		return "🛑 That is too much at once."
	}
	return textInternal
}
