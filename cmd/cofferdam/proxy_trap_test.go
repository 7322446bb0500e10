package main

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// TestTheTrapsOfProxies shows what the comments in the examples of docs/proxies
// warn of: what happens to Telegram, and to a stranger who forges the address of
// Telegram's, when a line is another. What is harmless is here as well.
func TestTheTrapsOfProxies(t *testing.T) {
	const (
		ok       = http.StatusOK
		refused  = http.StatusForbidden
		chain    = http.StatusBadRequest // an empty X-Forwarded-For
		notFound = http.StatusNotFound
	)
	const nginxSets = "proxy_set_header X-Forwarded-For $remote_addr;"
	there := proxies(t)
	for _, test := range []struct {
		kind             proxyKind
		trap             string
		change           edit
		telegram, forger int
	}{
		{nginx, "no header is set", edit{nginxSets, ""}, refused, ok},
		{nginx, "the client's header is set", edit{nginxSets, "proxy_set_header X-Forwarded-For $http_x_forwarded_for;"}, refused, ok},
		{nginx, "the header is added to", edit{nginxSets, "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"}, ok, refused},
		{nginx, "a slash after the port", edit{":5001;", ":5001/;"}, notFound, notFound},
		{caddy, "handle_path", edit{"handle /webhook/*", "handle_path /webhook/*"}, notFound, notFound},
		{caddy, "the client's header is set", edit{":5001\n", ":5001 {\n\t\t\theader_up X-Forwarded-For {http.request.header.X-Forwarded-For}\n\t\t}\n"}, chain, ok},
		{caddy, "everybody is a trusted proxy", edit{":5001\n", ":5001 {\n\t\t\ttrusted_proxies 0.0.0.0/0\n\t\t}\n"}, ok, refused},
		{traefik, "insecure", edit{"    address: \":443\"\n", "    address: \":443\"\n    forwardedHeaders: {insecure: true}\n"}, ok, refused},
		{traefik, "stripPrefix", edit{"middlewares: []", "middlewares: [strip]"}, notFound, notFound},
	} {
		if !slices.ContainsFunc(there, func(k proxyKind) bool { return k.name == test.kind.name }) {
			continue
		}
		t.Run(test.kind.name+"/"+test.trap, func(t *testing.T) {
			hook := listenBehind(t)
			p := behind(t, test.kind, hook.Addr().String(), test.change)
			res, _ := p.sends(telegramAddress, post(t, hook.pair, strings.NewReader(brought)))
			if res.StatusCode != test.telegram {
				t.Errorf("Telegram gets %s, want %d", res.Status, test.telegram)
			}
			res, _ = p.sends("127.0.1.1", post(t, hook.pair, strings.NewReader(brought), forwarded(telegramAddress)))
			if res.StatusCode != test.forger {
				t.Errorf("who forges gets %s, want %d", res.Status, test.forger)
			}
		})
	}
}

// TestProxiesLogSecrets shows what the lines about logs in the examples are for:
// without them the path, or the secret, is written down.
func TestProxiesLogSecrets(t *testing.T) {
	there := proxies(t)
	for _, test := range []struct {
		kind   proxyKind
		change edit
	}{
		{nginx, edit{"access_log off;", ""}},
		{nginx, edit{"error_log /dev/null;", ""}},
		{caddy, edit{"request>uri delete", ""}},
		{caddy, edit{"request>headers delete", ""}},
		{traefik, edit{"accessLogs: false", "accessLogs: true"}},
	} {
		if !slices.ContainsFunc(there, func(k proxyKind) bool { return k.name == test.kind.name }) {
			continue
		}
		t.Run(test.kind.name+"/"+strings.TrimSpace(test.change.old), func(t *testing.T) {
			pair, upstream := newPair(t), listenCloser(t)
			upstream.Close() // nobody listens
			p := behind(t, test.kind, upstream.Addr().String(), test.change)
			p.sends(telegramAddress, post(t, pair, strings.NewReader(brought)))
			p.stop()
			if logs := p.logs(); !strings.Contains(logs, pair.PathSecret()) && !strings.Contains(logs, pair.Secret()) {
				t.Errorf("neither path nor secret is in the logs:\n%s", logs)
			}
		})
	}
}

// TestTrustingClientsAsProxies is the trap of a range that is too wide, as that of
// a network in which more than the proxy is: a client in it is skipped like a
// proxy, and what it wrote counts. A proxy that replaces the header, as in the
// examples of nginx and Caddy, closes it.
func TestTrustingClientsAsProxies(t *testing.T) {
	wide := netip.MustParsePrefix("127.0.0.0/8")
	adds := edit{"$remote_addr;", "$proxy_add_x_forwarded_for;"}
	for _, test := range []struct {
		name    string
		kind    proxyKind
		changes []edit
		want    int
	}{
		{"nginx that adds", nginx, []edit{adds}, http.StatusOK},
		{"the example of nginx", nginx, nil, http.StatusForbidden},
		{"the example of Caddy", caddy, nil, http.StatusForbidden},
	} {
		t.Run(test.name, func(t *testing.T) {
			hook := listenBehind(t, wide)
			p := behind(t, test.kind, hook.Addr().String(), test.changes...)
			res, _ := p.sends("127.0.1.1", post(t, hook.pair, strings.NewReader(brought), forwarded(telegramAddress)))
			if res.StatusCode != test.want {
				_, refused := hook.forget()
				t.Errorf("who forges gets %s, want %d; refused for %q\n%s", res.Status, test.want, refused, p.logs())
			}
		})
	}
}
