// Package emulator is a Telegram Bot API server for tests and demonstrations. It speaks real HTTP, answers with
// Telegram's own envelopes and descriptions, and is as strict as Telegram: texts, entities, keyboards, edits,
// deletions, callback answers and long polling follow the rules of https://core.telegram.org/bots/api.
//
// A test puts people into the world and lets them act:
//
//	srv := emulator.New(emulator.Options{})
//	api := httptest.NewServer(srv)
//	srv.AddUser(emulator.User{ID: 7, FirstName: "Ada"})
//	... start the bot with api.URL and srv.Token() ...
//	ada := srv.Client(7, 7) // her private chat with the bot
//	ada.Type("/start")
//	err := ada.Wait(ctx, func(m []emulator.Message) bool { return len(m) == 2 })
//	_, err = ada.Tap("Refresh")
//
// A bot that calls setWebhook gets its updates there instead: each is posted until it is accepted. Options.Webhooks and
// Route bring the requests to a test's own port, whatever the registered URL says.
//
// Faults (Fail), latency (SetLatency), flood limits (Options.Flood) and hostile updates (Inject) show how a bot
// behaves when Telegram does not. PageHandler serves the same world as a chat page for a browser.
//
// The emulator starts goroutines only while it delivers to a webhook, at most max_connections at a time, and Close ends
// them. What it keeps is bounded: 10,000 messages a chat, 256 MiB of files, 1,024 recorded calls a method, 10,000
// deliveries and callback queries. Updates wait until the bot has confirmed them, for 24 hours at most.
package emulator
