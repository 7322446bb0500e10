// Package texts is the catalogue of what the built-in modules say, in English:
// a file for each module, and this one for what several say. A module's code has
// no sentence of its own, so that another language is another catalogue. The
// host's own sentences are in runtime/pipeline, on the other side of the
// sandbox.
package texts

// Labels of buttons that many views have.
const (
	Refresh = "🔄 Refresh"
	Back    = "⬅️ Back"
	Chart   = "📈 Chart"
	Stop    = "⏹ Stop"
	AsFile  = "📄 As file"
)

// InGuest stands under figures that are a container's own.
const InGuest = "These are the figures of the container that I run in, not of the whole machine."
