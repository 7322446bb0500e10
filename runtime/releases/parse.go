package releases

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/Masterminds/semver/v3"

	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// Bounds of what is taken from an answer.
const (
	maxTag   = 64   // bytes
	maxURL   = 300  // bytes
	maxNotes = 1500 // runes: half a message
)

// latest is a release as a feed names it, checked and clean.
type latest struct {
	version   *semver.Version
	url       string    // empty: none that may be shown
	notes     string    // of several lines
	published time.Time // the zero time: unknown
}

// parse reads an answer with the shape of GitHub's releases/latest. Only the
// version has to be there; what else makes no sense is left out.
func parse(body []byte) (latest, error) {
	var in struct {
		TagName     string `json:"tag_name"`
		HTMLURL     string `json:"html_url"`
		PublishedAt string `json:"published_at"`
		Body        string `json:"body"`
		Draft       bool   `json:"draft"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return latest{}, fmt.Errorf("read a release: %w", err)
	}
	if in.Draft || len(in.TagName) > maxTag {
		return latest{}, fmt.Errorf("a draft, or a tag of %d bytes", len(in.TagName))
	}
	version, err := semver.NewVersion(in.TagName)
	if err != nil {
		return latest{}, fmt.Errorf("the tag %q: %w", foreign.Line(in.TagName, maxTag), err)
	}
	out := latest{version: version, url: page(in.HTMLURL), notes: notes(in.Body)}
	if at, err := time.Parse(time.RFC3339, in.PublishedAt); err == nil && at.Year() >= 1970 && at.Year() < 10_000 {
		out.published = at
	}
	return out, nil
}

// page returns an address that a person may open, or nothing.
func page(text string) string {
	u, err := url.Parse(text)
	plain := strings.IndexFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
	if err != nil || !plain || len(text) > maxURL || u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return ""
	}
	return text
}

// notes returns clean text of at most maxNotes runes.
func notes(text string) string {
	text = strings.TrimSpace(foreign.Text(strings.ReplaceAll(text, "\r\n", "\n")))
	if utf8.RuneCountInString(text) <= maxNotes {
		return text
	}
	return strings.TrimSpace(string([]rune(text)[:maxNotes-1])) + "…"
}

// newer tells whether a release is newer than what runs. A version that is no
// release's, as of a build from the source, is never behind; and who runs a
// release is offered no preliminary one.
func newer(current string, latest *semver.Version) bool {
	running, err := semver.NewVersion(current)
	if err != nil || latest.Prerelease() != "" && running.Prerelease() == "" {
		return false
	}
	return latest.GreaterThan(running)
}
