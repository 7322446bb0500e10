package registry

import (
	"context"
	"strings"
	"unicode"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
)

// ByText finds the command that a typed text means: `/name`, `/name@thisbot`,
// with or without text behind it; or the whole text is a menu's label, with or
// without its emoji, or an alias. found is false for what is no command;
// addressed says whether the text was meant for this bot at all.
func (r *Registry) ByText(ctx context.Context, text string) (route chat.Route, found, addressed bool) {
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, "/") {
		r.mu.RLock()
		name, known := r.words[fold(text)]
		r.mu.RUnlock()
		if !known {
			return chat.Route{}, false, false
		}
		route, found = r.ByCommand(name)
		return route, found, found
	}
	head, rest := cutSpace(text[1:])
	name, bot, mentioned := strings.Cut(head, "@")
	if mentioned && !r.isMe(ctx, bot) {
		return chat.Route{}, false, false
	}
	route, found = r.ByCommand(strings.ToLower(name))
	route.Text = rest
	// In a group, a command without @ may be meant for another bot.
	return route, found, found || mentioned
}

func (r *Registry) isMe(ctx context.Context, bot string) bool {
	me, err := r.Username(ctx)
	return err == nil && strings.EqualFold(me, bot)
}

// cutSpace cuts a text at its first blank.
func cutSpace(text string) (head, rest string) {
	at := strings.IndexFunc(text, unicode.IsSpace)
	if at < 0 {
		return text, ""
	}
	return text[:at], strings.TrimSpace(text[at:])
}

// ByCommand finds a command by its name.
func (r *Registry) ByCommand(name string) (chat.Route, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	c, found := r.commands[name]
	if !found {
		return chat.Route{}, false
	}
	return chat.Route{Module: c.module, Command: c.Name, Who: c.Who}, true
}

// wordsOf returns what runs a command when it is typed alone, folded.
func wordsOf(c abi.Command) []string {
	var words []string
	add := func(text string) {
		if word := fold(text); word != "" {
			words = append(words, word)
		}
	}
	for _, e := range c.Menus {
		add(e.Label)
	}
	for _, alias := range c.Aliases {
		add(alias)
	}
	return words
}

// emojiStyle follows a character that is shown as an emoji though it may be a
// letter or a digit, as in "ℹ️".
const emojiStyle = '\ufe0f'

// fold makes texts that people take for the same the same: without emoji at
// the ends, in lower case, with single blanks. Punctuation stays, so that a
// sentence of one word is not a command.
func fold(text string) string {
	runes := []rune(text)
	var kept []rune
	for i, r := range runes {
		if unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) {
			continue // nobody sees it: with it a word would look like another's
		}
		if i+1 == len(runes) || runes[i+1] != emojiStyle || unicode.IsLetter(r) && r != 'ℹ' {
			kept = append(kept, r)
		}
	}
	text = strings.TrimFunc(string(kept), func(r rune) bool {
		return unicode.IsSymbol(r) || unicode.IsSpace(r) || unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf)
	})
	return strings.ToLower(strings.Join(strings.Fields(text), " "))
}
