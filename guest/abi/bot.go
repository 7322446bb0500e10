package abi

// BotQuery asks about the bot itself.
type BotQuery struct{}

// BotInfo is the bot as the asking user sees it: only commands that this user
// may run.
type BotInfo struct {
	Version string      `json:"version"`
	Commit  string      `json:"commit,omitempty"` // of the source; empty: unknown
	Started int64       `json:"started"`          // milliseconds since 1970 UTC
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
	// Capabilities are those that it is granted, each with its scope.
	Capabilities []string `json:"capabilities,omitempty"`
	// Words say them plainly, the most dangerous first; empty: nobody put them into
	// words.
	Words []string `json:"words,omitempty"`
	// Trust is one of the sources of trust, such as TrustSigned.
	Trust string `json:"trust,omitempty"`
	// Signer is the id of the key that signed the file, if one of the config did.
	Signer string `json:"signer,omitempty"`
	// OffUntil is when a module comes back that is switched off after repeated
	// faults, in milliseconds since 1970 UTC; 0: it runs.
	OffUntil int64 `json:"off_until,omitempty"`
	// Use is told to admins only.
	Use *ModuleUse `json:"use,omitempty"`
}

// ModuleUse is what a module's invocations took, all together since the bot was
// started.
type ModuleUse struct {
	Invocations int64 `json:"invocations"`
	// Traps, Limits and Timeouts are faults: it trapped, exited or broke a rule;
	// went over a limit; took too long, or waited too long for its turn.
	Traps     int64  `json:"traps,omitempty"`
	Limits    int64  `json:"limits,omitempty"`
	Timeouts  int64  `json:"timeouts,omitempty"`
	Fuel      uint64 `json:"fuel,omitempty"`       // units of metered work
	MostFuel  uint64 `json:"most_fuel,omitempty"`  // of one invocation
	Memory    uint64 `json:"memory,omitempty"`     // bytes, the most of one invocation
	HostCalls int64  `json:"host_calls,omitempty"` // what it asked of the host
	Bytes     int64  `json:"bytes,omitempty"`      // that it exchanged with the host
	TimeMS    int64  `json:"time_ms,omitempty"`
}

// BotCommand is a command that the user may run.
type BotCommand struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Module      string `json:"module"`
}

// States of a component.
const (
	HealthOK   = "ok"
	HealthWarn = "warn" // it works, and somebody should look
	HealthFail = "fail"
)

// BotHealth says how the bot itself does.
type BotHealth struct {
	Version string `json:"version"`
	Started int64  `json:"started"` // milliseconds since 1970 UTC
	// Memory is what the process holds, in bytes; Goroutines how many there are.
	Memory     uint64      `json:"memory"`
	Goroutines int         `json:"goroutines"`
	Components []Component `json:"components"`
}

// Component is a part of the bot, such as Telegram, Docker, the journal.
type Component struct {
	Name  string `json:"name"`
	State string `json:"state"` // HealthOK, HealthWarn or HealthFail
	// Detail is a plain sentence: what is the matter, or what it does.
	Detail string `json:"detail,omitempty"`
	// Advice says what to do, where the state is not HealthOK.
	Advice string `json:"advice,omitempty"`
	// Since is when the state began, in milliseconds since 1970 UTC; 0: unknown.
	Since int64 `json:"since,omitempty"`
	// Endpoint is the Docker endpoint that the component is; empty: it is none.
	Endpoint string `json:"endpoint,omitempty"`
}

// BotRelease is the newest release that the configured feed names.
type BotRelease struct {
	// Configured tells whether there is a feed at all.
	Configured bool   `json:"configured"`
	Current    string `json:"current"`
	Latest     string `json:"latest,omitempty"`
	Newer      bool   `json:"newer,omitempty"`
	URL        string `json:"url,omitempty"`
	Notes      string `json:"notes,omitempty"`
	Published  int64  `json:"published,omitempty"` // milliseconds since 1970 UTC
	Checked    int64  `json:"checked,omitempty"`   // milliseconds since 1970 UTC
}
