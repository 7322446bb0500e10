package store

import (
	"errors"
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
}

// A running bot may be in the middle of a line: then it is read again.
const (
	tornTries = 3
	tornPause = 100 * time.Millisecond
)

// VerifyAudit checks a whole log, against the head beside it. It takes no lock:
// a bot may be writing meanwhile. A bad record is an [*audit.BadRecord]; a head
// that is none is [ErrAuditBroken].
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
	f, err := openPlain(path, os.O_RDONLY)
	if err != nil {
		return AuditReport{Headless: headless}, err
	}
	defer f.Close()
	result, err := audit.Verify(f, head.Head)
	return AuditReport{Result: result, Headless: headless}, err
}
