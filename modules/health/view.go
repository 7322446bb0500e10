package health

import (
	"strconv"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// maxTodo is how much advice one page has.
const maxTodo = 6

// todo lists what to do, the most urgent first.
func todo(f facts, wrong []concern) []sdk.Block {
	switch {
	case len(unknown(f)) == sources:
		return []sdk.Block{sdk.Text(sdk.Plain(texts.HealthNothingKnown))}
	case len(wrong) == 0:
		return []sdk.Block{sdk.Text(sdk.Plain(texts.HealthAllWell))}
	}
	return []sdk.Block{sdk.Heading(texts.HealthWhatToDo), lines(wrong, maxTodo, func(i int, c concern) (lead, tail string) {
		return strconv.Itoa(i+1) + ". ", " " + c.advice
	})}
}

// lines writes concerns one a line, with something before and behind each.
func lines(wrong []concern, most int, around func(int, concern) (lead, tail string)) sdk.Block {
	var spans []sdk.Span
	for i, c := range wrong[:min(len(wrong), most)] {
		lead, tail := around(i, c)
		if i > 0 {
			lead = "\n" + lead
		}
		spans = append(append(append(spans, sdk.Plain(lead)), c.what...), sdk.Plain(tail))
	}
	if more := len(wrong) - most; more > 0 {
		spans = append(spans, sdk.Plain("\n"+texts.HealthMoreToDo(more)))
	}
	return sdk.Text(spans...)
}

// doors are buttons to the views that the concerns are about, two a row.
func doors(wrong []concern, commands map[string]bool) (rows [][]sdk.Button) {
	seen := map[string]bool{}
	for _, c := range wrong {
		if c.door.command == "" || seen[c.door.command] || !commands[c.door.command] {
			continue
		}
		seen[c.door.command] = true
		button := sdk.Run(c.door.label, c.door.command)
		if last := len(rows) - 1; last >= 0 && len(rows[last]) < 2 {
			rows[last] = append(rows[last], button)
			continue
		}
		rows = append(rows, sdk.Row(button))
	}
	return rows
}

// botFields names the parts that are well in one line, and gives the others a
// line each.
func botFields(bot reading[abi.BotHealth]) []sdk.Field {
	if bot.err != nil {
		return []sdk.Field{missing(texts.HealthOfBot, bot.err)}
	}
	var fields []sdk.Field
	var well []string
	for _, c := range bot.value.Components {
		if c.State == abi.HealthOK {
			well = append(well, partName(c))
			continue
		}
		fields = append(fields, partField(c))
	}
	if len(well) > 0 {
		fields = append(fields, sdk.Is(texts.HealthWell, sdk.Plain(strings.Join(well, "; "))))
	}
	if len(fields) == 0 {
		fields = append(fields, sdk.Is(texts.HealthOfBot, sdk.Italic(texts.HealthNoParts)))
	}
	return fields
}

func partName(c abi.Component) string   { return sdk.Line(c.Name, 60) }
func partDetail(c abi.Component) string { return sdk.Line(c.Detail, 400) }

func partField(c abi.Component) sdk.Field {
	field := sdk.Is(texts.HealthMark(c.State)+" "+partName(c), sdk.Plain(partDetail(c)))
	if c.Since > 0 {
		field.Value = append(field.Value, sdk.Plain(texts.HealthBegan), sdk.Ago(c.Since), sdk.Plain("."))
	}
	return field
}

// machineLines are the machine's figures, each with what it may lack.
func machineLines(f facts) []sdk.Field {
	return append([]sdk.Field{
		figure(texts.HealthLoad, f.machine.err, loadLine(f.machine.value)),
		figure(texts.HealthMemory, f.memory.err, plain(texts.HealthShareOf(f.memory.value.Percent, f.memory.value.Total))),
		figure(texts.HealthFullestDisk, f.disk.err, diskLine(f.disk.value)),
		figure(texts.HealthHottest, f.sensors.err, heatLine(f.sensors.value)),
		figure(texts.HealthPressure, f.pressure.err, pressureLine(f.pressure.value)),
	}, silentLine(f.disk.value)...)
}

// figure is one line: what a source said, or why it said nothing.
func figure(name string, err error, value []sdk.Span) sdk.Field {
	if err != nil {
		return missing(name, err)
	}
	return sdk.Is(name, value...)
}

func loadLine(m abi.HostInfo) []sdk.Span {
	if m.CPUs < 1 {
		return plain(sdk.Decimal(m.Load5, 2) + texts.HealthUnknownCores)
	}
	return plain(texts.HealthLoadPerCore(m.Load5/float64(m.CPUs), m.CPUs))
}

func diskLine(d abi.DiskInfo) []sdk.Span {
	m, ok := fullest(d)
	if !ok {
		return []sdk.Span{sdk.Italic(texts.HealthNoDisks)}
	}
	return []sdk.Span{sdk.Code(sdk.Line(m.Path, 80)), sdk.Plain(", " + texts.HealthShareOf(m.Percent, m.Total))}
}

func silentLine(d abi.DiskInfo) []sdk.Field {
	if len(d.Hanging) == 0 {
		return nil
	}
	return []sdk.Field{sdk.Is(texts.HealthDisksSilent, sdk.Plain(strconv.Itoa(len(d.Hanging))))}
}

func heatLine(s abi.SensorInfo) []sdk.Span {
	t, ok := hottest(s)
	if !ok {
		return []sdk.Span{sdk.Italic(texts.HealthNoSensors)}
	}
	return []sdk.Span{sdk.Code(sdk.Line(t.Name, 40)), sdk.Plain(", " + texts.HealthDegrees(t.Current))}
}

func pressureLine(p abi.PressureInfo) []sdk.Span {
	if !p.Known {
		return []sdk.Span{sdk.Italic(texts.HealthPressureUntold)}
	}
	return plain(texts.HealthWaitingFor(p.CPU.Some60, p.Memory.Some60, p.IO.Some60))
}

func dockerLines(f facts) []sdk.Field {
	if f.docker.err != nil {
		return []sdk.Field{missing(texts.HealthOfDocker, f.docker.err)}
	}
	var fields []sdk.Field
	for _, w := range f.docker.value {
		name := texts.HealthContainersOn(w.endpoint, len(f.docker.value) == 1)
		switch {
		case w.away:
			fields = append(fields, sdk.Is(name, sdk.Italic(texts.HealthSilent)))
		case w.err != nil:
			fields = append(fields, missing(name, w.err))
		default:
			fields = append(fields, sdk.Is(name, sdk.Plain(texts.HealthWorkload(
				w.total, w.running, w.paused, len(w.unhealthy), len(w.restarting), len(w.dead)))))
		}
	}
	return fields
}

// parts shows every part of the bot, with what to do about it.
func parts(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	bot, err := host.Health()
	if err != nil {
		return sdk.Reply{}, err
	}
	blocks := []sdk.Block{sdk.Heading(texts.HealthParts)}
	var fields []sdk.Field
	for _, c := range bot.Components[:min(len(bot.Components), maxParts)] {
		field := partField(c)
		if c.Advice != "" {
			field.Value = append(field.Value, sdk.Plain(" "), sdk.Italic(sdk.Line(c.Advice, 300)))
		}
		fields = append(fields, field)
	}
	if len(fields) == 0 {
		blocks = append(blocks, sdk.Text(sdk.Plain(texts.HealthNoParts)))
	}
	fields = append(fields, sdk.Is(texts.HealthProcess, sdk.Plain(texts.HealthProcessOf(bot.Memory, bot.Goroutines))))
	return page(req, below("health_parts"), append(blocks, sdk.Fields(fields...))...), nil
}

// maxParts keeps the parts within one message or two.
const maxParts = 30

// scoreView says how the score is made.
func scoreView(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	f := gather(host)
	wrong := concerns(f)
	taken := sdk.Text(sdk.Plain(texts.HealthNothingSubtracted))
	if len(wrong) > 0 {
		taken = lines(wrong, maxParts, func(_ int, c concern) (lead, tail string) { return texts.HealthPointsOff(c.points), "" })
	}
	blocks := []sdk.Block{
		sdk.Heading(texts.HealthScore + ": " + verdict(f, wrong)), taken, sdk.Quote(sdk.Plain(texts.HealthScoreRule)),
	}
	if missing := unknown(f); len(missing) > 0 {
		blocks = append(blocks, sdk.Text(sdk.Plain(texts.HealthNotCounted(strings.Join(missing, ", ")))))
	}
	return page(req, below("health_score"), blocks...), nil
}

// section adds figures under a title. It and what many places call besides is not
// inlined: that would make the module larger by 1 %.
//
//go:noinline
func section(blocks []sdk.Block, title string, fields []sdk.Field) []sdk.Block {
	return append(blocks, sdk.Heading(title), sdk.Fields(fields...))
}

// page is a view: its blocks, when it was made, and its buttons.
//
//go:noinline
func page(req sdk.Request, keyboard [][]sdk.Button, blocks ...sdk.Block) sdk.Reply {
	return sdk.Reply{Blocks: append(blocks, sdk.AsOf(req)), Keyboard: keyboard}
}

// below is the row of a page that was opened from the health view.
func below(action string) [][]sdk.Button {
	return [][]sdk.Button{sdk.Row(sdk.Do(texts.Refresh, action), sdk.Run(texts.Back, "health"))}
}

// missing is the line of a figure that cannot be had.
//
//go:noinline
func missing(name string, err error) sdk.Field {
	return sdk.Is(name, sdk.Italic(sdk.MessageOf(err)))
}
