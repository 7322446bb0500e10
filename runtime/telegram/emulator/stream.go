package emulator

import (
	"net/http"
	"strconv"
	"time"
)

// pageHistory is how many of the newest messages a snapshot shows.
const pageHistory = 500

// streamBuffer is how many events may wait for a slow page; streamBeat keeps a quiet connection alive and finds dead
// ones; streamWrite is how long a write may take.
const (
	streamBuffer = 256
	streamBeat   = 15 * time.Second
	streamWrite  = 10 * time.Second
)

// event is one message of a text/event-stream. Its data is not changed after it was made.
type event struct {
	name string
	data any
}

// stream is one page that watches a chat. Server.mu guards the sending side of events and its closing.
type stream struct {
	userID int64
	events chan event
}

// snapshot is the first event of every stream.
type snapshot struct {
	Messages []pageMessage `json:"messages"`
	Keyboard *keyboard     `json:"keyboard"`
	Commands []BotCommand  `json:"commands"`
}

// watch opens a stream whose first event is a snapshot; what happens after it follows, nothing is between.
func (s *Server) watch(c *chat, userID int64) *stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := snapshot{Messages: []pageMessage{}, Keyboard: c.keyboard, Commands: s.menu(userID, c)}
	for _, m := range c.messages[max(0, len(c.messages)-pageHistory):] {
		if !m.deleted {
			first.Messages = append(first.Messages, pageMessageOf(m))
		}
	}
	st := &stream{userID: userID, events: make(chan event, streamBuffer)}
	st.events <- event{name: "snapshot", data: first}
	c.streams[st] = true
	return st
}

func (s *Server) unwatch(c *chat, st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(c.streams, st)
}

// events streams a chat to a page until one of them goes, or the page does not keep up.
func (a *pageAPI) events(w http.ResponseWriter, r *http.Request) error {
	as, _ := strconv.ParseInt(r.URL.Query().Get("as"), 10, 64)
	c, err := a.client(r, as)
	if err != nil {
		return err
	}
	st := a.s.watch(c.chat, as)
	defer a.s.unwatch(c.chat, st)
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	beat := time.NewTicker(streamBeat)
	defer beat.Stop()
	for {
		var chunk []byte
		select {
		case e, open := <-st.events:
			if !open {
				return nil
			}
			chunk = e.encode()
		case <-beat.C:
			chunk = []byte(":\n\n")
		case <-r.Context().Done():
			return nil
		case <-a.s.closed:
			return nil
		}
		if !writeChunk(w, chunk) {
			return nil
		}
	}
}

// encode relies on JSON having no line breaks.
func (e event) encode() []byte {
	out := append([]byte("event: "+e.name+"\ndata: "), mustJSON(e.data)...)
	return append(out, "\n\n"...)
}

func writeChunk(w http.ResponseWriter, chunk []byte) bool {
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(streamWrite)) // a recorder in a test has none
	if _, err := w.Write(chunk); err != nil {
		return false
	}
	return rc.Flush() == nil
}
