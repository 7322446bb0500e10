package metrics

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// diskLine is a line of /proc/diskstats; sectors have 512 bytes.
func diskLine(name string, reads, readSectors, writes, writeSectors, busyMS uint64) string {
	return fmt.Sprintf("   8       0 %s %d 0 %d 0 %d 0 %d 0 0 %d 0 0 0 0\n", name, reads, readSectors, writes, writeSectors, busyMS)
}

func TestDiskIO(t *testing.T) {
	m := newMachine(t, map[string]string{"proc/diskstats": diskLine("sda", 10, 100, 5, 50, 1000) + diskLine("sda1", 10, 100, 5, 50, 900) +
		diskLine("dm-0", 1, 8, 1, 8, 1) + diskLine("loop0", 0, 0, 0, 0, 0) + diskLine("ram0", 9, 9, 9, 9, 9) + diskLine("zram0", 9, 9, 9, 9, 9) +
		diskLine("gone", 1, 1, 1, 1, 1) + diskLine("again", 500, 500, 500, 500, 500) + "garbage\n8 0 sdz x 0 1 0 1 0 1 0 0 1\n"})
	r := m.reader(func() { // in the 250 ms of the window
		m.write("proc/diskstats", diskLine("sda", 20, 612, 6, 562, 1100)+diskLine("sda1", 20, 612, 6, 562, 1000)+
			diskLine("dm-0", 1, 8, 1, 8, 1)+diskLine("loop7", 3, 24, 0, 0, 1)+diskLine("again", 2, 2, 2, 2, 2))
	})
	got, err := r.DiskIO(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := []abi.DiskIO{
		{Name: "again", Reads: 2, Writes: 2, ReadBytes: 1024, WriteBytes: 1024},
		{Name: "sda", Reads: 20, Writes: 6, ReadBytes: 612 * 512, WriteBytes: 562 * 512, ReadRate: 4 * 512 * 512, WriteRate: 4 * 512 * 512, Busy: 40},
		{Name: "dm-0", Reads: 1, Writes: 1, ReadBytes: 4096, WriteBytes: 4096, Virtual: true},
		{Name: "loop7", Reads: 3, ReadBytes: 24 * 512, Virtual: true},
	}
	if !slices.Equal(got.Devices, want) || got.WindowMS != 250 {
		t.Errorf("over %d ms\n got %+v\nwant %+v", got.WindowMS, got.Devices, want)
	}
	if sum := got.Total(); sum.Reads != 22 || sum.ReadRate != 4*512*512 || sum.Busy != 40 {
		t.Errorf("in all %+v", sum)
	}
}

func TestPartitions(t *testing.T) {
	all := parseDiskStats(diskLine("sda", 1, 1, 1, 1, 1) + diskLine("nvme0n1", 1, 1, 1, 1, 1) + diskLine("cciss/c0d0", 1, 1, 1, 1, 1) +
		diskLine("dm-1", 1, 1, 1, 1, 1) + diskLine("md1", 1, 1, 1, 1, 1) + diskLine("mmcblk0", 1, 1, 1, 1, 1))
	for name, want := range map[string]bool{
		"sda": false, "sda1": true, "sda15": true, "sdaa": false, "nvme0n1": false, "nvme0n1p2": true, "nvme0n2": false,
		"cciss/c0d0": false, "cciss/c0d0p1": true, "xvda1": false, "dm-1": false, "dm-11": false, "md1p1": true, "md127": false,
		"mmcblk0p1": true, "mmcblk0boot0": false, "1": false, "p1": false, "": false,
	} {
		if got := isPartition(name, all); got != want {
			t.Errorf("%q is a partition: %v", name, got)
		}
	}
}

func TestStackedDevices(t *testing.T) {
	for name, want := range map[string]bool{"dm-0": true, "md0": true, "md_d0": true, "loop3": true, "sda": false, "mdx": false, "loop": false, "": false} {
		if got := isStacked(name); got != want {
			t.Errorf("%q is made of others: %v", name, got)
		}
	}
}

func TestDiskStatsOfOddMachines(t *testing.T) {
	for name, tc := range map[string]struct {
		text  string
		shown int
		fails bool
	}{
		"no disks at all":    {"", 0, false},
		"only idle ones":     {diskLine("loop0", 0, 0, 0, 0, 0), 0, false},
		"garbage":            {"\x00\xff not this\n", 0, true},
		"before Linux 4.18":  {"8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n", 1, false},
		"too short":          {"8 0 sda 1 2 3 4\n", 0, true},
		"sectors that wrap":  {diskLine("sda", 1, math.MaxUint64, 1, math.MaxUint64, math.MaxUint64), 1, false},
		"more than 64 bits":  {"8 0 sda 99999999999999999999 2 3 4 5 6 7 8 9 10 11\n", 0, true},
		"a name of controls": {diskLine("sd\x1b[2J", 1, 1, 1, 1, 1), 1, false},
		"a thousand disks":   {manyDisks(1000), maxDevices, false},
		"9 MB of one":        {strings.Repeat(diskLine("sda", 1, 1, 1, 1, 1), maxFile/len(diskLine("sda", 1, 1, 1, 1, 1))+1e4), 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := newMachine(t, map[string]string{"proc/diskstats": tc.text}).reader(nil).DiskIO(context.Background())
			if tc.fails {
				wantCode(t, err, abi.Unavailable)
				return
			}
			if err != nil || len(got.Devices) != tc.shown {
				t.Fatalf("%d devices, %v; want %d", len(got.Devices), err, tc.shown)
			}
			for _, d := range got.Devices {
				if strings.ContainsRune(d.Name, 0x1b) || d.Busy < 0 || d.Busy > 100 {
					t.Errorf("%+v", d)
				}
			}
		})
	}
}

func manyDisks(n int) string {
	var text strings.Builder
	for i := range n {
		text.WriteString(diskLine(fmt.Sprintf("nbd%d", i), 1, 1, 1, 1, 1))
	}
	return text.String()
}

func TestPressure(t *testing.T) {
	m := newMachine(t, map[string]string{
		"proc/pressure/cpu":    "some avg10=1.50 avg60=2.25 avg300=3.00 total=123\n",
		"proc/pressure/memory": "some avg10=0.00 avg60=0.00 avg300=0.10 total=1\nfull avg10=0.00 avg60=0.00 avg300=0.05 total=1\n",
		"proc/pressure/io":     "some avg10=NaN avg60=-1 avg300=900 total=x\nmore\nfull avg10 avg60= avg300=x\n",
	})
	got, err := m.reader(nil).Pressure(context.Background())
	want := abi.PressureInfo{Known: true, CPU: abi.Pressure{Some10: 1.5, Some60: 2.25, Some300: 3},
		Memory: abi.Pressure{Some300: 0.1, Full300: 0.05}, IO: abi.Pressure{Some300: 100}}
	if err != nil || got != want {
		t.Errorf("\n got %+v, %v\nwant %+v", got, err, want)
	}
	garbage := newMachine(t, map[string]string{"proc/pressure/cpu": "nothing here\n"})
	if got, err := garbage.reader(nil).Pressure(context.Background()); err != nil || got.Known {
		t.Errorf("garbage gave %+v, %v", got, err)
	}
}

func FuzzParseDiskStats(f *testing.F) {
	f.Add(diskLine("sda", 1, 2, 3, 4, 5)+diskLine("sda1", 1, 2, 3, 4, 5), diskLine("sda", 0, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, before, after string) {
		m := newMachine(t, map[string]string{"proc/diskstats": before})
		got, err := m.reader(func() { m.write("proc/diskstats", after) }).DiskIO(context.Background())
		if err != nil {
			return
		}
		for _, d := range got.Devices {
			if d.ReadRate < 0 || d.Busy < 0 || d.Busy > 100 || math.IsNaN(d.WriteRate) || strings.ContainsAny(d.Name, "\x1b\n") {
				t.Fatalf("%+v", d)
			}
		}
	})
}
