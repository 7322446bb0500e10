package docker

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

func TestBudget(t *testing.T) {
	for _, test := range []struct {
		name, answer      string
		values            int
		objects, elements int
	}{
		{"nothing", ``, 0, 0, 0},
		{"an object", `{"a":1,"b":2}`, 1, 1, 0},
		{"a list", `[null,1,""]`, 2, 0, 3},
		{"an empty list counts as one", `[]`, 0, 0, 1},
		{"objects in a list", `[{},{"a":[{}]}]`, 1, 3, 3},
		{"brackets in a string", `["{,[","}],"]`, 1, 0, 2},
		{"an escaped quote", `["\",{","\\",{}]`, 2, 1, 3},
		{"a list after an object", `[{"a":1,"b":2},3]`, 2, 1, 2},
		{"no JSON", `}}]],,`, 2, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := wholeAnswer()
			for i := range len(test.answer) { // as the network may cut it
				if !b.spend([]byte(test.answer[i : i+1])) {
					t.Fatal("spent")
				}
			}
			values, objects, elements := maxValues-b.values, maxObjects-b.objects, maxElements-b.elements
			if values != test.values || objects != test.objects || elements != test.elements || b.bytes != maxBody-len(test.answer) {
				t.Errorf("%d values, %d objects, %d elements; want %d, %d, %d", values, objects, elements, test.values, test.objects, test.elements)
			}
		})
	}
}

func TestBudgetIsSpentAtItsBound(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(n int) string
		most   int
	}{
		"bytes":    {func(n int) string { return strings.Repeat(" ", n) }, maxBody},
		"values":   {func(n int) string { return `{` + strings.Repeat(`"a":1,`, n) }, maxValues},
		"objects":  {func(n int) string { return strings.Repeat(`{}`, n) }, maxObjects},
		"elements": {func(n int) string { return `[` + strings.Repeat(`0,`, n-1) }, maxElements},
		"depth":    {func(n int) string { return strings.Repeat(`{`, n) }, maxDepth},
	} {
		for n, want := range map[int]bool{test.most: true, test.most + 1: false} {
			b := wholeAnswer()
			if got := b.spend([]byte(test.answer(n))); got != want {
				t.Errorf("%d %s: %v, want %v", n, name, got, want)
			}
		}
	}
}

func TestABodyThatIsTooLargeStaysSo(t *testing.T) {
	text := `[` + strings.Repeat(`{},`, maxObjects+1)
	b := &boundedBody{ReadCloser: io.NopCloser(iotest.OneByteReader(strings.NewReader(text))), budget: wholeAnswer()}
	if n, err := io.Copy(io.Discard, b); err != errTooLarge || n >= int64(len(text)) {
		t.Errorf("%d bytes, %v", n, err)
	}
	if n, err := b.Read(make([]byte, 8)); n != 0 || err != errTooLarge {
		t.Errorf("a second time: %d bytes, %v", n, err)
	}
}

// TestAnAnswerThatGrowsIsRefusedBeforeItDoes: small answers that would take
// hundreds of megabytes once decoded.
func TestAnAnswerThatGrowsIsRefusedBeforeItDoes(t *testing.T) {
	const most = 16 << 20
	for name, list := range map[string]string{
		"empty objects":  `[` + strings.Repeat(`{},`, 399_000) + `{}]`,
		"nulls":          `[` + strings.Repeat(`null,`, 399_000) + `null]`,
		"numbers":        `[` + strings.Repeat(`1,`, 399_000) + `1]`,
		"networks":       `[{"NetworkSettings":{"Networks":{` + distinct(199_000) + `}}}]`,
		"lists of ports": `[{"Ports":[` + strings.Repeat(`{},`, 399_000) + `{}]}]`,
	} {
		t.Run(name, func(t *testing.T) {
			c := newClientWith(t, Config{
				Hosts:   []string{newFake(map[string]http.HandlerFunc{"/containers/json": body(list)}).serve(t)},
				Timeout: 20 * time.Second,
			})
			wantCode(t, c.Ping(context.Background(), ""), abi.OK)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := c.List(context.Background(), abi.ContainerQuery{}, anything)
			runtime.ReadMemStats(&after)
			wantCode(t, err, abi.Unavailable)
			if took := after.TotalAlloc - before.TotalAlloc; took > most {
				t.Errorf("%d bytes of answer took %d MB of memory, want at most %d", len(list), took>>20, most>>20)
			}
		})
	}
}

// distinct is n members of an object.
func distinct(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"%d":{},`, i)
	}
	return b.String() + `"x":{}`
}

// TestABusyEngineIsListed: what a large honest engine says stays far inside the
// bounds.
func TestABusyEngineIsListed(t *testing.T) {
	const containers = 3_000
	const one = `{"Id":"%064x","Names":["/web-%d"],"Image":"nginx","ImageID":"sha256:x","Command":"a, b","Created":1,
		"Ports":[{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},{"IP":"::","PrivatePort":80,"PublicPort":8080,"Type":"tcp"}],
		"Labels":{"a":"1","b":"2","c":"3","d":"4","e":"5"},"State":"running","Status":"Up","HostConfig":{"NetworkMode":"x"},
		"NetworkSettings":{"Networks":{"x":{"IPAMConfig":null,"Links":null,"Aliases":null,"NetworkID":"n","Gateway":"g","IPAddress":"i"}}},
		"Mounts":[{"Type":"volume","Name":"v","Source":"s","Destination":"d","Driver":"local","Mode":"z","RW":true,"Propagation":""},
		{"Type":"bind","Source":"s","Destination":"d","Mode":"","RW":false,"Propagation":"rprivate"}]}`
	rows := make([]string, containers)
	for i := range rows {
		rows[i] = fmt.Sprintf(one, i, i)
	}
	c := newClientWith(t, Config{
		Hosts:   []string{newFake(map[string]http.HandlerFunc{"/containers/json": body(`[` + strings.Join(rows, ",") + `]`)}).serve(t)},
		Timeout: 20 * time.Second,
	})
	list, err := c.List(context.Background(), abi.ContainerQuery{}, anything)
	if err != nil || list.Total != containers {
		t.Errorf("%d containers, %v", list.Total, err)
	}
}
