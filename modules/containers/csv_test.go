package containers

import (
	stdcsv "encoding/csv"
	"encoding/json"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

// rowsOf reads a file with the standard library's reader.
func rowsOf(t *testing.T, data []byte) [][]string {
	t.Helper()
	rows, err := stdcsv.NewReader(strings.NewReader(string(data))).ReadAll()
	if err != nil {
		t.Fatalf("not CSV: %v\n%s", err, data)
	}
	return rows
}

func TestCellsDoNotRunAsFormulas(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"web", "web"},
		{"", ""},
		{"=1+1", "'=1+1"},
		{"+1", "'+1"},
		{"-1", "'-1"},
		{"@SUM(A1)", "'@SUM(A1)"},
		{"\t=1", "'\t=1"},
		{"a=b", "a=b"},
		{`say "hi", twice`, `say "hi", twice`},
		{"two\nlines", "two\nlines"},
	} {
		rows := rowsOf(t, []byte(line(test.text, "end")))
		if len(rows) != 1 || rows[0][0] != test.want || rows[0][1] != "end" {
			t.Errorf("%q is read back as %q, want %q", test.text, rows, test.want)
		}
	}
}

func TestFileHoldsAllContainersAlthoughTheHostCutsItsAnswers(t *testing.T) {
	d := holding(250)
	d.most = 100
	reply := handle(t, d, tap("csv"))
	rows := rowsOf(t, reply.Blocks[2].File.Data)
	if len(rows) != 251 || rows[250][1] != "Web_249" || rows[1][6] != "2025-12-31T12:00:00Z" {
		t.Errorf("%d rows, the last %q", len(rows), rows[len(rows)-1])
	}
}

func TestFileIsCutToWhatAReplyHolds(t *testing.T) {
	d := holding(5_000)
	reply := handle(t, d, tap("csv"))
	rows := len(rowsOf(t, reply.Blocks[2].File.Data)) - 1
	says := reply.Blocks[0].Spans[0].Text
	if rows < 100 || !strings.Contains(says, "of 5000 containers") {
		t.Errorf("%d rows; it says %q", rows, says)
	}
	if data, err := json.Marshal(reply); err != nil || len(data) > 64<<10 {
		t.Errorf("reply of %d bytes, %v", len(data), err)
	}
}

// TestFileEndsWhenContainersVanish: the host promised nine, and has three by
// the time they are read.
func TestFileEndsWhenContainersVanish(t *testing.T) {
	d := holding(3)
	fake := sdk.NewFake()
	sdk.Answer(fake, abi.OpContainerList, func(q abi.ContainerQuery) (abi.ContainerList, error) {
		list := d.page(q)
		list.Total = 9
		return list, nil
	})
	found, total, err := all(fake.Host(), place{page: 1})
	if err != nil || len(found) != 3 || total != 9 {
		t.Errorf("%d of %d, %v", len(found), total, err)
	}
}
