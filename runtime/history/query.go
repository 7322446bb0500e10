package history

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Bounds of a query.
const (
	maxSeries     = 4
	maxPoints     = 400
	defaultPoints = 200
)

// Machine returns what was kept of the machine; [abi.Invalid] for a query that
// makes no sense.
func (h *History) Machine(_ context.Context, q abi.HistoryQuery) (abi.History, error) {
	out, err := h.query(machineSource, fineMachine, machineSeries, q.Series, q.Seconds, q.Points)
	if err != nil {
		return abi.History{}, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	out.CPUs = h.cores
	return out, nil
}

// Container returns what was kept of a container that the engine knows, and that
// keep admits. Errors are [abi.Invalid] for a query that makes no sense, and
// those of [Containers.Identify].
func (h *History) Container(ctx context.Context, q abi.ContainerHistoryQuery, keep Keep) (abi.History, error) {
	if h.cfg.Containers == nil {
		return abi.History{}, refuse(abi.Unavailable, "No containers are measured here.")
	}
	host := cmp.Or(q.Host, abi.LocalHost)
	id, name, err := h.cfg.Containers.Identify(ctx, abi.ContainerRef{Host: host, ID: q.ID}, keep)
	if err != nil {
		return abi.History{}, err
	}
	source := containerSource(host, id)
	if source == "" {
		return abi.History{}, refuse(abi.NotFound, "There is no such container.")
	}
	out, err := h.query(source, fineContainer, containerSeries, q.Series, q.Seconds, q.Points)
	if err != nil {
		return abi.History{}, err
	}
	out.Name = name
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.tracks[source]; t != nil {
		out.MemoryLimit, out.CPUs = t.limit, t.cpus
	}
	return out, nil
}

func refuse(code abi.Code, sentence string) error { return &abi.Error{Code: code, Message: sentence} }

// query answers with the means of spans that begin at multiples of their
// length, so that a later answer has the same points.
func (h *History) query(source string, fine ring, known, wanted []string, seconds int64, points int) (abi.History, error) {
	columns, err := columnsOf(known, wanted)
	if err != nil {
		return abi.History{}, err
	}
	points = cmp.Or(points, defaultPoints)
	if seconds < 1 || seconds > month || points < 1 || points > maxPoints {
		return abi.History{}, refuse(abi.Invalid, "The history goes back 30 days, and has 400 points at most.")
	}
	r := fine
	if seconds > fine.keep {
		r = coarse
	}
	now := h.cfg.Now()
	to := now.Unix()
	from := to - seconds
	step := stepFor(r.step, seconds, points)
	sums := newSums(len(columns), from, to, step)
	for _, b := range h.blocks(source, r, from, to, len(known)) {
		sums.add(b, columns)
	}
	out := abi.History{From: from * 1000, To: to * 1000, Step: step}
	for i, name := range wanted {
		at, values := sums.series(i, from, to)
		out.Series = append(out.Series, abi.Series{Name: name, At: at, Values: values})
	}
	return out, nil
}

func columnsOf(known, wanted []string) ([]int, error) {
	if len(wanted) == 0 || len(wanted) > maxSeries {
		return nil, refuse(abi.Invalid, "Ask for one to four series.")
	}
	columns := make([]int, len(wanted))
	for i, name := range wanted {
		if columns[i] = slices.Index(known, name); columns[i] < 0 {
			return nil, refuse(abi.Invalid, "There is no such series.")
		}
	}
	return columns, nil
}

// stepFor is the least multiple of a ring's step with which a span has no more
// points than that. The first and the last span may be cut, so there is one
// more than fit.
func stepFor(least, seconds int64, points int) int64 {
	step := least
	if n := int64(max(points-1, 1)); seconds > n*step {
		step = (seconds + n*least - 1) / (n * least) * least
	}
	return step
}

// blocks returns what is kept of a source in a span, from memory or the store.
func (h *History) blocks(source string, r ring, from, to int64, columns int) []*block {
	var out []*block
	for at := r.blockAt(max(from, 0)); at <= to; at += r.span {
		if b := h.inMemory(blockKey{r.name, at, source}); b != nil {
			out = append(out, b)
		} else if b := h.stored(blockKey{r.name, at, source}, r, columns); b != nil {
			out = append(out, b)
		}
	}
	return out
}

// inMemory returns a copy of a block that is being filled or written.
func (h *History) inMemory(key blockKey) *block {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := h.pending[key]
	if b == nil {
		return nil
	}
	clone := *b
	clone.columns = make([][]code, len(b.columns))
	for i, column := range b.columns {
		clone.columns[i] = slices.Clone(column)
	}
	return &clone
}

// sums adds values up by spans.
type sums struct {
	from, to, step int64
	first          int64 // where the first span begins
	sum            [][]float64
	n              [][]int
}

func newSums(series int, from, to, step int64) *sums {
	s := &sums{from: from, to: to, step: step, first: from - from%step}
	spans := (to-s.first)/step + 1
	for range series {
		s.sum, s.n = append(s.sum, make([]float64, spans)), append(s.n, make([]int, spans))
	}
	return s
}

func (s *sums) add(b *block, columns []int) {
	for i, column := range columns {
		for slot, c := range b.columns[column] {
			at := b.start + int64(slot)*b.ring.step
			if c == gap || at+b.ring.step <= s.from || at > s.to {
				continue
			}
			span := (max(at, s.first) - s.first) / s.step
			s.sum[i][span] += c.value()
			s.n[i][span]++
		}
	}
}

// series returns the means that there are, each at the middle of its span, in
// seconds after from.
func (s *sums) series(i int, from, to int64) (at []int64, values []float64) {
	at, values = []int64{}, []float64{}
	for span, n := range s.n[i] {
		if n > 0 {
			middle := s.first + int64(span)*s.step + s.step/2
			at = append(at, min(max(middle, from), to)-from)
			values = append(values, short(s.sum[i][span]/float64(n)))
		}
	}
	return at, values
}

// short rounds to four digits, more than was kept: fewer bytes for the guest.
func short(v float64) float64 {
	if v == 0 || math.IsInf(v, 0) {
		return 0
	}
	v, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 4, 64), 64)
	if err != nil {
		return 0
	}
	return v
}
