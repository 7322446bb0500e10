package docker

import (
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/events"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// How much of a container an event shows.
const (
	maxEventLabels = 32
	maxEventText   = 128 // runes of a label's name or value
	maxEventWord   = 32
)

// Bounds of one event in the stream. A container with a hundred labels has 20 KB.
func oneEvent() budget {
	return budget{bytes: 256 << 10, values: 4_000, objects: 16, elements: 16}
}

// eventsKey marks a request whose answer is a stream of events.
type eventsKey struct{}

// eventBody ends in errTooLarge when an event is larger than its budget. The
// stream itself has no end.
type eventBody struct {
	io.ReadCloser
	budget budget
	failed bool
}

func (b *eventBody) Read(p []byte) (int, error) {
	if b.failed {
		return 0, errTooLarge
	}
	n, err := b.ReadCloser.Read(p)
	for i, c := range p[:n] {
		if !b.budget.spend(p[i : i+1]) {
			b.failed = true
			return 0, errTooLarge
		}
		if c == '}' && !b.budget.quoted && len(b.budget.lists) == 0 {
			b.budget = oneEvent()
		}
	}
	return n, err
}

// engineAttributes are those that an engine puts among a container's labels.
var engineAttributes = []string{
	"name", "image", "exitCode", "execID", "execDuration", "signal", "oldName", "comment", "imageID", "imageRef",
	"arguments", "height", "width", "destination", "container",
}

// readEvent makes an event of what an engine says, and checks it: an engine is
// foreign, and a label stands among what the engine itself says. ok is false for
// what is no event of a container, or of no use.
func readEvent(m events.Message, now time.Time) (e abi.Event, name string, labels map[string]string, ok bool) {
	word := eventWord(string(m.Action))
	if m.Type != events.ContainerEventType || word == "" || !isID(m.Actor.ID) {
		return abi.Event{}, "", nil, false
	}
	attributes := m.Actor.Attributes
	if name = bareName(attributes["name"]); checkRef(name) != nil {
		name = ""
	}
	labels = maps.Clone(attributes)
	for _, own := range engineAttributes {
		delete(labels, own)
	}
	return abi.Event{
		Type: "container." + word, ID: m.Actor.ID, Name: displayName(name, m.Actor.ID), Image: foreign.Line(attributes["image"], maxText),
		Labels: shownLabels(labels), ExitCode: exitCode(word, attributes["exitCode"]), Time: eventTime(m, now).UnixMilli(),
	}, name, labels, true
}

// eventWord is what happened in one word, as modules subscribe to it; empty: not
// to be told. What runs inside of a container is left out: it is much, and the
// command stands in it.
func eventWord(action string) string {
	switch {
	case action == string(events.ActionHealthStatusHealthy):
		return "healthy"
	case action == string(events.ActionHealthStatusUnhealthy):
		return "unhealthy"
	case strings.HasPrefix(action, "exec_"), strings.HasPrefix(action, "health_status"), len(action) > maxEventWord,
		strings.Trim(action, "abcdefghijklmnopqrstuvwxyz_") != "":
		return ""
	}
	return action
}

// exitCode is that of a container that died; -1: there is none.
func exitCode(word, text string) int {
	n, err := strconv.ParseUint(text, 10, 31)
	if word != "die" || err != nil {
		return -1
	}
	return int(n)
}

// eventTime is when it happened, by the engine's clock if that can be.
func eventTime(m events.Message, now time.Time) time.Time {
	at := time.Unix(0, m.TimeNano)
	if m.TimeNano <= 0 {
		at = time.Unix(min(max(m.Time, 0), 1<<33), 0)
	}
	if at.Unix() <= 0 || at.After(now.Add(24*time.Hour)) {
		return now
	}
	return at
}

func shownLabels(all map[string]string) map[string]string {
	shown := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if len(shown) == maxEventLabels {
			break
		}
		value := maskValue(head(name), head(all[name]))
		shown[foreign.Line(name, maxEventText)] = foreign.Line(value, maxEventText)
	}
	return shown
}
