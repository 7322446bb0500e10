package main

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// TestTheTrapsOfProxies springs each trap that docs/OPERATIONS.md and the
// examples warn of: so what they say is true, and the tests of the examples
// would see it.
func TestTheTrapsOfProxies(t *testing.T) {
	const nginxChain = "proxy_set_header X-Forwarded-For $remote_addr;"
	const traefikPlain = "    # No forwardedHeaders here"
	for _, trap := range []struct {
		kind    proxyKind
		name    string
		changes []edit
		springs func(*testing.T, proxyKind, []edit)
	}{
		{nginx, "no chain at all", []edit{{nginxChain, ""}}, telegramGets(http.StatusForbidden)},
		{nginx, "the client's own chain", []edit{{nginxChain, "proxy_set_header X-Forwarded-For $http_x_forwarded_for;"}}, strangerWins},
		{nginx, "realip believes everybody", []edit{{nginxChain, nginxChain + " set_real_ip_from 0.0.0.0/0; real_ip_header X-Forwarded-For;"}}, strangerWins},
		{nginx, "clients among the trusted", []edit{{nginxChain, "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"}}, trustedClientWins},
		{nginx, "a slash after the port", []edit{{"http://127.0.0.1:5001;", "http://127.0.0.1:5001/;"}}, telegramGets(http.StatusNotFound)},
		{nginx, "the access log", []edit{{"access_log off;", ""}}, logsTell},
		{nginx, "the error log", []edit{{"error_log /dev/null;", ""}}, logsTell},

		{caddy, "the client's own chain", []edit{{"reverse_proxy 127.0.0.1:5001", "reverse_proxy 127.0.0.1:5001 {\nheader_up X-Forwarded-For {header.X-Forwarded-For}\n}"}}, strangerWins},
		{caddy, "clients among the trusted", []edit{{"reverse_proxy 127.0.0.1:5001", "reverse_proxy 127.0.0.1:5001 {\ntrusted_proxies private_ranges\n}"}}, trustedClientWins},
		{caddy, "handle_path", []edit{{"handle /webhook/*", "handle_path /webhook/*"}}, telegramGets(http.StatusNotFound)},
		{caddy, "no answer of its own", []edit{{"respond 404", ""}}, elsewhereGets(http.StatusOK)},
		{caddy, "an access log", []edit{{"\nbot.example.org {\n", "\nbot.example.org {\n\tlog\n"}}, logsTell},
		{caddy, "its log of errors", []edit{{"request>uri delete", ""}}, logsTell},
		{caddy, "its log of errors, headers", []edit{{"request>headers delete", ""}}, logsTell},

		{traefik, "clients among the trusted", []edit{{traefikPlain, "    forwardedHeaders: {insecure: true}\n" + traefikPlain}}, trustedClientWins},
		{traefik, "stripPrefix", []edit{{"middlewares: []", "middlewares: [strip]"}, {"\n  services:\n", "\n  middlewares: {strip: {stripPrefix: {prefixes: [/webhook]}}}\n  services:\n"}}, telegramGets(http.StatusNotFound)},
		{traefik, "the access log", []edit{{"accessLogs: false", ""}}, logsTell},
	} {
		t.Run(trap.kind.name+", "+trap.name, func(t *testing.T) {
			if trap.kind.name == traefik.name && !slices.ContainsFunc(proxies(t), func(k proxyKind) bool { return k.name == traefik.name }) {
				return
			}
			trap.springs(t, trap.kind, trap.changes)
		})
	}
}

func telegramGets(status int) func(*testing.T, proxyKind, []edit) {
	return func(t *testing.T, kind proxyKind, changes []edit) {
		hook := listenBehind(t)
		p := behind(t, kind, hook.Addr().String(), changes...)
		res, _ := p.sends(telegramAddress, post(t, hook.pair, strings.NewReader(brought)))
		if taken, refused := hook.forget(); res.StatusCode != status || len(taken) > 0 {
			t.Errorf("%s, refused for %q; want %d", res.Status, refused, status)
		}
	}
}

func elsewhereGets(status int) func(*testing.T, proxyKind, []edit) {
	return func(t *testing.T, kind proxyKind, changes []edit) {
		hook := listenBehind(t)
		p := behind(t, kind, hook.Addr().String(), changes...)
		res, _ := p.sends(telegramAddress, post(t, hook.pair, strings.NewReader(brought), func(r *http.Request) { r.URL.Path = "/" }))
		if res.StatusCode != status {
			t.Errorf("%s, want %d", res.Status, status)
		}
	}
}

// strangerWins shows that a stranger who says to be Telegram is believed. Path
// and secret are what is left then.
func strangerWins(t *testing.T, kind proxyKind, changes []edit) {
	hook := listenBehind(t)
	wins(t, behind(t, kind, hook.Addr().String(), changes...), hook)
}

// trustedClientWins is the same with a proxy that keeps what clients wrote at
// the left, which does no harm, and a bot that trusts a whole network in which
// there are clients as well.
func trustedClientWins(t *testing.T, kind proxyKind, changes []edit) {
	hook := listenBehind(t)
	p := behind(t, kind, hook.Addr().String(), changes...)
	res, _ := p.sends(nobodys, post(t, hook.pair, strings.NewReader(brought), forwarded(telegramAddress)))
	if _, refused := hook.forget(); res.StatusCode != http.StatusForbidden || !slices.Equal(refused, []string{"peer"}) {
		t.Errorf("with one proxy trusted: %s, refused for %q", res.Status, refused)
	}
	hook = listenBehind(t, netip.MustParsePrefix("127.0.0.0/8"))
	wins(t, behind(t, kind, hook.Addr().String(), changes...), hook)
}

// nobodys is an address that is nobody's.
const nobodys = "127.0.0.66"

func wins(t *testing.T, p *runningProxy, hook *webhookBehind) {
	t.Helper()
	res, _ := p.sends(nobodys, post(t, hook.pair, strings.NewReader(brought), forwarded(telegramAddress)))
	if taken, refused := hook.forget(); res.StatusCode != http.StatusOK || len(taken) != 1 {
		t.Errorf("a stranger got %s, refused for %q; the trap is none", res.Status, refused)
	}
}

// logsTell shows that path or secret get into a log, be the bot there or not.
func logsTell(t *testing.T, kind proxyKind, changes []edit) {
	upstream := listenCloser(t)
	pair := newPair(t)
	p := behind(t, kind, upstream.Addr().String(), changes...)
	p.sends(telegramAddress, post(t, pair, strings.NewReader(brought)))
	p.sends(telegramAddress, post(t, pair, strings.NewReader(brought)))
	// A proxy writes its logs when it has answered.
	for deadline := timeout(); ; {
		logs := p.logs()
		if strings.Contains(logs, pair.PathSecret()) || strings.Contains(logs, pair.Secret()) {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("neither path nor secret is in the logs; the trap is none:\n%s", logs)
		case <-tick():
		}
	}
}
