package metrics

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// maxDevices bounds how many block devices are listed.
const maxDevices = 256

// sector is the unit of /proc/diskstats in bytes, whatever the device's own.
const sector = 512

// DiskIO returns what the block devices did, over the same kind of window as
// [Reader.CPU]. Partitions are within their disks; what never did anything, and
// disks made of memory, are left out.
func (r *Reader) DiskIO(ctx context.Context) (abi.DiskIOInfo, error) {
	s, err := r.disks.measure(ctx)
	if err != nil {
		return abi.DiskIOInfo{}, fail("its disks", err)
	}
	seconds := s.length.Seconds()
	out := abi.DiskIOInfo{Devices: []abi.DiskIO{}, WindowMS: s.length.Milliseconds()}
	for name, d := range s.to {
		before, ok := s.from[name]
		if !ok {
			before = d // just plugged in: nothing is known yet
		}
		out.Devices = append(out.Devices, abi.DiskIO{
			Name: foreign.Line(name, 64), Reads: d.reads, Writes: d.writes, ReadBytes: d.readBytes, WriteBytes: d.writeBytes,
			ReadRate: rate(d.readBytes, before.readBytes, seconds), WriteRate: rate(d.writeBytes, before.writeBytes, seconds),
			Busy: percent(float64(less(d.busyMS, before.busyMS)), seconds*1000), Virtual: isStacked(name),
		})
	}
	slices.SortFunc(out.Devices, func(a, b abi.DiskIO) int {
		return cmp.Or(first(!a.Virtual, !b.Virtual), cmp.Compare(a.Name, b.Name))
	})
	out.Devices = out.Devices[:min(len(out.Devices), maxDevices)]
	return out, nil
}

// rate is how fast a counter grew, in units per second; 0 where it went
// backwards, as that of a device that was plugged in anew.
func rate(to, from uint64, seconds float64) float64 {
	if seconds <= 0 {
		return 0
	}
	return float64(less(to, from)) / seconds
}

// device is a line of /proc/diskstats.
type device struct {
	reads, writes         uint64
	readBytes, writeBytes uint64
	busyMS                uint64 // with a request under way
}

// diskSample is the devices that are shown, by name.
type diskSample map[string]device

var errNoDiskStats = errors.New("no device in /proc/diskstats")

func (r *Reader) sampleDisks() (diskSample, error) {
	text, err := r.proc("diskstats")
	if err != nil {
		return nil, err
	}
	all := parseDiskStats(text)
	if len(all) == 0 && strings.TrimSpace(text) != "" {
		return nil, errNoDiskStats
	}
	return wholeDisks(all), nil
}

// parseDiskStats reads the kernel's iostats.rst:
//
//	254 0 vda 3828017 505221 113055706 3721451 8326909 1576446 228832216 2679792 0 832152 6773564
func parseDiskStats(text string) diskSample {
	s := make(diskSample)
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		const name, reads, readSectors, writes, writeSectors, busy = 2, 3, 5, 7, 9, 12
		if len(f) <= busy {
			continue
		}
		var n [busy + 1]uint64
		var err error
		for _, i := range []int{reads, readSectors, writes, writeSectors, busy} {
			if n[i], err = strconv.ParseUint(f[i], 10, 64); err != nil {
				break
			}
		}
		if err == nil {
			s[f[name]] = device{n[reads], n[writes], times(n[readSectors], sector), times(n[writeSectors], sector), n[busy]}
		}
	}
	return s
}

// wholeDisks leaves out partitions, memory and what never did anything.
func wholeDisks(all diskSample) diskSample {
	s := make(diskSample)
	for name, d := range all {
		inMemory := strings.HasPrefix(name, "ram") || strings.HasPrefix(name, "zram")
		if !inMemory && (d.reads > 0 || d.writes > 0) && !isPartition(name, all) {
			s[name] = d
		}
	}
	return s
}

// isPartition goes by the kernel's way to name them: sda1 of sda, and
// nvme0n1p1 of nvme0n1, whose own name ends in a digit. A virtual machine may
// have xvda1 without xvda; that is a disk.
func isPartition(name string, all diskSample) bool {
	disk := strings.TrimRight(name, "0123456789")
	if disk == name || disk == "" {
		return false
	}
	if short := strings.TrimSuffix(disk, "p"); short != disk && short != "" && isDigit(short[len(short)-1]) {
		disk = short
	}
	_, ok := all[disk]
	return ok
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isStacked tells devices that are made of others: LVM and encryption (dm),
// RAID, caches, replicas, files.
func isStacked(name string) bool {
	for _, prefix := range []string{"dm-", "md", "loop", "bcache", "drbd"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok && rest != "" && (isDigit(rest[0]) || rest[0] == '_') {
			return true
		}
	}
	return false
}
