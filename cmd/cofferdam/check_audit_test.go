package main

import (
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/runtime/store"
	"github.com/cofferdam-bot/cofferdam/security/audit"
)

// A log that has grown long is said, and one that is bad first of all is bad.
func TestAuditFindingOfALargeLog(t *testing.T) {
	for _, test := range []struct {
		name  string
		bytes int64
		err   error
		level string
		says  string
	}{
		{"up to the bound", auditLarge, nil, levelOK, "200000 records in audit.jsonl"},
		{"beyond it", auditLarge + 1, nil, levelWarn, "100 MiB: nothing is removed by itself; with the bot stopped, move the log away together with its head"},
		{"beyond it, and bad", auditLarge + 1, &audit.BadRecord{Line: 7, Seq: 7, Problem: audit.Changed}, levelFail, "line 7: record 7 was changed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			report := store.AuditReport{Result: audit.Result{Records: 200_000, Bytes: test.bytes}}
			level, message := auditFinding("audit.jsonl", report, test.err)
			if level != test.level || !strings.Contains(message, test.says) {
				t.Errorf("%s: %s, want %s: …%s…", level, message, test.level, test.says)
			}
		})
	}
}
