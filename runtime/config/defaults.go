package config

import (
	"cmp"
	"errors"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
)

// defaults is the layer below the operator's file. A key that is not here defaults to nothing: empty, 0, false.
// The figures of plugins_config and webhook_config are pyTMBot's, those of telegram.flood are Telegram's.
const defaults = `
docker:
  host: [unix:///var/run/docker.sock]
webhook_config:
  webhook_port: 443
  local_port: 5001
plugins_config:
  monitor:
    tracehold:
      cpu_usage_threshold: 80
      memory_usage_threshold: 80
      disk_usage_threshold: 80
      cpu_temperature_threshold: 85
      gpu_temperature_threshold: 90
      disk_temperature_threshold: 60
    max_notifications: 3
    check_interval: 5s
    reset_notification_count: 5m
    retry_attempts: 3
    retry_interval: 10s
telegram:
  api_url: https://api.telegram.org
  max_update_age: 5m
  flood: {overall: 30, chat: 1, group: 20}
modules:
  chat_approval: true
log:
  level: INFO
  format: json
`

// DefaultLimits bounds a module of which the file says nothing.
var DefaultLimits = Limits{
	Memory:      64 << 20,
	Timeout:     10 * time.Second,
	HostCalls:   256,
	Reply:       64 << 10,
	Log:         16 << 10,
	Concurrency: 4,
	// A tight loop burns two billion in a second: the time ends first.
	Fuel: 20_000_000_000,
}

// LimitsFor returns the limits of the module called name, with DefaultLimits for what the file leaves open.
func (m Modules) LimitsFor(name string) Limits {
	own := m.Limits[name]
	return Limits{
		Memory:      cmp.Or(own.Memory, DefaultLimits.Memory),
		Timeout:     cmp.Or(own.Timeout, DefaultLimits.Timeout),
		HostCalls:   cmp.Or(own.HostCalls, DefaultLimits.HostCalls),
		Reply:       cmp.Or(own.Reply, DefaultLimits.Reply),
		Log:         cmp.Or(own.Log, DefaultLimits.Log),
		Concurrency: cmp.Or(own.Concurrency, DefaultLimits.Concurrency),
		Fuel:        cmp.Or(own.Fuel, DefaultLimits.Fuel),
	}
}

// errMismatch has no cause on purpose: mapstructure's errors quote the value.
var errMismatch = errors.New("checked values do not fit the Config struct: please report this")

// pathDelimiter cannot occur in a key (see safeName), so koanf never takes a module's name for a path.
const pathDelimiter = "/"

// decode lays values, as the walker read them, over the defaults.
func decode(values map[string]any) (*Config, error) {
	k := koanf.New(pathDelimiter)
	if err := k.Load(rawbytes.Provider([]byte(defaults)), yaml.Parser()); err != nil {
		return nil, errMismatch
	}
	if err := k.Load(layer(values), nil); err != nil {
		return nil, errMismatch
	}
	c := new(Config)
	err := k.UnmarshalWithConf("", c, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		DecodeHook: mapstructure.ComposeDecodeHookFunc(
			mapstructure.StringToTimeDurationHookFunc(),
			mapstructure.TextUnmarshallerHookFunc(),
		),
		ErrorUnused: true,
	}})
	if err != nil {
		return nil, errMismatch
	}
	return c, nil
}

// layer is a koanf.Provider of values that were read and checked already. The operator's file does not go through
// koanf's own YAML parser: that loses line numbers, and turns an unquoted salt of digits into a float.
type layer map[string]any

// Read returns the values.
func (l layer) Read() (map[string]any, error) { return l, nil }

// ReadBytes is koanf's other way to ask; koanf takes Read when no parser is given.
func (l layer) ReadBytes() ([]byte, error) { return nil, errors.ErrUnsupported }
