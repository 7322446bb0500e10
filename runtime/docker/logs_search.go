package docker

import (
	"context"
	"slices"
	"time"
)

// back looks for the newest lines before a place, or from the end, in parts that
// become larger the longer nothing is found.
func (s *search) back(ctx context.Context, from cursor) error {
	step := s.want + extraLines
	for {
		begin := time.Now()
		w, err := s.window(ctx, from, step)
		switch {
		case err != nil && exhausted(err) && s.older != nil:
			s.partial = true // and goes on where the last part began
			return nil
		case err != nil:
			return err
		}
		s.note(w)
		if len(s.kept) > 0 && (w.more || len(s.kept) == s.want) {
			first := s.kept[0].cursor
			if s.older = &first; w.begin && !w.more {
				s.older = nil
			}
			return nil
		}
		if w.begin {
			s.older = nil
			return nil
		}
		s.older = &w.oldest
		step = s.next(step, time.Since(begin))
		if step < s.want || s.budget <= 0 {
			s.partial = true
			return nil
		}
		from = w.oldest
	}
}

// next is how many messages the next part has: more and more, but not more than
// will be read in time if that goes on as with the last part, since what was
// begun in vain is lost.
func (s *search) next(last int, took time.Duration) int {
	left := searching - time.Since(s.began)
	inTime := float64(last) * 0.6 * float64(left) / float64(max(took, time.Microsecond))
	return int(min(float64(4*last), maxStep, inTime))
}

// note puts a part's lines before those of later parts.
func (s *search) note(w *window) {
	if s.older == nil {
		s.newer = w.newest
	}
	s.kept, s.size = append(w.kept, s.kept...), w.size
}

// window is a part of a log before a place.
type window struct {
	s    *search
	from cursor
	room int // for how many lines

	anchored bool // the place was met, or the end
	lines    int  // before it
	usable   bool // one of them surely begins in this part
	begin    bool // there is nothing older
	more     bool // older lines than those kept are known
	kept     []found
	size     int // of the whole page's text
	oldest   cursor
	newest   cursor
}

// window asks for so many messages more, as far from the end as the place was
// when somebody was there last, until the answer reaches beyond it.
func (s *search) window(ctx context.Context, from cursor, step int) (*window, error) {
	before := -1
	for extra := step; ; {
		p := part{tail: from.depth + extra, since: s.since, until: s.until}
		if from.position != (position{}) {
			p.until = from.at + disorder
		}
		if p.tail > farthest {
			p.tail = 0
		}
		w := &window{}
		messages, err := s.read(ctx, p, func() { *w = s.newWindow(from) }, w.visit)
		if err != nil {
			return nil, err
		}
		switch {
		case p.tail == 0:
			w.begin = true
		case p.until == 0:
			w.anchored, w.begin = true, messages < p.tail
		default:
			w.begin = w.anchored && w.lines == before // more was asked for, and did not come
		}
		if w.begin || w.anchored && w.usable {
			w.finish(p.tail)
			return w, nil
		}
		if before = -1; w.anchored {
			before, extra = w.lines, 4*extra
		} else {
			extra *= 16 // such an answer is empty
		}
	}
}

func (s *search) newWindow(from cursor) window {
	w := window{s: s, from: from, room: s.want - len(s.kept), size: s.size}
	if from.position != (position{}) {
		w.newest.position = position{from.at, from.nth - 1}
	}
	return w
}

// visit takes a line, and tells whether more may come.
func (w *window) visit(l *logLine) bool {
	if w.from.position == (position{}) {
		if w.s.until != 0 && l.at > w.s.until {
			return true
		}
		w.anchored = true
	} else if l.position == w.from.position {
		w.anchored = true
		return false
	}
	w.lines++
	here := cursor{l.position, l.index}
	if !l.edge && !w.usable {
		w.usable, w.oldest = true, here
	}
	w.newest = here
	if line, ok := w.s.admits(l); ok {
		w.keep(found{here, line, l.edge})
	}
	return true
}

// keep drops the oldest line where there is no room for another.
func (w *window) keep(f found) {
	w.kept = append(w.kept, f)
	w.size += len(f.line.Text)
	for len(w.kept) > w.room || w.size > maxPageText && len(w.kept)+len(w.s.kept) > 1 {
		w.size -= len(w.kept[0].line.Text)
		w.kept[0] = found{}
		w.kept, w.more = w.kept[1:], true
	}
}

// finish drops what may have begun earlier, and turns counts from the answer's
// beginning into distances from the log's end.
func (w *window) finish(tail int) {
	if !w.anchored { // the place is gone, and all that was older with it
		w.kept = slices.DeleteFunc(w.kept, func(f found) bool { return !f.before(w.from.position) })
		w.newest = w.s.newWindow(w.from).newest
	}
	for !w.begin && len(w.kept) > 0 && w.kept[0].edge {
		w.size -= len(w.kept[0].line.Text)
		w.kept = w.kept[1:]
	}
	distance := func(c *cursor) {
		if c.depth = max(tail-c.depth, 0); tail == 0 {
			c.depth = farthest
		}
	}
	distance(&w.oldest)
	distance(&w.newest)
	for i := range w.kept {
		distance(&w.kept[i].cursor)
	}
}

// forward looks for the oldest lines after a place.
func (s *search) forward(ctx context.Context, from cursor) error {
	for extra := s.want + extraLines; ; extra *= 4 {
		p := part{tail: extra, since: max(s.since, from.at-disorder), until: s.until}
		if p.tail > farthest {
			p.tail = 0
		}
		a := &ahead{}
		messages, err := s.read(ctx, p, func() { *a = ahead{s: s, from: from.position, whole: p.tail == 0, newest: from} }, a.visit)
		if err != nil {
			return err
		}
		if !a.met && !a.passed && p.tail != 0 && messages >= p.tail {
			continue
		}
		s.after(a, p.tail, messages)
		return nil
	}
}

// ahead is a part of a log after a place.
type ahead struct {
	s     *search
	from  position
	whole bool

	met    bool // the place itself was met, its number is sure
	passed bool // an older line was met
	behind bool // lines behind the place are kept, and not only later ones
	full   bool
	kept   []found
	size   int
	newest cursor
}

// visit takes a line. Where the place is not met, since the line there is gone,
// what is later counts as being after it.
func (a *ahead) visit(l *logLine) bool {
	if l.position == a.from {
		*a = ahead{s: a.s, from: a.from, whole: a.whole, met: !l.edge, passed: a.passed, behind: true, newest: cursor{position: a.from}}
		return true
	}
	if !a.behind && !a.from.before(l.position) {
		a.passed = a.passed || !l.edge
		return true
	}
	if a.full {
		return !a.whole && !a.met
	}
	here := cursor{l.position, l.index}
	if line, ok := a.s.admits(l); ok {
		if len(a.kept) == a.s.want || a.size+len(line.Text) > maxPageText && len(a.kept) > 0 {
			a.full = true
			return !a.whole && !a.met
		}
		a.kept, a.size = append(a.kept, found{here, line, false}), a.size+len(line.Text)
	}
	a.newest = here
	return true
}

// after is the page that was found.
func (s *search) after(a *ahead, tail, messages int) {
	s.kept, s.newer = a.kept, a.newest
	if len(s.kept) == 0 {
		return
	}
	first := s.kept[0].cursor
	switch {
	case tail == 0 && a.full:
		first.depth = farthest
	case a.full:
		first.depth = max(tail-first.depth, 0)
	default:
		first.depth = max(messages-first.depth, 0)
	}
	s.older = &first
}
