package emulator

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxBody is a little above the largest upload that Telegram takes (50 MB).
const maxBody = 52 << 20

// maxParts bounds the fields of a multipart form.
const maxParts = 256

// params are the decoded parameters of a call: from the query string and from the body, the body winning.
// Numbers, lists and objects stay JSON text, whatever the encoding was.
type params struct {
	values  map[string]string
	uploads map[string]upload
}

// upload is a file sent as a part of a form.
type upload struct {
	name string
	data []byte
}

// decodeParams reads the parameters of r in any of the encodings that Telegram takes. Body replaces r.Body, so that
// the caller can limit it.
func decodeParams(body io.Reader, r *http.Request) (*params, error) {
	p := &params{values: make(map[string]string)}
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return nil, &apiError{code: http.StatusMethodNotAllowed, description: "Method Not Allowed"}
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("can't parse the query string")
	}
	p.addForm(query)
	if err := p.readBody(body, r.Header.Get("Content-Type")); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, &apiError{code: http.StatusRequestEntityTooLarge, description: "Request Entity Too Large"}
		}
		var refusal *apiError
		if errors.As(err, &refusal) {
			return nil, refusal
		}
		return nil, badRequest("can't read the request body")
	}
	for name, value := range p.values {
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return nil, badRequest("strings must be encoded in UTF-8")
		}
	}
	return p, nil
}

// readBody decodes the body by its content type. An empty body is fine in every encoding: go-telegram/bot sends one,
// as multipart without a boundary line, for methods without parameters.
func (p *params) readBody(body io.Reader, contentType string) error {
	in := bufio.NewReader(body)
	if _, err := in.Peek(1); err != nil {
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
	kind, options, err := mime.ParseMediaType(contentType)
	if err != nil {
		return badRequest("can't parse the content type")
	}
	switch kind {
	case "application/json":
		return p.readJSON(in)
	case "application/x-www-form-urlencoded":
		return p.readForm(in)
	case "multipart/form-data":
		if err := p.readMultipart(multipart.NewReader(in, options["boundary"])); err != nil {
			return err
		}
		// The form ends before the body does. A call takes effect when its request is over, not before.
		_, err := io.Copy(io.Discard, in)
		return err
	}
	return badRequest("unsupported content type")
}

func (p *params) addForm(form url.Values) {
	for name, values := range form {
		if len(values) > 0 {
			p.values[name] = values[len(values)-1]
		}
	}
}

func (p *params) readForm(in io.Reader) error {
	raw, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	form, err := url.ParseQuery(string(raw))
	if err != nil {
		return badRequest("can't parse the form")
	}
	p.addForm(form)
	return nil
}

func (p *params) readJSON(in io.Reader) error {
	raw, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return badRequest("can't parse the request: a JSON object is expected")
	}
	for name, value := range fields {
		var text string
		switch {
		case string(value) == "null":
		case json.Unmarshal(value, &text) == nil:
			p.values[name] = text
		default:
			p.values[name] = string(value)
		}
	}
	return nil
}

func (p *params) readMultipart(form *multipart.Reader) error {
	p.uploads = make(map[string]upload)
	for parts := 0; ; parts++ {
		part, err := form.NextPart()
		if err == io.EOF { // bare only after the closing boundary; a form that breaks off has it wrapped
			return nil
		}
		if err != nil {
			return err
		}
		if parts == maxParts {
			return badRequest("too many form fields")
		}
		data, err := io.ReadAll(part)
		if err != nil {
			return err
		}
		if part.FileName() != "" {
			p.uploads[part.FormName()] = upload{name: part.FileName(), data: data}
			continue
		}
		p.values[part.FormName()] = string(data)
	}
}

// has reports whether a parameter was given and is not empty.
func (p *params) has(name string) bool { return p.values[name] != "" }

func (p *params) str(name string) string { return p.values[name] }

// int gives a number, or 0 for anything that is none, as Telegram's own server does.
func (p *params) int(name string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(p.values[name]), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// bool knows the three words that Telegram takes for yes.
func (p *params) bool(name string) bool {
	switch strings.ToLower(p.values[name]) {
	case "true", "yes", "1":
		return true
	}
	return false
}
