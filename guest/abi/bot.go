package abi

// BotQuery asks about the bot itself.
type BotQuery struct{}

// BotInfo is the bot as the asking user sees it: only commands that this user
// may run.
type BotInfo struct {
	Version string      `json:"version"`
	Started int64       `json:"started"` // milliseconds since 1970 UTC
	Modules []BotModule `json:"modules"`
	// Commands is in the order in which people read them.
	Commands []BotCommand `json:"commands"`
}

// BotModule is a loaded module.
type BotModule struct {
	Name        string `json:"name"`
	Version     string `json:"version"`
	Description string `json:"description"`
	Author      string `json:"author"`
	Digest      string `json:"digest"` // SHA-256, hexadecimal
}

// BotCommand is a command that the user may run.
type BotCommand struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Module      string `json:"module"`
}
