package emulator

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Authenticator stands in for the authenticator app on a persona's phone. It gives the code that the app shows now and
// how long that is still shown, or false while nothing is enrolled. It is called for every look of every page, from
// several goroutines at once, and without a lock of the Server.
type Authenticator func() (code string, left time.Duration, ok bool)

// pageCode is what a persona's authenticator shows; Code is empty while nothing is enrolled.
type pageCode struct {
	Code   string `json:"code"`
	LeftMS int64  `json:"left_ms"`
}

// code shows the page the code of a persona's authenticator. Unlike the other things that are read, a code grants
// something, so reading it too needs the value that only the page knows.
func (a *pageAPI) code(w http.ResponseWriter, r *http.Request) error {
	if err := fromPage(r, a.token); err != nil {
		return err
	}
	id, err := strconv.ParseInt(r.PathValue("persona"), 10, 64)
	i := slices.IndexFunc(a.personas, func(p Persona) bool { return p.User.ID == id })
	if err != nil || i < 0 {
		return refuse(http.StatusNotFound, "There is no such person.")
	}
	show := a.personas[i].Authenticator
	if show == nil {
		return refuse(http.StatusNotFound, "This person has no authenticator.")
	}
	var out pageCode
	if code, left, ok := show(); ok {
		out = pageCode{Code: code, LeftMS: max(0, left.Milliseconds())}
	}
	writeBody(w, http.StatusOK, "application/json", mustJSON(out))
	return nil
}
