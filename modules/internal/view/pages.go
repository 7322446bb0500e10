package view

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// Pages is one page of a list, and where it stands.
type Pages struct {
	Number, Last int // from 1
	From, To     int // the entries from From, before To
}

// PagesOf reads the page that a button asks for; one that is not there is the
// last, since lists become shorter, and what is no number is the first.
func PagesOf(req sdk.Request, total, per int) Pages {
	p := Pages{Number: 1, Last: max(1, (total+per-1)/per)}
	if n, err := strconv.Atoi(req.Arg("page")); err == nil {
		p.Number = min(max(n, 1), p.Last)
	}
	p.From = min((p.Number-1)*per, total)
	p.To = min(p.From+per, total)
	return p
}

// Do is a button that opens an action at this page.
func (p Pages) Do(label, action string) sdk.Button { return p.to(label, action, p.Number) }

func (p Pages) to(label, action string, page int) sdk.Button {
	if page == 1 {
		return sdk.Do(label, action)
	}
	return sdk.Do(label, action, "page", strconv.Itoa(page))
}

// Heading adds the page to a view's heading, if there are several.
func (p Pages) Heading(text string) sdk.Block {
	if p.Last > 1 {
		text += texts.OnPage(p.Number, p.Last)
	}
	return sdk.Heading(text)
}

// Rows are the buttons that turn pages, none if there is one: each says where it
// leads.
func (p Pages) Rows(action string) [][]sdk.Button {
	to := func(before string, page int, after string) sdk.Button {
		return p.to(before+strconv.Itoa(page)+"/"+strconv.Itoa(p.Last)+after, action, page)
	}
	var row []sdk.Button
	if p.Number > 2 {
		row = append(row, to("⏮ ", 1, ""))
	}
	if p.Number > 1 {
		row = append(row, to("◀️ ", p.Number-1, ""))
	}
	if p.Number < p.Last {
		row = append(row, to("", p.Number+1, " ▶️"))
	}
	if len(row) == 0 {
		return nil
	}
	return [][]sdk.Button{row}
}
