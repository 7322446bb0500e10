package view

import (
	"slices"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

func TestPages(t *testing.T) {
	for _, tc := range []struct {
		total   int
		asked   string
		want    Pages
		heading string
		buttons []string
	}{
		{0, "", Pages{1, 1, 0, 0}, "x", nil},
		{1, "", Pages{1, 1, 0, 1}, "x", nil},
		{10, "", Pages{1, 1, 0, 10}, "x", nil},
		{11, "", Pages{1, 2, 0, 10}, "x, page 1 of 2", []string{"2/2 ▶️"}},
		{11, "2", Pages{2, 2, 10, 11}, "x, page 2 of 2", []string{"◀️ 1/2"}},
		{35, "3", Pages{3, 4, 20, 30}, "x, page 3 of 4", []string{"⏮ 1/4", "◀️ 2/4", "4/4 ▶️"}},
		{35, "99", Pages{4, 4, 30, 35}, "x, page 4 of 4", []string{"⏮ 1/4", "◀️ 3/4"}},
		{35, "0", Pages{1, 4, 0, 10}, "x, page 1 of 4", []string{"2/4 ▶️"}},
		{35, "99999999999999999999", Pages{1, 4, 0, 10}, "x, page 1 of 4", []string{"2/4 ▶️"}},
	} {
		p := PagesOf(sdk.Request{Args: map[string]string{"page": tc.asked}}, tc.total, 10)
		if p != tc.want || p.Heading("x").Spans[0].Text != tc.heading {
			t.Errorf("page %q of %d: %+v, %+v", tc.asked, tc.total, p, p.Heading("x"))
		}
		var labels []string
		for _, row := range p.Rows("list") {
			for _, b := range row {
				labels = append(labels, b.Label)
			}
		}
		if !slices.Equal(labels, tc.buttons) {
			t.Errorf("page %q of %d has the buttons %q", tc.asked, tc.total, labels)
		}
	}
}

// A button leads to the page that its label names, and a refresh stays.
func TestPagesAreTurned(t *testing.T) {
	p := PagesOf(sdk.Request{Args: map[string]string{"page": "3"}}, 40, 10)
	for i, want := range []int{1, 2, 4} {
		b := p.Rows("list")[0][i]
		if got := PagesOf(sdk.Request{Args: b.Args}, 40, 10).Number; got != want {
			t.Errorf("%q leads to page %d", b.Label, got)
		}
	}
	if b := p.Do("again", "list"); PagesOf(sdk.Request{Args: b.Args}, 40, 10) != p {
		t.Errorf("a refresh leads to %v", b.Args)
	}
}

func TestAPageSaysWhoseFiguresItShows(t *testing.T) {
	for _, guest := range []bool{true, false} {
		reply := Page(sdk.Request{}, abi.HostInfo{InGuest: guest}, nil, sdk.Heading("x"))
		said := slices.ContainsFunc(reply.Blocks, func(b sdk.Block) bool { return b.Kind == abi.BlockQuote && b.Spans[0].Text == texts.InGuest })
		if said != guest || len(reply.Blocks) != 2+map[bool]int{true: 1}[guest] {
			t.Errorf("in a container %v: %+v", guest, reply.Blocks)
		}
	}
}
