package abi

// Reply is what a command answers: data, no markup. The host checks it,
// renders it, and turns its buttons into opaque tokens.
type Reply struct {
	Blocks []Block `json:"blocks,omitempty"`
	// Keyboard is the rows of buttons under the message.
	Keyboard [][]Button `json:"keyboard,omitempty"`
	// Menu names the section whose reply keyboard is to be shown below the
	// chat: "main", or a section that a manifest's commands put themselves in.
	Menu string `json:"menu,omitempty"`
	// Notice is a short text shown over the chat in answer to a tap.
	Notice string `json:"notice,omitempty"`
	// DeleteAfter is the number of seconds after which the host deletes the
	// message; 0 keeps it.
	DeleteAfter int `json:"delete_after,omitempty"`
	// Again lets the host run an action of this module after a while, in the
	// user's name, and edit the message with its reply: for what goes on.
	Again *Again `json:"again,omitempty"`
}

// Again is what the host runs next, as if the user had tapped a button. It ends
// when a reply has none, when the user taps a button of the message, after two
// minutes in all, and when the bot stops.
type Again struct {
	// After is in seconds, 1 to 60.
	After  int               `json:"after"`
	Action string            `json:"action"`
	Args   map[string]string `json:"args,omitempty"`
}

// Kinds of blocks.
const (
	BlockHeading = "heading" // Spans, in bold, one line
	BlockText    = "text"    // Spans
	BlockQuote   = "quote"   // Spans
	BlockFields  = "fields"  // Fields, one a line
	BlockTable   = "table"   // Table, monospaced
	BlockBars    = "bars"    // Bars, monospaced
	BlockCode    = "code"    // Code with Language
	BlockFile    = "file"    // File
	BlockChart   = "chart"   // Chart, drawn as a picture
)

// Block is one part of a reply. Kind says which of the other members counts.
type Block struct {
	Kind     string  `json:"kind"`
	Spans    []Span  `json:"spans,omitempty"`
	Fields   []Field `json:"fields,omitempty"`
	Table    *Table  `json:"table,omitempty"`
	Bars     []Bar   `json:"bars,omitempty"`
	Code     string  `json:"code,omitempty"`
	Language string  `json:"language,omitempty"`
	File     *File   `json:"file,omitempty"`
	Chart    *Chart  `json:"chart,omitempty"`
}

// Styles of a span. With StyleTime and StyleAgo the host writes Span.Time: as
// date and time in its own zone, or as "3 minutes ago".
const (
	StylePlain  = ""
	StyleBold   = "bold"
	StyleItalic = "italic"
	StyleCode   = "code"
	StyleTime   = "time"
	StyleAgo    = "ago"
)

// Span is a run of text in one style.
type Span struct {
	Text  string `json:"text,omitempty"`
	Style string `json:"style,omitempty"`
	// Time is in milliseconds since 1970 UTC.
	Time int64 `json:"time,omitempty"`
}

// Field is a name with its value.
type Field struct {
	Name  string `json:"name"`
	Value []Span `json:"value"`
}

// Table is drawn in columns of equal width. Rows may be shorter than Header.
type Table struct {
	Header []string   `json:"header,omitempty"`
	Rows   [][]string `json:"rows"`
	// Right lists the columns, from 0, that are set flush right: numbers.
	Right []int `json:"right,omitempty"`
}

// Bar is a labelled share, drawn as a bar.
type Bar struct {
	Label string `json:"label"`
	// Percent is 0 to 100.
	Percent float64 `json:"percent"`
	// Text stands behind the bar; empty: the percentage.
	Text string `json:"text,omitempty"`
}

// File is sent as a document.
type File struct {
	Name string `json:"name"`
	Data []byte `json:"data"` // base64 in JSON
}

// Styles of a button.
const (
	ButtonPlain   = ""
	ButtonDanger  = "danger"
	ButtonSuccess = "success"
	ButtonPrimary = "primary"
)

// Button runs either a command (of any module, as if it was typed) or an
// action of the same module.
type Button struct {
	Label   string `json:"label"`
	Command string `json:"command,omitempty"`
	// Text goes with Command: what would be typed behind it. What such a
	// command of another module does is confirmed by the user first, if it
	// changes anything.
	Text   string `json:"text,omitempty"`
	Action string `json:"action,omitempty"`
	// Args go with Action, and come back unchanged in [Request.Args].
	Args  map[string]string `json:"args,omitempty"`
	Style string            `json:"style,omitempty"`
	// Back leads to the view from which the user came to this module, as it was:
	// the same page of the same list. Where the user came from nowhere, the
	// button does what Command or Action say.
	Back bool `json:"back,omitempty"`
}
