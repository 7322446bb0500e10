package releases

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/Masterminds/semver/v3"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

var noon = time.Date(2026, time.January, 1, 12, 0, 0, 0, time.UTC)

const good = `{"tag_name":"v1.3.0","html_url":"https://example.org/releases/v1.3.0","published_at":"2025-12-24T18:00:00Z",
	"body":"## New\r\n* more","draft":false,"assets":[{"name":"x"}],"author":{"login":"y"}}`

// feed serves over TLS on this machine, and is trusted by the client.
func feed(t *testing.T, serve http.HandlerFunc) *Feed {
	t.Helper()
	server := httptest.NewTLSServer(serve)
	t.Cleanup(server.Close)
	return New(Options{URL: server.URL + "/latest", Current: "v1.2.3", Client: server.Client(), Now: func() time.Time { return noon }})
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
}

func TestANewerRelease(t *testing.T) {
	f := feed(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/latest" || r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" {
			t.Errorf("asked %s %s with %v", r.Method, r.URL, r.Header)
		}
		w.Header().Set("Set-Cookie", "a=b")
		says(good)(w, r)
	})
	want := abi.BotRelease{
		Configured: true, Current: "v1.2.3", Latest: "v1.3.0", Newer: true, URL: "https://example.org/releases/v1.3.0",
		Notes: "## New\n* more", Published: time.Date(2025, time.December, 24, 18, 0, 0, 0, time.UTC).UnixMilli(), Checked: noon.UnixMilli(),
	}
	if got, err := f.Latest(t.Context()); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestWithoutAFeedNothingIsAsked(t *testing.T) {
	got, err := New(Options{Current: "devel", Now: time.Now}).Latest(t.Context())
	if want := (abi.BotRelease{Current: "devel"}); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestHostileFeeds(t *testing.T) {
	elsewhere := httptest.NewTLSServer(says(good))
	defer elsewhere.Close()
	to := func(where func(*http.Request) string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, where(r), http.StatusFound) }
	}
	for _, test := range []struct {
		name, says string
		serve      http.HandlerFunc
	}{
		{"no JSON", "its answer is no release", says("<html>")},
		{"nothing", "its answer is no release", says("")},
		{"null", "its answer is no release", says("null")},
		{"a list", "its answer is no release", says("[" + good + "]")},
		{"two answers", "its answer is no release", says(good + good)},
		{"a number for a tag", "its answer is no release", says(`{"tag_name":1}`)},
		{"a list for notes", "its answer is no release", says(`{"tag_name":"v1.3.0","body":["x"]}`)},
		{"a draft", "its answer is no release", says(`{"tag_name":"v1.3.0","draft":true}`)},
		{"no version", "its answer is no release", says(`{"tag_name":"latest"}`)},
		{"a version with more", "its answer is no release", says(`{"tag_name":"v1.3.0\n<b>"}`)},
		{"a long version", "its answer is no release", says(`{"tag_name":"1.3.0-` + strings.Repeat("a", maxTag) + `"}`)},
		{"too many digits", "its answer is no release", says(`{"tag_name":"v1.` + strings.Repeat("9", 40) + `.0"}`)},
		{"deep", "its answer is no release", says(`{"tag_name":"v1.3.0","x":` + strings.Repeat("[", 500_000) + strings.Repeat("]", 500_000) + "}")},
		{"huge", "its answer is too long", says(good + strings.Repeat(" ", maxAnswer))},
		{"packed", "its answer is no release", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write([]byte("\x1f\x8b"))
		}},
		{"cut off", "it does not answer", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("{"))
		}},
		{"a huge header", "it does not answer", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 20<<20))
		}},
		{"not found", "it answers with status 404", http.NotFound},
		{"another host", "it sends the bot to another host", to(func(*http.Request) string { return elsewhere.URL })},
		{"this machine by name", "it sends the bot to another host", to(func(r *http.Request) string {
			return "https://localhost" + r.Host[strings.LastIndex(r.Host, ":"):] + "/latest"
		})},
		{"without TLS", "it sends the bot to another host", to(func(r *http.Request) string { return "http://" + r.Host + "/latest" })},
		{"with a password", "it sends the bot to another host", to(func(r *http.Request) string { return "https://a:b@" + r.Host + "/latest" })},
		{"round and round", "it sends the bot to another host", to(func(*http.Request) string { return "/latest" })},
		{"a file", "it sends the bot to another host", to(func(*http.Request) string { return "file:///etc/passwd" })},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := feed(t, test.serve)
			if test.name == "packed" {
				f.client.Transport.(*http.Transport).DisableCompression = true // as the bot's own
			}
			got, err := f.Latest(t.Context())
			told, ok := errors.AsType[*abi.Error](err)
			if !ok || told.Code != abi.Unavailable || told.Message != "The release feed is of no use now: "+test.says+"." || got != (abi.BotRelease{}) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestARedirectOnTheSameHostIsFollowed(t *testing.T) {
	f := feed(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/latest" {
			http.Redirect(w, r, "/moved", http.StatusMovedPermanently)
			return
		}
		says(good)(w, r)
	})
	if got, err := f.Latest(t.Context()); err != nil || got.Latest != "v1.3.0" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestACertificateThatNobodyTrusts(t *testing.T) {
	server := httptest.NewUnstartedServer(says(good))
	server.Config.ErrorLog = nil
	server.StartTLS()
	defer server.Close()
	f := New(Options{URL: server.URL, Current: "v1.2.3", Now: time.Now}) // the bot's own client
	defer f.Close()
	if got, err := f.Latest(t.Context()); err == nil || got.Latest != "" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestAnswersAreKeptForAWhile(t *testing.T) {
	var asked atomic.Int64
	var fails atomic.Bool
	now := noon
	f := feed(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if fails.Load() {
			http.NotFound(w, r)
			return
		}
		says(good)(w, r)
	})
	f.Now = func() time.Time { return now }
	for _, step := range []struct {
		pass  time.Duration
		fails bool
		asked int64
		err   bool
	}{
		{0, false, 1, false},
		{59 * time.Minute, true, 1, false},
		{2 * time.Minute, true, 2, true},
		{4 * time.Minute, false, 2, true},
		{2 * time.Minute, false, 3, false},
		{-24 * time.Hour, false, 4, false}, // a clock that was put back keeps nothing for ever
	} {
		now = now.Add(step.pass)
		fails.Store(step.fails)
		if _, err := f.Latest(t.Context()); asked.Load() != step.asked || (err != nil) != step.err {
			t.Errorf("after %v: asked %d times, %v; want %+v", step.pass, asked.Load(), err, step)
		}
	}
}

// stalled is a feed that takes requests and answers none.
type stalled struct{ asked atomic.Int64 }

func (s *stalled) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked.Add(1)
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestAFeedThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stalled{}
		f := New(Options{URL: "https://example.org", Current: "v1.2.3", Client: &http.Client{Transport: s}, Now: time.Now})
		began := time.Now()
		// Who leaves says nothing about the feed.
		leaving, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		if _, err := f.Latest(leaving); err == nil || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		began = time.Now()
		_, err := f.Latest(t.Context())
		if told, _ := errors.AsType[*abi.Error](err); told == nil || !strings.Contains(told.Message, "it does not answer") || time.Since(began) != timeout {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if _, err := f.Latest(t.Context()); err == nil || s.asked.Load() != 2 || time.Since(began) != timeout {
			t.Errorf("%v, asked %d times", err, s.asked.Load())
		}
	})
}

func TestManyAskOnce(t *testing.T) {
	var asked atomic.Int64
	f := feed(t, func(w http.ResponseWriter, r *http.Request) { asked.Add(1); says(good)(w, r) })
	done := make(chan error)
	for range 20 {
		go func() { _, err := f.Latest(context.Background()); done <- err }()
	}
	for range 20 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
}

func TestNewer(t *testing.T) {
	for _, test := range []struct {
		current, latest string
		want            bool
	}{
		{"v1.2.3", "v1.2.4", true}, {"1.2.3", "v1.10.0", true}, {"v1.2.3", "2.0.0", true}, {"v1.2", "v1.2.1", true},
		{"v1.2.3", "v1.2.3", false}, {"v1.2.3", "v1.2.2", false}, {"v1.10.0", "v1.9.9", false}, {"v1.2.3", "v1.2.3+build7", false},
		{"v1.2.3", "v1.3.0-rc.1", false}, {"v1.3.0-rc.1", "v1.3.0-rc.2", true}, {"v1.3.0-rc.2", "v1.3.0", true}, {"v1.3.0", "v1.3.0-rc.2", false},
		{"devel", "v9.0.0", false}, {"devel-0123456789ab+changes", "v9.0.0", false}, {"unknown", "v9.0.0", false}, {"", "v9.0.0", false},
	} {
		if got := newer(test.current, semver.MustParse(test.latest)); got != test.want {
			t.Errorf("%s runs, %s is there: newer %v", test.current, test.latest, got)
		}
	}
}

func TestWhatMakesNoSenseIsLeftOut(t *testing.T) {
	for _, test := range []struct{ name, value, want string }{
		{"html_url", "javascript:alert(1)", ""}, {"html_url", "http://example.org", ""}, {"html_url", "https://u:p@example.org/", ""},
		{"html_url", "https://", ""}, {"html_url", "https://example.org/\\u202e", ""}, {"html_url", "https://example.org/a b", ""},
		{"html_url", "https://example.org/" + strings.Repeat("a", maxURL), ""}, {"html_url", "//example.org", ""}, {"html_url", "https://example.org/x", "https://example.org/x"},
		{"body", "a\\u0000b\\u001b[31m\\u202e", "a\ufffdb\ufffd[31m\ufffd"}, {"body", "  \\r\\n a\\r\\nb ", "a\nb"},
		{"body", strings.Repeat("ä", maxNotes+1), strings.Repeat("ä", maxNotes-1) + "…"},
		{"published_at", "yesterday", "0001"}, {"published_at", "1066-10-14T09:00:00Z", "0001"}, {"published_at", "2025-12-24T18:00:00+01:00", "2025"},
	} {
		got, err := parse(fmt.Appendf(nil, `{"tag_name":"1.0.0",%q:"%s"}`, test.name, test.value))
		text := map[string]string{"html_url": got.url, "body": got.notes, "published_at": got.published.Format("2006")}[test.name]
		if err != nil || text != test.want {
			t.Errorf("%s %.40q: %.60q, %v", test.name, test.value, text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(`{"tag_name":"v1.3.0-rc.1+x","html_url":"javascript:x","body":"\u202e","published_at":"0000-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"TAG_NAME":"1"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := parse(body)
		if err != nil {
			return
		}
		if v := got.version.Original(); len(v) > maxTag || foreign.Line(v, maxTag) != v {
			t.Errorf("version %q", v)
		}
		if got.url != "" && !strings.HasPrefix(strings.ToLower(got.url), "https://") || len(got.url) > maxURL {
			t.Errorf("url %q", got.url)
		}
		if utf8.RuneCountInString(got.notes) > maxNotes || foreign.Text(got.notes) != got.notes {
			t.Errorf("notes %q", got.notes)
		}
	})
}
