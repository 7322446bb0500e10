package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

// Problem is what is wrong with a record. The words are for programs; people
// read [BadRecord.Error].
type Problem string

// The problems, in the order in which a record is checked.
const (
	// Torn is a last line without its end: what a crash in the middle of a write
	// leaves behind.
	Torn Problem = "torn"
	// NotJSON is a line that no JSON reader accepts, or that is longer than
	// [MaxLine].
	NotJSON Problem = "not_json"
	// Malformed is JSON, but not as [Append] writes it: a member that no record
	// has, one that is there twice, blanks.
	Malformed Problem = "malformed"
	// Changed is a record that is another than the one that was written.
	Changed Problem = "changed"
	// Missing is a record between two others that is nowhere in the log.
	Missing Problem = "missing"
	// Reordered is a record that stands in another place, or twice.
	Reordered Problem = "reordered"
	// Cut is a record at the end that the anchor knows of and the log lacks.
	Cut Problem = "cut"
)

// BadRecord is the first record of a log that is not as it was written.
type BadRecord struct {
	// Line counts lines from 1. It is where the record stands, or should.
	Line uint64
	// Seq is the number of the record that belongs there.
	Seq     uint64
	Problem Problem
	// Detail says more, for people; it may be empty.
	Detail string
}

// Error names line and record and says what is wrong, on one line.
func (e *BadRecord) Error() string {
	text := fmt.Sprintf("line %d: record %d %s", e.Line, e.Seq, map[Problem]string{
		Torn: "ends in the middle", NotJSON: "is not JSON", Malformed: "is not written as records are", Changed: "was changed",
		Missing: "is missing", Reordered: "is not in its place", Cut: "was cut off at the end",
	}[e.Problem])
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// Result is how far a chain is good.
type Result struct {
	// Head is the last good record.
	Head Head
	// Records and Bytes are how many were read and found good.
	Records uint64
	Bytes   int64
	// First and Last are the times of the first and the last good record.
	First, Last time.Time
}

// Verify checks a whole log. The anchor is a head that the chain had once, and
// must lead through: without it, the zero Head, nobody can tell that records
// were cut off at the end. The log may have grown since.
//
// An error is a [*BadRecord], which names the first one, or that of the reader.
// The memory it takes does not depend on the length of the log.
func Verify(log io.Reader, anchor Head) (Result, error) { return Resume(log, Head{}, anchor) }

// Resume is Verify for the part of a log that follows the record start. It
// counts lines from where the part begins.
func Resume(log io.Reader, start, anchor Head) (Result, error) {
	c := chain{in: bufio.NewReaderSize(log, MaxLine), Result: Result{Head: start}, anchor: anchor}
	for {
		line, err := c.next()
		switch {
		case errors.Is(err, io.EOF):
			return c.Result, c.end()
		case err != nil:
			return c.Result, c.named(err)
		}
		if err := c.add(line); err != nil {
			return c.Result, c.named(err)
		}
	}
}

// chain is a log that is being read.
type chain struct {
	Result
	in     *bufio.Reader
	anchor Head
	line   uint64
}

// next returns a line without its newline, which is good until the next call.
func (c *chain) next() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	if len(line) > 0 {
		c.line++
	}
	switch {
	case err == nil:
		return line[:len(line)-1], nil
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, &BadRecord{Problem: NotJSON, Detail: fmt.Sprintf("it is longer than %d bytes", MaxLine)}
	case errors.Is(err, io.EOF) && torn(line):
		return nil, &BadRecord{Problem: Torn, Detail: "a crash, or a bot that is writing it now"}
	case errors.Is(err, io.EOF) && len(line) > 0:
		return nil, &BadRecord{Problem: NotJSON}
	}
	return nil, err
}

// torn says whether an unfinished line is the beginning of a record. Zeros are
// what a file system may leave of one when the power fails.
func torn(line []byte) bool {
	return bytes.HasPrefix(line, []byte(`{`)) || len(line) > 0 && len(bytes.Trim(line, "\x00")) == 0
}

// add holds a line against the one before.
func (c *chain) add(line []byte) error {
	r, err := Parse(line)
	if err != nil {
		return err
	}
	switch {
	case r.Seq != c.Head.Seq+1:
		return c.misplaced(r.Seq)
	case r.Prev != c.Head.Hash && c.line > 1:
		// Both fit their own hashes: the one before was given a new one.
		return &BadRecord{Line: c.line - 1, Seq: c.Head.Seq, Problem: Changed, Detail: "the record after it was written after another one"}
	case r.Prev != c.Head.Hash:
		return &BadRecord{Problem: Changed, Detail: "it was written after another record"}
	case r.Seq == c.anchor.Seq && r.Hash != c.anchor.Hash:
		return &BadRecord{Problem: Changed, Detail: "it is not the one that was last known"}
	}
	c.Head = Head{Seq: r.Seq, Hash: r.Hash}
	c.Records++
	c.Bytes += int64(len(line)) + 1
	c.Last, _ = r.When() // Parse has looked
	if c.Records == 1 {
		c.First = c.Last
	}
	return nil
}

// misplaced says why another record stands where the next one should: it looks
// for that one in the rest of the log.
func (c *chain) misplaced(found uint64) *BadRecord {
	want := c.Head.Seq + 1
	bad := &BadRecord{Line: c.line, Seq: want, Problem: Reordered, Detail: fmt.Sprintf("record %d stands there", found)}
	if line := c.find(want); line > 0 {
		bad.Detail += fmt.Sprintf(", and this one in line %d", line)
		return bad
	}
	if found > want {
		bad.Problem = Missing
	}
	return bad
}

// find returns the line of a record in the rest of the log; 0 if it is not
// there.
func (c *chain) find(seq uint64) uint64 {
	for {
		line, err := c.next()
		if err != nil {
			return 0
		}
		if r, err := Parse(line); err == nil && r.Seq == seq {
			return c.line
		}
	}
}

// end checks that nothing is missing behind the last line.
func (c *chain) end() error {
	if c.anchor.Seq <= c.Head.Seq {
		return nil
	}
	bad := &BadRecord{Line: c.line + 1, Seq: c.Head.Seq + 1, Problem: Cut}
	if bad.Seq < c.anchor.Seq {
		bad.Detail = fmt.Sprintf("it and all up to record %d", c.anchor.Seq)
	}
	return bad
}

// named says which record it is, where that is not known yet.
func (c *chain) named(err error) error {
	if bad, ok := errors.AsType[*BadRecord](err); ok {
		if bad.Line == 0 {
			bad.Line, bad.Seq = c.line, c.Head.Seq+1
		}
		return bad
	}
	return fmt.Errorf("line %d: %w", c.line+1, err)
}
