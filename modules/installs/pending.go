package installs

import (
	"cmp"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

func isRefused(f *abi.PendingModule) bool { return f.State != abi.FilePending }

// nameOf names a file that may be no module at all.
func nameOf(f *abi.PendingModule) string { return sdk.Line(cmp.Or(f.Name, f.File), maxName) }

// shortDigest is as much of a digest as buttons carry: 128 bits, which nobody can
// make another file for.
const shortDigest = 32

// reference are the arguments with which a button names a file.
func reference(f *abi.PendingModule) []string {
	return []string{"name", sdk.Line(f.Name, maxName), "digest", f.Digest[:min(len(f.Digest), shortDigest)]}
}

// inShort is what the list says of a file.
func inShort(f *abi.PendingModule) []sdk.Field {
	fields := is(nil, texts.InstallsWhy, sdk.Line(f.Why, maxLine))
	if f.Name != "" {
		most := 0
		for i := range f.Asks {
			if f.Asks[i].Danger >= abi.DangerMost {
				most++
			}
		}
		fields = is(fields, texts.InstallsAsks, texts.InstallsAsksCount(len(f.Asks), most))
	}
	return its(fields, texts.InstallsFile, f.File, maxLine)
}

// find looks for a file that waits, by its name and the beginning of its digest.
// Without a digest there must be one of that name.
func find(host sdk.Host, req sdk.Request, name, digest string) (*abi.PendingModule, bool, error) {
	if err := forAdmins(req); err != nil {
		return nil, false, err
	}
	files, err := host.PendingModules(abi.PendingQuery{Name: name, Digest: digest})
	if err != nil {
		return nil, false, err
	}
	var found *abi.PendingModule
	n := 0
	for i := range files.Modules {
		f := &files.Modules[i]
		if f.Name == name && name != "" && strings.HasPrefix(f.Digest, digest) {
			found = f
			n++
		}
	}
	switch {
	case n == 0 || digest != "" && len(digest) < shortDigest:
		return found, false, sdk.Fail(abi.NotFound, texts.InstallsNotHere)
	case n > 1:
		return found, false, sdk.Fail(abi.Invalid, texts.InstallsSeveral)
	}
	return found, files.Approval, nil
}

func tapPending(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	return pending(host, req, req.Arg("name"), req.Arg("digest"))
}

// pending is the page of a file that waits: who made it, what it asks for, the most
// dangerous first, and what an admin can do about it.
func pending(host sdk.Host, req sdk.Request, name, digest string) (sdk.Reply, error) {
	f, approval, err := find(host, req, name, digest)
	if sdk.CodeOf(err) == abi.NotFound {
		return ended(req, texts.InstallsNotHere), nil
	}
	if err != nil {
		return sdk.Reply{}, err
	}
	blocks := []sdk.Block{
		named(texts.InstallsFileMark(isRefused(f)), f.Name, f.Version, texts.InstallsWaits(isRefused(f))),
		sdk.Fields(aboutFile(f)...),
		sdk.Text(asksFor(f)...),
	}
	if len(f.Gone) > 0 {
		blocks = append(blocks, says(texts.InstallsGone+listing(f.Gone, "\n", "", maxLine)))
	}
	switch {
	case isRefused(f):
	case approval:
		blocks = append(blocks, sdk.Text(sdk.Italic(texts.InstallsConfirmed)))
	default:
		blocks = append(blocks, says(texts.InstallsAtHost))
	}
	return sdk.Reply{Blocks: append(blocks, sdk.AsOf(req)), Keyboard: fileButtons(f, approval)}, nil
}

func fileButtons(f *abi.PendingModule, approval bool) (rows [][]sdk.Button) {
	of := reference(f)
	if approval && !isRefused(f) {
		row := sdk.Row(do(texts.InstallsApprove, "approve", of...))
		if canNarrow(f) {
			row = append(row, do(texts.InstallsNarrower, "narrow", of...))
		}
		rows = append(rows, row)
	}
	if !isRefused(f) {
		rows = append(rows, danger(texts.InstallsRefuse, "refuse", of...))
	}
	return append(rows, sdk.Row(do(texts.Refresh, "pending", of...), toList))
}

// aboutFile is what is known of a file beside what it asks for. What it says of
// itself is set apart: nobody checked that.
func aboutFile(f *abi.PendingModule) []sdk.Field {
	signed := texts.InstallsNotSigned
	if f.Signer != "" {
		signed = texts.InstallsSignedWith(f.Signer, f.Trusted)
	}
	fields := is(nil, texts.InstallsWhy, sdk.Line(f.Why, maxLine))
	fields = its(fields, texts.InstallsMadeBy, f.Author, maxAuthor)
	fields = its(fields, texts.InstallsAboutIt, f.Description, maxLine)
	fields = its(fields, texts.InstallsFile, f.File, maxLine)
	fields = is(fields, texts.InstallsSize, sdk.Bytes(uint64(max(f.Size, 0))))
	fields = its(fields, texts.InstallsDigest, f.Digest, 64)
	fields = is(fields, texts.InstallsSigned, signed)
	fields = its(fields, texts.InstallsBefore, f.Before, maxVersion)
	fields = its(fields, texts.InstallsCommands, listing(f.Commands, "/", " ", maxName), maxShown*(maxName+2))
	return is(fields, texts.InstallsByItself, listing(f.Runs, "", "; ", maxLine))
}

// asksFor lists what a file asks for: the host's words, and the author's reason
// behind them. The list is cut at its harmless end; the host shows all of it once
// more before anything is approved.
func asksFor(f *abi.PendingModule) []sdk.Span {
	if len(f.Asks) == 0 {
		return []sdk.Span{sdk.Plain(texts.InstallsAsksNone)}
	}
	spans := []sdk.Span{sdk.Bold(texts.InstallsAsksFor)}
	for i := range f.Asks[:min(len(f.Asks), maxShown)] {
		a := &f.Asks[i]
		line := "\n" + texts.InstallsMark(a.Danger)
		if a.New {
			line += texts.InstallsNew
		}
		line += sdk.Line(cmp.Or(a.Words, a.Name), maxWords)
		if len(a.Narrowed) > 0 {
			line += texts.InstallsWithin(sdk.Line(strings.Join(a.Narrowed, ", "), maxLine))
		}
		spans = append(spans, sdk.Plain(line))
		if a.Reason != "" {
			spans = append(spans, sdk.Italic(" “"+sdk.Line(unquoted(a.Reason), maxLine)+"”"))
		}
	}
	if more := len(f.Asks) - maxShown; more > 0 {
		spans = append(spans, sdk.Plain("\n…"+texts.InstallsAndMore(more)))
	}
	return append(spans, sdk.Plain("\n"), sdk.Italic(texts.InstallsLegend))
}

// unquoted is a text that does not end the quotation in which it stands.
func unquoted(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "“", "'"), "”", "'")
}

// approve lets a file run: as it asks, or with what was chosen. The host asks for
// a code and for a tap on what it says itself.
func approve(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	f, _, err := find(host, req, req.Arg("name"), req.Arg("digest"))
	if err != nil {
		return sdk.Reply{}, err
	}
	q := abi.ModuleApproval{Name: f.Name, Digest: f.Digest}
	if _, chosen := req.Args["off"]; chosen {
		c, err := choiceOf(f, req.Arg("off"), req.Arg("own"))
		if err != nil {
			return sdk.Reply{}, err
		}
		q.Grants = c.grants()
	}
	host.Progress(texts.InstallsApproving)
	done, err := host.ApproveModule(q)
	if err != nil {
		return sdk.Reply{}, err
	}
	name := sdk.Line(done.Name, maxName)
	return ended(req, texts.InstallsDone(true, done.Changed, name), do(name, "show", "name", name)), nil
}

func refuse(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	f, _, err := find(host, req, req.Arg("name"), req.Arg("digest"))
	if err != nil {
		return sdk.Reply{}, err
	}
	if _, err := host.RefuseModule(abi.ModuleRef{Name: f.Name, Digest: f.Digest}); err != nil {
		return sdk.Reply{}, err
	}
	return ended(req, texts.InstallsRefused(sdk.Line(f.Name, maxName))), nil
}
