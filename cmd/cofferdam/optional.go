package main

import "github.com/cofferdam-bot/cofferdam/runtime/config"

// optional are the built-in modules about something that not everybody has, and
// whether the config says where it is. Without that they are not loaded: nobody is
// offered their commands.
var optional = map[string]func(*config.Config) bool{
	"outline": func(cfg *config.Config) bool { _, ok := cfg.ModuleSecret("outline", "api_url"); return ok },
}

// configured reports whether a built-in module is to run.
func configured(cfg *config.Config, module string) bool {
	isSet, ok := optional[module]
	return !ok || isSet(cfg)
}
