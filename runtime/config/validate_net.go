package config

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cofferdam-bot/cofferdam/security/capability"
)

func (c *Config) checkDocker(r *report) {
	const key = "docker.host"
	if len(c.Docker.Host) == 0 {
		r.bad(key, "is an empty list", "remove the key for unix:///var/run/docker.sock")
	}
	for i, host := range c.Docker.Host {
		at := fmt.Sprintf("%s[%d]", key, i)
		if slices.Contains(c.Docker.Host[:i], host) {
			r.bad(at, "the same host is given twice", "remove one")
			continue
		}
		checkDockerHost(r, at, host)
	}
}

func checkDockerHost(r *report, key, host string) {
	scheme, rest, ok := strings.Cut(host, "://")
	switch {
	case !ok && strings.HasPrefix(host, "/"):
		r.bad(key, "a path without a scheme", "write unix:// before it")
	case scheme == "unix":
		if !strings.HasPrefix(rest, "/") {
			r.bad(key, "the path of a socket must begin with /", "write unix:///var/run/docker.sock")
		}
	case scheme == "npipe":
		r.bad(key, "named pipes (npipe://) exist on Windows only, and this is Linux", "use unix:///var/run/docker.sock")
	case scheme == "ssh":
		r.bad(key, "ssh:// needs an ssh program, and the image has none", "forward the socket with ssh -L, and use unix://")
	case scheme == "tcp" || scheme == "http" || scheme == "https":
		checkDockerAddress(r, key, host)
	default:
		r.bad(key, "is not the address of a Docker engine ("+shapeOf(host)+")",
			"write unix:///path, tcp://host:port or https://host:port")
	}
}

func checkDockerAddress(r *report, key, host string) {
	u, problem := parseURL(host, "tcp", "http", "https")
	switch {
	case problem != "":
		r.bad(key, problem, "")
	case u.Port() == "":
		r.bad(key, "a port is missing", "Docker's are 2375, and 2376 for TLS")
	case u.Scheme != "https" && !isNear(u.Hostname()):
		r.insecure(key, "an engine outside this network without TLS: whoever reaches it owns that host", "use https://")
	}
}

// publicPorts are those to which Telegram delivers: https://core.telegram.org/bots/api#setwebhook.
var publicPorts = []int{443, 80, 88, 8443}

// hostName allows _ too, which DNS does not and the names of Compose services do.
var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?)*$`)

func (c *Config) checkWebhook(r *report) {
	w := c.Webhook
	if w.URL != "" {
		if !isHost(w.URL) {
			r.bad("webhook_config.url", "must be a host name ("+shapeOf(w.URL)+")",
				"write bot.example.org; the port has a key of its own, and the path is made by the bot")
		}
		if !slices.Contains(publicPorts, w.WebhookPort) {
			r.bad("webhook_config.webhook_port", "Telegram delivers to the ports 443, 80, 88 and 8443 only", "")
		}
	}
	if w.Enabled && w.URL == "" {
		r.bad("webhook_config.url", "is missing, and enabled is true",
			"write the public host name, such as bot.example.org, or enabled: false")
	}
	switch {
	case w.LocalPort > 65535:
		r.bad("webhook_config.local_port", "a port is at most 65535", "")
	case w.LocalPort < 1024:
		r.bad("webhook_config.local_port", "must be 1024 or more: lower ports need a privilege that the bot does not have",
			"let a proxy or Docker map the port")
	}
	if (w.Cert == "") != (w.CertKey == "") {
		missing := "cert_key"
		if w.Cert == "" {
			missing = "cert"
		}
		r.bad("webhook_config."+missing, "is missing: cert and cert_key go together", "give both, or neither behind a proxy")
	}
	checkPeers(r, "webhook_config.trusted_proxy_ips", w.TrustedProxyIPs)
	checkPeers(r, "webhook_config.additional_telegram_ip_ranges", w.AdditionalTelegramIPRanges)
	warnOfProxies(r, "webhook_config.trusted_proxy_ips", w.TrustedProxyIPs)
}

// isHost accepts a host name or an IP address, an IPv6 address in brackets.
func isHost(text string) bool {
	if inner, ok := strings.CutPrefix(text, "["); ok {
		addr, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		return err == nil && addr.Is6() && strings.HasSuffix(inner, "]")
	}
	return len(text) <= 253 && hostName.MatchString(text)
}

func (c *Config) checkOutline(r *report) {
	const at = "plugins_config.outline."
	o := c.Plugins.Outline
	if o.APIURL == "" {
		return
	}
	if _, problem := parseURL(string(o.APIURL), "https"); problem != "" {
		r.bad(at+"api_url", problem, "copy apiUrl from Outline Manager")
	} else if err := capability.CheckBase(string(o.APIURL)); err != nil {
		r.bad(at+"api_url", "is an address that cannot be asked: "+err.Error(), "copy apiUrl from Outline Manager")
	}
	if digest, err := hex.DecodeString(o.Cert); err != nil || len(digest) != 32 {
		r.bad(at+"cert", "must be the SHA-256 fingerprint of the server's certificate",
			"copy certSha256 from Outline Manager: 64 hexadecimal digits")
	}
}

func (c *Config) checkInfluxDB(r *report) {
	db := c.InfluxDB
	if db.URL == "" {
		return
	}
	if _, problem := parseURL(db.URL, "http", "https"); problem != "" {
		r.bad("influxdb.url", problem, "")
	}
	if db.Token == "" || db.Org == "" || db.Bucket == "" {
		r.note("influxdb", "url without token, org and bucket: nothing is written to InfluxDB", "fill them in, or remove url")
	}
}

func (c *Config) checkTelegram(r *report) {
	t := c.Telegram
	u, problem := parseURL(t.APIURL, "http", "https")
	switch {
	case problem != "":
		r.bad("telegram.api_url", problem, "Telegram's own is https://api.telegram.org")
	case u.Scheme == "http" && !isNear(u.Hostname()):
		r.insecure("telegram.api_url", "plain http to another network: everybody on the way can read the bot token",
			"use https://")
	}
	checkSpan(r, "telegram.max_update_age", t.MaxUpdateAge, 10*time.Second, 24*time.Hour)
	checkFlood(r, "telegram.flood.overall", t.Flood.Overall)
	checkFlood(r, "telegram.flood.chat", t.Flood.Chat)
	checkFlood(r, "telegram.flood.group", t.Flood.Group)
}

func checkFlood(r *report, key string, rate float64) {
	if rate < 0 {
		r.bad(key, "must be 0 or more", "0 means no limit")
	}
}

func (c *Config) checkMetrics(r *report) {
	if c.Metrics.Listen == "" {
		return
	}
	host, port, err := net.SplitHostPort(c.Metrics.Listen)
	n, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || n == 0 || (host != "" && !isHost(host) && !isAddress(host)) {
		r.bad("metrics.listen", "must be host:port ("+shapeOf(c.Metrics.Listen)+")",
			"write 127.0.0.1:9108, or :9108 for all addresses")
	}
}

func (c *Config) checkReleases(r *report) {
	if c.Releases.Feed == "" {
		return
	}
	if _, problem := parseURL(c.Releases.Feed, "https"); problem != "" {
		r.bad("releases.feed", problem, "write an address such as https://api.github.com/repos/OWNER/NAME/releases/latest")
	}
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// parseURL reads a URL of one of the schemes that has a host, and neither user, query nor fragment. The problem is empty
// if all is well; it is in our words, since url.Parse quotes the URL.
func parseURL(text string, schemes ...string) (*url.URL, string) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, "is not a URL (" + shapeOf(text) + ")"
	case !slices.Contains(schemes, u.Scheme):
		return nil, "must begin with " + strings.Join(schemes, ":// or ") + "://"
	case u.User != nil:
		return nil, "has a user or a password in it, which ends up in logs"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(text, "#"):
		return nil, "must end before any ? or #"
	case !isHost(u.Hostname()) && !isAddress(u.Hostname()):
		return nil, "has no host name, or an impossible one"
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, "has an impossible port"
		}
	}
	return u, ""
}

// isNear reports whether host is this machine, a private address, or a name without a dot, which only a local resolver
// (Docker's, for instance) can know.
func isNear(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		addr = addr.Unmap()
		return addr.IsLoopback() || addr.IsPrivate()
	}
	return !strings.Contains(host, ".")
}
