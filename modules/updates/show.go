package updates

import (
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// show is one tag of one image, as the list's buttons name it.
func show(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	p, err := placeOf(req)
	if err != nil {
		return sdk.Reply{}, err
	}
	id, ref := req.Arg("id"), req.Arg("ref")
	if id == "" || !isRef(id) || !isRef(ref) {
		return sdk.Reply{}, errBroken
	}
	return page(host, req, p, id, ref)
}

// page is an image with all its tags, or that one whose name is ref.
func page(host sdk.Host, req sdk.Request, p place, id, ref string) (sdk.Reply, error) {
	toList := p.button(texts.UpdatesToList, "list")
	args := []string{"id", id}
	if ref != "" {
		args = append(args, "ref", ref)
	}
	report, err := ask(host, req, p, id)
	switch {
	case sdk.CodeOf(err) == abi.NotFound:
		return sdk.Reply{
			Blocks:   []sdk.Block{sdk.Text(sdk.Plain(notFound(err, req))), sdk.AsOf(req)},
			Keyboard: [][]sdk.Button{sdk.Row(toList)},
		}, nil
	case err != nil:
		return away(req, err, hostRows(endpoints(host), p), p.button(texts.UpdatesTry, "show", args...), toList)
	}
	var blocks []sdk.Block
	for _, u := range tagged(report.Images, ref) {
		blocks = append(blocks, describe(u)...)
	}
	return sdk.Reply{
		Blocks: append(blocks, sdk.AsOf(req)),
		Keyboard: [][]sdk.Button{
			sdk.Row(p.button(texts.Refresh, "show", args...), p.button(texts.UpdatesAgain, "show", append(args, "look", lookAgain)...)),
			sdk.Row(toList, p.leave()),
		},
		Again: following(report, p.button("", "show", args...)),
	}, nil
}

// notFound is gone for an image that a button named; who typed a name is told
// what the host says.
func notFound(err error, req sdk.Request) string {
	if req.Action != "" {
		return texts.UpdatesGone
	}
	return sdk.MessageOf(err)
}

// maxTags is how many tags of one image a page shows.
const maxTags = 10

// tagged are those updates that are about ref; all, if none is.
func tagged(all []abi.ImageUpdate, ref string) []abi.ImageUpdate {
	for _, u := range all {
		if ref != "" && u.Reference == ref {
			return []abi.ImageUpdate{u}
		}
	}
	return all[:min(len(all), maxTags)]
}

func describe(u abi.ImageUpdate) []sdk.Block {
	fields := []sdk.Field{sdk.Is(texts.UpdatesID, sdk.Code(shortID(u.ID)))}
	if u.NewerTag != "" {
		version := []sdk.Span{sdk.Code(sdk.Line(u.NewerTag, maxTag))}
		if u.Major {
			version = append(version, sdk.Plain(" "+texts.UpdatesMajor))
		}
		fields = append(fields, sdk.Is(texts.UpdatesVersion, version...))
	}
	if u.NewerWithin != "" {
		fields = append(fields, sdk.Is(texts.UpdatesWithin, sdk.Code(sdk.Line(u.NewerWithin, maxTag))))
	}
	if kindOf(u) != beside {
		fields = append(fields, sdk.Is(texts.UpdatesSameTag, sdk.Plain(sameTag(u))), sdk.Is(texts.UpdatesChecked, checked(u)))
	}
	blocks := []sdk.Block{
		sdk.HeadingOf(sdk.Plain(mark(u)+" "), sdk.Code(sdk.Line(u.Reference, maxReference))),
		sdk.Fields(fields...),
	}
	if u.Problem != "" {
		blocks = append(blocks, sdk.Text(sdk.Italic(sdk.Line(u.Problem, maxSentence))))
	}
	if kindOf(u) == newer {
		blocks = append(blocks, sdk.Text(sdk.Plain(texts.UpdatesHow)))
	}
	return blocks
}

func sameTag(u abi.ImageUpdate) string {
	switch {
	case u.NewerDigest:
		return "🔁 " + texts.UpdatesDigest
	case u.Checked == 0 || u.Problem != "":
		return texts.UpdatesUnknown
	}
	return texts.UpdatesCurrent
}

func checked(u abi.ImageUpdate) sdk.Span {
	if u.Checked <= 0 {
		return sdk.Plain(texts.UpdatesNotYet)
	}
	return sdk.Ago(u.Checked)
}

// shortID is as long as Docker's own tools show it.
func shortID(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(len(id), 12)]
}
