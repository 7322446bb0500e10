package metrics

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Bounds of counting sockets: a line takes a microsecond or two, most of it in
// the kernel. What is beyond is told to be uncounted.
const (
	maxCounting   = time.Second
	maxSockets    = 500_000 // lines of all files together
	maxSocketLine = 4 << 10 // bytes
	maxSocketFile = 256 << 20
)

// tcpStates are the kernel's numbers (tcp_states.h).
var tcpStates = [...]string{
	1: "ESTABLISHED", 2: "SYN_SENT", 3: "SYN_RECV", 4: "FIN_WAIT1", 5: "FIN_WAIT2", 6: "TIME_WAIT",
	7: "CLOSE", 8: "CLOSE_WAIT", 9: "LAST_ACK", 10: "LISTEN", 11: "CLOSING", 12: "SYN_RECV",
}

// socketTally counts sockets line by line: a list of them would take as much
// memory as the machine has connections.
type socketTally struct {
	tcp  [len(tcpStates)]int // by state; what is none is under 0
	udp  int
	left int // lines that may still be read
	late func() bool
}

// countedBetween is how many lines are read between two looks at the clock.
const countedBetween = 4096

// connections counts the sockets of a network namespace whose files are in dir.
// A protocol that the kernel lacks has none.
func connections(ctx context.Context, now func() time.Time, dir string) (counts []abi.ConnectionCount, uncounted bool, err error) {
	end := now().Add(maxCounting)
	t := socketTally{left: maxSockets, late: func() bool { return now().After(end) }}
	for _, name := range []string{"tcp", "tcp6", "udp", "udp6"} {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		err = t.read(ctx, io.LimitReader(f, maxSocketFile), name[:3] == "udp")
		_ = f.Close()
		if ctx.Err() != nil {
			return nil, false, ctx.Err()
		}
		uncounted = uncounted || err != nil
	}
	return t.counts(), uncounted, nil
}

var errTooManySockets = errors.New("more sockets than are counted")

// read counts the lines of a file but its first, which has the columns' names.
func (t *socketTally) read(ctx context.Context, from io.Reader, udp bool) error {
	lines := bufio.NewReaderSize(from, maxSocketLine)
	if _, _, err := lines.ReadLine(); err != nil {
		return ignoreEOF(err)
	}
	for {
		line, rest, err := lines.ReadLine()
		if err != nil {
			return ignoreEOF(err)
		}
		if t.left--; t.left < 0 {
			return errTooManySockets
		}
		if t.left%countedBetween == 0 && (ctx.Err() != nil || t.late()) {
			return cmp.Or(ctx.Err(), errTooManySockets)
		}
		t.count(line, udp)
		for rest && err == nil { // of a line that is too long, only the beginning counts
			_, rest, err = lines.ReadLine()
		}
	}
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// count takes a line of proc_net(5), whose fourth column is the state:
//
//	0: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711
func (t *socketTally) count(line []byte, udp bool) {
	var field []byte
	for range 4 {
		line = bytes.TrimLeft(line, " \t")
		end := bytes.IndexByte(line, ' ')
		if end < 0 {
			return
		}
		field, line = line[:end], line[end:]
	}
	state, err := strconv.ParseUint(string(field), 16, 8)
	switch {
	case err != nil:
	case udp:
		t.udp++
	case state < uint64(len(t.tcp)):
		t.tcp[state]++
	default:
		t.tcp[0]++
	}
}

func (t *socketTally) counts() []abi.ConnectionCount {
	byState := make(map[string]int)
	for state, n := range t.tcp {
		if n > 0 {
			byState[cmp.Or(tcpStates[state], "UNKNOWN")] += n
		}
	}
	out := make([]abi.ConnectionCount, 0, len(byState)+1)
	for _, state := range slices.Sorted(maps.Keys(byState)) {
		out = append(out, abi.ConnectionCount{Protocol: "tcp", State: state, Count: byState[state]})
	}
	slices.SortStableFunc(out, func(a, b abi.ConnectionCount) int { return cmp.Compare(b.Count, a.Count) })
	if t.udp > 0 {
		out = append(out, abi.ConnectionCount{Protocol: "udp", Count: t.udp})
	}
	return out
}
