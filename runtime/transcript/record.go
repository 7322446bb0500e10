package transcript

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
)

// Recorder makes a transcript. Nothing gets into it that was not cleaned: secrets,
// addresses and ids are masked in every text, also in bytes that are written as
// base64 (D2, D6). It is safe for concurrent use.
type Recorder struct {
	clean cleaner
	mu    sync.Mutex
	t     Transcript
}

// NewRecorder returns a Recorder for a request, the JSON of an [abi.Request]. A nil
// scrubber knows shapes of secrets only.
func NewRecorder(s *scrub.Scrubber, module, digest string, seed [32]byte, request []byte) *Recorder {
	r := &Recorder{clean: cleaner{scrub: s}}
	var parsed abi.Request
	if json.Unmarshal(request, &parsed) == nil {
		r.clean.people = standIns(parsed)
	}
	r.t = Transcript{Version: Version, Module: module, Digest: digest, Seed: hex.EncodeToString(seed[:]), Calls: []Call{}}
	r.t.Request = r.clean.payload(request)
	return r
}

// Call adds a host call.
func (r *Recorder) Call(op string, request []byte, code abi.Code, answer []byte, took time.Duration) {
	call := Call{Op: op, Request: r.clean.payload(request), Code: code.String(), TookUS: took.Microseconds()}
	if len(answer) > 0 {
		call.Answer = r.clean.payload(answer)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.t.Calls = append(r.t.Calls, call)
}

// Log adds a line of the module's log.
func (r *Recorder) Log(level, line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.t.Log) < maxLines {
		r.t.Log = append(r.t.Log, Line{Level: level, Text: cut(r.clean.text(line))})
	}
}

// End returns the transcript. reply may be empty, fault is empty if the module
// ended by itself.
func (r *Recorder) End(code abi.Code, reply []byte, fault string, used Used) Transcript {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.t
	t.Code, t.Fault, t.Used = code.String(), cut(r.clean.text(fault)), &used
	if len(reply) > 0 {
		t.Reply = r.clean.payload(reply)
	}
	return t
}

func cut(text string) string { return foreign.Line(text, maxText/4) }

// standIns are what ids and names of people are replaced by. Telegram's ids have
// five digits and more: a smaller one is somebody's own invention, and would be
// found in the middle of other numbers.
func standIns(r abi.Request) map[string]string {
	people := map[string]string{}
	chat := "-1"
	if r.Chat.Private {
		chat = "1"
	}
	for id, other := range map[int64]string{r.Chat.ID: chat, r.Actor.ID: "1"} {
		if id > 9999 || id < -9999 {
			people[strconv.FormatInt(id, 10)] = other
		}
	}
	if len(r.Actor.Name) > 2 && r.Actor.Name != standInName {
		people[r.Actor.Name] = standInName
	}
	return people
}

const standInName = "User"

// cleaner masks what must not be kept.
type cleaner struct {
	scrub  *scrub.Scrubber
	people map[string]string
}

// payload cleans JSON; what is none becomes a JSON string.
func (c cleaner) payload(data []byte) json.RawMessage {
	value, err := decode(data)
	if err != nil {
		value = strings.ToValidUTF8(string(data), "\ufffd")
	}
	out, err := json.Marshal(c.value(value))
	if err != nil { // a number that no JSON has cannot have been decoded
		return json.RawMessage(`""`)
	}
	return out
}

func (c cleaner) value(v any) any {
	switch v := v.(type) {
	case string:
		return c.string(v)
	case json.Number:
		if other, ok := c.people[v.String()]; ok {
			return json.Number(other)
		}
	case []any:
		for i := range v {
			v[i] = c.value(v[i])
		}
	case map[string]any:
		return c.object(v)
	}
	return v
}

// secretName is a name of something that is not to be kept, whatever it looks
// like: the list of D6.
var secretName = regexp.MustCompile(`(?i)pass|pwd|secret|token|key|credential|dsn|auth|cookie|salt|jwt`)

// object cleans an object, and hides the value of a pair with a telling name, such
// as a header's line or a label: {"name": "authorization", "value": …}.
func (c cleaner) object(object map[string]any) map[string]any {
	name, named := object["name"].(string)
	value, valued := object["value"].(string)
	hidden := named && valued && value != "" && secretName.MatchString(name)
	out := make(map[string]any, len(object))
	for key, member := range object {
		out[c.text(key)] = c.value(member)
	}
	if hidden {
		out["value"] = scrub.Mask
	}
	return out
}

// string cleans a text, or the bytes that it writes.
func (c cleaner) string(s string) string {
	if len(s) >= 8 && len(s)%4 == 0 {
		if inner, err := base64.StdEncoding.Strict().DecodeString(s); err == nil {
			if cleaned := c.text(string(inner)); cleaned != string(inner) {
				return base64.StdEncoding.EncodeToString([]byte(cleaned))
			}
		}
	}
	return c.text(s)
}

func (c cleaner) text(s string) string {
	for id, other := range c.people {
		s = strings.ReplaceAll(s, id, other)
	}
	return c.scrub.String(s)
}
