package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cofferdam-bot/cofferdam/security/audit"
)

// AuditFile is the audit log in the state directory: one JSON object a line,
// mode 0600 (D5).
const AuditFile = "audit.jsonl"

// ErrAuditBroken is returned by [OpenAudit] for a log that is not as this
// program left it. Nothing is written to it then: what is left of it may be
// evidence.
var ErrAuditBroken = errors.New("the audit log is not as it was left")

// AuditOptions are how records are made. The zero value takes the system's
// clock and texts as they are.
type AuditOptions struct {
	Now func() time.Time
	// Clean makes a text fit to be kept: no secrets, no control characters. It is
	// called by several goroutines at once, for every text of an entry.
	Clean func(string) string
}

// AuditLog is the open audit log. It is safe for concurrent use. A record that
// could not be written leaves nothing behind, and later ones are tried again.
type AuditLog struct {
	options AuditOptions
	disk    *auditDisk // nil: in memory
	head    atomic.Pointer[audit.Head]
	writing condition
	writes  chan auditWrite
	// closing is closed first; closed when the writer has ended.
	closing   chan struct{}
	closed    chan struct{}
	closeOnce sync.Once
	// denials bounds what those can write who may do nothing.
	denials  audit.Budget
	spending sync.Mutex
}

// auditWrite is a record that waits for its place in the chain.
type auditWrite struct {
	entry audit.Entry
	// result takes one error and has room for it.
	result chan error
}

// OpenAudit opens or begins the audit log in a state directory, which it makes
// with mode 0700 if it is not there.
//
// A last line that a crash cut short is removed, and a record "audit.torn" says
// so: its Record never returned. Anything else that is not as it was left is
// [ErrAuditBroken], also a log or a head that is gone: the operator is to look
// at it, and to move both files away. Only the end of the log is read for that;
// the rest is for [VerifyAudit].
func OpenAudit(dir string, o AuditOptions) (*AuditLog, error) {
	if err := makePrivate(dir); err != nil {
		return nil, err
	}
	disk, head, torn, err := openAuditDisk(dir)
	if err != nil {
		return nil, err
	}
	l := startAudit(o, disk, head)
	if torn > 0 {
		err = l.Record(context.Background(), audit.Entry{
			Event: "audit.torn", Actor: "bot", Outcome: "done",
			Reason: fmt.Sprintf("the last line was not whole: %d bytes that no record needs were cut off", torn),
		})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("audit log: %w", err), l.Close())
	}
	return l, nil
}

// OpenAuditMemory makes an audit log that keeps nothing but the head of its
// chain, for a bot whose state is in memory.
func OpenAuditMemory(o AuditOptions) *AuditLog { return startAudit(o, nil, audit.Head{}) }

func startAudit(o AuditOptions, disk *auditDisk, head audit.Head) *AuditLog {
	if o.Now == nil {
		o.Now = time.Now
	}
	l := &AuditLog{options: o, disk: disk, writes: make(chan auditWrite, maxGroup), closing: make(chan struct{}), closed: make(chan struct{})}
	l.head.Store(&head)
	go l.writer()
	return l
}

func (l *AuditLog) admit(e audit.Entry) (audit.Entry, bool) {
	l.spending.Lock()
	defer l.spending.Unlock()
	return l.denials.Admit(e, l.options.Now())
}

// Head returns the last record that is on disk: how many there are, and a hash
// that stands for all of them.
func (l *AuditLog) Head() audit.Head { return *l.head.Load() }

// Close waits for the records under way and closes the file.
func (l *AuditLog) Close() error {
	l.closeOnce.Do(func() { close(l.closing) })
	<-l.closed
	return l.disk.close()
}

// Record appends an entry and returns when it is on disk. A context that ends
// keeps it from being written only as long as it waits to be taken.
func (l *AuditLog) Record(ctx context.Context, e audit.Entry) error {
	e, admitted := l.admit(e)
	if !admitted {
		return nil // told by the next one of this actor
	}
	w := auditWrite{entry: e.Clean(l.options.Clean), result: make(chan error, 1)}
	select {
	case <-l.closing:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	default:
	}
	select {
	case l.writes <- w:
	case <-l.closing:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-w.result:
		return err
	case <-l.closed:
		// The writer may have served it before it ended.
		select {
		case err := <-w.result:
			return err
		default:
			return ErrClosed
		}
	}
}

// writer is the one goroutine that writes. While a group is on its way to the
// disk the next one gathers, as in [Store].
func (l *AuditLog) writer() {
	defer close(l.closed)
	for {
		select {
		case w := <-l.writes:
			l.commit(l.gather(w))
		case <-l.closing:
			for {
				select {
				case w := <-l.writes:
					l.commit(l.gather(w))
				default:
					return
				}
			}
		}
	}
}

func (l *AuditLog) gather(first auditWrite) []auditWrite {
	group := []auditWrite{first}
	for len(group) < maxGroup {
		select {
		case w := <-l.writes:
			group = append(group, w)
		default:
			return group
		}
	}
	return group
}

// commit writes a group with one flush: all of it, or nothing.
func (l *AuditLog) commit(group []auditWrite) {
	head := l.Head()
	var lines []byte
	written := group[:0]
	for _, w := range group {
		line, next, err := audit.Append(head, l.options.Now(), w.entry)
		if err != nil {
			w.result <- err
			continue
		}
		lines, head = append(lines, line...), next
		written = append(written, w)
	}
	err := l.disk.write(lines, head)
	if len(written) > 0 {
		l.writing.note(err, l.options.Now())
	}
	if err == nil {
		l.head.Store(&head)
	}
	for _, w := range written {
		w.result <- err
	}
}

// auditDisk is the log and its head on disk, for one goroutine.
type auditDisk struct {
	dir  string
	file *os.File
	// size is that of the log, up to the last record that was written.
	size int64
	// dirty is set while more than that may be in it.
	dirty bool
	// flush is fdatasync, but for tests.
	flush func(*os.File) error
}

func (d *auditDisk) path() string { return filepath.Join(d.dir, AuditFile) }

// write appends lines and puts the new head beside them. The head comes last:
// it never knows of a record that is not on disk. After an error the log is as
// it was.
func (d *auditDisk) write(lines []byte, head audit.Head) error {
	if d == nil || len(lines) == 0 {
		return nil
	}
	if err := d.untouched(); err != nil {
		return err
	}
	d.dirty = true
	_, err := d.file.Write(lines)
	if err == nil {
		err = d.flush(d.file)
	}
	if err == nil {
		err = d.writeHead(savedHead{Head: head, Size: d.size + int64(len(lines))})
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write the audit log: %w", err), d.undo())
	}
	d.size, d.dirty = d.size+int64(len(lines)), false
	return nil
}

// undo cuts off what a failed write left behind.
func (d *auditDisk) undo() error {
	if !d.dirty {
		return nil
	}
	err := d.file.Truncate(d.size)
	if err == nil {
		err = d.flush(d.file)
	}
	if err != nil {
		return fmt.Errorf("restore the audit log: %w", err)
	}
	d.dirty = false
	return nil
}

// untouched checks that nobody else wrote to the log or put another file in its
// place: a record in a file that nobody finds is none.
func (d *auditDisk) untouched() error {
	if err := d.undo(); err != nil {
		return err
	}
	ours, err := d.file.Stat()
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	there, err := os.Lstat(d.path())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %s was moved away or removed; restart the bot", ErrAuditBroken, d.path())
	case err != nil:
		return fmt.Errorf("audit log: %w", err)
	case !os.SameFile(ours, there):
		return fmt.Errorf("%w: another file is in the place of %s; restart the bot", ErrAuditBroken, d.path())
	case ours.Size() != d.size:
		return fmt.Errorf("%w: something else wrote to %s", ErrAuditBroken, d.path())
	}
	return nil
}

func (d *auditDisk) close() error {
	if d == nil {
		return nil
	}
	return d.file.Close()
}

func flushData(f *os.File) error {
	if err := unix.Fdatasync(int(f.Fd())); err != nil {
		return os.NewSyscallError("fdatasync", err)
	}
	return nil
}
