package config

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Validate checks every value of c, a Config as [Parse] returns it, and reports all that is wrong. The error is a
// [Problems] without lines, or nil. It reads nothing but c and changes nothing.
func (c *Config) Validate() ([]Warning, error) { return c.check().finish() }

func (c *Config) check() *report {
	r := new(report)
	c.checkToken(r)
	c.checkAccess(r)
	c.checkDocker(r)
	c.checkWebhook(r)
	c.checkMonitor(r)
	c.checkOutline(r)
	c.checkInfluxDB(r)
	c.checkTelegram(r)
	c.checkModules(r)
	c.checkMetrics(r)
	c.checkReleases(r)
	c.checkLog(r)
	return r
}

// normalize brings values that may be written in more than one way into the one that Config documents.
func (c *Config) normalize() {
	c.Log.Level = strings.ToUpper(c.Log.Level)
	c.Log.Format = strings.ToLower(c.Log.Format)
	c.Telegram.APIURL = strings.TrimRight(c.Telegram.APIURL, "/")
	c.Webhook.URL = strings.TrimSuffix(strings.TrimPrefix(c.Webhook.URL, "https://"), "/")
	c.Plugins.Outline.Cert = strings.ToLower(strings.ReplaceAll(c.Plugins.Outline.Cert, ":", ""))
	for name, digest := range c.Modules.Pins {
		c.Modules.Pins[name] = strings.ToLower(digest)
	}
}

// hints say what to put in the place of a required value, by key.
var hints = map[string]string{
	"bot_token.prod_token":            "put the token here that @BotFather gave you",
	"access_control.auth_salt":        "put 32 or more random characters here, such as: openssl rand -hex 32",
	"access_control.allowed_user_ids": "start the bot, send it /getmyid in a private chat, where it answers anybody, and put your id here",
}

func (r *report) missing(key string) { r.bad(key, "is missing", hints[key]) }

func (r *report) bad(key, message, hint string) {
	r.refuse(Problem{Key: key, Message: message, Hint: hint})
}

func (r *report) note(key, message, hint string) {
	r.warn(Warning{Problem: Problem{Key: key, Message: message, Hint: hint}})
}

func (r *report) insecure(key, message, hint string) {
	r.warn(Warning{Problem: Problem{Key: key, Message: message, Hint: hint}, Insecure: true})
}

// tokenShape must hold for every token that reaches the Telegram library: go-telegram/bot hides the token in its errors
// only if it is a plain part of a URL, and leaks one that holds a space, a line break or a bad % escape.
var tokenShape = regexp.MustCompile(`^\d{5,}:[A-Za-z0-9_-]{30,}$`)

func (c *Config) checkToken(r *report) {
	if c.BotToken.ProdToken == "" {
		r.missing("bot_token.prod_token")
	} else {
		checkTokenShape(r, "bot_token.prod_token", string(c.BotToken.ProdToken))
	}
	if c.BotToken.DevBotToken != "" {
		checkTokenShape(r, "bot_token.dev_bot_token", string(c.BotToken.DevBotToken))
	}
}

func checkTokenShape(r *report, key, token string) {
	switch {
	case tokenShape.MatchString(token):
	case strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' }):
		r.bad(key, "has a space or a line break in it ("+shapeOf(token)+")", "copy the token again, without what is around it")
	default:
		r.bad(key, "is not a bot token ("+shapeOf(token)+")", "a token is digits, a colon and 30 or more letters, digits, - and _")
	}
}

const minSaltLength = 32

func (c *Config) checkAccess(r *report) {
	const users = "access_control.allowed_user_ids"
	access := c.AccessControl
	checkUsers(r, users, access.AllowedUserIDs)
	if strays := strays(access.AllowedAdminsIDs, access.AllowedUserIDs); len(strays) > 0 {
		r.bad("access_control.allowed_admins_ids", "admins who are not in allowed_user_ids: "+joinIDs(strays),
			"add them there, or remove them here")
	}
	switch {
	case len(access.AllowedUserIDs) == 0: // how everybody begins who does not know the id yet
		r.note(users, "nobody may use the bot yet", hints[users])
	case len(access.AllowedAdminsIDs) == 0:
		r.note("access_control.allowed_admins_ids", "nobody is an admin, so nobody may start or stop anything", "")
	}
	checkChats(r, "access_control.allowed_chat_ids", access.AllowedChatIDs)
	checkChats(r, "chat_id.global_chat_id", c.ChatID.IDs())
	checkContainers(r, access)
	checkSalt(r, string(access.AuthSalt))
}

func checkSalt(r *report, salt string) {
	const key = "access_control.auth_salt"
	n := utf8.RuneCountInString(salt)
	switch {
	case n == 0:
		r.missing(key)
	case n < minSaltLength:
		r.bad(key, fmt.Sprintf("has %d characters, and %d are needed", n, minSaltLength), hints[key])
	case distinct(salt) < 8:
		r.insecure(key, "has fewer than 8 different characters, so it can be guessed", hints[key])
	}
}

func distinct(text string) int {
	seen := map[rune]bool{}
	for _, c := range text {
		seen[c] = true
	}
	return len(seen)
}

// serviceAccounts are ids under which Telegram delivers what an unknown person wrote. To allow one is to allow anybody.
var serviceAccounts = map[int64]string{
	1087968824: "the id of every anonymous group admin",
	777000:     "the id of Telegram itself and of linked channels",
	136817688:  "the id of everybody who writes as a channel",
}

// exampleIDs stand in pyTMBot's sample; whoever really has them would get in.
var exampleIDs = []int64{123456789, 987654321}

func checkUsers(r *report, key string, ids []int64) {
	for i, id := range ids {
		at := fmt.Sprintf("%s[%d]", key, i)
		switch {
		case id <= 0:
			r.bad(at, "a user id is a positive number", "the id of a group is negative and belongs under chat_id.global_chat_id")
		case serviceAccounts[id] != "":
			r.bad(at, fmt.Sprintf("%d is %s, not of a person", id, serviceAccounts[id]), "remove it")
		case slices.Contains(exampleIDs, id):
			r.insecure(at, fmt.Sprintf("%d is the example of a sample", id), "if it is not yours, a stranger may use the bot")
		}
	}
}

func checkChats(r *report, key string, ids []int64) {
	for i, id := range ids {
		if id == 0 {
			r.bad(fmt.Sprintf("%s[%d]", key, i), "a chat id is never 0", "a group's id is negative, a private chat's is the user's")
		}
	}
}

func strays(admins, users []int64) []int64 {
	var out []int64
	for _, id := range admins {
		if !slices.Contains(users, id) {
			out = append(out, id)
		}
	}
	return out
}

// joinIDs names ten ids at most.
func joinIDs(ids []int64) string {
	var names []string
	for _, id := range ids[:min(len(ids), 10)] {
		names = append(names, strconv.FormatInt(id, 10))
	}
	text := strings.Join(names, ", ")
	if more := len(ids) - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func (c *Config) checkMonitor(r *report) {
	const at = "plugins_config.monitor."
	m := c.Plugins.Monitor
	for _, t := range []struct {
		key        string
		value, max float64
		unit       string
	}{
		{"cpu_usage_threshold", m.Tracehold.CPUUsageThreshold, 100, "percent"},
		{"memory_usage_threshold", m.Tracehold.MemoryUsageThreshold, 100, "percent"},
		{"disk_usage_threshold", m.Tracehold.DiskUsageThreshold, 100, "percent"},
		{"cpu_temperature_threshold", m.Tracehold.CPUTemperatureThreshold, 200, "degrees Celsius"},
		{"gpu_temperature_threshold", m.Tracehold.GPUTemperatureThreshold, 200, "degrees Celsius"},
		{"disk_temperature_threshold", m.Tracehold.DiskTemperatureThreshold, 200, "degrees Celsius"},
	} {
		if t.value < 0 || t.value > t.max {
			r.bad(at+"tracehold."+t.key, fmt.Sprintf("must be 0 to %g %s", t.max, t.unit), "")
		}
	}
	if m.MaxNotifications < 1 {
		r.bad(at+"max_notifications", "must be 1 or more", "")
	}
	if m.RetryAttempts < 0 {
		r.bad(at+"retry_attempts", "must be 0 or more", "")
	}
	checkSpan(r, at+"check_interval", m.CheckInterval, time.Second, 24*time.Hour)
	checkSpan(r, at+"reset_notification_count", m.ResetNotificationCount, time.Second, 30*24*time.Hour)
	checkSpan(r, at+"retry_interval", m.RetryInterval, time.Second, 24*time.Hour)
}

func checkSpan(r *report, key string, d, least, most time.Duration) {
	if d < least || d > most {
		r.bad(key, fmt.Sprintf("must be between %s and %s", span(least), span(most)), "")
	}
}

// span writes 24h and not 24h0m0s.
func span(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func (c *Config) checkModules(r *report) {
	for i, key := range c.Modules.TrustedKeys {
		if !isMinisignKey(key) {
			r.bad(fmt.Sprintf("modules.trusted_keys[%d]", i), "is not a minisign public key ("+shapeOf(key)+")",
				"it is the second line of minisign.pub: 56 characters that begin with RW")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Modules.Pins)) {
		if digest, err := hex.DecodeString(c.Modules.Pins[name]); err != nil || len(digest) != 32 {
			r.bad("modules.pins."+name, "is not a SHA-256 ("+shapeOf(c.Modules.Pins[name])+")",
				"it is 64 hexadecimal digits, as sha256sum prints them")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Modules.Grants)) {
		checkGrants(r, "modules.grants."+name, c.Modules.Grants[name])
	}
	for _, name := range slices.Sorted(maps.Keys(c.Modules.Secrets)) {
		checkSecrets(r, "modules.secrets."+display(name), c.Modules.Secrets[name])
	}
	for _, name := range slices.Sorted(maps.Keys(c.Modules.Limits)) {
		checkLimits(r, "modules.limits."+name, c.Modules.Limits[name])
	}
}

// isMinisignKey: the algorithm "Ed", 8 bytes of key id and 32 bytes of key, in base64.
func isMinisignKey(text string) bool {
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	return err == nil && len(raw) == 42 && string(raw[:2]) == "Ed" && !strings.ContainsAny(text, "\r\n")
}

func checkGrants(r *report, key string, grants []Grant) {
	for i, g := range grants {
		at := fmt.Sprintf("%s[%d]", key, i)
		if g.Capability == "" {
			r.bad(at+".capability", "is missing", "name one, such as docker.containers.list")
		} else if !capabilityShape.MatchString(g.Capability) {
			r.bad(at+".capability", errGrantName.Error(), "")
		}
		if g.Scope != nil && len(g.Scope) == 0 {
			r.bad(at+".scope", "is an empty list, which may be read as nothing or as everything",
				"list patterns, or remove the grant")
		}
		for j, pattern := range g.Scope {
			if strings.TrimSpace(pattern) == "" {
				r.bad(fmt.Sprintf("%s.scope[%d]", at, j), errGrantScope.Error(), "")
			} else if err := checkFetch(g.Capability, pattern); err != nil {
				r.bad(fmt.Sprintf("%s.scope[%d]", at, j), err.Error(), "")
			}
		}
	}
}

// checkLimits keeps figures within what one invocation on one host can mean; 0 is "as DefaultLimits".
func checkLimits(r *report, key string, l Limits) {
	for _, size := range []struct {
		key                string
		value, least, most Bytes
	}{
		{"memory", l.Memory, 1 << 20, 4<<30 - 64<<10}, // 4 GiB is all that a 32-bit guest can address, and wazero cannot count that far
		{"reply", l.Reply, 1 << 10, 16 << 20},
		{"log", l.Log, 1 << 10, 16 << 20},
	} {
		if size.value != 0 && (size.value < size.least || size.value > size.most) {
			r.bad(key+"."+size.key, fmt.Sprintf("must be between %s and %s", size.least, size.most), "")
		}
	}
	if l.Timeout != 0 {
		checkSpan(r, key+".timeout", l.Timeout, 10*time.Millisecond, 10*time.Minute)
	}
	if l.HostCalls < 0 || l.HostCalls > 1_000_000 {
		r.bad(key+".host_calls", "must be between 1 and 1000000", "")
	}
	if l.Concurrency < 0 || l.Concurrency > 1000 {
		r.bad(key+".concurrency", "must be between 1 and 1000", "")
	}
	if l.Fuel < 0 || l.Fuel != 0 && l.Fuel < 1_000_000 {
		r.bad(key+".fuel", "must be 1000000 or more", "")
	}
}

func (c *Config) checkLog(r *report) {
	if !slices.Contains([]string{"DEBUG", "INFO", "WARN", "ERROR"}, c.Log.Level) {
		r.bad("log.level", "must be DEBUG, INFO, WARN or ERROR, not "+shapeOf(c.Log.Level), "")
	}
	if !slices.Contains([]string{"json", "human"}, c.Log.Format) {
		r.bad("log.format", "must be json or human, not "+shapeOf(c.Log.Format), "")
	}
}
