package main

import (
	"context"
	"errors"
	"strconv"

	"github.com/cofferdam-bot/cofferdam/runtime/store"
	"github.com/cofferdam-bot/cofferdam/security/audit"
)

// records appends so many acts to the audit log in a state directory, as a bot
// does.
func (s *session) records(args []string) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	log, err := store.OpenAudit(s.ts.MkAbs(args[1]), store.AuditOptions{})
	if err != nil {
		return err
	}
	for i := range n {
		err = errors.Join(err, log.Record(context.Background(), audit.Entry{
			Event: "docker.action", Actor: "12******89", Role: "admin", Module: "containers", Capability: "docker.containers.stop",
			Target: "web-" + strconv.Itoa(i+1) + " (0123456789ab) on local", Decision: "allow", Outcome: "done",
		}))
	}
	return errors.Join(err, log.Close())
}
