package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cofferdam-bot/cofferdam/security/audit"
)

// savedHead is what stands in the file beside the log: its last record, and the
// length of the log behind it, so that the record is found without reading the
// log. The log may be longer: it is written first.
type savedHead struct {
	audit.Head
	Size int64 `json:"size"`
}

func (h savedHead) text() []byte {
	return fmt.Appendf(nil, "{\"seq\":%d,\"hash\":%q,\"size\":%d}\n", h.Seq, h.Hash, h.Size)
}

// headPath returns the place of the head that belongs to a log: audit.head for
// audit.jsonl.
func headPath(log string) string { return strings.TrimSuffix(log, filepath.Ext(log)) + ".head" }

// maxHead bounds the file of a head, in bytes. One has about 110.
const maxHead = 1024

// readHead returns the head beside a log. That it is not there is
// [fs.ErrNotExist].
func readHead(log string) (savedHead, error) {
	path := headPath(log)
	f, err := openPlain(path, os.O_RDONLY)
	if err != nil {
		return savedHead{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxHead))
	if err != nil {
		return savedHead{}, err
	}
	var head savedHead
	err = json.Unmarshal(text, &head)
	if err != nil || !bytes.Equal(text, head.text()) || head.Size < 0 || (head.Seq == 0) != (head.Hash == "") || (head.Seq == 0) != (head.Size == 0) {
		return savedHead{}, fmt.Errorf("%w: %s is not the head of an audit log", ErrAuditBroken, path)
	}
	return head, nil
}

// writeHead replaces the head: at each moment the old or the new one is there,
// whole.
func (d *auditDisk) writeHead(head savedHead) error {
	path := headPath(d.path())
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(head.text())
	if err == nil {
		err = d.flush(f)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// openPlain opens a regular file and nothing else, and waits for nobody.
func openPlain(path string, flag int) (*os.File, error) {
	f, err := os.OpenFile(path, flag|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// openAuditDisk returns the log in a directory, its head, and how many bytes of
// a torn last line were cut off.
func openAuditDisk(dir string) (*auditDisk, audit.Head, int64, error) {
	d := &auditDisk{dir: dir, flush: flushData}
	saved, err := d.savedHead()
	if err != nil {
		return nil, audit.Head{}, 0, err
	}
	d.file, err = openPlain(d.path(), os.O_RDWR|os.O_APPEND|os.O_CREATE)
	if err != nil {
		return nil, audit.Head{}, 0, fmt.Errorf("audit log: %w", err)
	}
	head, torn, err := d.settle(saved)
	if err != nil {
		return nil, audit.Head{}, 0, errors.Join(err, d.file.Close())
	}
	return d, head, torn, nil
}

// savedHead returns the head in the directory. Before there is a log, it makes
// the head of an empty one: from then on, a log without a head is one whose
// head somebody removed, and the other way round.
func (d *auditDisk) savedHead() (savedHead, error) {
	head, headErr := readHead(d.path())
	info, logErr := os.Lstat(d.path())
	switch noLog := errors.Is(logErr, fs.ErrNotExist); {
	case logErr != nil && !noLog:
		return head, fmt.Errorf("audit log: %w", logErr)
	case errors.Is(headErr, fs.ErrNotExist) && (noLog || info.Size() == 0):
		if err := d.writeHead(savedHead{}); err != nil {
			return head, fmt.Errorf("begin the audit log: %w", err)
		}
		return savedHead{}, nil
	case errors.Is(headErr, fs.ErrNotExist):
		return head, d.broken("%s is gone", headPath(d.path()))
	case headErr != nil:
		return head, d.broken("%v", headErr)
	case noLog && head.Seq > 0:
		return head, d.broken("%s is gone", d.path())
	}
	return head, nil
}

// settle locks the log and brings it to where its writes can go on.
func (d *auditDisk) settle(saved savedHead) (head audit.Head, torn int64, err error) {
	if err := unix.Flock(int(d.file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return head, 0, fmt.Errorf("%s: %w", d.dir, ErrInUse)
	}
	info, err := d.file.Stat()
	if err != nil {
		return head, 0, fmt.Errorf("audit log: %w", err)
	}
	if err := d.holds(saved, info.Size()); err != nil {
		return head, 0, err
	}
	result, err := audit.Resume(io.NewSectionReader(d.file, saved.Size, info.Size()-saved.Size), saved.Head, audit.Head{})
	bad, _ := errors.AsType[*audit.BadRecord](err)
	switch {
	case bad != nil && bad.Problem != audit.Torn:
		return head, 0, d.broken("record %d, behind the last one that is known, is none", bad.Seq)
	case bad == nil && err != nil:
		return head, 0, fmt.Errorf("read the audit log: %w", err)
	}
	d.size = saved.Size + result.Bytes
	torn = info.Size() - d.size
	d.dirty = torn > 0
	if err := d.undo(); err != nil {
		return head, 0, err
	}
	// A new log must not vanish with the power.
	return result.Head, torn, syncDir(d.dir)
}

// holds checks that the record that the head knows ends where it ended. It
// reads that line, and no more.
func (d *auditDisk) holds(saved savedHead, size int64) error {
	switch {
	case saved.Seq == 0:
		return nil
	case size < saved.Size:
		return d.broken("it has %d bytes and had %d", size, saved.Size)
	}
	tail := make([]byte, min(saved.Size, audit.MaxLine+1))
	if _, err := d.file.ReadAt(tail, saved.Size-int64(len(tail))); err != nil {
		return fmt.Errorf("read the audit log: %w", err)
	}
	line, whole := bytes.CutSuffix(tail, []byte("\n"))
	line = line[bytes.LastIndexByte(line, '\n')+1:]
	record, err := audit.Parse(line)
	if !whole || err != nil || record.Seq != saved.Seq || record.Hash != saved.Hash {
		return d.broken("record %d is not as it was written", saved.Seq)
	}
	return nil
}

func (d *auditDisk) broken(format string, args ...any) error {
	return fmt.Errorf("%w: %s. Nothing was changed. `cofferdam audit verify` names the first bad record; "+
		"to begin a new log, move %s and %s away together and keep them", ErrAuditBroken, fmt.Sprintf(format, args...), d.path(), headPath(d.path()))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
