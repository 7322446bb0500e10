package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/cofferdam-bot/cofferdam/runtime/store"
	"github.com/cofferdam-bot/cofferdam/security/audit"
)

// auditLarge is the size in bytes from which a log is said to be large: some
// 200,000 records, which take two seconds to verify.
const auditLarge = 100 << 20

// audit looks whether the audit log of a state directory is as it was written
// (D5). Before there is one, nothing is said.
func (c *checker) audit(path string) {
	report, err := store.VerifyAudit(path)
	switch level, message := auditFinding(path, report, err); level {
	case "":
	case levelFail:
		c.fail("audit", message, exitFailed)
	default:
		c.add("audit", level, message)
	}
}

// auditFinding says what to do about a log; "" if there is none. It tells apart
// what the next start mends from what it may refuse.
func auditFinding(path string, r store.AuditReport, err error) (level, message string) {
	bad, _ := errors.AsType[*audit.BadRecord](err)
	whole := plural(int(r.Records), "record") + " in " + path
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", ""
	case bad != nil && bad.Problem == audit.Torn && !r.Headless && r.Known <= r.Head.Seq:
		return levelWarn, fmt.Sprintf("%s: the line behind them is not whole: a bot is writing it, or a crash cut it short; the next start removes it, and records that", whole)
	case err == nil && r.Headless && r.Records == 0:
		return levelOK, whole // as the start takes it
	}
	if err := judged(path, true, r, err); err != nil {
		return levelFail, err.Error() + "; find out who could write to the state directory, then stop the bot and move the log away together with its head, and keep both"
	}
	if r.Bytes > auditLarge {
		return levelWarn, fmt.Sprintf("%s, %d MiB: nothing is removed by itself; with the bot stopped, move the log away together with its head, and keep both", whole, r.Bytes>>20)
	}
	return levelOK, whole
}
