package metrics

import (
	"cmp"
	"context"
	"errors"
	"math"
	"math/bits"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// maxMounts bounds how many file systems are asked.
const maxMounts = 256

// Disk returns the real file systems. One that does not answer within
// Config.DiskTimeout, as a network file system whose server is gone, is named
// in Hanging; it costs one goroutine until it answers, however often it is
// asked for. One that the bot may not look at is left out.
func (r *Reader) Disk(ctx context.Context) (abi.DiskInfo, error) {
	mounts, err := r.mounts()
	if err != nil {
		return abi.DiskInfo{}, fail("its file systems", err)
	}
	out := abi.DiskInfo{Mounts: []abi.Mount{}}
	running := make([]*probe, len(mounts))
	for i, m := range mounts {
		running[i] = r.probes.start(m.asked)
	}
	deadline := time.NewTimer(r.cfg.DiskTimeout)
	defer deadline.Stop()
	late := false
	for i, m := range mounts {
		if !late && !running[i].stuck {
			select {
			case <-running[i].done:
			case <-deadline.C:
				late = true
			case <-ctx.Done():
				return abi.DiskInfo{}, fail("its file systems", ctx.Err())
			}
		}
		r.file(&out, m, running[i])
	}
	return out, nil
}

// file puts a mount where it belongs by what its probe found until now.
func (r *Reader) file(out *abi.DiskInfo, m mount, p *probe) {
	select {
	case <-p.done:
	default:
		r.probes.giveUp(p)
		out.Hanging = append(out.Hanging, foreign.Line(m.path, 256))
		return
	}
	switch {
	case p.err == nil && p.st.Blocks > 0:
		out.Mounts = append(out.Mounts, usage(m, p.st))
	case isDown(p.err):
		out.Hanging = append(out.Hanging, foreign.Line(m.path, 256))
	}
}

// isDown tells errors by which a file system says that its server or disk is
// gone.
func isDown(err error) bool {
	for _, e := range []error{unix.ESTALE, unix.EIO, unix.ETIMEDOUT, unix.EHOSTDOWN, unix.EHOSTUNREACH, unix.ENOTCONN} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// usage counts as df(1) does: what is reserved for root is neither used nor
// free, and the percentage is of what users can have.
func usage(m mount, st unix.Statfs_t) abi.Mount {
	block := uint64(cmp.Or(max(st.Frsize, 0), max(st.Bsize, 0)))
	used, free := times(less(st.Blocks, st.Bfree), block), times(st.Bavail, block)
	return abi.Mount{
		Path: foreign.Line(m.path, 256), Device: foreign.Line(m.source, 256), Type: foreign.Line(m.kind, 64),
		Total: times(st.Blocks, block), Used: used, Free: free,
		Percent: percent(float64(used), float64(used)+float64(free)),
	}
}

// times multiplies without wrapping: a FUSE server may claim anything.
func times(a, b uint64) uint64 {
	if high, low := bits.Mul64(a, b); high == 0 {
		return low
	}
	return math.MaxUint64
}

// probes are the statfs calls under way, at most one for each path. A statfs
// that hangs cannot be ended from outside, so it is remembered instead of
// being started again.
type probes struct {
	statfs func(path string) (unix.Statfs_t, error)
	mu     sync.Mutex
	active map[string]*statfsCall
}

// statfsCall is one call under way, for all who want to know.
type statfsCall struct {
	done    chan struct{} // closed when st and err are set
	st      unix.Statfs_t
	err     error
	overdue bool // somebody waited in vain; guarded by probes.mu
}

// probe is a caller's view of a call: one that was overdue when the caller
// came is not waited for again.
type probe struct {
	*statfsCall
	stuck bool
}

func (p *probes) start(path string) *probe {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c, ok := p.active[path]; ok {
		return &probe{statfsCall: c, stuck: c.overdue}
	}
	c := &statfsCall{done: make(chan struct{})}
	if p.active == nil {
		p.active = make(map[string]*statfsCall)
	}
	p.active[path] = c
	go func() {
		c.st, c.err = p.statfs(path)
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.active, path)
		close(c.done)
	}()
	return &probe{statfsCall: c}
}

func (p *probes) giveUp(c *probe) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.overdue = true
}

// mount is a mounted file system.
type mount struct {
	device string // major:minor
	root   string // what of the file system is mounted
	path   string // where, as the machine sees it
	asked  string // where, as this process sees it
	kind   string
	source string
}

// mounts reads the machine's mount table. That of process 1 is readable for
// root only, and of use only where its paths can be reached; this process' own
// is the same unless it is in a container.
func (r *Reader) mounts() ([]mount, error) {
	reachable := r.cfg.Root != "/" || r.cfg.Proc == "/proc"
	text, err := r.proc("1", "mountinfo")
	if err != nil || !reachable {
		if text, err = r.proc("self", "mountinfo"); err != nil {
			return nil, err
		}
		return fold(below(r.cfg.Root, parseMounts(text))), nil
	}
	all := parseMounts(text)
	for i := range all {
		all[i].asked = filepath.Join(r.cfg.Root, all[i].path)
	}
	return fold(all), nil
}

// below keeps the mounts under root, where the machine's own are, and names
// them as the machine does.
func below(root string, all []mount) []mount {
	var out []mount
	for _, m := range all {
		m.asked = m.path
		rest, ok := strings.CutPrefix(m.path, strings.TrimSuffix(root, "/"))
		if ok && (rest == "" || rest[0] == '/') {
			m.path = cmp.Or(rest, "/")
			out = append(out, m)
		}
	}
	return out
}

// parseMounts reads mountinfo of proc(5):
//
//	36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
func parseMounts(text string) []mount {
	var out []mount
	for line := range strings.Lines(text) {
		left, right, ok := strings.Cut(line, " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !ok || len(l) < 6 || len(r) < 2 {
			continue
		}
		m := mount{device: l[2], root: unescape(l[3]), path: unescape(l[4]), kind: unescape(r[0]), source: unescape(r[1])}
		if filepath.IsAbs(m.path) {
			out = append(out, m)
		}
	}
	return out
}

// unreal are file systems that hold no files of their own, or a fixed image.
// What is missing here and has no blocks is dropped after statfs.
var unreal = map[string]bool{
	"autofs": true, // asking would mount it
	"aufs":   true, "binfmt_misc": true, "bpf": true, "cgroup": true, "cgroup2": true, "configfs": true, "cramfs": true,
	"debugfs": true, "devpts": true, "devtmpfs": true, "efivarfs": true, "erofs": true, "fusectl": true, "hugetlbfs": true,
	"iso9660": true, "mqueue": true, "nfsd": true, "nsfs": true, "overlay": true, "proc": true, "pstore": true, "ramfs": true,
	"rootfs": true, "rpc_pipefs": true, "securityfs": true, "selinuxfs": true, "squashfs": true, "sysfs": true, "tmpfs": true,
	"tracefs": true, "fuse.gvfsd-fuse": true, "fuse.lxcfs": true, "fuse.portal": true, "fuse.snapfuse": true,
}

func isReal(m mount) bool {
	return !unreal[m.kind] && !strings.HasPrefix(m.source, "/dev/loop")
}

// fold leaves one mount for each path, the last, which hides those before; of
// these the real file systems, at most maxMounts; and of those one for each
// device, the one that says most: "/" itself, then the whole file system
// rather than a part of it, then the shortest path.
func fold(all []mount) []mount {
	byPath := make(map[string]mount, len(all))
	for _, m := range all {
		byPath[m.path] = m
	}
	byDevice := make(map[string]mount, len(byPath))
	for _, m := range byPath {
		if best, ok := byDevice[m.device]; isReal(m) && (!ok || preference(m, best) < 0) {
			byDevice[m.device] = m
		}
	}
	out := make([]mount, 0, len(byDevice))
	for _, m := range byDevice {
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b mount) int { return cmp.Compare(a.path, b.path) })
	return out[:min(len(out), maxMounts)]
}

func preference(a, b mount) int {
	return cmp.Or(
		first(a.path == "/", b.path == "/"),
		first(a.root == "/", b.root == "/"),
		cmp.Compare(len(a.path), len(b.path)),
		cmp.Compare(a.path, b.path))
}

// first orders what is true before what is not.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// unescape undoes the kernel's octal escapes of space, tab, newline, backslash.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`, `\043`, "#").Replace(s)
}
