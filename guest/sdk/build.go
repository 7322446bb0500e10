package sdk

import "github.com/cofferdam-bot/cofferdam/guest/abi"

// What is called at many places is not inlined, and copies what it is given, so
// that callers need not put it on the heap. Both make a module smaller: one with
// many views by 3 %.

// Plain is unstyled text. Text from elsewhere needs no escaping: styles are
// data, not markup.
func Plain(text string) Span { return Span{Text: text} }

// Bold is bold text.
func Bold(text string) Span { return Span{Text: text, Style: abi.StyleBold} }

// Italic is slanted text.
func Italic(text string) Span { return Span{Text: text, Style: abi.StyleItalic} }

// Code is monospaced text: names of containers, images, processes.
func Code(text string) Span { return Span{Text: text, Style: abi.StyleCode} }

// Time is a moment, written by the host as date and time in its own zone.
// Unit: milliseconds since 1970 UTC.
func Time(ms int64) Span { return Span{Time: ms, Style: abi.StyleTime} }

// Ago is a moment, written by the host as "3 minutes ago". Unit: milliseconds
// since 1970 UTC.
func Ago(ms int64) Span { return Span{Time: ms, Style: abi.StyleAgo} }

// AsOf is the line that says when a view was made: when the host began to
// handle the request.
func AsOf(req Request) Block { return Text(Italic("As of "), Time(req.Time)) }

// Heading is a bold line.
//
//go:noinline
func Heading(text string) Block {
	return Block{Kind: abi.BlockHeading, Spans: []Span{Plain(text)}}
}

// HeadingOf is a bold line made of spans: for a name in code style.
//
//go:noinline
func HeadingOf(spans ...Span) Block {
	return Block{Kind: abi.BlockHeading, Spans: append([]Span(nil), spans...)}
}

// Text is a paragraph.
//
//go:noinline
func Text(spans ...Span) Block {
	return Block{Kind: abi.BlockText, Spans: append([]Span(nil), spans...)}
}

// Quote is a set-off paragraph.
//
//go:noinline
func Quote(spans ...Span) Block {
	return Block{Kind: abi.BlockQuote, Spans: append([]Span(nil), spans...)}
}

// Fields is a list of names with values, one a line.
//
//go:noinline
func Fields(fields ...Field) Block {
	return Block{Kind: abi.BlockFields, Fields: append([]Field(nil), fields...)}
}

// Is is one line of [Fields].
//
//go:noinline
func Is(name string, value ...Span) Field {
	return Field{Name: name, Value: append([]Span(nil), value...)}
}

// TableOf is a table in monospaced columns; right lists the columns, from 0,
// that are set flush right.
func TableOf(header []string, rows [][]string, right ...int) Block {
	return Block{Kind: abi.BlockTable, Table: &Table{Header: header, Rows: rows, Right: append([]int(nil), right...)}}
}

// Bars is a list of labelled shares.
//
//go:noinline
func Bars(bars ...Bar) Block { return Block{Kind: abi.BlockBars, Bars: append([]Bar(nil), bars...)} }

// Listing is monospaced text over several lines; language may be "".
func Listing(text, language string) Block {
	return Block{Kind: abi.BlockCode, Code: text, Language: language}
}

// Document is a file.
func Document(name string, data []byte) Block {
	return Block{Kind: abi.BlockFile, File: &File{Name: name, Data: data}}
}

// Do is a button that runs an action of this module. args are names and
// values in turn; they come back in [Request.Args].
func Do(label, action string, args ...string) Button {
	b := Button{Label: label, Action: action}
	for i := 0; i+1 < len(args); i += 2 {
		if b.Args == nil {
			b.Args = make(map[string]string, len(args)/2)
		}
		b.Args[args[i]] = args[i+1]
	}
	return b
}

// Run is a button that runs a command, as if the user had typed it.
func Run(label, command string) Button { return Button{Label: label, Command: command} }

// RunWith is a button that runs a command with text behind it, as if the user
// had typed both: at most 128 bytes in one line.
func RunWith(label, command, text string) Button {
	return Button{Label: label, Command: command, Text: text}
}

// Picture is a chart, drawn by the host.
func Picture(c Chart) Block { return Block{Kind: abi.BlockChart, Chart: &c} }

// Back turns a button into one that leads to where the user came from; without
// that it does what it did.
func Back(b Button) Button {
	b.Back = true
	return b
}

// Row is one row of buttons.
//
//go:noinline
func Row(buttons ...Button) []Button { return append([]Button(nil), buttons...) }
