package place

import (
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

func TestAPlaceSurvivesItsButton(t *testing.T) {
	for _, p := range []Place{{Page: 1}, {Host: "edge", Page: 7}, {Page: 10_000, Outside: true}} {
		b := p.Button("x", "list", "id", "5")
		got, ok := Of(sdk.Request{Action: b.Action, Args: b.Args})
		if !ok || got != p || b.Args["id"] != "5" {
			t.Errorf("%+v became %+v, %v", p, got, ok)
		}
	}
	for _, args := range []map[string]string{
		{"page": "0"}, {"page": "-1"}, {"page": "x"}, {"page": "10001"}, {"page": "99999999999999999999"},
		{"host": strings.Repeat("h", MaxHost+1)}, {"host": "a\nb"}, {"host": "a\u202e"},
	} {
		if p, ok := Of(sdk.Request{Args: args}); ok {
			t.Errorf("%v is taken for %+v", args, p)
		}
	}
}

func TestTheWayBack(t *testing.T) {
	if b := (Place{Page: 3}).Back("x", "list"); b.Back || b.Action != "list" || b.Args["page"] != "3" {
		t.Errorf("from the list: %+v", b)
	}
	if b := (Place{Page: 1, Outside: true}).Back("x", "list"); !b.Back || b.Action != "list" || b.Args["outside"] != "" {
		t.Errorf("from another module: %+v", b)
	}
}

func TestWhatIsTyped(t *testing.T) {
	long, host := strings.Repeat("n", 64), strings.Repeat("h", MaxHost)
	for _, test := range []struct{ name, host, want string }{
		{"web", "", "web"},
		{"web", "edge", "web@edge"},
		{long, "", "id"},
		{"two\nlines", "edge", "id@edge"},
		{long[1:], host, long[1:] + "@" + host},
	} {
		if got := (Place{Host: test.host}).Typed(test.name, "id"); got != test.want {
			t.Errorf("%q on %q: %q, want %q", test.name, test.host, got, test.want)
		}
	}
	if got := (Place{Host: host}).Typed(long, strings.Repeat("f", 64)); got != "" {
		t.Errorf("typed %q, which is too long", got)
	}
}

func TestCut(t *testing.T) {
	for text, want := range map[string][2]string{
		"": {}, "web": {"web", ""}, "web@edge": {"web", "edge"}, "@edge": {"", "edge"},
		"nginx@sha256:ab": {"nginx@sha256:ab", ""}, "nginx@sha256:ab@edge": {"nginx@sha256:ab", "edge"},
	} {
		if name, host := Cut(text); name != want[0] || host != want[1] {
			t.Errorf("%q is %q on %q", text, name, host)
		}
	}
}

func TestPagingLeadsSomewhere(t *testing.T) {
	to := func(label string, _ int) sdk.Button { return sdk.Do(label, "list") }
	for _, test := range []struct {
		page, last int
		want       string
	}{{1, 1, ""}, {1, 2, "2/2 ▶️"}, {2, 2, "◀️ 1/2"}, {2, 3, "◀️ 1/3 3/3 ▶️"}, {5, 9, "⏮ 1/9 ◀️ 4/9 6/9 ▶️"}} {
		var labels []string
		for _, b := range Paging(test.page, test.last, to) {
			labels = append(labels, b.Label)
		}
		if got := strings.Join(labels, " "); got != test.want {
			t.Errorf("page %d of %d: %q, want %q", test.page, test.last, got, test.want)
		}
	}
}
