package abi

// Streams of a container's log. A container with a terminal has only stdout.
const (
	StreamOut = "stdout"
	StreamErr = "stderr"
)

// LogQuery asks for lines of a container's log. Of Before and After at most one
// is set; both are cursors of a [LogPage], opaque to a module.
type LogQuery struct {
	Host string `json:"host,omitempty"`
	ID   string `json:"id"` // as in ContainerRef
	// Count is the most lines that come back; 0: as many as the host permits.
	Count int `json:"count,omitempty"`
	// Before asks for the newest lines that are older than a cursor, After for
	// the oldest lines that are newer.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	// Since and Until bound the time, in milliseconds since 1970 UTC; 0: no bound.
	Since int64 `json:"since,omitempty"`
	Until int64 `json:"until,omitempty"`
	// Contains keeps only lines with this text in them, in upper or lower case.
	Contains string `json:"contains,omitempty"`
	// Stream keeps only lines of StreamOut or of StreamErr; empty: both.
	Stream string `json:"stream,omitempty"`
}

// LogPage is a part of a log, in the order of time. Control sequences are
// removed, and what is no UTF-8 is replaced.
type LogPage struct {
	Name  string    `json:"name"` // of the container
	Lines []LogLine `json:"lines"`
	// Older and Newer are cursors for the pages on either side. Older is empty
	// at the log's beginning; Newer is always there, since a log grows.
	Older string `json:"older,omitempty"`
	Newer string `json:"newer,omitempty"`
	// Partial tells that the host stopped reading at its own bounds, before it
	// had looked at everything that was asked for.
	Partial bool `json:"partial,omitempty"`
}

// LogLine is one line.
type LogLine struct {
	Time   int64  `json:"time"` // milliseconds since 1970 UTC; 0: the driver does not say
	Stream string `json:"stream,omitempty"`
	Text   string `json:"text"`
	// Cut tells that the line was longer.
	Cut bool `json:"cut,omitempty"`
}
