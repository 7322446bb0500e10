package images

import (
	"strings"
	"unicode/utf8"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/place"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// What a page shows at most, so that it stays within one message. Digests are
// long and must be whole.
const (
	maxLine     = 90
	maxReadable = 180  // of a command
	maxLines    = 8    // of a list on an image's page
	maxLists    = 1800 // characters of all lists on it
	maxSettings = 3300 // characters of the lists that have a view of their own
)

func show(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	p, id, err := target(req)
	if err != nil {
		return sdk.Reply{}, err
	}
	return page(host, req, p, id)
}

// page shows the image that ref names, a tag or an id.
func page(host sdk.Host, req sdk.Request, p place.Place, ref string) (sdk.Reply, error) {
	i, err := host.Image(abi.ImageRef{Host: p.Host, ID: ref})
	if err != nil {
		return spoilt(req, err, p, "show", ref)
	}
	blocks := []sdk.Block{title("🖼 ", i.Image), sdk.Fields(append(identity(i), beginning(i)...)...)}
	env, labels, room := pairs(i.Env), pairs(i.Labels), maxLists
	for _, part := range []struct {
		title string
		lines []string
		most  int
	}{
		{texts.ImageTags, i.Tags[min(1, len(i.Tags)):], maxLines}, {texts.ImageDigests, i.Digests, maxListed}, {texts.ImagePorts, i.Ports, maxLines},
		{texts.ImageVolumes, i.Volumes, maxLines}, {texts.ImageEnv, env, maxLines}, {texts.ImageLabels, labels, maxLines},
	} {
		blocks = append(blocks, lines(part.title, part.lines, part.most, &room)...)
	}
	more := room < 0 || len(env) > maxLines || len(labels) > maxLines
	return sdk.Reply{Blocks: append(blocks, sdk.AsOf(req)), Keyboard: buttons(p, i, more && len(env)+len(labels) > 0)}, nil
}

// title names an image by its tag, or by its id.
func title(before string, i abi.Image) sdk.Block {
	name := nameOf(i)
	if name == "" {
		name = shortID(i.ID)
	}
	return sdk.HeadingOf(sdk.Plain(before), sdk.Code(name))
}

func identity(i abi.ImageDetails) []sdk.Field {
	fields := []sdk.Field{
		sdk.Is(texts.ImageID, sdk.Code(shortID(i.ID))),
		sdk.Is(texts.ImageSize, sdk.Plain(bytes(i.Size))),
	}
	fields = append(fields, plain(texts.ImagePlatform, i.Platform)...)
	if i.Created > 0 {
		fields = append(fields, sdk.Is(texts.ImageCreated, sdk.Time(i.Created), sdk.Plain(", "), sdk.Ago(i.Created)))
	}
	if i.Layers > 0 {
		fields = append(fields, sdk.Is(texts.ImageLayers, number(i.Layers)))
	}
	return append(fields, sdk.Is(texts.ImageUse, sdk.Plain(use(i.Image))))
}

// beginning is what containers made of the image begin with.
func beginning(i abi.ImageDetails) []sdk.Field {
	var fields []sdk.Field
	for _, f := range []struct{ name, value string }{
		{texts.ImageEntrypoint, strings.Join(i.Entrypoint, " ")},
		{texts.ImageCommand, strings.Join(i.Command, " ")},
		{texts.ImageUser, i.User},
		{texts.ImageFolder, i.WorkingDir},
		{texts.ImageSignal, i.StopSignal},
		{texts.ImageHealth, i.HealthCheck},
	} {
		if f.value != "" {
			fields = append(fields, sdk.Is(f.name, sdk.Code(sdk.Line(f.value, maxReadable))))
		}
	}
	fields = append(fields, plain(texts.ImageAuthor, i.Author)...)
	return append(fields, plain(texts.ImageComment, i.Comment)...)
}

func plain(name, value string) []sdk.Field {
	if value == "" {
		return nil
	}
	return []sdk.Field{sdk.Is(name, sdk.Plain(sdk.Line(value, maxReadable)))}
}

func pairs(all []abi.Label) []string {
	out := make([]string, len(all))
	for i, l := range all {
		out[i] = l.Name + "=" + l.Value
	}
	return out
}

// lines is a titled list, cut to most lines and to the room that is left on the
// page, in characters; nothing if it is empty. Where room was too little it is
// below 0 afterwards.
func lines(title string, all []string, most int, room *int) []sdk.Block {
	if len(all) == 0 {
		return nil
	}
	spans, shown := []sdk.Span{sdk.Bold(title)}, 0
	for _, line := range all[:min(len(all), most)] {
		limit := maxLine
		if strings.Contains(line, "@sha256:") {
			limit = maxReadable
		}
		text := sdk.Line(line, limit)
		if *room -= utf8.RuneCountInString(text) + 1; *room < 0 {
			break
		}
		spans = append(spans, sdk.Plain("\n"), sdk.Code(text))
		shown++
	}
	if more := len(all) - shown; more > 0 {
		spans = append(spans, sdk.Plain("\n"+texts.More(more)))
	}
	return []sdk.Block{sdk.Text(spans...)}
}

// buttons lead on from an image's page, and only where there is something.
func buttons(p place.Place, i abi.ImageDetails, more bool) [][]sdk.Button {
	first := sdk.Row(p.Button(texts.ImagesHistory, "history", "id", i.ID))
	if i.Containers != 0 {
		first = append(first, p.Button(texts.ImagesUsedBy, "used", "id", i.ID))
	}
	keyboard := [][]sdk.Button{first}
	if more {
		keyboard = append(keyboard, sdk.Row(p.Button(texts.ImagesSettings, "settings", "id", i.ID)))
	}
	if len(i.Tags) > 0 {
		if typed := p.Typed(i.Tags[0], i.ID); typed != "" {
			keyboard = append(keyboard, sdk.Row(sdk.RunWith(texts.ImagesUpdates, "updates", typed)))
		}
	}
	return append(keyboard, sdk.Row(p.Button(texts.Refresh, "show", "id", i.ID), p.Back(texts.Back, "list")))
}

// settings shows as many variables and labels as one message holds.
func settings(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	p, id, err := target(req)
	if err != nil {
		return sdk.Reply{}, err
	}
	i, err := host.Image(abi.ImageRef{Host: p.Host, ID: id})
	if err != nil {
		return spoilt(req, err, p, "settings", id)
	}
	env, labels := pairs(i.Env), pairs(i.Labels)
	blocks := []sdk.Block{title(texts.ImagesSettingOf, i.Image)}
	room := maxSettings / 2
	blocks = append(blocks, lines(texts.ImageEnv, env, len(env), &room)...)
	room = max(room, 0) + maxSettings/2
	blocks = append(blocks, lines(texts.ImageLabels, labels, len(labels), &room)...)
	return sdk.Reply{Blocks: append(blocks, sdk.AsOf(req)), Keyboard: [][]sdk.Button{below(p, "settings", id)}}, nil
}

// below are the buttons of a view that is reached from an image's page.
func below(p place.Place, action, id string, args ...string) []sdk.Button {
	args = append([]string{"id", id}, args...)
	return sdk.Row(p.Button(texts.Refresh, action, args...), p.Button(texts.Back, "show", "id", id))
}
