package telegram

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPipelinedRequestsAreTakenInOrder(t *testing.T) {
	h := listenHook(t)
	var text strings.Builder
	for id := range 10 {
		text.WriteString(h.ask(update(id + 1)).String())
	}
	answers := h.send(telegramPeer, text.String())
	if got := statuses(answers); !slices.Equal(got, slices.Repeat([]int{http.StatusOK}, 10)) {
		t.Errorf("got %v", got)
	}
	if got := h.in.ids(); !slices.Equal(got, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}) {
		t.Errorf("delivered were %v", got)
	}
}

func (k *took) ids() (ids []int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, u := range k.updates {
		ids = append(ids, u.ID)
	}
	return ids
}

// TestAStrangersPipelineEndsAfterItsFirstRequest: whatever follows.
func TestAStrangersPipelineEndsAfterItsFirstRequest(t *testing.T) {
	h := listenHook(t)
	for _, first := range []ask{h.ask("").to("/"), h.ask("").by("GET"), h.ask(update(1))} {
		answers := h.send(strangerPeer, strings.Repeat(first.String()+h.ask(update(1)).String(), 10))
		if len(answers) != 1 || !answers[0].last {
			t.Errorf("got %v", answers)
		}
	}
	if got := h.reasons(); !slices.Equal(got, []string{"path", "method", "peer"}) {
		t.Errorf("reasons are %v", got)
	}
}

// TestAPipelineThroughAProxyIsJudgedOneByOne: each of its requests may be
// another client's.
func TestAPipelineThroughAProxyIsJudgedOneByOne(t *testing.T) {
	h := listenHook(t, withProxy)
	good, bad := h.ask(update(1)).with(forwarded+telegramPeer).String(), h.ask(update(2)).with(forwarded+far).String()
	got := statuses(h.send(proxyPeer, good+bad+good+bad+bad+good))
	if !slices.Equal(got, []int{200, 403, 200, 403, 403, 200}) {
		t.Errorf("got %v", got)
	}
	if got := h.in.ids(); !slices.Equal(got, []int64{1, 1, 1}) {
		t.Errorf("delivered were %v", got)
	}
}

// hiddenID is the update in a request that is hidden inside of another one.
const hiddenID = 666

// shape is a request of which two servers on the way may see different ends.
// It holds a whole request, which is right in all its parts, where one of them
// could take it for the next one.
type shape struct {
	name string
	make func(outer ask, hidden string) string
	want int // the answer to Telegram
}

var shapes = slices.Concat([]shape{
	{"Content-Length, and chunked", func(a ask, hidden string) string {
		body := "0\r\n\r\n" + hidden
		return a.with(lengthOf(body), "Transfer-Encoding: chunked").head() + body
	}, 400},
	{"chunked, and Content-Length", func(a ask, hidden string) string {
		body := chunk(a.body) + "0\r\n\r\n" + hidden
		return a.with("Transfer-Encoding: chunked", lengthOf(body)).head() + body
	}, 200},
	{"chunked, and a short Content-Length", func(a ask, hidden string) string {
		body := chunk(hidden)
		size := strings.Index(body, "\r\n") + 2
		return a.with("Transfer-Encoding: chunked", fmt.Sprint("Content-Length: ", size)).head() + body + "0\r\n\r\n"
	}, 400},
	{"chunked only, and more after it", func(a ask, hidden string) string {
		return a.with("Transfer-Encoding: chunked").head() + chunk(a.body) + "0\r\n\r\n" + hidden
	}, 200},
	{"a short Content-Length, and chunked in HTTP/1.0", func(a ask, hidden string) string {
		a.version = "HTTP/1.0"
		body := chunk(hidden)
		size := strings.Index(body, "\r\n") + 2
		return a.with("Connection: keep-alive", "Transfer-Encoding: chunked", fmt.Sprint("Content-Length: ", size)).head() + body + "0\r\n\r\n"
	}, 400},
	{"HTTP/1.0 that is kept alive", func(a ask, hidden string) string {
		a.version = "HTTP/1.0"
		return a.with("Connection: keep-alive", "Transfer-Encoding: chunked", lengthOf(a.body)).head() + a.body + hidden
	}, 200},
	{"two lengths", func(a ask, hidden string) string {
		return a.with(lengthOf(a.body), lengthOf(a.body+hidden)).head() + a.body + hidden
	}, 400},
	{"two lengths, the greater one first", func(a ask, hidden string) string {
		return a.with(lengthOf(a.body+hidden), lengthOf(a.body)).head() + a.body + hidden
	}, 400},
	{"two lengths in one header", func(a ask, hidden string) string {
		return a.with(lengthOf(a.body)+fmt.Sprint(", ", len(a.body+hidden))).head() + a.body + hidden
	}, 400},
	{"a list of the same length", func(a ask, hidden string) string {
		return a.with(lengthOf(a.body)+fmt.Sprint(", ", len(a.body))).head() + a.body + hidden
	}, 400},
	{"a length with a sign", func(a ask, hidden string) string {
		return a.with("Content-Length: +"+fmt.Sprint(len(a.body))).head() + a.body + hidden
	}, 400},
	{"a negative length", func(a ask, hidden string) string { return a.with("Content-Length: -1").head() + hidden }, 400},
	{"a length in hexadecimal", func(a ask, hidden string) string { return a.with("Content-Length: 0x0").head() + hidden }, 400},
	{"a length with an exponent", func(a ask, hidden string) string { return a.with("Content-Length: 0e3").head() + hidden }, 400},
	{"an empty length", func(a ask, hidden string) string { return a.with("Content-Length:").head() + hidden }, 400},
	{"a length too great for 64 bits", func(a ask, hidden string) string {
		return a.with("Content-Length: 18446744073709551616").head() + hidden
	}, 400},
	{"a folded length", func(a ask, hidden string) string {
		return a.with("Content-Length:\r\n "+fmt.Sprint(len(a.body+hidden))).head() + a.body + hidden
	}, 400},
	{"a length folded in two", func(a ask, hidden string) string {
		return a.with("Content-Length: 1\r\n 0").head() + a.body + hidden
	}, 400},
	{"a blank before the colon of the length", func(a ask, hidden string) string {
		return a.with("Content-Length : "+fmt.Sprint(len(a.body+hidden))).head() + a.body + hidden
	}, 400},
	{"the length of another header", func(a ask, hidden string) string {
		return a.with("Content_Length: 0", lengthOf(a.body+hidden)).head() + a.body + hidden
	}, 400},
	{"a line that ends without CR", func(a ask, hidden string) string {
		body := chunk(a.body) + "0\r\n\r\n" + hidden
		return a.with(lengthOf(body), "X: x\nTransfer-Encoding: chunked").head() + body
	}, 200},
	{"a line that ends without LF", func(a ask, hidden string) string {
		body := chunk(a.body) + "0\r\n\r\n" + hidden
		return a.with(lengthOf(body), "X: x\rTransfer-Encoding: chunked").head() + body
	}, 400},
	{"a NUL in a value", func(a ask, hidden string) string {
		return a.with("X: x\x00y", lengthOf(a.body)).head() + a.body + hidden
	}, 400},
	{"a NUL in a name", func(a ask, hidden string) string {
		return a.with("X\x00: x", lengthOf(a.body)).head() + a.body + hidden
	}, 400},
	{"a line without a colon", func(a ask, hidden string) string {
		return a.with("X", lengthOf(a.body)).head() + a.body + hidden
	}, 400},
	{"a line that begins with a blank", func(a ask, hidden string) string {
		a.headers = append([]string{" X: x"}, a.headers...)
		return a.with(lengthOf(a.body)).head() + a.body + hidden
	}, 400},
	{"two hosts", func(a ask, hidden string) string {
		return a.with("Host: example.org", lengthOf(a.body)).head() + a.body + hidden
	}, 400},
	{"a blank in the target", func(a ask, hidden string) string {
		return a.to(a.target+" x").with(lengthOf(a.body)).head() + a.body + hidden
	}, 400},
	{"chunks that end without CR", func(a ask, hidden string) string {
		return a.with("Transfer-Encoding: chunked").head() + strings.ReplaceAll(chunk(a.body), "\r", "") + "0\n\n" + hidden
	}, 408},
	{"a chunk longer than it says", func(a ask, hidden string) string {
		return a.with("Transfer-Encoding: chunked").head() + "1\r\n" + a.body + "\r\n0\r\n\r\n" + hidden
	}, 408},
	{"chunk sizes with a sign", func(a ask, hidden string) string {
		return a.with("Transfer-Encoding: chunked").head() + "+" + chunk(a.body) + "0\r\n\r\n" + hidden
	}, 408},
	{"chunk sizes in 0x", func(a ask, hidden string) string {
		return a.with("Transfer-Encoding: chunked").head() + "0x" + chunk(a.body) + "0\r\n\r\n" + hidden
	}, 408},
	{"chunk extensions", func(a ask, hidden string) string {
		return a.with("Transfer-Encoding: chunked").head() + strings.Replace(chunk(a.body), "\r\n", ";x=\"y\";z\r\n", 1) + "0;\r\n\r\n" + hidden
	}, 200},
	{"a chunk extension with an end of line", func(a ask, hidden string) string {
		return a.with("Transfer-Encoding: chunked").head() + strings.Replace(chunk(a.body), "\r\n", ";x=\n\r\n", 1) + "0\r\n\r\n" + hidden
	}, 408},
	{"20 KiB of chunk extensions", func(a ask, hidden string) string {
		return a.with("Transfer-Encoding: chunked").head() + strings.Repeat("1;"+strings.Repeat("x", 4000)+"\r\n \r\n", 5) + chunk(a.body) + "0\r\n\r\n" + hidden
	}, 408},
	{"trailers", func(a ask, hidden string) string {
		return a.with("Transfer-Encoding: chunked", "Trailer: X").head() + chunk(a.body) + "0\r\nX: y\r\n" + forwarded + telegramPeer + "\r\nContent-Length: 9\r\n\r\n" + hidden
	}, 200},
	{"a trailer that must not be one", func(a ask, hidden string) string {
		return a.with("Transfer-Encoding: chunked", "Trailer: Content-Length").head() + chunk(a.body) + "0\r\nContent-Length: 9\r\n\r\n" + hidden
	}, 400},
	{"5 KiB of trailers", func(a ask, hidden string) string {
		return a.with("Transfer-Encoding: chunked").head() + chunk(a.body) + "0\r\nX: " + strings.Repeat("y", 5000) + "\r\n\r\n" + hidden
	}, 408},
	{"in the body", func(a ask, hidden string) string { return a.with(lengthOf(hidden)).head() + hidden }, 400},
	{"in the body of a GET", func(a ask, hidden string) string {
		return a.by("GET").with(lengthOf(hidden)).head() + hidden
	}, 405},
	{"in the body of a HEAD", func(a ask, hidden string) string {
		return a.by("HEAD").with(lengthOf(hidden)).head() + hidden
	}, 405},
	{"in the body of what is upgraded", func(a ask, hidden string) string {
		return a.with("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__", lengthOf(hidden)).head() + hidden
	}, 400},
	{"after a body that is asked for", func(a ask, hidden string) string {
		return a.to("/").with("Expect: 100-continue", lengthOf(a.body)).head() + hidden
	}, 404},
	{"after an unknown Expect", func(a ask, hidden string) string {
		return a.with("Expect: x", lengthOf(a.body)).head() + a.body + hidden
	}, 417},
	{"after the last request", func(a ask, hidden string) string {
		return a.with("Connection: close", lengthOf(a.body)).head() + a.body + hidden
	}, 200},
	{"after HTTP/2's preface", func(_ ask, hidden string) string { return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + hidden }, 405},
	{"in a body that is too large to skip", func(a ask, hidden string) string {
		pad := strings.Repeat("\r\n", 140<<10)
		return a.to("/").with(lengthOf(pad+hidden)).head() + pad + hidden
	}, 404},
},
	encodings(http.StatusNotImplemented, "xchunked", "chunked\r\nTransfer-Encoding: x", "x\r\nTransfer-Encoding: chunked",
		"chunked\r\nTransfer-Encoding: chunked", "chunked, identity", "identity, chunked", "gzip, chunked", "identity",
		`"chunked"`, "chunked;x=y", "chunked,", "", "0", "c\r\n hunked"),
	encodings(http.StatusBadRequest, "\x0bchunked", "chunked\x00", "chunked\rx"),
	encodings(http.StatusOK, "CHUNKED", "\tchunked", "\r\n chunked", "chunked \t"),
	[]shape{coding("Transfer-Encoding : chunked", 400), coding("Transfer-Encoding\r\n: chunked", 400), coding("transfer-encoding:chunked", 200)},
)

// encodings are requests that are chunked, or nearly so.
func encodings(want int, values ...string) (out []shape) {
	for _, v := range values {
		out = append(out, coding("Transfer-Encoding: "+v, want))
	}
	return out
}

func coding(line string, want int) shape {
	return shape{fmt.Sprintf("%q", line), func(a ask, hidden string) string {
		body := chunk(a.body) + "0\r\n\r\n" + hidden
		return a.with(line, lengthOf(body)).head() + body
	}, want}
}

func lengthOf(body string) string { return fmt.Sprint("Content-Length: ", len(body)) }

// TestNoRequestIsHiddenInAnother sends each shape from Telegram, from a stranger,
// and through a proxy for each of them. The hidden request is never seen.
func TestNoRequestIsHiddenInAnother(t *testing.T) {
	for _, shape := range shapes {
		t.Run(shape.name, func(t *testing.T) {
			h := listenHook(t, withProxy)
			for _, from := range []struct {
				peer    string
				headers []string
				good    bool
			}{
				{telegramPeer, nil, true},
				{strangerPeer, nil, false},
				{proxyPeer, []string{forwarded + telegramPeer}, true},
				{proxyPeer, []string{forwarded + far}, false},
			} {
				hidden := h.ask(update(hiddenID)).with(forwarded + telegramPeer).String()
				h.in.forget()
				answers := h.send(from.peer, shape.make(h.ask(update(1)).with(from.headers...), hidden))
				got := h.in.ids()
				if slices.Contains(got, hiddenID) {
					t.Fatalf("%s: the hidden request was handled; the answers are %v", from.peer, statuses(answers))
				}
				if len(answers) != 1 {
					t.Errorf("%s: the answers are %v, and not one", from.peer, statuses(answers))
					continue
				}
				switch a := answers[0]; {
				case from.good && a.status != shape.want:
					t.Errorf("%s got %d, want %d", from.peer, a.status, shape.want)
				case !from.good && (a.status < 400 || len(got) > 0):
					t.Errorf("%s got %d, and %v was delivered", from.peer, a.status, got)
				}
			}
			if got := h.reasons(); len(got) < 2 {
				t.Errorf("reasons are %v", got)
			}
			// It is a good one, if it comes openly.
			h.isTaken(proxyPeer, h.ask(update(hiddenID)).with(forwarded+telegramPeer).String())
		})
	}
}

// TestALateBodyIsNotTheNextRequest: of a refused request the body comes when
// nobody waits for it any more.
func TestALateBodyIsNotTheNextRequest(t *testing.T) {
	h := listenHook(t, withProxy)
	hidden := h.ask(update(hiddenID)).with(forwarded + telegramPeer).String()
	w := h.dial(proxyPeer)
	began := time.Now()
	got := w.say(h.ask("").to("/").with(forwarded+far, lengthOf(hidden)).head()).answer("POST")
	if got.status != http.StatusNotFound || !got.last {
		t.Errorf("got %d %v", got.status, got.header)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the body was waited for %s", took)
	}
	w.say(hidden)
	if !w.ended() || h.in.count() != 0 {
		t.Errorf("the connection goes on, and %d updates were delivered", h.in.count())
	}
	// One that comes in time is passed over, and the connection serves on.
	w = h.dial(proxyPeer)
	w.say(h.ask("").to("/").with(forwarded+far, lengthOf(hidden)).head())
	if got := w.say(hidden).answer("POST"); got.status != http.StatusNotFound {
		t.Errorf("got %d", got.status)
	}
	if got := w.say(h.ask(update(1)).with(forwarded + telegramPeer).String()).answer("POST"); got.status != http.StatusOK {
		t.Errorf("the next request got %d", got.status)
	}
	if got := h.in.ids(); !slices.Equal(got, []int64{1}) {
		t.Errorf("delivered were %v", got)
	}
}

// TestABannedClientHoldsNoConnectionOfTheProxy by bodies that it does not send.
func TestABannedClientHoldsNoConnectionOfTheProxy(t *testing.T) {
	h := listenHook(t, withProxy, func(o *WebhookOptions) {
		o.timeouts = usualTimeouts
		o.timeouts.drain = drainBanned * time.Second // of which a banned client gets one
	})
	for range 6 {
		h.send(proxyPeer, h.ask("").to("/").with(forwarded+far).String())
	}
	began := time.Now()
	w := h.dial(proxyPeer)
	got := w.say(h.ask("").to("/").with(forwarded+far, "Content-Length: 100").head()).answer("POST")
	if got.status != http.StatusForbidden || !got.last || !w.ended() {
		t.Errorf("got %+v", got)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the body was waited for %s", took)
	}
	// One that is there is passed over, and the connection serves on.
	w = h.dial(proxyPeer)
	for range 3 {
		if got := w.say(h.ask(update(1)).with(forwarded + far).String()).answer("POST"); got.status != http.StatusForbidden || got.last {
			t.Errorf("got %+v", got)
		}
	}
	if got := w.say(h.ask(update(1)).with(forwarded + telegramPeer).String()).answer("POST"); got.status != http.StatusOK {
		t.Errorf("Telegram got %+v", got)
	}
}
