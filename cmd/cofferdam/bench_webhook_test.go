package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	tgbot "github.com/go-telegram/bot"
	"github.com/go-telegram/bot/models"
)

// What a request costs the webhook's listener, beside a handler that does
// nothing (the limit) and the library's own. The server is a process of its own,
// so that its processor time can be told from that of who attacks it.

// benchWebhook is the environment variable that makes this test binary such a
// server.
const benchWebhook = "COFFERDAM_BENCH_WEBHOOK"

// webhookPlace is where a server listens, and what opens it.
type webhookPlace struct{ Address, Path, Secret string }

// serveBenchWebhook is the server's process. It ends with its standard input.
func serveBenchWebhook(kind string) error {
	place := webhookPlace{Path: "/webhook/" + strings.Repeat("x", 22) + "/"}
	switch kind {
	case "bare":
		place.serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }))
	case "library":
		place.Secret = strings.Repeat("x", 43)
		b, err := tgbot.New("1234567:"+strings.Repeat("x", 35), tgbot.WithSkipGetMe(), tgbot.WithWebhookSecretToken(place.Secret),
			tgbot.WithDefaultHandler(func(context.Context, *tgbot.Bot, *models.Update) {}))
		if err != nil {
			return err
		}
		go b.StartWebhook(context.Background())
		place.serve(b.WebhookHandler())
	default:
		end, err := place.serveOurs()
		if err != nil {
			return err
		}
		defer end()
	}
	if err := json.NewEncoder(os.Stdout).Encode(place); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

func (p *webhookPlace) serve(h http.Handler) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	p.Address = listener.Addr().String()
	go http.Serve(listener, h)
}

// serveOurs runs the whole bot, but for the talk with Telegram: what is accepted
// goes into a journal on disk, and through the pipeline.
func (p *webhookPlace) serveOurs() (end func(), err error) {
	dir, err := os.MkdirTemp("", "cofferdam-bench-")
	if err != nil {
		return nil, err
	}
	b := &standaloneBench{}
	cfg := testConfig(b, "1234567890:"+strings.Repeat("x", 35), "http://127.0.0.1:1")
	b.clean()
	cfg.Webhook.URL, cfg.Webhook.TrustedProxyIPs = "bot.example.org", []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	cfg.Webhook.LocalPort = 0
	o := options{webhook: true, socketHost: "127.0.0.1", stateDir: filepath.Join(dir, "state"), log: newLogger(io.Discard, "info", "json", nil)}
	if err := os.MkdirAll(o.stateDir, 0o700); err != nil {
		return nil, err
	}
	o.load = inHost
	a, err := newApp(context.Background(), cfg, o)
	if err != nil {
		return nil, err
	}
	pair, err := a.webhook.NextPair()
	if err != nil {
		return nil, err
	}
	p.Address, p.Path, p.Secret = a.webhook.Addr().String(), pair.Path(), pair.Secret()
	return func() { _ = a.stop(); os.RemoveAll(dir) }, nil
}

// standaloneBench lets a process that is no test use what tests use.
type standaloneBench struct {
	testing.TB
	dirs []string
}

func (b *standaloneBench) Helper() {}

func (b *standaloneBench) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func (b *standaloneBench) TempDir() string {
	dir, err := os.MkdirTemp("", "cofferdam-bench-")
	if err != nil {
		b.Fatal(err)
	}
	b.dirs = append(b.dirs, dir)
	return dir
}

func (b *standaloneBench) clean() {
	for _, dir := range b.dirs {
		os.RemoveAll(dir)
	}
}

// target is a server's process.
type target struct {
	webhookPlace
	b   *testing.B
	cmd *exec.Cmd
}

func startTarget(b *testing.B, kind string, cores int) *target {
	b.Helper()
	t := &target{b: b, cmd: exec.Command(thisBinary(b))}
	t.cmd.Env = append(os.Environ(), benchWebhook+"="+kind, "GOMAXPROCS="+strconv.Itoa(cores))
	t.cmd.Stderr = os.Stderr
	in, err := t.cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := t.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := t.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); _ = t.cmd.Wait() })
	if err := json.NewDecoder(out).Decode(&t.webhookPlace); err != nil {
		b.Fatal(err)
	}
	return t
}

// used is the processor time of the server so far (proc(5), in ticks of 10 ms).
func (t *target) used() time.Duration {
	t.b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", t.cmd.Process.Pid))
	if err != nil {
		t.b.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var ticks int64
	for _, field := range fields[11:13] { // utime and stime
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			t.b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// request is one as Telegram makes it, on its way through a proxy.
func (t *target) request(path, secret, client, body string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: bot.example.org\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"+
		"X-Forwarded-For: %s\r\nX-Telegram-Bot-Api-Secret-Token: %s\r\nAccept-Encoding: gzip, deflate\r\n\r\n%s", path, len(body), client, secret, body)
}

// exchange writes a request and reads the answer, which has no body.
func exchange(c net.Conn, r *bufio.Reader, request []byte) (status int, err error) {
	if _, err := c.Write(request); err != nil {
		return 0, err
	}
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, err
	}
	length := int64(0)
	for len(line) > 2 {
		if line, err = r.ReadSlice('\n'); err != nil {
			return 0, err
		}
		if text, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64); err != nil {
				return 0, err
			}
		}
	}
	_, err = io.CopyN(io.Discard, r, length)
	return status, err
}

// quietUpdate is one that the bot has nothing to do about: it is journalled, and
// done.
func quietUpdate(id int64) string {
	return fmt.Sprintf(`{"update_id":%d,"my_chat_member":{"chat":{"id":77,"type":"private","first_name":"Somebody"},"from":{"id":77,"is_bot":false,"first_name":"Somebody","language_code":"en"},"date":%d,`+
		`"old_chat_member":{"status":"member","user":{"id":1,"is_bot":true,"first_name":"Bot"}},"new_chat_member":{"status":"kicked","user":{"id":1,"is_bot":true,"first_name":"Bot"},"until_date":0}}}`, id, time.Now().Unix())
}

// telegramAt is one of Telegram's addresses.
func telegramAt(i int64) string { return fmt.Sprintf("149.154.%d.%d", 160+i/256%16, i%256) }

// strangerAt is one of many others.
func strangerAt(i int64) string { return fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255) }

// webhookRequests are what is measured: a request to a server, and the status
// that it must get.
var webhookRequests = []struct {
	name, server string
	status       int
	make         func(t *target, i int64) []byte
}{
	{"bare-404", "bare", 404, func(t *target, i int64) []byte {
		return t.request("/webhook/nothing/", "x", strangerAt(i), quietUpdate(i))
	}},
	{"wrong-path", "ours", 404, func(t *target, i int64) []byte {
		return t.request("/webhook/nothing/", "x", strangerAt(i), quietUpdate(i))
	}},
	{"banned", "ours", 403, func(t *target, i int64) []byte {
		return t.request("/webhook/nothing/", "x", "192.0.2.1", quietUpdate(i))
	}},
	{"wrong-secret", "ours", 403, func(t *target, i int64) []byte {
		return t.request(t.Path, "x", telegramAt(i), quietUpdate(i))
	}},
	{"library-accepted", "library", 200, func(t *target, i int64) []byte {
		return t.request(t.Path, t.Secret, telegramAt(i), quietUpdate(i))
	}},
	{"accepted", "ours", 200, func(t *target, i int64) []byte {
		return t.request(t.Path, t.Secret, telegramAt(i), quietUpdate(i))
	}},
}

// BenchmarkWebhook is what a request costs, on connections that stay open, as a
// proxy has them.
func BenchmarkWebhook(b *testing.B) {
	for _, r := range webhookRequests {
		for _, cores := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/cores=%d", r.name, cores), func(b *testing.B) {
				t := startTarget(b, r.server, cores)
				if r.name == "banned" {
					t.ban("192.0.2.1")
				}
				t.load(b, 64, func(i int64) ([]byte, int) { return r.make(t, i), r.status })
			})
		}
	}
}

// ban has a client banned.
func (t *target) ban(client string) {
	t.b.Helper()
	c, r := t.dial("127.0.0.1")
	defer c.Close()
	for range 6 {
		if _, err := exchange(c, r, t.request("/webhook/nothing/", "x", client, "")); err != nil {
			t.b.Fatal(err)
		}
	}
}

func (t *target) dial(from string) (net.Conn, *bufio.Reader) {
	t.b.Helper()
	c, err := t.connect(from)
	if err != nil {
		t.b.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

func (t *target) connect(from string) (net.Conn, error) {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	return dialer.Dial("tcp", t.Address)
}

// load sends b.N requests over as many connections, and reports their rate and
// what one took of the server's processor.
func (t *target) load(b *testing.B, connections int, next func(i int64) (request []byte, want int)) {
	var sent atomic.Int64
	var workers sync.WaitGroup
	b.ResetTimer()
	before, began := t.used(), time.Now()
	for range connections {
		workers.Go(func() {
			c, r := t.dial("127.0.0.1")
			defer c.Close()
			for {
				i := sent.Add(1)
				if i > int64(b.N) {
					return
				}
				request, want := next(i)
				if status, err := exchange(c, r, request); err != nil || status != want {
					b.Errorf("request %d: %d, %v; want %d", i, status, err, want)
					return
				}
			}
		})
	}
	workers.Wait()
	took := time.Since(began)
	b.StopTimer()
	b.ReportMetric(float64(b.N)/took.Seconds(), "req/s")
	b.ReportMetric(float64((t.used()-before).Microseconds())/float64(b.N), "cpu-µs/req")
}

// BenchmarkWebhookConnection is what a peer costs that opens a connection for
// each request: a banned one is closed before anything is read from it.
func BenchmarkWebhookConnection(b *testing.B) {
	for _, kind := range []struct {
		name, server, peer string
		status             int
	}{
		{"bare-404", "bare", "127.0.0.1", 404},
		{"banned", "ours", "127.0.0.9", 0},
	} {
		b.Run(kind.name, func(b *testing.B) {
			t := startTarget(b, kind.server, 1)
			connect := func() int {
				c, err := t.connect(kind.peer)
				if err != nil {
					return 0 // closed before the handshake of TCP was over
				}
				defer c.Close()
				r := bufio.NewReader(c)
				_ = c.(*net.TCPConn).SetLinger(0) // or its port is not free for a minute
				status, _ := exchange(c, r, t.request("/webhook/nothing/", "x", "192.0.2.1", ""))
				return status
			}
			for kind.status == 0 && connect() != 0 {
			}
			before := t.used()
			b.ResetTimer()
			for range b.N {
				if status := connect(); status != kind.status {
					b.Fatalf("got %d, want %d", status, kind.status)
				}
			}
			b.StopTimer()
			b.ReportMetric(float64((t.used()-before).Microseconds())/float64(b.N), "cpu-µs/req")
		})
	}
}
