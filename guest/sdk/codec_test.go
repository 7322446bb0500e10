//go:build !wasip1

package sdk

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk/internal/jsonwire"
)

// incoming is what the host sends: each type is decoded by its codec, and by
// encoding/json, which is the reference.
var incoming = map[string]func([]byte) pair{
	"Request":          reads(readRequest),
	"Error":            reads(readError),
	"ContainerList":    reads(readContainerList),
	"ContainerDetails": reads(readContainerDetails),
	"ContainerStats":   reads(readContainerStats),
	"ContainerDone":    reads(readContainerDone),
	"DockerInfo":       reads(readDockerInfo),
	"DockerHosts":      reads(readDockerHosts),
	"HostInfo":         reads(readHostInfo),
	"CPUInfo":          reads(readCPUInfo),
	"MemoryInfo":       reads(readMemoryInfo),
	"DiskInfo":         reads(readDiskInfo),
	"SensorInfo":       reads(readSensorInfo),
	"ProcessInfo":      reads(readProcessInfo),
	"UserInfo":         reads(readUserInfo),
	"BotInfo":          reads(readBotInfo),
	"LogPage":          reads(readLogPage),
	"ContainerRuntime": reads(readContainerRuntime),
	"ContainerEnv":     reads(readContainerEnv),
	"History":          reads(readHistory),
	"ImageList":        reads(readImageList),
	"ImageDetails":     reads(readImageDetails),
	"ImageHistory":     reads(readImageHistory),
	"UpdateReport":     reads(readUpdateReport),
	"DiskIOInfo":       reads(readDiskIOInfo),
	"NetworkInfo":      reads(readNetworkInfo),
	"PressureInfo":     reads(readPressureInfo),
	"BotHealth":        reads(readBotHealth),
	"BotRelease":       reads(readBotRelease),
	"FetchResponse":    reads(readFetchResponse),
	"FetchScope":       reads(readFetchScope),
	"KVValue":          reads(readKVValue),
	"KVDone":           reads(readKVDone),
	"KVKeys":           reads(readKVKeys),
	"NoticeQueued":     reads(readNoticeQueued),
	"PendingList":      reads(readPendingList),
	"ModuleDone":       reads(readModuleDone),
}

// outgoing is what guests send: each value is encoded both ways.
var outgoing = map[string]func(*source) pair{
	"Reply":                 writes(writeReply),
	"ContainerQuery":        writes(writeContainerQuery),
	"ContainerRef":          writes(writeContainerRef),
	"DockerQuery":           writes(writeDockerQuery),
	"MetricsQuery":          writes(writeMetricsQuery),
	"ProcessQuery":          writes(writeProcessQuery),
	"BotQuery":              writes(writeBotQuery),
	"ContainerRename":       writes(writeContainerRename),
	"LogQuery":              writes(writeLogQuery),
	"ContainerHistoryQuery": writes(writeContainerHistoryQuery),
	"ImageQuery":            writes(writeImageQuery),
	"ImageRef":              writes(writeImageRef),
	"UpdateQuery":           writes(writeUpdateQuery),
	"HistoryQuery":          writes(writeHistoryQuery),
	"FetchRequest":          writes(writeFetchRequest),
	"HTTPQuery":             writes(writeHTTPQuery),
	"KVQuery":               writes(writeKVQuery),
	"KVPut":                 writes(writeKVPut),
	"KVListQuery":           writes(writeKVListQuery),
	"Notice":                writes(writeNotice),
	"PendingQuery":          writes(writePendingQuery),
	"ModuleApproval":        writes(writeModuleApproval),
	"ModuleRef":             writes(writeModuleRef),
}

// pair is what a codec made, and what encoding/json made.
type pair struct {
	got, want       any
	gotErr, wantErr error
}

func reads[T any](read func(*jsonwire.Reader, *T)) func([]byte) pair {
	return func(data []byte) pair {
		var got, want T
		gotErr := decode(read, data, &got)
		wantErr := json.Unmarshal(data, &want)
		return pair{got, want, gotErr, wantErr}
	}
}

func writes[T any](write func(*jsonwire.Writer, *T)) func(*source) pair {
	return func(s *source) pair {
		var value, got, want T
		s.fill(reflect.ValueOf(&value).Elem())
		ours, gotErr := encode(write, &value)
		theirs, wantErr := json.Marshal(value)
		if gotErr == nil {
			gotErr = json.Unmarshal(ours, &got)
		}
		if !utf8.Valid(ours) { // encoding/json would read it
			gotErr = errors.New("not UTF-8")
		}
		if wantErr == nil {
			wantErr = json.Unmarshal(theirs, &want)
		}
		return pair{got, want, gotErr, wantErr}
	}
}

// quoted is an input as it stands in a test's message.
type quoted []byte

func (q quoted) String() string { return strconv.Quote(string(q[:min(len(q), 200)])) }

func (p pair) check(t *testing.T, name string, input any) {
	t.Helper()
	switch {
	case (p.gotErr == nil) != (p.wantErr == nil):
		t.Fatalf("%s from %v: error %v, encoding/json has %v", name, input, p.gotErr, p.wantErr)
	case p.gotErr == nil && !reflect.DeepEqual(p.got, p.want):
		t.Fatalf("%s from %v:\n%+v, encoding/json has\n%+v", name, input, p.got, p.want)
	}
}

// FuzzDecode: what encoding/json accepts is accepted with an equal value, and
// nothing else is.
func FuzzDecode(f *testing.F) {
	for _, seed := range hostile {
		f.Add([]byte(seed))
	}
	for _, seed := range full(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !comparable(data) {
			return
		}
		for name, read := range incoming {
			read(data).check(t, name, quoted(data))
		}
	})
}

// FuzzEncode: encoding/json reads what was written as an equal value, and what
// it cannot write is refused.
func FuzzEncode(f *testing.F) {
	f.Add([]byte{})
	f.Add(noMemberEmpty)
	f.Add(bytes.Repeat([]byte{1, 2, 3, 5, 7, 11, 13, 17, 19, 23}, 200))
	f.Add(bytes.Repeat([]byte("\xff\x01<\"\\\x00\xe2\x80\xa8\n"), 200))
	f.Fuzz(func(t *testing.T, seed []byte) {
		for name, write := range outgoing {
			write(&source{bytes: seed}).check(t, name, quoted(seed))
		}
	})
}

// hostile is what a broken or bad host might send.
var hostile = []string{
	``, ` `, `null`, `{}`, `[]`, `"`, `{`, `{"`, `{"v"`, `{"v":`, `{"v":1`, `{"v":1,`, `{"v":1,}`, `{,}`, `{"v" 1}`, `{"v":1 "time":2}`, `{"per_core":[1 2]}`, `{"names":["a" "b"]}`, `{"names":[,"a"]}`, `{}{}`, `{} x`, "{}\x00", "\x00", "\xff",
	`{"v":1e400}`, `{"v":01}`, `{"v":-}`, `{"v":1.}`, `{"v":.5}`, `{"v":1e}`, `{"v":+1}`, `{"v":1.0}`, `{"v":-0}`, `{"v":nul}`, `{"v":true}`, `{"v":"1"}`, `{"v":null}`,
	`{"time":9223372036854775807}`, `{"time":9223372036854775808}`, `{"time":-9223372036854775808}`, `{"code":2147483648}`, `{"code":-2147483649}`,
	`{"total":18446744073709551615,"swap":{"total":-1}}`, `{"swap":{"total":18446744073709551616}}`, `{"total":-0}`,
	`{"load1":1e308,"load5":-1e-400,"load15":1e309}`, `{"load1":0.1,"load5":1E+2,"load15":-0.0}`,
	`{"text":"\ud800"}`, `{"text":"\ud83d\ude00"}`, `{"text":"\ud83d\u0041"}`, `{"text":"\ude00\ud83d"}`, `{"text":"\ud83d\ud83d\ude00"}`, `{"text":"\u00"}`, `{"text":"\ud83d\u00"}`, `{"text":"\x"}`, `{"text":"\"\\\/\b\f\n\r\t\u0000"}`,
	"{\"text\":\"a\nb\"}", "{\"text\":\"\xff\xc0\x80\xed\xa0\x80é\"}", "{\"te\xffxt\":1}", `{"te\u0078t":"x"}`,
	`{"args":{"a":"1","b":null,"":""}}`, `{"args":{"a":1}}`, `{"args":null}`, `{"args":[]}`, `{"actor":null,"chat":{"private":false}}`, `{"chat":{"private":1}}`,
	`{"containers":[{},null,{"id":null}],"total":null}`, `{"containers":{}}`, `{"containers":[1]}`, `{"containers":[{}`, `{"containers":[{},]}`, `{"names":["a",null]}`, `{"per_core":[1,null,2.5]}`,
	`{"later":[{"a":[1,"]",{"b":null}]},true,false,-1.5e+3]}`, `{"later":tru}`, `{"later":[}`, `{"later":{1:2}}`,
	strings.Repeat(`[`, 100_000), strings.Repeat(`{"a":`, 100_000), `{"later":` + strings.Repeat(`[`, 63) + strings.Repeat(`]`, 63) + `}`,
	`{"v":` + strings.Repeat("9", 100_000) + `}`, `{"load1":0.` + strings.Repeat("0", 100_000) + `1}`,
	`{"containers":[` + strings.Repeat(`{},`, 10_000) + `{}]}`, `{"top":[` + strings.Repeat(`{},`, 10_000) + `{}]}`, `{"per_core":[` + strings.Repeat(`0,`, 10_000) + `0]}`,
}

func TestHostileAnswers(t *testing.T) {
	for _, input := range hostile {
		if !comparable([]byte(input)) {
			t.Errorf("%.40q is not compared", input)
		}
		for name, read := range incoming {
			read([]byte(input)).check(t, name, quoted(input))
		}
	}
}

// TestDifferencesToEncodingJSON holds what the comment of jsonwire.Reader says.
func TestDifferencesToEncodingJSON(t *testing.T) {
	var request Request
	if err := decode(readRequest, []byte(`{"Text":"a","TEXT":"b"}`), &request); err != nil || request.Text != "" {
		t.Errorf("another case: %q, %v", request.Text, err)
	}
	var list abi.ContainerList
	if err := decode(readContainerList, []byte(`{"containers":[{"id":"a"}],"containers":[{"name":"b"}]}`), &list); err != nil || list.Containers[0] != (abi.Container{Name: "b"}) {
		t.Errorf("a list twice: %+v, %v", list, err)
	}
	var wrong *jsonwire.SyntaxError
	if err := decode(readRequest, []byte(`{"later":`+strings.Repeat(`[`, 64)+strings.Repeat(`]`, 64)+`}`), &request); !errors.As(err, &wrong) || wrong.Offset != 9+63 {
		t.Errorf("65 levels: %v", err)
	}
}

// allocatedPerByte bounds what a byte of input may cost: an element of a list is
// three bytes, `{},`, and up to 120 in memory, in a slice that grows by copying.
const allocatedPerByte = 256

func TestHostileAnswersAllocateLittle(t *testing.T) {
	for name, read := range map[string]func([]byte) error{
		"Request":       func(data []byte) error { return decode(readRequest, data, new(Request)) },
		"ContainerList": func(data []byte) error { return decode(readContainerList, data, new(abi.ContainerList)) },
		"ProcessInfo":   func(data []byte) error { return decode(readProcessInfo, data, new(abi.ProcessInfo)) },
		"CPUInfo":       func(data []byte) error { return decode(readCPUInfo, data, new(abi.CPUInfo)) },
	} {
		for _, input := range hostile {
			data := []byte(input)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_ = read(data)
			runtime.ReadMemStats(&after)
			if got, most := after.TotalAlloc-before.TotalAlloc, uint64(4096+allocatedPerByte*len(data)); got > most {
				t.Errorf("%s from %d bytes %.40q: %d bytes, at most %d", name, len(data), input, got, most)
			}
		}
	}
}

// noMemberEmpty makes a source fill every string, list, map and pointer.
var noMemberEmpty = bytes.Repeat([]byte{3}, 10_000)

// full returns the JSON of a value with no empty member, for each type that is
// received.
func full(t testing.TB) [][]byte {
	var all [][]byte
	for _, v := range []any{
		&Request{}, &Error{}, &abi.ContainerList{}, &abi.ContainerDetails{}, &abi.ContainerStats{}, &abi.ContainerDone{}, &abi.DockerInfo{}, &abi.DockerHosts{},
		&abi.HostInfo{}, &abi.CPUInfo{}, &abi.MemoryInfo{}, &abi.DiskInfo{}, &abi.SensorInfo{}, &abi.ProcessInfo{}, &abi.UserInfo{}, &abi.BotInfo{},
		&abi.LogPage{}, &abi.ContainerRuntime{}, &abi.ContainerEnv{}, &abi.History{}, &abi.ImageList{}, &abi.ImageDetails{}, &abi.ImageHistory{}, &abi.UpdateReport{}, &abi.DiskIOInfo{}, &abi.NetworkInfo{}, &abi.PressureInfo{},
		&abi.BotHealth{}, &abi.BotRelease{}, &abi.FetchResponse{}, &abi.FetchScope{}, &abi.KVValue{}, &abi.KVDone{}, &abi.KVKeys{}, &abi.NoticeQueued{}, &abi.PendingList{}, &abi.ModuleDone{},
	} {
		(&source{bytes: noMemberEmpty}).fill(reflect.ValueOf(v).Elem())
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data)
	}
	if len(all) != len(incoming) {
		t.Fatalf("%d types, %d are received", len(all), len(incoming))
	}
	return all
}

func TestEveryMemberIsRead(t *testing.T) {
	for _, data := range full(t) {
		for name, read := range incoming {
			read(data).check(t, name, quoted(data))
		}
	}
}

func TestEveryMemberIsWritten(t *testing.T) {
	random := rand.NewChaCha8([32]byte{})
	for i := range 500 {
		seed := noMemberEmpty
		if i > 0 {
			seed = make([]byte, 2000)
			random.Read(seed)
		}
		for name, write := range outgoing {
			write(&source{bytes: seed}).check(t, name, i)
		}
	}
}

// comparable reports whether encoding/json and the codecs must agree: no member
// stands twice, none has a name that encoding/json would take for another, and
// nothing nests too deep. What is no JSON is comparable: both must refuse it.
func comparable(data []byte) bool {
	type level struct {
		names map[string]bool // nil in an array
		name  bool            // a name is due
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var levels []level
	for {
		token, err := decoder.Token()
		if err != nil {
			return true
		}
		var top *level
		if len(levels) > 0 {
			top = &levels[len(levels)-1]
		}
		if name, ok := token.(string); ok && top != nil && top.name {
			if top.names[name] || strings.ContainsFunc(name, folds) {
				return false
			}
			top.names[name], top.name = true, false
			continue
		}
		if top != nil && top.names != nil {
			top.name = true
		}
		switch token {
		case json.Delim('{'):
			levels = append(levels, level{map[string]bool{}, true})
		case json.Delim('['):
			levels = append(levels, level{})
		case json.Delim('}'), json.Delim(']'):
			levels = levels[:len(levels)-1]
		}
		if len(levels) > 64 {
			return !json.Valid(data)
		}
	}
}

// folds tells characters that encoding/json takes for small letters: capitals,
// the long s and the sign of kelvin.
func folds(r rune) bool { return r >= 'A' && r <= 'Z' || r == 'ſ' || r == '\u212a' }
