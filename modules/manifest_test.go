package modules

import (
	"bytes"
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/charts"
	"github.com/cofferdam-bot/cofferdam/modules/containers"
	"github.com/cofferdam-bot/cofferdam/modules/core"
	"github.com/cofferdam-bot/cofferdam/modules/devices"
	"github.com/cofferdam-bot/cofferdam/modules/health"
	"github.com/cofferdam-bot/cofferdam/modules/images"
	"github.com/cofferdam-bot/cofferdam/modules/installs"
	"github.com/cofferdam-bot/cofferdam/modules/logs"
	"github.com/cofferdam-bot/cofferdam/modules/manage"
	"github.com/cofferdam-bot/cofferdam/modules/outline"
	"github.com/cofferdam-bot/cofferdam/modules/quick"
	"github.com/cofferdam-bot/cofferdam/modules/runtime"
	"github.com/cofferdam-bot/cofferdam/modules/server"
	"github.com/cofferdam-bot/cofferdam/modules/updates"
)

var all = map[string]sdk.Module{
	"containers": containers.Module(),
	"core":       core.Module(),
	"manage":     manage.Module(),
	"health":     health.Module(),
	"logs":       logs.Module(),
	"quick":      quick.Module(),
	"server":     server.Module(),
	"updates":    updates.Module(),
	"runtime":    runtime.Module(),
	"images":     images.Module(),
	"installs":   installs.Module(),
	"devices":    devices.Module(),
	"charts":     charts.Module(),
	"outline":    outline.Module(),
}

// manifest reads a module's manifest; a key that does not exist is an error.
func manifest(t *testing.T, name string) abi.Manifest {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(name, "manifest.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var m abi.Manifest
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&m); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return m
}

func TestNoModuleIsForgotten(t *testing.T) {
	paths, err := filepath.Glob("*/manifest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range paths {
		found = append(found, filepath.Dir(path))
	}
	if want := slices.Sorted(maps.Keys(all)); !slices.Equal(found, want) {
		t.Errorf("folders with a manifest: %v; tested: %v", found, want)
	}
}

func TestManifestsFitTheirModules(t *testing.T) {
	owner := map[string]string{}
	for name, module := range all {
		m := manifest(t, name)
		if err := m.Check(); err != nil || m.Name != name {
			t.Errorf("%s: name %q, %v", name, m.Name, err)
		}
		var commands []string
		for _, c := range m.Commands {
			commands = append(commands, c.Name)
			if other, taken := owner[c.Name]; taken {
				t.Errorf("command %s is offered by %s and %s", c.Name, other, name)
			}
			owner[c.Name] = name
		}
		slices.Sort(commands)
		if served := slices.Sorted(maps.Keys(module.Commands)); !slices.Equal(commands, served) {
			t.Errorf("%s: the manifest offers %v, the module serves %v", name, commands, served)
		}
	}
}

// TestModulesToDropInTakeNoBuiltInCommand: a built-in module keeps its commands, and
// who wants one of them does not run.
func TestModulesToDropInTakeNoBuiltInCommand(t *testing.T) {
	owner := map[string]string{}
	for name := range all {
		for _, c := range manifest(t, name).Commands {
			owner[c.Name] = name
		}
	}
	paths, err := filepath.Glob("extra/*/manifest.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d modules to drop in, %v", len(paths), err)
	}
	for _, path := range paths {
		name := filepath.Dir(path)
		for _, c := range manifest(t, name).Commands {
			if built, taken := owner[c.Name]; taken {
				t.Errorf("%s wants /%s of %s", name, c.Name, built)
			}
		}
	}
}

func TestOnlyGetMyIDIsOpenToStrangers(t *testing.T) {
	for name := range all {
		for _, c := range manifest(t, name).Commands {
			if (c.Who == abi.WhoAnybody) != (c.Name == "getmyid") {
				t.Errorf("%s: %s is for %s", name, c.Name, c.Who)
			}
		}
	}
}

func TestReplyKeyboards(t *testing.T) {
	want := map[string]string{
		"main":   "🖥 Server | 🐳 Docker | 🧩 Plugins\n⚡ Quick view | ❤️ Health | ℹ️ About me",
		"server": "📈 Load average | 🧮 CPU | 🧠 Memory load\n🌡 Sensors | 📋 Process | ⏱ Uptime\n💾 File system | 🌐 Network | ⬅️ Back",
		"docker": "🖼 Images | 📦 Containers | ⬅️ Back\n⚙️ Manage | 📜 Logs",
	}
	if got := keyboards(t); !maps.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// keyboards draws each section as rows of labels.
func keyboards(t *testing.T) map[string]string {
	t.Helper()
	sections := map[string][]abi.MenuEntry{}
	for name := range all {
		for _, c := range manifest(t, name).Commands {
			for _, e := range c.Menus {
				sections[e.Section] = append(sections[e.Section], e)
			}
		}
	}
	drawn := map[string]string{}
	for section, entries := range sections {
		slices.SortFunc(entries, func(a, b abi.MenuEntry) int {
			return cmp.Or(cmp.Compare(a.Row, b.Row), cmp.Compare(a.Column, b.Column))
		})
		var text strings.Builder
		for i, e := range entries {
			switch {
			case i == 0:
			case e.Row == entries[i-1].Row:
				text.WriteString(" | ")
			default:
				text.WriteString("\n")
			}
			text.WriteString(e.Label)
		}
		drawn[section] = text.String()
	}
	return drawn
}
