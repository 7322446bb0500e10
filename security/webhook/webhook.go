// Package webhook decides about what comes to the bot's listener: who may
// connect, and which request is Telegram's. It is pure: the time, the addresses
// and the randomness are passed in. The zero value lets nothing in.
//
// This file is the table of contents: the checks of a request, in their order.
package webhook

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/cofferdam-bot/cofferdam/security/ratelimit"
)

// The figures of C1 to C5.
const (
	// MaxBody is the greatest body that is read, in bytes.
	MaxBody = 1 << 20
	// wrongAtMost refused requests within wrongSpan are forgiven; one more bans.
	wrongAtMost = 5
	wrongSpan   = 10 * time.Second
	// acceptedAtMost requests of one peer are taken within acceptedSpan.
	acceptedAtMost = 50
	acceptedSpan   = 10 * time.Second
	// peersAtMost is how many peers each table remembers; the quietest makes
	// room.
	peersAtMost = 10_000
)

// Request is what is known of a request before any of its body was read.
type Request struct {
	// Peer is the other end of the connection.
	Peer netip.Addr
	// Forwarded are the values of all X-Forwarded-For headers, in their order.
	Forwarded []string
	Method    string
	// Target is the request's target as it came, not decoded: a path that is
	// written in another way is another path.
	Target string
	// Secrets are the values of all X-Telegram-Bot-Api-Secret-Token headers.
	Secrets []string
	// Length is that of the body in bytes, or -1 if it is not known beforehand.
	Length int64
	// Encoded is set if the body is compressed, or encoded in any other way.
	Encoded bool
}

// Reason says in a word, for log and metrics, why something was refused.
type Reason string

// The reasons of [Guard.Judge] and [Guard.Connect].
const (
	Banned      Reason = "banned"      // the peer is banned (C4)
	Connections Reason = "connections" // too many connections
	Malformed   Reason = "malformed"   // no HTTP, or headers that never ended
	Method      Reason = "method"      // not POST
	TooLarge    Reason = "too_large"   // more than MaxBody
	Encoding    Reason = "encoding"    // a compressed body
	Path        Reason = "path"        // not a valid path (C1)
	Chain       Reason = "forwarded"   // X-Forwarded-For makes no sense (C2)
	Unexpected  Reason = "no_proxy"    // X-Forwarded-For, and no proxy is trusted (C2)
	Peer        Reason = "peer"        // not one of Telegram's addresses (C2)
	Secret      Reason = "secret"      // not the secret of that path (C1)
	Rate        Reason = "rate"        // more than a peer may send (C3)
	Body        Reason = "body"        // the body was not all there in time
	JSON        Reason = "json"        // the body is no update
	Busy        Reason = "busy"        // too much waits already
	Journal     Reason = "journal"     // the update could not be put on disk
)

// Verdict is what to do. The zero Verdict is to close the connection without
// a word.
type Verdict struct {
	// Accept lets the body be read.
	Accept bool
	// Status is what to answer, without a body; 0 if not accepted: nothing, the
	// connection is closed.
	Status int
	Reason Reason
	// RetryAfter is for when to ask the sender to come back; 0: not at all.
	RetryAfter time.Duration
	// Client is who sent the request, as far as that is known.
	Client netip.Addr
	// Stranger is set if the client is neither Telegram's nor a trusted proxy:
	// nothing that it sends can ever be right.
	Stranger bool
	// Bans is set if this banned the client; then Ban is what is to be kept.
	Bans bool
	Ban  Ban
}

// Guard decides. It is not safe for concurrent use.
type Guard struct {
	peers       peers
	pairs       *Pairs
	wrong       *ratelimit.Window[netip.Prefix]
	accepted    *ratelimit.Window[netip.Prefix]
	bans        Bans
	connections connections
}

// New returns a Guard for a policy. It accepts requests for the pairs that are
// valid when a request comes.
func New(policy Policy, pairs *Pairs) *Guard {
	return &Guard{
		peers: newPeers(policy), pairs: pairs, connections: newConnections(),
		wrong:    ratelimit.New[netip.Prefix](wrongAtMost, wrongSpan, peersAtMost),
		accepted: ratelimit.New[netip.Prefix](acceptedAtMost, acceptedSpan, peersAtMost),
	}
}

// check is one step. It returns "" to go on.
type check struct {
	reason Reason
	// status answers a request that does not pass; 0: closes its connection.
	status int
	// counts tells that who fails here too often is banned.
	counts bool
	passes func(*Guard, *exchange) bool
}

// checks is the order in which every request is looked at, the cheapest first.
// Nothing that comes later is looked at if an earlier one fails.
var checks = [...]check{
	{Banned, 0, false, (*Guard).notBanned},
	{Method, http.StatusMethodNotAllowed, true, (*Guard).isPost},
	{TooLarge, http.StatusRequestEntityTooLarge, true, (*Guard).isSmall},
	{Encoding, http.StatusUnsupportedMediaType, true, (*Guard).isPlain},
	{Path, http.StatusNotFound, true, (*Guard).knowsPath},
	{Unexpected, http.StatusForbidden, false, (*Guard).mayForward},
	{Chain, http.StatusBadRequest, false, (*Guard).chainIsClear},
	{Peer, http.StatusForbidden, true, (*Guard).isTelegram},
	{Secret, http.StatusForbidden, true, (*Guard).knowsSecret},
	{Rate, http.StatusTooManyRequests, false, (*Guard).isPatient},
}

// exchange is a request on its way through the checks.
type exchange struct {
	Request
	now    time.Time
	client netip.Addr
	chain  Reason // what is wrong with the forwarded chain; "": nothing
	pair   Pair   // that of the path
}

// Judge decides about a request from what came before its body. If it is
// accepted, the body may be read; Status is 200 then, for an update that was put
// into the journal.
func (g *Guard) Judge(r Request, now time.Time) Verdict {
	if g == nil || g.pairs == nil {
		return Verdict{}
	}
	x := &exchange{Request: r, now: now}
	x.client, x.chain = g.peers.client(r.Peer, r.Forwarded)
	for _, c := range checks {
		if !c.passes(g, x) {
			return g.refuse(x, c)
		}
	}
	return Verdict{Accept: true, Status: http.StatusOK, Client: x.client}
}

func (g *Guard) refuse(x *exchange, c check) Verdict {
	v := Verdict{Status: c.status, Reason: c.reason, Client: x.client, Stranger: !g.peers.exempt(x.client)}
	switch {
	case c.reason == Rate:
		v.RetryAfter = acceptedSpan
	case c.reason == Banned && x.client != plain(x.Peer):
		v.Status = http.StatusForbidden // the connection is the proxy's, and others use it
	}
	if c.counts {
		v.Ban, v.Bans = g.strike(x.client, x.now)
	}
	return v
}

// strike counts a refusal against a client, and bans it if there were too many.
//
// Telegram's own addresses are never banned: anybody can make a bot of his own
// and give it our address, and Telegram's servers would knock on our door with
// wrong paths in his name. A trusted proxy is not banned either: everybody
// behind it would be.
//
// Who is banned has nothing more to lose: connections from before, that break
// one after the other, neither make the ban longer nor tell of it again.
func (g *Guard) strike(client netip.Addr, now time.Time) (Ban, bool) {
	if g.peers.exempt(client) || g.bans.Banned(client, now) || g.wrong.Add(host(client), now).Allowed {
		return Ban{}, false
	}
	return g.bans.Add(client, now), true
}

// Broken counts a connection on which no request came that could be read.
func (g *Guard) Broken(peer netip.Addr, now time.Time) Verdict {
	v := Verdict{Reason: Malformed, Client: plain(peer)}
	if g == nil || g.pairs == nil {
		return v
	}
	v.Stranger = !g.peers.exempt(v.Client)
	v.Ban, v.Bans = g.strike(v.Client, now)
	return v
}

func (g *Guard) notBanned(x *exchange) bool {
	return g.peers.exempt(x.client) || !g.bans.Banned(x.client, x.now)
}

func (g *Guard) isPost(x *exchange) bool { return x.Method == http.MethodPost }

func (g *Guard) isSmall(x *exchange) bool { return x.Length <= MaxBody }

func (g *Guard) isPlain(x *exchange) bool { return !x.Encoded }

func (g *Guard) knowsPath(x *exchange) (ok bool) {
	x.pair, ok = g.pairs.find(x.Target, x.now)
	return ok
}

func (g *Guard) mayForward(x *exchange) bool { return x.chain != Unexpected }

func (g *Guard) chainIsClear(x *exchange) bool { return x.chain == "" }

func (g *Guard) isTelegram(x *exchange) bool { return g.peers.telegram(x.client) }

func (g *Guard) knowsSecret(x *exchange) bool {
	return len(x.Secrets) == 1 && x.pair.opens(x.Secrets[0])
}

func (g *Guard) isPatient(x *exchange) bool {
	return g.accepted.Add(host(x.client), x.now).Allowed
}

// RestoreBan takes over a ban from before a restart.
func (g *Guard) RestoreBan(b Ban) { g.bans.Restore(b) }

// Expire forgets bans that are over, and returns them, each once.
func (g *Guard) Expire(now time.Time) []Ban { return g.bans.Expire(now) }
