package metrics

import (
	"context"
	"strconv"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Pressure returns how much work waited, from the kernel's PSI; Known is false
// where it keeps none, as before Linux 4.20 or with psi=0.
func (r *Reader) Pressure(ctx context.Context) (out abi.PressureInfo, err error) {
	if err := ctx.Err(); err != nil {
		return out, fail("its pressure", err)
	}
	for name, p := range map[string]*abi.Pressure{"cpu": &out.CPU, "memory": &out.Memory, "io": &out.IO} {
		text, err := r.proc("pressure", name)
		if err != nil {
			continue
		}
		known := false
		*p, known = parsePressure(text)
		out.Known = out.Known || known
	}
	return out, nil
}

// parsePressure reads the kernel's psi.rst. The line of "full" is not always
// there.
//
//	some avg10=0.00 avg60=0.12 avg300=1.50 total=12345
//	full avg10=0.00 avg60=0.00 avg300=0.00 total=0
func parsePressure(text string) (p abi.Pressure, ok bool) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 4 {
			continue
		}
		share := func(i int, key string) float64 {
			value, _ := strings.CutPrefix(f[i], key+"=")
			n, err := strconv.ParseFloat(value, 64)
			if err != nil || !(n >= 0) {
				return 0
			}
			return min(n, 100)
		}
		ten, sixty, long := share(1, "avg10"), share(2, "avg60"), share(3, "avg300")
		switch f[0] {
		case "some":
			p.Some10, p.Some60, p.Some300, ok = ten, sixty, long, true
		case "full":
			p.Full10, p.Full60, p.Full300 = ten, sixty, long
		}
	}
	return p, ok
}
