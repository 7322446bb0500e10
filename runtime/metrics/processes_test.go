package metrics

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// procStat is a /proc/PID/stat.
func procStat(pid int, name string, state byte, ticks, start, pages int) string {
	return fmt.Sprintf("%d (%s) %c 1 1 1 0 -1 0 0 0 0 0 %d 0 0 0 20 0 1 0 %d 0 %d 0\n", pid, name, state, ticks, start, pages)
}

func TestTopProcesses(t *testing.T) {
	files := map[string]string{
		"proc/meminfo": "MemTotal: 1000000 kB\n", "sys/devices/system/cpu/online": "0-3\n",
		"etc/passwd": "# comment\nroot:x:0:0::/:\nada:x:1000:1000::/:\nalias:x:1000:1::/:\nbad\n",
		"proc/self":  "no folder", "proc/99/stat": "garbage", "proc/100/other": "",
	}
	status := func(pid, uid int) {
		files[fmt.Sprintf("proc/%d/status", pid)] = fmt.Sprintf("Name:\tx\nUid:\t0\t%d\t0\t0\n", uid)
	}
	files["proc/1/stat"] = procStat(1, "init", 'S', 500, 1, 1000)
	files["proc/2/stat"] = procStat(2, "a) R (b\x1b", 'R', 100, 5, 3000)
	files["proc/3/stat"] = procStat(3, "reused", 'D', 9999, 7, 50)
	files["proc/4/stat"] = procStat(4, "kworker/0:1-eve", 'I', 0, 8, 0)
	files["proc/5/stat"] = procStat(5, "stopped", 'T', 0, 8, 1)
	files["proc/6/stat"] = procStat(6, "zombie", 'Z', 0, 8, 0)
	status(1, 0)
	status(2, 1000)
	status(3, 4242)
	m := newMachine(t, files)
	r := m.reader(func() { // in the 250 ms of the window
		m.write("proc/2/stat", procStat(2, "a) R (b\x1b", 'R', 120, 5, 3000)) // 20 ticks: 80 %
		m.write("proc/3/stat", procStat(3, "reused", 'D', 5, 900, 50))        // another one: 5 ticks: 20 %
		m.write("proc/7/stat", procStat(7, "new", 'R', 500, 901, 7))          // more than there can be
		if err := os.RemoveAll(filepath.Join(m.root, "proc/6")); err != nil {
			t.Fatal(err)
		}
	})
	got, err := r.Processes(context.Background(), abi.ProcessQuery{Count: 3})
	if err != nil {
		t.Fatal(err)
	}
	page := uint64(os.Getpagesize())
	share := func(pages uint64) float64 { return float64(pages*page) / 1024000000 * 100 }
	want := []abi.Process{
		{PID: 7, Name: "new", CPUPercent: 400, Memory: 7 * page, MemoryPercent: share(7)},
		{PID: 2, Name: "a) R (b�", User: "ada", CPUPercent: 80, Memory: 3000 * page, MemoryPercent: share(3000)},
		{PID: 3, Name: "reused", User: "4242", CPUPercent: 20, Memory: 50 * page, MemoryPercent: share(50)},
	}
	for i := range want {
		if got.Top[i] != want[i] {
			t.Errorf("place %d\n got %+v\nwant %+v", i+1, got.Top[i], want[i])
		}
	}
	if got.Total != 6 || got.Running != 2 || got.Sleeping != 2 || got.Idle != 1 || got.Stopped != 1 || got.Zombie != 0 {
		t.Errorf("counts %+v", got)
	}
	got, err = r.Processes(context.Background(), abi.ProcessQuery{By: abi.ByMemory, Count: 1})
	if err != nil || len(got.Top) != 1 || got.Top[0].PID != 2 {
		t.Errorf("by memory %+v, %v", got.Top, err)
	}
}

func TestCountsNeedNoWindow(t *testing.T) {
	m := newMachine(t, map[string]string{"proc/1/stat": procStat(1, "init", 'S', 1, 1, 1)})
	r := m.reader(func() { t.Error("waited") })
	if got, err := r.Processes(context.Background(), abi.ProcessQuery{}); err != nil || got.Total != 1 || got.Top != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestProcessQueriesThatMakeNoSense(t *testing.T) {
	r := newMachine(t, nil).reader(nil)
	for _, q := range []abi.ProcessQuery{{Count: -1}, {By: "name", Count: 1}} {
		_, err := r.Processes(context.Background(), q)
		wantCode(t, err, abi.Invalid)
	}
}

func TestAtMostFiftyAreListed(t *testing.T) {
	files := map[string]string{}
	for pid := 1; pid <= 60; pid++ {
		files[fmt.Sprintf("proc/%d/stat", pid)] = procStat(pid, "p", 'S', 1, 1, 1)
	}
	got, err := newMachine(t, files).reader(nil).Processes(context.Background(), abi.ProcessQuery{Count: 1000})
	if err != nil || len(got.Top) != MaxProcesses || got.Total != 60 {
		t.Errorf("%d listed of %d, %v", len(got.Top), got.Total, err)
	}
}

func FuzzParseProcess(f *testing.F) {
	f.Add(procStat(1, "init", 'S', 1, 1, 1))
	f.Add(procStat(2, ") R 1 1 (", 'R', 1, 1, -5))
	f.Add("1 (" + strings.Repeat(")", 50))
	f.Fuzz(func(t *testing.T, text string) {
		p, ok := parseProcess(text)
		if ok && (p.pid <= 0 || p.ticks > 1<<63) {
			t.Fatalf("%+v from %q", p, text)
		}
	})
}
