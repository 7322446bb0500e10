package emulator

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// apiError is a refusal as Telegram words it. The code is also the HTTP status.
type apiError struct {
	code        int
	description string
	retryAfter  int // seconds; 0 for none
}

func (e *apiError) Error() string { return strconv.Itoa(e.code) + " " + e.description }

var (
	errNotFound = &apiError{code: http.StatusNotFound, description: "Not Found"}
	errRestart  = &apiError{code: http.StatusInternalServerError, description: "Internal Server Error: restart"}
)

func badRequest(format string, args ...any) error {
	return &apiError{code: http.StatusBadRequest, description: "Bad Request: " + fmt.Sprintf(format, args...)}
}

func forbidden(reason string) error {
	return &apiError{code: http.StatusForbidden, description: "Forbidden: " + reason}
}

func conflict(reason string) error {
	return &apiError{code: http.StatusConflict, description: "Conflict: " + reason}
}

func tooManyRequests(seconds int) error {
	return &apiError{
		code:        http.StatusTooManyRequests,
		description: "Too Many Requests: retry after " + strconv.Itoa(seconds),
		retryAfter:  seconds,
	}
}

// rawResult is a result that is sent as it is, even if it is not JSON (injected updates).
type rawResult []byte

// noted is a result with a description beside it, as setWebhook gives.
type noted struct {
	result      any
	description string
}

// envelope is what every refusal travels in.
type envelope struct {
	OK          bool        `json:"ok"`
	ErrorCode   int         `json:"error_code"`
	Description string      `json:"description"`
	Parameters  *parameters `json:"parameters,omitempty"`
}

type parameters struct {
	RetryAfter int `json:"retry_after"`
}

// writeAnswer sends a result or a refusal and returns the HTTP status it used.
func writeAnswer(w http.ResponseWriter, result any, err error) int {
	if err != nil {
		return writeRefusal(w, err)
	}
	writeBody(w, http.StatusOK, "application/json", successBody(result))
	return http.StatusOK
}

func writeRefusal(w http.ResponseWriter, err error) int {
	var refusal *apiError
	if !errors.As(err, &refusal) {
		refusal = &apiError{code: http.StatusInternalServerError, description: "Internal Server Error: " + err.Error()}
	}
	body := envelope{ErrorCode: refusal.code, Description: refusal.description}
	if refusal.retryAfter > 0 {
		body.Parameters = &parameters{RetryAfter: refusal.retryAfter}
		w.Header().Set("Retry-After", strconv.Itoa(refusal.retryAfter))
	}
	writeBody(w, refusal.code, "application/json", mustJSON(body))
	return refusal.code
}

func successBody(result any) []byte {
	var b bytes.Buffer
	b.WriteString(`{"ok":true,"result":`)
	switch v := result.(type) {
	case rawResult:
		b.Write(v)
	case noted:
		b.Write(mustJSON(v.result))
		b.WriteString(`,"description":`)
		b.Write(mustJSON(v.description))
	default:
		b.Write(mustJSON(v))
	}
	b.WriteByte('}')
	return b.Bytes()
}

func writeBody(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the peer may be gone; there is nobody to tell
}

// mustJSON encodes one of this package's own types, which cannot fail.
func mustJSON(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("emulator: encode %T: %v", v, err))
	}
	return raw
}

// randomUint64 is drawn from crypto/rand: query and file ids must not be guessable.
func randomUint64() uint64 {
	var raw [8]byte
	_, _ = rand.Read(raw[:]) // never fails, by its documentation
	return binary.BigEndian.Uint64(raw[:])
}
