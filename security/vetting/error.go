package vetting

import "fmt"

// Error is the verdict on a file that is refused.
type Error struct {
	// Section is where: the section's name such as "import" or "code", or
	// "header" outside of all sections.
	Section string
	// Offset is the byte of the file at which the offence begins.
	Offset int
	// Rule is a short fixed word for what was broken: "count", "leb128",
	// "order" and so on.
	Rule string
	// Detail says what was found, and what would be allowed. It may quote a
	// name from the file, with %q.
	Detail string
}

// Error returns one line.
func (e *Error) Error() string {
	return fmt.Sprintf("%s section, byte %d: %s: %s", e.Section, e.Offset, e.Rule, e.Detail)
}
