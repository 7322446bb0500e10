package telegram

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/go-telegram/bot"
	"github.com/go-telegram/bot/models"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
)

// DefaultAPI is Telegram's own Bot API server.
const DefaultAPI = "https://api.telegram.org"

// allowedUpdates are the kinds that Telegram is asked for, by polling and for a
// webhook. All others would only be ignored.
var allowedUpdates = []string{"message", "callback_query", "my_chat_member"}

// Options of a Client.
type Options struct {
	// Token is the bot's, as BotFather gave it.
	Token string
	// APIURL is the Bot API server, http or https, with a path if need be, but
	// without a query; empty means DefaultAPI. Basic authentication may be in it.
	APIURL string
	// Timeout bounds a call, without the time that an upload or a long poll
	// takes by itself; 0 means 30 s.
	Timeout time.Duration
	// Scrub hides other secrets in the texts of errors; nil hides the token only.
	Scrub func(string) string
	// Observe is told how each call ended: the method, and ok, unavailable,
	// flood, bad_request, … nil means that nobody counts.
	Observe func(method, outcome string)
}

// Client makes calls to the Bot API. It may be used by several goroutines.
//
// A method does one call and returns an [*Error] if it did not work; it neither
// waits nor repeats. [Poller] and [Sender] do.
type Client struct {
	bot       *bot.Bot
	wire      *wire
	transport *http.Transport
	base      string // "https://host/botTOKEN/"
	// updateLimit is maxUpdates; tests lower it.
	updateLimit int64
}

// tokenShape is what BotFather gives out: an id, a colon, 35 characters of
// base64url. A token of another shape could break out of the request's path.
var tokenShape = regexp.MustCompile(`^[0-9]{5,20}:[A-Za-z0-9_-]{30,64}$`)

// New checks the options and returns a Client. It makes no call.
func New(o Options) (*Client, error) {
	if !tokenShape.MatchString(o.Token) {
		return nil, errors.New("the bot token does not have the shape 123456789:AA…, as BotFather gives it")
	}
	api, user, err := parseAPI(o.APIURL)
	if err != nil {
		return nil, err
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	transport := newTransport()
	w := &wire{transport: transport, user: user, timeout: o.Timeout, veil: newVeil(o.Token, o.Scrub), observe: o.Observe}
	b, err := bot.New(o.Token,
		bot.WithSkipGetMe(),
		bot.WithServerURL(api),
		bot.WithHTTPClient(o.Timeout, w),
		// The library's own handler writes to the standard logger. What it is
		// told comes back as the call's error as well.
		bot.WithErrorsHandler(func(error) {}),
	)
	if err != nil {
		return nil, errors.New("the bot token is refused by the library")
	}
	return &Client{bot: b, wire: w, transport: transport, base: api + "/bot" + o.Token + "/", updateLimit: maxUpdates}, nil
}

// parseAPI checks the server's address and takes the user info out of it. Its
// errors do not quote the address, which may hold a password.
func parseAPI(raw string) (string, *url.Userinfo, error) {
	if raw == "" {
		raw = DefaultAPI
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return "", nil, errors.New("telegram.api_url is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", nil, errors.New("telegram.api_url must start with http:// or https://")
	case u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		return "", nil, errors.New("telegram.api_url must be a scheme, a host and at most a path")
	}
	user := u.User
	u.User = nil
	return strings.TrimRight(u.String(), "/"), user, nil
}

// Close lets go of idle connections.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// settle makes an *Error of what the library returned. It wraps the *Error of
// wire.Do in words of its own; what is left is a result that it cannot decode,
// and its text for that quotes the answer.
func settle(method string, err error) error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Method: method, Kind: ErrUnreadable}
}

// GetMe returns the bot's own user. ErrUnauthorized means a wrong token.
func (c *Client) GetMe(ctx context.Context) (chat.User, error) {
	me, err := c.bot.GetMe(ctx)
	if err != nil {
		return chat.User{}, settle("getMe", err)
	}
	return chat.User{ID: me.ID, FirstName: clip(me.FirstName, maxName), Username: clip(me.Username, maxName)}, nil
}

// WebhookInfo says whether a webhook is set and what Telegram had against it.
// URL holds the secret path; the messages are foreign text.
func (c *Client) WebhookInfo(ctx context.Context) (*models.WebhookInfo, error) {
	info, err := c.bot.GetWebhookInfo(ctx)
	if err != nil {
		return nil, settle("getWebhookInfo", err)
	}
	return info, nil
}

// Webhook is where Telegram shall send updates.
type Webhook struct {
	// URL is https, with the secret path in it.
	URL string
	// Secret comes back in each request's header: 1 to 256 of [A-Za-z0-9_-].
	Secret string
	// Certificate is a self-signed certificate in PEM, or nil.
	Certificate []byte
	// MaxConnections is 1 to 100, or 0 for Telegram's 40.
	MaxConnections int
}

// SetWebhook tells Telegram to send updates. Those that wait are kept.
func (c *Client) SetWebhook(ctx context.Context, hook Webhook) error {
	params := &bot.SetWebhookParams{
		URL:            hook.URL,
		MaxConnections: hook.MaxConnections,
		AllowedUpdates: allowedUpdates,
		SecretToken:    hook.Secret,
	}
	if hook.Certificate != nil {
		params.Certificate = &models.InputFileUpload{Filename: "certificate.pem", Data: bytes.NewReader(hook.Certificate)}
	}
	_, err := c.bot.SetWebhook(ctx, params)
	return settle("setWebhook", err)
}

// DeleteWebhook removes the webhook if one is set, and tells whether one was.
// The updates that wait are kept. While one is set, getUpdates answers 409.
func (c *Client) DeleteWebhook(ctx context.Context) (removed bool, err error) {
	info, err := c.WebhookInfo(ctx)
	if err != nil || info.URL == "" {
		return false, err
	}
	if _, err := c.bot.DeleteWebhook(ctx, &bot.DeleteWebhookParams{}); err != nil {
		return false, settle("deleteWebhook", err)
	}
	return true, nil
}

// SetMyCommands sets the menu of commands for a scope, such as
// *models.BotCommandScopeAllPrivateChats; nil is the default scope. Without
// commands the menu becomes empty.
func (c *Client) SetMyCommands(ctx context.Context, scope models.BotCommandScope, commands ...models.BotCommand) error {
	if commands == nil {
		commands = []models.BotCommand{}
	}
	_, err := c.bot.SetMyCommands(ctx, &bot.SetMyCommandsParams{Commands: commands, Scope: scope})
	return settle("setMyCommands", err)
}

// String keeps the token out of a log that prints the client.
func (c *Client) String() string { return "telegram client" }

// GoString does the same for %#v.
func (c *Client) GoString() string { return c.String() }

var (
	_ bot.HttpClient = (*wire)(nil)
	_ fmt.Stringer   = (*Client)(nil)
)
