package telegram

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// pollSlack is how much longer than the long poll an answer may take.
const pollSlack = 15 * time.Second

// GetUpdates asks for the updates from offset on and thereby confirms all
// earlier ones for good; offset 0 confirms nothing. It waits up to wait, in full
// seconds, for the first one.
//
// The elements are as they came. They are valid JSON, except when the whole
// answer was not: then they are cut out by their beginnings, so that one broken
// update cannot hold up the others. updateID reads either.
//
// The library is not used here: it decodes a whole answer or nothing of it.
func (c *Client) GetUpdates(ctx context.Context, offset int64, wait time.Duration) ([]json.RawMessage, error) {
	const method = "getUpdates"
	body, err := json.Marshal(struct {
		Offset         int64    `json:"offset,omitempty"`
		Timeout        int      `json:"timeout"`
		AllowedUpdates []string `json:"allowed_updates"`
	}{offset, int(wait / time.Second), allowedUpdates})
	if err != nil {
		return nil, &Error{Method: method, Kind: ErrBadRequest}
	}
	req, err := http.NewRequest(http.MethodPost, c.base+method, nil)
	if err != nil {
		return nil, &Error{Method: method, Kind: ErrBadRequest}
	}
	req.Header.Set("Content-Type", "application/json")
	elements, err := c.updates(ctx, req, body, wait+pollSlack)
	c.wire.report(method, err)
	return elements, err
}

func (c *Client) updates(ctx context.Context, req *http.Request, body []byte, timeout time.Duration) ([]json.RawMessage, error) {
	const method = "getUpdates"
	a, err := c.wire.exchange(ctx, method, req, body, c.updateLimit, timeout)
	if err != nil {
		return nil, err
	}
	var strict struct {
		OK     bool              `json:"ok"`
		Result []json.RawMessage `json:"result"`
	}
	if !a.cut && json.Unmarshal(a.body, &strict) == nil && strict.OK && strict.Result != nil {
		return strict.Result, nil
	}
	if elements := salvage(a); len(elements) > 0 {
		return elements, nil
	}
	if err := c.wire.verdict(method, a); err != nil {
		return nil, err
	}
	return nil, foreign(method, a)
}

// salvage takes the updates out of an answer that is not JSON as a whole, or
// longer than allowed. An update whose end is missing is left for the next
// answer; only if it is the first, and the answer was cut because it is so big,
// is it returned as it is, so that it can be recognised and passed over.
func salvage(a *answer) []json.RawMessage {
	ok, _ := field(a.body, "ok")
	result, _ := field(a.body, "result")
	if string(ok) != "true" || !bytes.HasPrefix(result, []byte("[")) {
		return nil
	}
	found, rest := elements(a.body)
	if len(found) == 0 && a.cut && len(rest) > 0 {
		return []json.RawMessage{rest}
	}
	return found
}
