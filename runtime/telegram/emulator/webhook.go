package emulator

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
)

// Webhook is what the bot registered with setWebhook. The zero value is: none.
type Webhook struct {
	URL            string
	SecretToken    string
	IPAddress      string
	MaxConnections int
	AllowedUpdates []string
	Certificate    bool   // a certificate was sent along
	PEM            []byte // that certificate, as it was uploaded. Not to be written to.
}

var secretShape = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)

// webhookPorts: https://core.telegram.org/bots/api#setwebhook
var webhookPorts = []string{"", "443", "80", "88", "8443"}

// Webhook gives the present registration.
func (s *Server) Webhook() Webhook {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hook == nil {
		return Webhook{}
	}
	return s.hook.Webhook
}

// setWebhook: https://core.telegram.org/bots/api#setwebhook
func (s *Server) setWebhook(p *params) (any, error) {
	if !p.has("url") {
		return s.deleteWebhook(p)
	}
	hook, err := parseWebhook(p)
	if err != nil {
		return nil, err
	}
	if err := s.updates.remember(p.str("allowed_updates")); err != nil {
		return nil, err
	}
	hook.AllowedUpdates = slices.Clone(s.updates.allowed)
	same := s.hook != nil && hook.URL == s.hook.URL
	s.updates.endPoller("terminated by setWebhook request")
	s.dropPending(p)
	s.register(hook)
	if same {
		return noted{result: true, description: "Webhook is already set"}, nil
	}
	return noted{result: true, description: "Webhook was set"}, nil
}

func parseWebhook(p *params) (Webhook, error) {
	hook := Webhook{
		URL: p.str("url"), SecretToken: p.str("secret_token"), IPAddress: p.str("ip_address"),
		MaxConnections: int(clamp(p.int("max_connections"), 1, 100)),
	}
	certificate, sent := p.uploads["certificate"]
	hook.Certificate, hook.PEM = sent, certificate.data
	if !p.has("max_connections") {
		hook.MaxConnections = 40
	}
	u, err := url.Parse(hook.URL)
	switch {
	case err != nil || u.Scheme != "https" || u.Hostname() == "":
		return hook, badRequest("bad webhook: An HTTPS URL must be provided for webhook")
	case !slices.Contains(webhookPorts, u.Port()):
		return hook, badRequest("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
	case len(hook.SecretToken) > 256:
		return hook, badRequest("secret token is too long")
	case hook.SecretToken != "" && !secretShape.MatchString(hook.SecretToken):
		return hook, badRequest("secret token contains unallowed characters")
	}
	if _, err := netip.ParseAddr(hook.IPAddress); hook.IPAddress != "" && err != nil {
		return hook, badRequest("bad webhook: Invalid IP address specified")
	}
	return hook, nil
}

// deleteWebhook: https://core.telegram.org/bots/api#deletewebhook
func (s *Server) deleteWebhook(p *params) (any, error) {
	was := s.hook != nil
	s.retire()
	s.dropPending(p)
	if !was {
		return noted{result: true, description: "Webhook is already deleted"}, nil
	}
	return noted{result: true, description: "Webhook was deleted"}, nil
}

func (s *Server) dropPending(p *params) {
	if p.bool("drop_pending_updates") {
		s.updates.list = nil
	}
}

// webhookInfo: https://core.telegram.org/bots/api#webhookinfo
type webhookInfo struct {
	URL            string   `json:"url"`
	Certificate    bool     `json:"has_custom_certificate"`
	Pending        int      `json:"pending_update_count"`
	IPAddress      string   `json:"ip_address,omitempty"`
	LastErrorDate  int64    `json:"last_error_date,omitempty"`
	LastError      string   `json:"last_error_message,omitempty"`
	MaxConnections int      `json:"max_connections,omitempty"`
	AllowedUpdates []string `json:"allowed_updates,omitempty"`
}

// getWebhookInfo: https://core.telegram.org/bots/api#getwebhookinfo. As at Telegram, the last error stays after later
// deliveries went well; its date says how old it is.
func (s *Server) getWebhookInfo(*params) (any, error) {
	info := webhookInfo{Pending: len(s.updates.list), AllowedUpdates: s.updates.allowed}
	if reg := s.hook; reg != nil {
		info.URL, info.Certificate, info.IPAddress = reg.URL, reg.Certificate, reg.IPAddress
		info.LastErrorDate, info.LastError = reg.lastErrorDate, reg.lastError
		info.MaxConnections = reg.MaxConnections
	}
	return info, nil
}
