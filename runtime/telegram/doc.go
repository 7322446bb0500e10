// Package telegram talks to the Bot API: [Client] makes calls and classifies
// what went wrong, [Poller] brings updates in without losing one, [Sender] takes
// messages out in order and at the pace that Telegram allows, and [Decode] turns
// an update's bytes into the words of package chat.
//
// Requests are those of github.com/go-telegram/bot. Its polling, its handlers
// and its webhook are not used: they lose updates over a crash, repeat a refused
// token for ever and confirm what nobody has handled yet.
//
// Everything that comes over the wire is hostile until it was checked, and no
// error of this package holds the bot's token.
package telegram
