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
	// Capabilities are those that it is granted, each with its scope.
	Capabilities []string `json:"capabilities,omitempty"`
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
