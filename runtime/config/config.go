// Package config reads, checks and writes cofferdam's one configuration file.
//
// [Find] says which file, [Load] reads it, [Parse] is the pure part of Load. Every problem of a file is reported at once,
// each with its key and line, and no message ever shows a value: people paste tokens into the wrong line. The keys, and
// which of them are secret, are those of the [Config] struct; nothing else lists them.
package config

import (
	"net/netip"
	"time"
)

// Config is a whole configuration with the defaults filled in. The YAML key of a field is its koanf tag. Where pyTMBot
// 0.3.3 has the same key, it means the same.
type Config struct {
	// ConfigVersion is pyTMBot's; any value is accepted and nothing is read from it.
	ConfigVersion Ignored `koanf:"config_version"`

	BotToken      BotToken      `koanf:"bot_token"`
	AccessControl AccessControl `koanf:"access_control"`
	ChatID        ChatID        `koanf:"chat_id"`
	Docker        Docker        `koanf:"docker"`
	Webhook       Webhook       `koanf:"webhook_config"`
	Plugins       Plugins       `koanf:"plugins_config"`
	InfluxDB      InfluxDB      `koanf:"influxdb"`
	Telegram      Telegram      `koanf:"telegram"`
	Modules       Modules       `koanf:"modules"`
	State         State         `koanf:"state"`
	Metrics       Metrics       `koanf:"metrics"`
	Releases      Releases      `koanf:"releases"`
	Log           Log           `koanf:"log"`
}

// Ignored is a key that may stand in the file and is not read.
type Ignored struct{}

// BotToken holds what @BotFather gave.
type BotToken struct {
	// ProdToken is the bot's token, of the shape 123456789:35-or-so-characters. It is required.
	ProdToken Secret `koanf:"prod_token" placeholder:"refuse"`
	// DevBotToken is used by pyTMBot's development mode. Here it only takes part in the legacy derivation of TOTP secrets.
	DevBotToken Secret `koanf:"dev_bot_token" placeholder:"ignore"`
}

// AccessControl says who may use the bot.
type AccessControl struct {
	// AllowedUserIDs are Telegram user ids; at least one is required.
	AllowedUserIDs []int64 `koanf:"allowed_user_ids"`
	// AllowedAdminsIDs is a subset of AllowedUserIDs: those who may run privileged commands.
	AllowedAdminsIDs []int64 `koanf:"allowed_admins_ids"`
	// AuthSalt has 32 characters or more. The key that encrypts TOTP secrets is derived from it. It is required.
	AuthSalt Secret `koanf:"auth_salt" placeholder:"refuse"`
	// AllowedChatIDs limits the chats. Empty: private chats of allowed users, and ChatID.GlobalChatID.
	AllowedChatIDs []int64 `koanf:"allowed_chat_ids"`
	// Containers maps ids out of AllowedUserIDs, in decimal digits, to patterns: such a user sees and acts on those
	// containers only. What is written there means the same as in a grant's scope. Who is not listed is not restricted.
	Containers map[string][]string `koanf:"containers"`
	TOTP       TOTP                `koanf:"totp"`
}

// TOTP says how second-factor secrets come about.
type TOTP struct {
	// LegacyDerivation derives the secrets as pyTMBot does, so that enrolled authenticators go on working.
	LegacyDerivation bool `koanf:"legacy_derivation"`
}

// ChatID holds the chats that get notifications.
type ChatID struct {
	// GlobalChatID are chats, each written as its id, or as id/topic for a topic of a group that has topics.
	GlobalChatID []Chat `koanf:"global_chat_id"`
}

// Docker says which engines the bot talks to.
type Docker struct {
	// Host are engine addresses: unix:///path, tcp://host:port, http://host:port or https://host:port. The first is the
	// local one. Never empty.
	Host []string `koanf:"host"`
	// StrictAccess makes an engine that is not there at start fatal (exit code 5).
	StrictAccess bool `koanf:"strict_access"`
	// DebugDockerClient logs each engine call at DEBUG.
	DebugDockerClient bool `koanf:"debug_docker_client"`
}

// Webhook is what webhook mode needs.
type Webhook struct {
	// Enabled is webhook mode without the flag --webhook.
	Enabled bool `koanf:"enabled"`
	// URL is the public host name or address, without scheme, port and path. Empty: no webhook.
	URL string `koanf:"url" placeholder:"ignore"`
	// WebhookPort is the public port; Telegram knows 443, 80, 88 and 8443.
	WebhookPort int `koanf:"webhook_port"`
	// LocalPort is the port listened on, 1024 to 65535.
	LocalPort int `koanf:"local_port"`
	// Cert and CertKey are paths of PEM files; both or neither. Neither: plain HTTP behind a proxy that ends TLS.
	Cert    string `koanf:"cert" placeholder:"ignore"`
	CertKey string `koanf:"cert_key" placeholder:"ignore"`
	// TrustedProxyIPs are the peers whose X-Forwarded-For counts. A single address is a prefix of full length.
	TrustedProxyIPs []netip.Prefix `koanf:"trusted_proxy_ips"`
	// AdditionalTelegramIPRanges are peers that count as Telegram, beside Telegram's published ranges.
	AdditionalTelegramIPRanges []netip.Prefix `koanf:"additional_telegram_ip_ranges"`
}

// Plugins holds the settings of what pyTMBot ships as plugins.
type Plugins struct {
	Monitor Monitor `koanf:"monitor"`
	Outline Outline `koanf:"outline"`
}

// Monitor sets the alerts about the machine.
type Monitor struct {
	// Tracehold holds the thresholds. The spelling is pyTMBot's.
	Tracehold Tracehold `koanf:"tracehold"`
	// MaxNotifications is how often one alarm is told before it falls silent until ResetNotificationCount has passed.
	MaxNotifications int `koanf:"max_notifications"`
	// CheckInterval is the time between two looks. A plain number is seconds, as in pyTMBot.
	CheckInterval time.Duration `koanf:"check_interval" plain:"seconds"`
	// ResetNotificationCount is the time after the last notification at which counting begins anew. A plain number is
	// seconds: pyTMBot's sample says minutes, its 0.3 code and its settings page say seconds.
	ResetNotificationCount time.Duration `koanf:"reset_notification_count" plain:"seconds"`
	// RetryAttempts is how often a failed look is tried again.
	RetryAttempts int `koanf:"retry_attempts"`
	// RetryInterval is the time between those. A plain number is seconds.
	RetryInterval time.Duration `koanf:"retry_interval" plain:"seconds"`
	// MonitorDocker watches containers and images too.
	MonitorDocker bool `koanf:"monitor_docker"`
}

// Tracehold holds the thresholds of alerts: usage in percent (0 to 100), temperature in degrees Celsius.
type Tracehold struct {
	CPUUsageThreshold        float64 `koanf:"cpu_usage_threshold"`
	MemoryUsageThreshold     float64 `koanf:"memory_usage_threshold"`
	DiskUsageThreshold       float64 `koanf:"disk_usage_threshold"`
	CPUTemperatureThreshold  float64 `koanf:"cpu_temperature_threshold"`
	GPUTemperatureThreshold  float64 `koanf:"gpu_temperature_threshold"`
	DiskTemperatureThreshold float64 `koanf:"disk_temperature_threshold"`
}

// Outline reaches an Outline VPN server.
type Outline struct {
	// APIURL is the management URL. Its path is the server's password, so the whole is a secret. Empty: no Outline.
	APIURL Secret `koanf:"api_url" placeholder:"ignore"`
	// Cert is the SHA-256 fingerprint of the server's certificate: 64 hexadecimal digits.
	Cert string `koanf:"cert" placeholder:"ignore"`
}

// InfluxDB is pyTMBot's place for measurements.
type InfluxDB struct {
	// URL is an http or https URL. Empty: no InfluxDB.
	URL       string `koanf:"url" placeholder:"ignore"`
	Token     Secret `koanf:"token" placeholder:"ignore"`
	Org       string `koanf:"org" placeholder:"ignore"`
	Bucket    string `koanf:"bucket" placeholder:"ignore"`
	DebugMode bool   `koanf:"debug_mode"`
}

// Telegram says where the Bot API is and how hard it may be used.
type Telegram struct {
	// APIURL is the Bot API server, without a slash at its end.
	APIURL string `koanf:"api_url"`
	// MaxUpdateAge is the age from which an update is answered as expired and not acted on; 10 s to 24 h.
	MaxUpdateAge time.Duration `koanf:"max_update_age"`
	Flood        Flood         `koanf:"flood"`
}

// Flood limits what is sent; Telegram's own limits are the defaults. 0 is no limit.
type Flood struct {
	// Overall is in messages per second.
	Overall float64 `koanf:"overall"`
	// Chat is in messages per second to one chat.
	Chat float64 `koanf:"chat"`
	// Group is in messages per minute to one group.
	Group float64 `koanf:"group"`
}

// Modules says which modules may run and what they may reach.
type Modules struct {
	// Dir is the folder of drop-in modules. Empty: the built-in modules only.
	Dir string `koanf:"dir"`
	// TrustedKeys are minisign public keys, one line of base64 each.
	TrustedKeys []string `koanf:"trusted_keys"`
	// Pins maps a module's name to the SHA-256 of its file: 64 lower-case hexadecimal digits.
	Pins map[string]string `koanf:"pins"`
	// ChatApproval lets an admin with a live session approve a module in chat.
	ChatApproval bool `koanf:"chat_approval"`
	// Grants maps a module's name to what it is granted. A name with an empty list is granted nothing.
	Grants map[string][]Grant `koanf:"grants"`
	// Secrets maps a module's name to what the host knows for it and the module does not: by a name, what is put into
	// headers, the address of a server, or the fingerprint of its certificate. See [Config.ModuleSecret].
	Secrets map[string]map[string]Secret `koanf:"secrets"`
	// Limits maps a module's name to its limits; see LimitsFor.
	Limits map[string]Limits `koanf:"limits"`
}

// Limits bound one invocation of a module. 0 means: what [DefaultLimits] says.
type Limits struct {
	// Memory is the linear memory.
	Memory Bytes `koanf:"memory"`
	// Timeout is wall time.
	Timeout time.Duration `koanf:"timeout"`
	// HostCalls is how many host functions may be called.
	HostCalls int `koanf:"host_calls"`
	// Reply is the size of the reply.
	Reply Bytes `koanf:"reply"`
	// Log is the size of what is logged.
	Log Bytes `koanf:"log"`
	// Concurrency is how many invocations of the module run at once.
	Concurrency int `koanf:"concurrency"`
	// Fuel is work: about one unit for an instruction.
	Fuel int64 `koanf:"fuel"`
}

// State says where the bot keeps what must survive a restart.
type State struct {
	// Dir is a folder; see [StateDir] for what wins over it and what stands in for it.
	Dir string `koanf:"dir"`
}

// Metrics says where Prometheus may ask.
type Metrics struct {
	// Listen is host:port of the /metrics page. Empty: off.
	Listen string `koanf:"listen"`
}

// Releases says where the bot learns of newer ones of itself.
type Releases struct {
	// Feed is an https URL that answers as GitHub does for releases/latest. Empty: nobody is asked.
	Feed string `koanf:"feed"`
}

// Log says what is logged and how.
type Log struct {
	// Level is DEBUG, INFO, WARN or ERROR, in capitals whatever the file has.
	Level string `koanf:"level"`
	// Format is json or human.
	Format string `koanf:"format"`
}
