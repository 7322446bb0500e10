package pipeline

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/twofactor"
	"github.com/cofferdam-bot/cofferdam/security/access"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
	"github.com/cofferdam-bot/cofferdam/security/session"
	"github.com/cofferdam-bot/cofferdam/security/totp"
)

// wording says what a capability does, in the host's own words: a module's could
// lie.
type wording struct {
	verb string // "Stop"
	// what is what will happen, as a sentence.
	what string
}

var wordings = map[capability.Name]wording{
	capability.ContainersStart:   {"Start", "It is started with the settings that it has."},
	capability.ContainersStop:    {"Stop", "Its process is told to end, and killed if it does not end in its grace period. It stays stopped."},
	capability.ContainersRestart: {"Restart", "Its process is told to end, and killed if it does not end in its grace period. Then it is started again."},
	capability.ContainersPause:   {"Pause", "Its processes are frozen, and answer nothing until it is unpaused."},
	capability.ContainersUnpause: {"Unpause", "Its processes go on."},
	capability.ContainersKill:    {"Kill", "Its process ends at once, without a chance to save anything."},
	capability.ContainersRemove:  {"Remove", "The container and what was written inside it are gone for good. Volumes stay."},
	capability.ModulesApprove:    {"Approve", "It runs from now on, within these bounds, until its file changes or an admin revokes it."},
	capability.ModulesRevoke:     {"Revoke", "It ends now, and its commands and buttons are gone. Its file waits for an admin again."},
	capability.ModulesRefuse:     {"Refuse", "It does not run, and nobody is asked about this file again, unless it changes."},
}

// actVerb is what a button says: "Stop".
func actVerb(act capability.Act) string {
	if w, known := wordings[act.Capability]; known {
		return w.verb
	}
	return "Allow " + string(act.Capability) + " on"
}

func plain(text string) abi.Span { return abi.Span{Text: text} }
func code(text string) abi.Span  { return abi.Span{Text: text, Style: abi.StyleCode} }
func bold(text string) abi.Span  { return abi.Span{Text: text, Style: abi.StyleBold} }

func paragraph(spans ...abi.Span) abi.Block { return abi.Block{Kind: abi.BlockText, Spans: spans} }

func heading(spans ...abi.Span) abi.Block { return abi.Block{Kind: abi.BlockHeading, Spans: spans} }

// codePrompt asks for a code: what for, and what happens with it.
func codePrompt(act capability.Act, module string, standing twofactor.Standing, private bool) []abi.Block {
	after := "Your message is deleted at once."
	if !private {
		// A bot may delete others' messages only as a group's admin, and hears
		// nothing without a slash unless it is one (Bot API, privacy mode).
		after = "Use the slash in a group. Your message is deleted at once if I am permitted to; the code is used up in any case."
	}
	blocks := []abi.Block{
		heading(plain("🔐 A code, please")),
		paragraph(plain("The module "), code(module), plain(" wants to use "), code(string(act.Capability)), plain(purpose(act)+". That needs your second factor.")),
		paragraph(plain("Send the six digits of your authenticator app here, as "), code("123456"), plain(" or "), code("/123456"),
			plain(". The command then goes on by itself, and a session of 10 minutes begins in this chat. "+after)),
		paragraph(plain(leftText(standing.Left))),
	}
	if !standing.Enrolled {
		blocks = append(blocks, paragraph(plain("It is the first code of a new secret. /qrcode shows the picture again, in our private chat.")))
	}
	return blocks
}

func purpose(act capability.Act) string {
	w, known := wordings[act.Capability]
	switch {
	case !known:
		return ""
	case capability.BuiltInOnly(act.Capability):
		return " (" + w.verb + " a module)"
	}
	return " (" + w.verb + " a container)"
}

func leftText(left int) string {
	if left == 1 {
		return "One more wrong code blocks codes for 10 minutes."
	}
	return strconv.Itoa(left) + " wrong codes block codes for 10 minutes."
}

// confirmPrompt says exactly what will happen to what.
func confirmPrompt(act capability.Act, module string) []abi.Block {
	what := wordings[act.Capability].what
	if what == "" {
		what = "The operation " + string(act.Capability) + " is carried out."
	}
	if capability.BuiltInOnly(act.Capability) {
		return confirmModule(act, what, module)
	}
	return []abi.Block{
		heading(plain("❗ "+actVerb(act)+" "), code(act.Name), plain("?")),
		{Kind: abi.BlockFields, Fields: []abi.Field{
			{Name: "Container", Value: []abi.Span{code(act.Name)}},
			{Name: "Id", Value: []abi.Span{code(act.ID[:min(len(act.ID), 12)])}},
			{Name: "Docker host", Value: []abi.Span{code(act.Host)}},
			{Name: "Asked for by module", Value: []abi.Span{code(module)}},
		}},
		paragraph(plain(what)),
		countdown(),
	}
}

// confirmModule says which file is approved, and what it may do then. All but what
// the file says of itself, which is set apart, are the host's words.
func confirmModule(act capability.Act, what, module string) []abi.Block {
	digest, _, _ := strings.Cut(act.ID, "/")
	fields := []abi.Field{{Name: "SHA-256", Value: []abi.Span{code(digest)}}}
	if act.By != "" {
		fields = append(fields, abi.Field{Name: "Made, it says, by", Value: []abi.Span{code(act.By)}})
	}
	blocks := []abi.Block{
		heading(plain("❗ "+actVerb(act)+" the module "), code(act.Name), plain("?")),
		{Kind: abi.BlockFields, Fields: append(fields, abi.Field{Name: "Asked for by module", Value: []abi.Span{code(module)}})},
	}
	if act.Details != "" {
		blocks = append(blocks, paragraph(plain(act.Details)))
	}
	return append(blocks, paragraph(plain(what)), countdown())
}

func countdown() abi.Block {
	return paragraph(abi.Span{Text: fmt.Sprintf("You have %d seconds. Nothing happens without your tap.", int(session.ConfirmLifetime.Seconds())), Style: abi.StyleItalic})
}

// backupBlocks shows the backup codes.
func backupBlocks(codes []string) []abi.Block {
	text := ""
	for i, c := range codes {
		if i > 0 {
			text += "\n"
		}
		text += c
	}
	return []abi.Block{
		heading(plain("🗝 Your backup codes")),
		paragraph(plain("Each opens one session if you lose your authenticator. Send it as you would send a code. Write them down: they are shown "), bold("once"), plain(", and this message is deleted in 60 seconds.")),
		{Kind: abi.BlockCode, Code: text},
	}
}

func backupUsedText(left int) string {
	if left == 0 {
		return "🗝 That was your last backup code. /qrcode, while this session lasts, sets up a new authenticator and new codes."
	}
	return fmt.Sprintf("🗝 That backup code is used up; %d left. Did you lose your authenticator? /qrcode, while this session lasts, sets up a new one.", left)
}

// codeRefusedText says why a code was not accepted, and what is left.
func codeRefusedText(r totp.Result, now time.Time, zone *time.Location) string {
	if !r.BlockedUntil.IsZero() && r.Verdict != totp.Blocked {
		return "⛔ That code is wrong, and it was one too many. " + untilText(r.BlockedUntil, now, zone)
	}
	switch r.Verdict {
	case totp.Blocked:
		return blockedText(r.BlockedUntil, now, zone)
	case totp.Missing:
		return "🔐 You have no second factor yet. /qrcode, in our private chat, sets one up."
	case totp.Replayed:
		return "♻️ That code was used already. Wait for the next one, up to 30 seconds. " + leftText(r.Left)
	}
	return "❌ That code is wrong. Is the clock of your phone right? " + leftText(r.Left)
}

func blockedText(until, now time.Time, zone *time.Location) string {
	return "⛔ Codes are blocked after too many wrong ones. " + untilText(until, now, zone)
}

func untilText(until, now time.Time, zone *time.Location) string {
	minutes := int((until.Sub(now) + time.Minute - 1) / time.Minute)
	unit := " minutes"
	if minutes == 1 {
		unit = " minute"
	}
	return "I look at none until " + until.In(zone).Format("15:04:05 MST") + ", for another " + strconv.Itoa(minutes) + unit + "."
}

func notEnrolledText(act capability.Act, private bool) string {
	text := "🔐 " + string(act.Capability) + " needs a second factor, and you have none yet. Send /qrcode"
	if !private {
		text += " in our private chat"
	}
	return text + " to set one up, then give the command again."
}

func enrolledText(user int64) string {
	return fmt.Sprintf("🔐 You have a second factor already, so its picture is not shown again. For a new one, send a code first: /qrcode works while your session lasts. "+
		"Without a code, somebody at the host runs: cofferdam totp reset %d", user)
}

func unreadableText(user int64) string {
	return fmt.Sprintf("🔐 Your second factor cannot be read: access_control.auth_salt was changed. Somebody at the host can put the old salt back, or run: cofferdam totp reset %d", user)
}

// What admins are told. Ids are masked (A3).

func strangerText(id int64, private, blocked bool) string {
	where := "in a group"
	if private {
		where = "in a private chat"
	}
	text := "🚪 Somebody who is on no list wrote to me " + where + ": user " + scrub.ID(id) + ". Nothing was done."
	if blocked {
		text += fmt.Sprintf(" It was the third time, so I do not answer that id for %d minutes.", int(access.BlockFor.Minutes()))
	}
	return text
}

func factorBlockedText(id int64) string {
	return fmt.Sprintf("⛔ Too many wrong codes of admin %s: codes are blocked for %d minutes. If that was not the admin, somebody else may have that Telegram account.",
		scrub.ID(id), int(totp.BlockFor.Minutes()))
}
