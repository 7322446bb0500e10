package metrics

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

func someBlocks(string) (unix.Statfs_t, error) {
	return unix.Statfs_t{Frsize: 1024, Blocks: 1000, Bfree: 300, Bavail: 250}, nil
}

func TestRealMounts(t *testing.T) {
	m := newMachine(t, map[string]string{"proc/1/mountinfo": testdata(t, "mountinfo")})
	r := m.reader(nil)
	r.probes.statfs = someBlocks
	got, err := r.Disk(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for _, mt := range got.Mounts {
		shown = append(shown, mt.Path)
	}
	want := []string{"/", "/boot/efi", "/home", "/mnt/auto", "/mnt/data", "/mnt/my nas"}
	if !slices.Equal(shown, want) {
		t.Errorf("mounts %q, want %q", shown, want)
	}
	nas := abi.Mount{Path: "/mnt/my nas", Device: "nas:/export x", Type: "nfs4", Total: 1024000, Used: 716800, Free: 256000}
	d := got.Mounts[5]
	if !near(d.Percent, 100*700.0/950) { // as df has it
		t.Errorf("%v percent", d.Percent)
	}
	if d.Percent = 0; d != nas {
		t.Errorf("the NFS mount is %+v", d)
	}
}

func TestWhereMountsAreAsked(t *testing.T) {
	const table = "1 1 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 / /data rw - ext4 /dev/sdb1 rw\n"
	for name, tc := range map[string]struct {
		file, table string // in proc
		want        map[string]string
	}{
		"the table of process 1": {"proc/1/mountinfo", table, map[string]string{"/": "", "/data": "data"}},
		"this process' own table": {"proc/self/mountinfo", "9 1 0:9 / / rw - ext4 /dev/x rw\n8 1 8:9 / ROOTX rw - ext4 /dev/y rw\n" +
			"1 1 8:1 / ROOT rw - ext4 /dev/sda1 rw\n2 1 8:2 / ROOT/data rw - ext4 /dev/sdb1 rw\n", map[string]string{"/": "", "/data": "data"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, nil)
			m.write(tc.file, replaceRoot(tc.table, m.root))
			mounts, err := m.reader(nil).mounts()
			if err != nil || len(mounts) != len(tc.want) {
				t.Fatalf("mounts %+v, %v", mounts, err)
			}
			for _, mt := range mounts {
				if want := filepath.Join(m.root, tc.want[mt.path]); mt.asked != want {
					t.Errorf("%s is asked at %s, want %s", mt.path, mt.asked, want)
				}
			}
		})
	}
}

func TestAHangingMount(t *testing.T) {
	m := newMachine(t, map[string]string{"proc/1/mountinfo": testdata(t, "mountinfo")})
	r := m.reader(nil)
	var calls atomic.Int32
	server := make(chan struct{})
	nas := filepath.Join(m.root, "mnt/my nas")
	r.probes.statfs = func(path string) (unix.Statfs_t, error) {
		if path == nas {
			calls.Add(1)
			<-server
		}
		return someBlocks(path)
	}
	for range 5 {
		begin := time.Now()
		got, err := r.Disk(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Mounts) != 5 || !slices.Equal(got.Hanging, []string{"/mnt/my nas"}) {
			t.Fatalf("mounts %d, hanging %q", len(got.Mounts), got.Hanging)
		}
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("took %v", took)
		}
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("%d calls hang, want one", n)
	}
	stuck := r.probes.start(nas)
	close(server)
	<-stuck.done
	if got, err := r.Disk(context.Background()); err != nil || len(got.Mounts) != 6 || got.Hanging != nil {
		t.Errorf("the server is back: %d mounts, hanging %q, %v", len(got.Mounts), got.Hanging, err)
	}
}

func TestMountsThatFail(t *testing.T) {
	m := newMachine(t, map[string]string{"proc/1/mountinfo": "1 1 8:1 / /a rw - ext4 /dev/sda1 rw\n"})
	r := m.reader(nil)
	for name, tc := range map[string]struct {
		err            error
		blocks         uint64
		shown, hanging int
	}{
		"well":                {nil, 5, 1, 0},
		"no blocks: not real": {nil, 0, 0, 0},
		"stale":               {unix.ESTALE, 0, 0, 1},
		"a dying disk":        {unix.EIO, 0, 0, 1},
		"not for this bot":    {unix.EACCES, 0, 0, 0},
	} {
		r.probes.statfs = func(string) (unix.Statfs_t, error) {
			return unix.Statfs_t{Blocks: tc.blocks, Bsize: 512}, tc.err
		}
		got, err := r.Disk(context.Background())
		if err != nil || len(got.Mounts) != tc.shown || len(got.Hanging) != tc.hanging {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestUsageOfAbsurdFileSystems(t *testing.T) {
	for name, st := range map[string]unix.Statfs_t{
		"wraps":               {Blocks: math.MaxUint64, Bfree: 1, Bavail: math.MaxUint64, Frsize: 4096},
		"more free than size": {Blocks: 10, Bfree: 20, Bavail: 20, Frsize: 512},
		"negative block size": {Blocks: 10, Frsize: -1, Bsize: -1},
	} {
		got := usage(mount{}, st)
		if math.IsNaN(got.Percent) || got.Percent < 0 || got.Percent > 100 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func FuzzParseMounts(f *testing.F) {
	f.Add("1 1 8:1 / /a\\040b rw - ext4 /dev/sda1 rw\n")
	f.Add(" - \n- - - - - - -\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, m := range fold(parseMounts(text)) {
			if !filepath.IsAbs(m.path) {
				t.Fatalf("path %q from %q", m.path, text)
			}
		}
	})
}
