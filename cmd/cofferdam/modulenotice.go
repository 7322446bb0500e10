package main

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/runtime/notice"
	"github.com/cofferdam-bot/cofferdam/runtime/pipeline"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// pendingTimeout bounds how long it may take to tell an admin of a file: it waits
// for Telegram's limits, and for the module that shows it.
const pendingTimeout = 5 * time.Minute

// tellPending tells each admin, in the private chat, of a file in the module folder
// that does not run: the very page that /modules has of it, with its buttons. It
// waits for nothing. A flood of files cannot flood admins, and no other chat is told
// what a file says of itself.
func (a *app) tellPending(p abi.PendingModule) {
	subject := p.Digest + "/" + foreign.Line(p.File, 64)
	if p.Name == "" || p.Digest == "" {
		a.notices.Tell(notice.AboutFile, subject, 0, brokenFileText(p))
		return
	}
	if !a.notices.Due(notice.AboutFile, subject) {
		return
	}
	for _, admin := range a.met.admins() {
		go a.showPending(admin, p)
	}
}

// showPending ends with the pipeline at the latest.
func (a *app) showPending(admin int64, p abi.PendingModule) {
	ctx, cancel := context.WithTimeout(context.Background(), pendingTimeout)
	defer cancel()
	err := a.pipeline.Show(ctx, chat.Address{Chat: admin}, admin, "modules", "pending "+p.Name+" "+p.Digest)
	if err == nil || errors.Is(err, pipeline.ErrStopping) || errors.Is(err, pipeline.ErrNoAdmin) {
		return
	}
	a.log.Warn("an admin could not be told of a file", zap.String("event", "notice.undelivered"), zap.String("module", p.Name), zap.String("digest", p.Digest), zap.Error(err))
}

// brokenFileText is about a file that is no module: it has no page.
func brokenFileText(p abi.PendingModule) string {
	return "🚫 A file in the module folder does not run: " + foreign.Line(p.File, 64) + "\n" + foreign.Line(p.Why, 200) + "\n/modules lists them all."
}
