package main

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/runtime/metrics"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// The conversations below are about the machine that the tests run on.

func TestEveryViewOfTheServer(t *testing.T) {
	machine := metrics.New(metrics.Config{}, nil)
	host, err := machine.Host(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	memory, err := machine.Memory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := startBot(t).person(user, user)

	p.expect(p.says("/server"), "<b>🖥 Server</b>", "Name: <code>"+host.Hostname+"</code>", "Kernel: "+host.Kernel, "As of")
	want := [][]string{{"📈 Load average", "🧮 CPU", "🧠 Memory load"}, {"🌡 Sensors", "📋 Process", "⏱ Uptime"}, {"💾 File system", "🌐 Network", "⬅️ Back"}}
	if got := p.Keyboard(); !slices.EqualFunc(got, want, slices.Equal[[]string]) {
		t.Errorf("the section's keyboard: %q", got)
	}

	p.expect(p.presses("📈 Load average"), "<b>📈 Load average</b>", "1 min", "15 min", "<b>Per core ("+sdk.Count(host.CPUs, "core")+")</b>")
	p.goesBackTo("🖥 Server", "📈 Load average")

	p.expect(p.presses("🧮 CPU"), "<b>🧮 CPU</b>", "Total", "Logical cores: ", "Physical cores: ", "Frequency: ", "Measured over: ")
	p.opensBelow("🧮 CPU", "📊 Per core", "<b>📊 CPU per core", "core 0")
	p.opensBelow("🧮 CPU", "🕒 Times", "<b>🕒 CPU times</b>", "user", "iowait", "steal")
	p.opensBelow("🧮 CPU", "🔝 Top 10 processes", "<b>🔝 Top 10 processes by CPU</b>", "1. <code>", "10. <code>", "100 % is one core.")
	p.goesBackTo("🖥 Server", "🧮 CPU")

	p.expect(p.presses("🧠 Memory load"), "<b>🧠 Memory</b>", "Total: "+sdk.Bytes(memory.Total), "Available: ", "Inactive: ", "Shared: ")
	swap := "This machine has no swap."
	if memory.Swap.Total > 0 {
		swap = "Total: " + sdk.Bytes(memory.Swap.Total)
	}
	p.opensBelow("🧠 Memory", "💱 Swap", "<b>💱 Swap</b>", swap)
	p.goesBackTo("🖥 Server", "🧠 Memory")

	p.expect(p.presses("🌡 Sensors"), "<b>🌡 Sensors")
	if sensors, err := machine.Sensors(t.Context()); err == nil && len(sensors.Temperatures)+len(sensors.Fans) == 0 {
		p.expect(p.Last(), "This machine has no sensors that I can read.")
	}
	p.goesBackTo("🖥 Server", "🌡 Sensors")

	p.expect(p.presses("📋 Process"), "<b>📋 Processes</b>", "Total: ", "Running: ", "Sleeping: ", "Idle: ", "Zombie: ")
	p.opensBelow("📋 Processes", "🔝 By CPU", "<b>🔝 Top 10 processes by CPU</b>", "1. <code>")
	p.opensBelow("📋 Processes", "🔝 By memory", "<b>🔝 Top 10 processes by memory</b>", "1. <code>")
	p.goesBackTo("🖥 Server", "📋 Processes")

	p.expect(p.presses("⏱ Uptime"), "<b>⏱ Uptime</b>", "Up for: ", "Booted: ", " ago")
	p.opensBelow("⏱ Uptime", "👥 Logged-in users", "<b>👥 Logged-in users")
	p.goesBackTo("🖥 Server", "⏱ Uptime")
	p.expect(p.presses("⬅️ Back"), "Main menu")
}

func TestEveryViewOfTheDevices(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // so that there is a socket
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	machine := metrics.New(metrics.Config{}, nil)
	p := startBot(t).person(user, user)
	p.says("/server")

	view := p.presses("💾 File system")
	p.expect(view, "<b>💾 File system", "As of")
	disk, err := machine.Disk(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range disk.Mounts[:min(len(disk.Mounts), 8)] {
		p.expect(view, "<code>"+m.Path+"</code>, "+m.Type+" on <code>"+m.Device+"</code>", "of "+sdk.Bytes(m.Total)+" used")
	}
	below := p.opensBelow("💾 File system", "📀 Disk I/O", "<b>📀 Disk I/O", "Measured over: ")
	p.lacks(below, "<code>loop0</code>\n")
	p.goesBackTo("🖥 Server", "💾 File system")

	p.expect(p.presses("🌐 Network"), "<b>🌐 Network</b>", "Received: ", "Sent: ", "Errors: ", "Drops: ", "/s")
	p.opensBelow("🌐 Network", "🔌 Interfaces", "<b>🔌 Interfaces", "Received: ")
	p.opensBelow("🌐 Network", "🔗 Connections", "<b>🔗 Connections</b>", "LISTEN", "Total")
	p.goesBackTo("🖥 Server", "🌐 Network")
	p.expect(p.says("file system"), "💾 File system")
	p.expect(p.says("network"), "🌐 Network")
}

// TestAnOddMachine: 256 cores, 1,000 interfaces, no swap, no sensors, no disks, and
// files that are missing.
func TestAnOddMachine(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var stat, dev strings.Builder
	stat.WriteString("cpu  1 2 3 4 5 6 7 8 0 0\n")
	for i := range 256 {
		stat.WriteString("cpu" + strconv.Itoa(i) + " 1 2 3 4 5 6 7 8 0 0\n")
	}
	for i := range 1000 {
		dev.WriteString("veth" + strconv.Itoa(i) + ": 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n")
	}
	write("proc/stat", stat.String())
	write("proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 500 kB\n")
	write("proc/uptime", "90061.00 1.00\n")
	write("proc/1/net/dev", dev.String())
	write("proc/1/mountinfo", "")
	for name, folder := range map[string]string{"HOST_ROOT": "", "HOST_PROC": "proc", "HOST_SYS": "sys", "HOST_ETC": "etc", "HOST_VAR": "var"} {
		t.Setenv(name, filepath.Join(root, folder))
	}
	p := startBot(t).person(user, user)

	p.says("/cpu")
	p.expect(p.taps("📊 Per core"), "CPU per core, page 1 of 8", "Busiest of 256 cores: ", "core 31")
	p.expect(p.taps("2/8 ▶️"), "page 2 of 8", "core 32", "core 63")
	p.expect(p.taps("🔄 Refresh"), "page 2 of 8")
	p.expect(p.taps("⬅️ Back"), "<b>🧮 CPU</b>", "Logical cores: 256")
	p.says("/memory")
	p.expect(p.taps("💱 Swap"), "This machine has no swap.")
	p.expect(p.says("/sensors"), "This machine has no sensors that I can read.")
	p.expect(p.says("/uptime"), "Up for: 1 d 1 h")
	p.taps("👥 Logged-in users")
	p.expect(p.Last(), "Nobody is logged in.")
	p.expect(p.says("/process"), "Total: 0")
	p.expect(p.taps("🔝 By CPU"), "No process can be seen.")
	p.expect(p.says("/disk"), "No file system can be seen.")
	if answer := p.tapsOnly("📀 Disk I/O"); answer.Text != "This machine does not tell about its disks." {
		t.Errorf("a machine without diskstats says %q", answer.Text)
	}
	p.says("/network")
	p.expect(p.taps("🔌 Interfaces"), "Interfaces, page 1 of 167")
	p.expect(p.taps("2/167 ▶️"), "page 2 of 167")
	p.expect(p.taps("🔄 Refresh"), "page 2 of 167")
	p.expect(p.taps("⬅️ Back"), "<b>🌐 Network</b>")
	p.expect(p.taps("🔗 Connections"), "There are no connections.")
}

// opensBelow opens a view from another one, sees it again, and goes back: all in
// one message. It returns the view.
func (p person) opensBelow(parent, label string, texts ...string) (view emulator.Message) {
	p.t.Helper()
	id := p.Last().ID
	view = p.taps(label)
	p.expect(view, append(texts, "As of")...)
	p.expect(p.taps("🔄 Refresh"), append(texts, "As of")...)
	p.goesBackTo(parent, "")
	if p.Last().ID != id {
		p.t.Errorf("%q and back is another message", label)
	}
	return view
}

// goesBackTo sees a view again, and taps the way back.
func (p person) goesBackTo(parent, again string) {
	p.t.Helper()
	id := p.Last().ID
	if again != "" {
		p.expect(p.taps("🔄 Refresh"), again)
	}
	p.expect(p.taps("⬅️ Back"), "<b>"+parent)
	if p.Last().ID != id {
		p.t.Errorf("the way back to %q is another message", parent)
	}
}
