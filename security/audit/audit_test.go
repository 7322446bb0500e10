package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 5_678_000, time.UTC)

// write returns a log of n records, and its head.
func write(tb testing.TB, n int) (lines [][]byte, head Head) {
	tb.Helper()
	for i := range n {
		line, next, err := Append(head, noon.Add(time.Duration(i)*time.Second), Entry{
			Event: "docker.action", Trace: "t-1", Actor: "12******89", Role: "admin", Module: "containers", Digest: strings.Repeat("ab", 32),
			Capability: "docker.containers.stop", Target: fmt.Sprintf("web-%d (0123456789ab) on local", i), Decision: "allow", Outcome: "done",
		})
		if err != nil {
			tb.Fatal(err)
		}
		lines, head = append(lines, line), next
	}
	return lines, head
}

func join(lines ...[]byte) []byte { return bytes.Join(lines, nil) }

func TestARecordIsOneLineThatAnyToolCanCheck(t *testing.T) {
	first, head, err := Append(Head{}, noon.In(time.FixedZone("", 7200)), Entry{Event: "access.denied", Actor: "12******89", Decision: "deny", Reason: "a<b"})
	if err != nil {
		t.Fatal(err)
	}
	body := `{"seq":1,"time":"2026-03-01T12:00:00.005Z","event":"access.denied","actor":"12******89","decision":"deny","reason":"a<b","prev":""}`
	hash := sha256.Sum256([]byte(body))
	if want := strings.TrimSuffix(body, "}") + `,"hash":"` + hex.EncodeToString(hash[:]) + "\"}\n"; string(first) != want {
		t.Errorf("got  %swant %s", first, want)
	}
	if head != (Head{Seq: 1, Hash: hex.EncodeToString(hash[:])}) {
		t.Errorf("head %+v", head)
	}
	second, _, err := Append(head, noon, Entry{Event: "totp.failed", Actor: "bot"})
	if err != nil || !strings.Contains(string(second), `"prev":"`+head.Hash+`"`) || !strings.HasPrefix(string(second), `{"seq":2,`) {
		t.Errorf("second %s, %v", second, err)
	}
}

func TestAppendRefuses(t *testing.T) {
	good := Entry{Event: "totp.failed", Actor: "bot"}
	for name, test := range map[string]struct {
		head Head
		at   time.Time
		e    Entry
	}{
		"nothing":              {at: noon},
		"no event":             {at: noon, e: Entry{Actor: "bot"}},
		"no actor":             {at: noon, e: Entry{Event: "totp.failed"}},
		"a year of five":       {at: noon.AddDate(9000, 0, 0), e: good},
		"a year before Christ": {at: noon.AddDate(-2027, 0, 0), e: good},
		"no numbers left":      {head: Head{Seq: math.MaxUint64}, at: noon, e: good},
	} {
		if line, next, err := Append(test.head, test.at, test.e); err == nil || line != nil || next != test.head {
			t.Errorf("%s: %s, %+v, %v", name, line, next, err)
		}
	}
	if _, _, err := Append(Head{}, time.Time{}, good); err != nil {
		t.Errorf("the zero time: %v", err)
	}
}

func TestTextsAreCleanedAndBounded(t *testing.T) {
	all := func(text string) (e Entry) {
		for _, t := range e.texts() {
			*t = text
		}
		return e
	}
	for name, test := range map[string]struct{ in, want string }{
		"as it is":       {"web-1", "web-1"},
		"just fits":      {strings.Repeat("a", MaxText), strings.Repeat("a", MaxText)},
		"cut":            {strings.Repeat("a", MaxText+1), strings.Repeat("a", MaxText-len("…")) + "…"},
		"cut by letters": {strings.Repeat("日", MaxText), strings.Repeat("日", MaxText/3-1) + "…"},
		"invalid UTF-8":  {"a\xffb", "a\uFFFDb"},
		"the worst":      {strings.Repeat("\x01", 10*MaxText), strings.Repeat("\x01", MaxText-len("…")) + "…"},
		"a forged line":  {"a\n{\"seq\":2}", "a\n{\"seq\":2}"},
	} {
		line, _, err := Append(Head{Seq: math.MaxUint64 - 1, Hash: strings.Repeat("f", 64)}, noon, all(test.in))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(line) > MaxLine || bytes.Count(line, []byte("\n")) != 1 {
			t.Errorf("%s: %d bytes, %d lines", name, len(line), bytes.Count(line, []byte("\n")))
		}
		got, err := Parse(bytes.TrimSuffix(line, []byte("\n")))
		if err != nil || got.Entry != all(test.want) {
			t.Errorf("%s: %+v, %v", name, got.Entry, err)
		}
	}
	if got := all("secret").Clean(func(s string) string { return strings.ReplaceAll(s, "secret", "[hidden]") }); got != all("[hidden]") {
		t.Errorf("a text was forgotten: %+v", got)
	}
	if got := all("x").Clean(nil); got != all("x") {
		t.Errorf("without a way to clean: %+v", got)
	}
	var members map[string]any
	text, err := json.Marshal(all("x"))
	if err != nil || json.Unmarshal(text, &members) != nil || len(members) != len((&Entry{}).texts()) {
		t.Errorf("an Entry has %d members, of which %d are cleaned", len(members), len((&Entry{}).texts()))
	}
}

func TestAGoodLogIsGood(t *testing.T) {
	lines, head := write(t, 5)
	log := join(lines...)
	var third Record
	if err := json.Unmarshal(lines[2], &third); err != nil {
		t.Fatal(err)
	}
	for name, anchor := range map[string]Head{"its own head": head, "an older head": {Seq: third.Seq, Hash: third.Hash}, "none": {}} {
		got, err := Verify(iotest.OneByteReader(bytes.NewReader(log)), anchor)
		want := Result{
			Head: head, Records: 5, Bytes: int64(len(log)),
			First: noon.Truncate(time.Millisecond), Last: noon.Add(4 * time.Second).Truncate(time.Millisecond),
		}
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, want)
		}
	}
	if got, err := Verify(strings.NewReader(""), Head{}); err != nil || got != (Result{}) {
		t.Errorf("an empty log: %+v, %v", got, err)
	}
	if got, err := Resume(bytes.NewReader(join(lines[3:]...)), Head{Seq: 3, Hash: third.Hash}, head); err != nil || got.Records != 2 || got.Head != head {
		t.Errorf("the end of it: %+v, %v", got, err)
	}
}

// TestTheFirstBadRecordIsNamed is rule D5: a changed, missing or reordered
// record is found and named.
func TestTheFirstBadRecordIsNamed(t *testing.T) {
	lines, head := write(t, 5)
	other, otherHead := write(t, 6)
	l := func(n int) []byte { return lines[n-1] }
	in := func(n int, old, new string) []byte { return bytes.Replace(l(n), []byte(old), []byte(new), 1) }
	// forged has another content and a hash that fits it.
	forged := func(n int, prev Head) []byte {
		line, _, err := Append(prev, noon, Entry{Event: "docker.action", Actor: "host", Decision: "allow"})
		if err != nil {
			t.Fatal(err)
		}
		return line
	}
	headOf := func(n int) Head {
		r, err := Parse(bytes.TrimSuffix(l(n), []byte("\n")))
		if err != nil {
			t.Fatal(err)
		}
		return Head{Seq: r.Seq, Hash: r.Hash}
	}
	for name, test := range map[string]struct {
		log    []byte
		anchor Head
		want   BadRecord
	}{
		"a changed byte":             {join(l(1), l(2), in(3, "web-2", "web-9"), l(4), l(5)), head, BadRecord{Line: 3, Seq: 3, Problem: Changed}},
		"a changed number":           {join(l(1), in(2, `"seq":2`, `"seq":7`), l(3), l(4), l(5)), head, BadRecord{Line: 2, Seq: 2, Problem: Changed}},
		"a changed hash":             {join(l(1), in(2, `"hash":"`, `"hash":"0`), l(3), l(4), l(5)), head, BadRecord{Line: 2, Seq: 2, Problem: Changed}},
		"no hash":                    {join(l(1), append(l(2)[:len(l(2))-76:len(l(2))-76], "}\n"...)), Head{}, BadRecord{Line: 2, Seq: 2, Problem: Changed}},
		"changed, with a new hash":   {join(l(1), l(2), forged(3, headOf(2)), l(4), l(5)), head, BadRecord{Line: 3, Seq: 3, Problem: Changed}},
		"the last one forged":        {join(l(1), l(2), l(3), l(4), forged(5, headOf(4))), head, BadRecord{Line: 5, Seq: 5, Problem: Changed}},
		"the first one forged":       {join(forged(1, Head{Seq: 0, Hash: "00"}), l(2)), Head{}, BadRecord{Line: 1, Seq: 1, Problem: Changed}},
		"a member that none has":     {join(l(1), in(2, `{"seq"`, `{"also":1,"seq"`)), Head{}, BadRecord{Line: 2, Seq: 2, Problem: Malformed}},
		"a member twice":             {join(l(1), in(2, `"role"`, `"actor":"12******89","role"`)), Head{}, BadRecord{Line: 2, Seq: 2, Problem: Malformed}},
		"a member in another case":   {join(l(1), in(2, `"role"`, `"Role"`)), Head{}, BadRecord{Line: 2, Seq: 2, Problem: Malformed}},
		"a member of another kind":   {join(l(1), in(2, `"role":"admin"`, `"role":1`)), Head{}, BadRecord{Line: 2, Seq: 2, Problem: Malformed}},
		"blanks":                     {join(l(1), in(2, `,"time"`, `, "time"`)), Head{}, BadRecord{Line: 2, Seq: 2, Problem: Malformed}},
		"an escape that means as it": {join(l(1), in(2, `admin`, `\u0061dmin`)), Head{}, BadRecord{Line: 2, Seq: 2, Problem: Malformed}},
		"line ends of Windows":       {join(l(1), in(2, "\n", "\r\n")), Head{}, BadRecord{Line: 2, Seq: 2, Problem: Malformed}},
		"JSON of another kind":       {[]byte("null\n"), Head{}, BadRecord{Line: 1, Seq: 1, Problem: Malformed}},
		"an empty line":              {join(l(1), []byte("\n"), l(2)), Head{}, BadRecord{Line: 2, Seq: 2, Problem: NotJSON}},
		"two on one line":            {join(l(1), in(2, "\n", ""), l(3)), Head{}, BadRecord{Line: 2, Seq: 2, Problem: NotJSON}},
		"a long line":                {join(l(1), bytes.Repeat([]byte("a"), 3*MaxLine), l(2)), Head{}, BadRecord{Line: 2, Seq: 2, Problem: NotJSON}},
		"one missing":                {join(l(1), l(3), l(4), l(5)), head, BadRecord{Line: 2, Seq: 2, Problem: Missing}},
		"the first missing":          {join(l(2), l(3), l(4), l(5)), head, BadRecord{Line: 1, Seq: 1, Problem: Missing}},
		"three missing":              {join(l(1), l(5)), head, BadRecord{Line: 2, Seq: 2, Problem: Missing}},
		"two swapped":                {join(l(1), l(3), l(2), l(4), l(5)), head, BadRecord{Line: 2, Seq: 2, Problem: Reordered}},
		"the last one in front":      {join(l(5), l(1), l(2), l(3), l(4)), head, BadRecord{Line: 1, Seq: 1, Problem: Reordered}},
		"one twice":                  {join(l(1), l(2), l(2), l(3), l(4), l(5)), head, BadRecord{Line: 3, Seq: 3, Problem: Reordered}},
		"an old one at the end":      {join(l(1), l(2), l(3), l(4), l(5), l(2)), head, BadRecord{Line: 6, Seq: 6, Problem: Reordered}},
		"the last one cut off":       {join(l(1), l(2), l(3), l(4)), head, BadRecord{Line: 5, Seq: 5, Problem: Cut}},
		"three cut off":              {join(l(1), l(2)), head, BadRecord{Line: 3, Seq: 3, Problem: Cut}},
		"all cut off":                {nil, head, BadRecord{Line: 1, Seq: 1, Problem: Cut}},
		"a torn last line":           {join(l(1), l(2)[:20]), Head{}, BadRecord{Line: 2, Seq: 2, Problem: Torn}},
		"only the newline is torn":   {join(l(1), in(2, "\n", "")), Head{}, BadRecord{Line: 2, Seq: 2, Problem: Torn}},
		"torn by a power failure":    {join(l(1), make([]byte, 100)), Head{}, BadRecord{Line: 2, Seq: 2, Problem: Torn}},
		"something else at the end":  {join(l(1), []byte("logrotate was here")), Head{}, BadRecord{Line: 2, Seq: 2, Problem: NotJSON}},
		"no log at all":              {[]byte("\x7fELF\x02\x01\x01\n\x00"), Head{}, BadRecord{Line: 1, Seq: 1, Problem: NotJSON}},
		"another log, as long":       {join(forged(1, Head{}), other[1], other[2]), Head{}, BadRecord{Line: 1, Seq: 1, Problem: Changed}},
		"a head of another log":      {join(lines...), Head{Seq: 5, Hash: otherHead.Hash}, BadRecord{Line: 5, Seq: 5, Problem: Changed}},
	} {
		t.Run(name, func(t *testing.T) {
			result, err := Verify(bytes.NewReader(test.log), test.anchor)
			bad, ok := errors.AsType[*BadRecord](err)
			if !ok {
				t.Fatalf("it is taken for good: %+v, %v", result, err)
			}
			got := *bad
			got.Detail = ""
			if got != test.want {
				t.Errorf("got %v, want %v", err, &test.want)
			}
			if strings.ContainsAny(bad.Error(), "\n\x1b") {
				t.Errorf("more than a line: %q", bad.Error())
			}
		})
	}
}

func TestWhatIsSaidOfABadRecord(t *testing.T) {
	lines, head := write(t, 5)
	for want, log := range map[string][]byte{
		`line 2: record 2 is missing: record 4 stands there`:                                            join(lines[0], lines[3], lines[4]),
		`line 2: record 2 is not in its place: record 3 stands there, and this one in line 3`:           join(lines[0], lines[2], lines[1], lines[3], lines[4]),
		`line 4: record 4 was cut off at the end: it and all up to record 5`:                            join(lines[:3]...),
		`line 5: record 5 was cut off at the end`:                                                       join(lines[:4]...),
		`line 1: record 1 is not JSON`:                                                                  []byte("hello\n"),
		`line 1: record 1 is not written as records are: unknown field "\x1b[31m\u202e"`:                []byte("{\"\\u001b[31m\u202e\":1}\n"),
		`line 3: record 3 ends in the middle: a crash, or a bot that is writing it now`:                 join(lines[0], lines[1], lines[2][:9]),
		`line 2: record 2 was changed: its hash is another`:                                             join(lines[0], bytes.ToLower(bytes.Replace(lines[1], []byte("t-1"), []byte("t-2"), 1))),
		`line 6: record 6 is not JSON: it is longer than 65536 bytes`:                                   join(join(lines...), make([]byte, MaxLine+1)),
		`line 2: record 2 is not written as records are: a member twice or in another place, or blanks`: join(lines[0], []byte(" "), lines[1]),
	} {
		if _, err := Verify(bytes.NewReader(log), head); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestAReaderThatFails(t *testing.T) {
	lines, head := write(t, 3)
	broken := errors.New("input/output error")
	result, err := Verify(io.MultiReader(bytes.NewReader(join(lines[:2]...)), iotest.ErrReader(broken)), head)
	if _, bad := errors.AsType[*BadRecord](err); bad || !errors.Is(err, broken) || result.Records != 2 {
		t.Errorf("got %+v, %v", result, err)
	}
}

// FuzzAppend holds that what is written can be read again.
func FuzzAppend(f *testing.F) {
	f.Add("docker.action", "bot", "web\xff\u2028<>&\x00\"", int64(0))
	f.Add("a", "b", strings.Repeat("日", 300), int64(1<<60))
	f.Fuzz(func(t *testing.T, event, actor, text string, at int64) {
		e := Entry{Event: event, Actor: actor, Trace: text, Target: text + text, Reason: text}
		line, head, err := Append(Head{}, time.UnixMilli(at), e)
		if err != nil {
			return
		}
		if result, err := Verify(bytes.NewReader(line), head); err != nil || result.Head != head || len(line) > MaxLine {
			t.Errorf("%q: %+v, %v", line, result, err)
		}
		e = e.Clean(bounded)
		for _, text := range e.texts() {
			if !utf8.ValidString(*text) || len(*text) > MaxText {
				t.Errorf("%q", *text)
			}
		}
	})
}

// FuzzVerify changes a good log, by bytes and by lines, and puts foreign bytes
// into it: only the log as it was is good.
func FuzzVerify(f *testing.F) {
	f.Add([]byte{}, []byte{})
	for op := range byte(6) {
		f.Add([]byte{op, 1, 3}, []byte("{}\n"))
		f.Add([]byte{op, 2, 77, op, 4, 1}, []byte("\x00"))
	}
	lines, head := write(f, 5)
	good := join(lines...)
	f.Fuzz(func(t *testing.T, ops, foreign []byte) {
		log := spoil(lines, ops, foreign)
		result, err := Verify(bytes.NewReader(log), head)
		if (err == nil) != bytes.Equal(log, good) {
			t.Errorf("with its head: %v\n%q", err, log)
		}
		if bad, ok := errors.AsType[*BadRecord](err); err != nil && (!ok || bad.Line == 0 || bad.Seq == 0 || bad.Problem == "") {
			t.Errorf("nothing is named: %v", err)
		}
		if !bytes.HasPrefix(log, good[:result.Bytes]) {
			t.Errorf("%d bytes are good", result.Bytes)
		}
		// Without its head only a part of the log, cut between lines, is good too.
		if result, err := Verify(bytes.NewReader(log), Head{}); err == nil && (!bytes.HasPrefix(good, log) || result.Bytes != int64(len(log))) {
			t.Errorf("without its head: %+v\n%q", result, log)
		}
		if _, err := Verify(bytes.NewReader(foreign), Head{}); err == nil && !bytes.HasPrefix(good, foreign) {
			t.Errorf("foreign bytes: %q", foreign)
		}
	})
}

// spoil does what the bytes in ops say, three for each change.
func spoil(lines [][]byte, ops, foreign []byte) []byte {
	lines = append([][]byte(nil), lines...)
	for ; len(ops) >= 3 && len(lines) > 0; ops = ops[3:] {
		at, n := int(ops[1])%len(lines), int(ops[2])
		line := bytes.Clone(lines[at])
		if len(line) == 0 {
			continue
		}
		switch at2 := n % len(lines); ops[0] % 6 {
		case 0: // flip a bit
			line[n*7%len(line)] ^= 1 << (n % 8)
			lines[at] = line
		case 1: // delete a byte
			lines[at] = append(line[:n%len(line)], line[n%len(line)+1:]...)
		case 2: // delete a line
			lines = append(lines[:at:at], lines[at+1:]...)
		case 3: // swap two
			lines[at], lines[at2] = lines[at2], lines[at]
		case 4: // one twice
			lines = append(lines[:at:at], append([][]byte{line}, lines[at:]...)...)
		case 5: // foreign bytes
			lines[at] = append(line[:n%len(line):n%len(line)], append(bytes.Clone(foreign), line[n%len(line):]...)...)
		}
	}
	return join(lines...)
}

func BenchmarkAppend(b *testing.B) {
	e := Entry{Event: "docker.action", Actor: "12******89", Module: "containers", Digest: strings.Repeat("ab", 32), Target: "web (0123456789ab) on local", Decision: "allow"}
	var head Head
	var err error
	for b.Loop() {
		if _, head, err = Append(head, noon, e); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerify says MB/s; a record of it has about 490 bytes.
func BenchmarkVerify(b *testing.B) {
	lines, head := write(b, 2500)
	log := join(lines...)
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Verify(bytes.NewReader(log), head); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(log))/float64(len(lines)), "bytes/record")
}
