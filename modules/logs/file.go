package logs

import (
	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

const (
	// A reply holds at most 64 KiB, and a file in it grows by a third in base64.
	maxFile   = 45_000
	fileReads = 8
	// fileSeconds is how long a log stays in the chat as a file (B6).
	fileSeconds = 30
)

// file sends the newest lines of v, as many as fit. The view stays as it is.
func file(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	v, err := viewOf(req)
	switch {
	case err != nil:
		return sdk.Reply{}, err
	case !req.Chat.Private:
		return sdk.Reply{}, errPrivate
	}
	data, name, err := v.at("", "").collect(host, req)
	switch {
	case err != nil:
		return v.away(req, err)
	case len(data) == 0:
		return sdk.Reply{Notice: texts.LogsFileEmpty}, nil
	}
	return sdk.Reply{
		Blocks:      []sdk.Block{sdk.Document(fileName(name), data)},
		Notice:      texts.LogsFileHeld,
		DeleteAfter: fileSeconds,
	}, nil
}

// collect reads back from the log's end until the file is full.
func (v view) collect(host sdk.Host, req sdk.Request) (data []byte, name string, err error) {
	var lines []string // from the last to the first
	room := maxFile
	for range fileReads {
		page, err := host.Logs(v.query(req, 0))
		if err != nil {
			return nil, "", err
		}
		name = page.Name
		for i := len(page.Lines) - 1; i >= 0; i-- {
			line := fileLine(page.Lines[i])
			if room -= len(line); room < 0 {
				return joined(lines), name, nil
			}
			lines = append(lines, line)
		}
		if page.Older == "" {
			break
		}
		v = v.at(page.Older, "")
	}
	return joined(lines), name, nil
}

func joined(lines []string) (data []byte) {
	for i := len(lines) - 1; i >= 0; i-- {
		data = append(data, lines[i]...)
	}
	return data
}

// fileLine has its moment in UTC: the host does not write into files.
func fileLine(l abi.LogLine) string {
	moment := "-"
	if l.Time > 0 {
		moment = sdk.UTC(l.Time)
	}
	text := sdk.Line(l.Text, len(l.Text))
	if l.Cut {
		text += "…"
	}
	return moment + " " + sdk.Line(l.Stream, 8) + " " + text + "\n"
}

// fileName keeps what a container's name may have.
func fileName(name string) string {
	clean := []byte("log-")
	for i := 0; i < len(name) && i < 48; i++ {
		switch c := name[i]; {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-', c == '_', c == '.':
			clean = append(clean, c)
		}
	}
	return string(clean) + ".txt"
}
