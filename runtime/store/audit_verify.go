package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/cofferdam-bot/cofferdam/security/audit"
)

// AuditReport is what was found out about a log.
type AuditReport struct {
	audit.Result
	// Headless is set if no head lies beside the log: whether records were cut
	// off at its end cannot be told.
	Headless bool
	// Known is the number of the last record that the head knows of; 0 if there
	// is none, or no head. A record behind it may be unfinished, after a crash.
	Known uint64
}

// A running bot may be in the middle of a line: then it is read again.
const (
	tornTries = 3
	tornPause = 100 * time.Millisecond
)

// VerifyAudit checks a whole log, against the head beside it. It takes no lock:
// a bot may be writing meanwhile. A bad record is an [*audit.BadRecord]; a head
// that is none, or whose log is gone, is [ErrAuditBroken]; that there is no log
// yet is [fs.ErrNotExist].
func VerifyAudit(path string) (AuditReport, error) {
	for try := 1; ; try++ {
		report, err := verifyAudit(path)
		bad, _ := errors.AsType[*audit.BadRecord](err)
		if bad == nil || bad.Problem != audit.Torn || try == tornTries {
			return report, err
		}
		time.Sleep(tornPause)
	}
}

func verifyAudit(path string) (AuditReport, error) {
	// The head first: the log is never behind it.
	head, err := readHead(path)
	headless := errors.Is(err, fs.ErrNotExist)
	if err != nil && !headless {
		return AuditReport{}, err
	}
	report := AuditReport{Headless: headless, Known: head.Seq}
	f, err := openPlain(path, os.O_RDONLY)
	switch {
	case errors.Is(err, fs.ErrNotExist) && head.Seq > 0:
		return report, fmt.Errorf("%w: %s is gone, and %s knows of %d records", ErrAuditBroken, path, headPath(path), head.Seq)
	case err != nil:
		return report, err
	}
	defer f.Close()
	report.Result, err = audit.Verify(f, head.Head)
	return report, err
}
