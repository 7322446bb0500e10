package emulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Persona is a person that the chat page can act as.
type Persona struct {
	User  User
	Role  string // "admin", "user" or "stranger": for the page's looks, it grants nothing
	About string // what the person may do, in a few words
	Chats []int64
	// Authenticator, if there is one, lets the page show this person's one-time codes; nil shows none.
	Authenticator Authenticator
}

// maxPageBody bounds what the page may post: one message.
const maxPageBody = 64 << 10

// pageError is a refusal that the page shows.
type pageError struct {
	code int
	text string
}

func (e *pageError) Error() string { return e.text }

func refuse(code int, format string, args ...any) error {
	return &pageError{code: code, text: fmt.Sprintf(format, args...)}
}

// pageUser and the other page types are the JSON that the page and this package agreed on.
type pageUser struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
	Bot  bool   `json:"bot"`
}

type pageMessage struct {
	ID       int            `json:"id"`
	From     pageUser       `json:"from"`
	Date     int64          `json:"date"`
	EditDate int64          `json:"edit_date"`
	Text     string         `json:"text"`
	Entities []pageEntity   `json:"entities"`
	Inline   [][]pageButton `json:"inline"`
	Photo    *pagePhoto     `json:"photo"`
	Document *pageDocument  `json:"document"`
}

type pageEntity struct {
	Type     string `json:"type"`
	Offset   int    `json:"offset"`
	Length   int    `json:"length"`
	URL      string `json:"url"`
	Language string `json:"language"`
}

type pageButton struct {
	Text  string `json:"text"`
	Data  string `json:"data"`
	URL   string `json:"url"`
	Style string `json:"style"`
}

type pagePhoto struct {
	FileID string `json:"file_id"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

type pageDocument struct {
	FileID string `json:"file_id"`
	Name   string `json:"name"`
	Size   int    `json:"size"`
}

type pageChat struct {
	ID    int64  `json:"id"`
	Type  string `json:"type"`
	Title string `json:"title"`
}

type pagePersona struct {
	ID       int64      `json:"id"`
	Name     string     `json:"name"`
	Username string     `json:"username"`
	Role     string     `json:"role"`
	About    string     `json:"about"`
	Chats    []pageChat `json:"chats"`
	// Authenticator tells the page whether there is one to ask.
	Authenticator bool `json:"authenticator"`
}

func pageMessageOf(m *message) pageMessage {
	v := pageMessage{
		ID: m.id, Date: m.date, EditDate: m.editDate, Text: m.content.text,
		Entities: make([]pageEntity, 0, len(m.content.entities)), Inline: make([][]pageButton, 0, len(m.inline)),
	}
	switch {
	case m.from != nil:
		v.From = pageUser{ID: m.from.ID, Name: m.from.name(), Bot: m.from.IsBot}
	case m.senderChat != nil:
		v.From = pageUser{ID: m.senderChat.ID, Name: m.senderChat.Title}
	}
	for _, e := range m.content.entities {
		v.Entities = append(v.Entities, pageEntity{e.Type, e.Offset, e.Length, e.URL, e.Language})
	}
	for _, row := range m.inline {
		out := make([]pageButton, len(row))
		for i, b := range row {
			out[i] = pageButton{Text: b.Text, Data: b.Data, URL: b.URL, Style: b.Style}
		}
		v.Inline = append(v.Inline, out)
	}
	if f := m.photo; f != nil {
		v.Photo = &pagePhoto{FileID: f.id, Width: f.width, Height: f.height}
	}
	if f := m.document; f != nil {
		v.Document = &pageDocument{FileID: f.id, Name: f.name, Size: f.size}
	}
	return v
}

// pageAPI serves the page's JSON for its personas.
type pageAPI struct {
	s        *Server
	personas []Persona
	token    string
}

// routes of the API; the wrapped handlers return an error where there is something to refuse.
func (a *pageAPI) routes(mux *http.ServeMux) {
	mux.Handle("GET /api/world", pageHandler(a.world))
	mux.Handle("GET /api/chats/{chat}/events", pageHandler(a.events))
	mux.Handle("POST /api/chats/{chat}/messages", pageHandler(a.postMessage))
	mux.Handle("POST /api/chats/{chat}/taps", pageHandler(a.postTap))
	mux.Handle("GET /api/files/{file}", pageHandler(a.file))
	mux.Handle("GET /api/personas/{persona}/code", pageHandler(a.code))
}

type pageHandler func(http.ResponseWriter, *http.Request) error

func (h pageHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h(w, r); err != nil {
		writePageError(w, err)
	}
}

func writePageError(w http.ResponseWriter, err error) {
	refusal := &pageError{code: http.StatusInternalServerError, text: "Something went wrong."}
	errors.As(err, &refusal)
	writeBody(w, refusal.code, "application/json", mustJSON(map[string]string{"error": refusal.text}))
}

func (a *pageAPI) world(w http.ResponseWriter, _ *http.Request) error {
	bot := a.s.bot
	out := struct {
		Bot      map[string]any `json:"bot"`
		Personas []pagePersona  `json:"personas"`
	}{Bot: map[string]any{"id": bot.ID, "name": bot.name(), "username": bot.Username}, Personas: []pagePersona{}}
	a.s.mu.Lock()
	for _, p := range a.personas {
		out.Personas = append(out.Personas, a.persona(p))
	}
	a.s.mu.Unlock()
	writeBody(w, http.StatusOK, "application/json", mustJSON(out))
	return nil
}

func (a *pageAPI) persona(p Persona) pagePersona {
	v := pagePersona{
		ID: p.User.ID, Name: p.User.name(), Username: p.User.Username, Role: p.Role, About: p.About, Chats: []pageChat{},
		Authenticator: p.Authenticator != nil,
	}
	for _, id := range p.Chats {
		c := a.s.chats[id]
		title := c.title
		if c.kind == kindPrivate {
			title = a.s.bot.name()
		}
		v.Chats = append(v.Chats, pageChat{ID: c.id, Type: c.kind, Title: title})
	}
	return v
}

// client gives the app of a persona in the chat of the request's path. The page can act for nobody else, nowhere else.
func (a *pageAPI) client(r *http.Request, as int64) (*Client, error) {
	i := slices.IndexFunc(a.personas, func(p Persona) bool { return p.User.ID == as })
	if i < 0 {
		return nil, refuse(http.StatusForbidden, "There is no such person.")
	}
	id, err := strconv.ParseInt(r.PathValue("chat"), 10, 64)
	if err != nil || !slices.Contains(a.personas[i].Chats, id) {
		return nil, refuse(http.StatusNotFound, "This person has no such chat.")
	}
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	return &Client{s: a.s, chat: a.s.chats[id], userID: as}, nil
}

func readPage(w http.ResponseWriter, r *http.Request, into any) error {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPageBody))
	if err != nil {
		return refuse(http.StatusRequestEntityTooLarge, "The request is too large.")
	}
	if json.Unmarshal(raw, into) != nil {
		return refuse(http.StatusBadRequest, "The request is not the JSON that is expected.")
	}
	return nil
}

func (a *pageAPI) postMessage(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		As   int64  `json:"as"`
		Text string `json:"text"`
	}
	if err := readPage(w, r, &in); err != nil {
		return err
	}
	c, err := a.client(r, in.As)
	if err != nil {
		return err
	}
	text := strings.TrimSpace(in.Text)
	if text == "" {
		return refuse(http.StatusBadRequest, "The message is empty.")
	}
	if utf16Len(text) > maxText {
		return refuse(http.StatusBadRequest, "The message is longer than %d characters.", maxText)
	}
	writeBody(w, http.StatusOK, "application/json", mustJSON(map[string]int{"message_id": c.Type(text).ID}))
	return nil
}

func (a *pageAPI) postTap(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		As        int64  `json:"as"`
		MessageID int    `json:"message_id"`
		Data      string `json:"data"`
	}
	if err := readPage(w, r, &in); err != nil {
		return err
	}
	c, err := a.client(r, in.As)
	if err != nil {
		return err
	}
	id, ok := c.tapKnown(in.MessageID, in.Data)
	if !ok {
		return refuse(http.StatusNotFound, "That button is gone.")
	}
	writeBody(w, http.StatusOK, "application/json", mustJSON(map[string]string{"query_id": id}))
	return nil
}

// tapKnown taps the button with this data, if the message is there and has it: a page forges nothing.
func (c *Client) tapKnown(messageID int, data string) (queryID string, ok bool) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	m := c.chat.find(messageID)
	if m == nil || data == "" {
		return "", false
	}
	if _, ok := findButton(m.inline, func(b Button) bool { return b.Data == data }); !ok {
		return "", false
	}
	return c.s.tap(c.chat, c.s.mustUser(c.userID), m.id, data), true
}

// file serves what the bot or a person sent. Only real photos are shown by the browser; anything else is a download,
// so that no file of a message can act as a page of this origin.
func (a *pageAPI) file(w http.ResponseWriter, r *http.Request) error {
	a.s.mu.Lock()
	f := a.s.files.byID[r.PathValue("file")]
	a.s.mu.Unlock()
	if f == nil {
		return refuse(http.StatusNotFound, "There is no such file.")
	}
	if f.photo && (f.mime == "image/png" || f.mime == "image/jpeg") {
		writeBody(w, http.StatusOK, f.mime, f.data)
		return nil
	}
	how := mime.FormatMediaType("attachment", map[string]string{"filename": f.name})
	if how == "" {
		how = "attachment"
	}
	w.Header().Set("Content-Disposition", how)
	writeBody(w, http.StatusOK, "application/octet-stream", f.data)
	return nil
}
