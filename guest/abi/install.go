package abi

// Sources of trust in a module's file.
const (
	TrustBuiltIn  = "built_in" // it is part of the program
	TrustPinned   = "pinned"   // the config names its SHA-256
	TrustSigned   = "signed"   // by a key of the config
	TrustApproved = "approved" // by an admin, or at the host
)

// States of a file in the module folder that does not run.
const (
	FilePending = "pending" // it waits for an admin
	FileRefused = "refused" // something about it is wrong
)

// PendingQuery asks for the files in the module folder that do not run: for those
// of a name, in full, or for a page of all, in short.
type PendingQuery struct {
	Name string `json:"name,omitempty"`
	// Digest is what the SHA-256 of a file of that name begins with.
	Digest string `json:"digest,omitempty"`
	// Offset is how many to leave out, Count how many to return at most; 0: 20.
	Offset int `json:"offset,omitempty"`
	Count  int `json:"count,omitempty"`
}

// PendingList is those. Admins only are told.
type PendingList struct {
	// Modules of a page have no scopes, words, reasons, commands, and the like.
	Modules []PendingModule `json:"modules"`
	// Total counts all there are, and Refused those of them that are refused.
	Total   int `json:"total"`
	Refused int `json:"refused,omitempty"`
	// Approval tells whether files can be approved in chat at all
	// (modules.chat_approval).
	Approval bool `json:"approval"`
}

// PendingModule is a file in the module folder that does not run. All of its
// texts are its author's: foreign.
type PendingModule struct {
	File        string `json:"file"`
	Size        int64  `json:"size"` // bytes
	Digest      string `json:"digest,omitempty"`
	State       string `json:"state"` // FilePending or FileRefused
	Why         string `json:"why,omitempty"`
	Name        string `json:"name,omitempty"`
	Version     string `json:"version,omitempty"`
	Author      string `json:"author,omitempty"`
	Description string `json:"description,omitempty"`
	// Signer is the id of the key that signed it, as minisign writes it; empty:
	// it is not signed.
	Signer string `json:"signer,omitempty"`
	// Trusted tells that the key is one of the config's.
	Trusted bool `json:"trusted,omitempty"`
	// Before is the version that was approved last; empty: none was.
	Before string `json:"before,omitempty"`
	// Commands are those that it brings, without the slash.
	Commands []string `json:"commands,omitempty"`
	// Runs says in words what it does by itself: "every 5 minutes".
	Runs []string `json:"runs,omitempty"`
	// Asks is what it asks for, the most dangerous first.
	Asks []AskedCapability `json:"asks,omitempty"`
	// Gone is what the version before asked for and this one does not, in words.
	Gone []string `json:"gone,omitempty"`
}

// Dangers of a capability, for people.
const (
	DangerNone = 0 // reads what every user of the bot may read
	DangerSome = 1 // reaches out, keeps, or tells by itself
	DangerMuch = 2 // reads what may hold secrets
	DangerMost = 3 // changes something
)

// AskedCapability is a capability that a file asks for.
type AskedCapability struct {
	Name  string   `json:"name"`
	Scope []string `json:"scope,omitempty"`
	// Words say it plainly: "restart containers named web-*".
	Words  string `json:"words"`
	Reason string `json:"reason,omitempty"` // the author's
	Danger int    `json:"danger"`
	// New tells that the version before did not have it, or not so far.
	New bool `json:"new,omitempty"`
	// Narrowed is what the config leaves of Scope; empty: all of it.
	Narrowed []string `json:"narrowed,omitempty"`
}

// ModuleApproval approves exactly this file with exactly these grants.
type ModuleApproval struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
	// Grants are the capabilities with their scopes, each one inside what the
	// manifest asks; empty: all that it asks.
	Grants []GrantedCapability `json:"grants,omitempty"`
}

// GrantedCapability is a capability in the scope in which it is granted.
type GrantedCapability struct {
	Name  string   `json:"name"`
	Scope []string `json:"scope,omitempty"`
}

// ModuleRef names a module's file.
type ModuleRef struct {
	Name string `json:"name"`
	// Digest is that of the file; empty, where it is permitted: whichever runs.
	Digest string `json:"digest,omitempty"`
}

// ModuleDone says how an approval or a revocation ended.
type ModuleDone struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
	// Changed tells whether anything is different now.
	Changed bool `json:"changed"`
}
