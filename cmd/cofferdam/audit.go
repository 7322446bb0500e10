package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/store"
	"github.com/cofferdam-bot/cofferdam/security/audit"
)

func auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "audit",
		Short:   "Tools for the log of privileged acts",
		Example: `  cofferdam audit verify`,
		Args:    usageArgs(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(auditVerifyCommand())
	return cmd
}

func auditVerifyCommand() *cobra.Command {
	var path, dir string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify [FILE]",
		Short: "Look whether the audit log is as it was written",
		Long: `Read the whole audit log and name the first record that was changed, is missing
or is not in its place. Nothing is changed. A bot may be running.

Without FILE it is audit.jsonl in the state directory, which is found as run
finds it: --state-dir, else $COFFERDAM_STATE_DIR, else by the config. The end of
the log is held against the .head file beside it.

Exit codes: 0 good, 1 bad or unreadable, 2 wrong usage, 3 config refused.`,
		Example: `  cofferdam audit verify
  cofferdam audit verify --state-dir /var/lib/cofferdam --json
  cofferdam audit verify /backup/2026/audit.jsonl`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if path != "" || dir != "" {
					return usageError(cmd, "FILE says which log, and so does --config or --state-dir: use one of them")
				}
				return verifyLog(cmd.OutOrStdout(), args[0], false, asJSON)
			}
			state, err := auditDir(path, dir)
			if err != nil {
				return err
			}
			return verifyLog(cmd.OutOrStdout(), filepath.Join(state, store.AuditFile), true, asJSON)
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVar(&dir, "state-dir", "", "`directory` for state, as for run")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// auditDir returns the state directory. The config is read only if it decides.
func auditDir(path, flag string) (string, error) {
	if flag != "" || os.Getenv(config.StateVariable) != "" {
		return stateDir(flag, nil)
	}
	cfg, _, err := loadConfig(path, config.Options{LooseModeWarns: true})
	if err != nil {
		return "", exitWith(exitConfig, err)
	}
	return stateDir("", cfg)
}

// verdict is what is said of a log with --json. Of a bad one, records, seq,
// hash and times are about what stands before the first bad record.
type verdict struct {
	File    string `json:"file"`
	OK      bool   `json:"ok"`
	Records uint64 `json:"records"`
	Seq     uint64 `json:"seq"`
	Hash    string `json:"hash"`
	First   string `json:"first,omitempty"`
	Last    string `json:"last,omitempty"`
	// Head says whether a head lies beside the log: "found" or "missing".
	Head string `json:"head"`
	// Bad is the first bad record, if it is one that is wrong.
	Bad     *badRecord `json:"bad,omitempty"`
	Message string     `json:"message,omitempty"`
}

type badRecord struct {
	Line    uint64        `json:"line"`
	Seq     uint64        `json:"seq"`
	Problem audit.Problem `json:"problem"`
}

// verifyLog checks a log. One that is a bot's own has a head.
func verifyLog(out io.Writer, path string, own, asJSON bool) error {
	report, err := store.VerifyAudit(path)
	bad, _ := errors.AsType[*audit.BadRecord](err)
	err = judged(path, own, report, err)
	if asJSON {
		return errors.Join(json.NewEncoder(out).Encode(verdictOf(path, report, bad, err)), err)
	}
	if err == nil {
		fmt.Fprintf(out, "ok: %s in %s%s\n", plural(int(report.Records), "record"), path, span(report))
		if report.Headless {
			fmt.Fprintln(out, "warn: no head lies beside it, so whether records were cut off at the end cannot be told")
		}
	}
	return err
}

// judged puts what was found out about a log into words; nil: it is good.
func judged(path string, own bool, r store.AuditReport, err error) error {
	bad, _ := errors.AsType[*audit.BadRecord](err)
	switch {
	case errors.Is(err, fs.ErrNotExist) && own:
		return fmt.Errorf("%s is not there: no bot has run with this state directory, or the log was moved away", path)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s is not there", path)
	case errors.Is(err, store.ErrAuditBroken): // says which file
		return err
	case err != nil && bad == nil:
		return fmt.Errorf("%s cannot be read: %s", path, reason(err))
	case err != nil:
		return fmt.Errorf("%s: %w", path, bad)
	case own && r.Headless:
		return fmt.Errorf("%s: the head beside it is gone, so whether records were cut off at the end cannot be told", path)
	}
	return nil
}

func span(r store.AuditReport) string {
	if r.Records == 0 {
		return ""
	}
	return fmt.Sprintf(", from %s to %s, last hash %s", r.First.Format(time.RFC3339), r.Last.Format(time.RFC3339), r.Head.Hash)
}

func verdictOf(path string, r store.AuditReport, bad *audit.BadRecord, err error) verdict {
	v := verdict{File: path, OK: err == nil, Records: r.Records, Seq: r.Head.Seq, Hash: r.Head.Hash, Head: "found"}
	if r.Headless {
		v.Head = "missing"
	}
	if r.Records > 0 {
		v.First, v.Last = r.First.Format(time.RFC3339Nano), r.Last.Format(time.RFC3339Nano)
	}
	if bad != nil {
		v.Bad = &badRecord{Line: bad.Line, Seq: bad.Seq, Problem: bad.Problem}
	}
	if err != nil {
		v.Message = err.Error()
	}
	return v
}
