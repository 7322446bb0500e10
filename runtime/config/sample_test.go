package config

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"go.yaml.in/yaml/v3"
)

func sampleFile(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../cofferdam.sample.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func fillIn(text string) string {
	return strings.NewReplacer("YOUR_PROD_BOT_TOKEN", testToken(), "YOUR_DEV_BOT_TOKEN", testToken(),
		"YOUR_SALT", testSalt(), "123456789", "11").Replace(text)
}

func TestSampleFileIsRefusedUntilItIsFilledIn(t *testing.T) {
	want := []string{"bot_token.prod_token", "access_control.auth_salt"}
	_, _, err := Parse([]byte(sampleFile(t)))
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 2 || problems[0].Key != want[0] || problems[1].Key != want[1] {
		t.Errorf("got %v, want the keys %q", err, want)
	}
}

func TestSampleFileShowsTheDefaults(t *testing.T) {
	got, warnings, err := Parse([]byte(fillIn(sampleFile(t))))
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%s %v", warningTexts(warnings), err)
	}
	bare := mustParse(t, strings.ReplaceAll(minimal(""), "[11, 22]", "[11]"))
	for _, c := range []*Config{got, bare} { // what the sample writes as [] is absent in the other
		c.AccessControl.AllowedChatIDs, c.ChatID.GlobalChatID, c.Modules.TrustedKeys = nil, nil, nil
		c.Webhook.TrustedProxyIPs, c.Webhook.AdditionalTelegramIPRanges = nil, nil
	}
	if !reflect.DeepEqual(got, bare) {
		t.Errorf("the sample's values are not the defaults:\nsample  %#v\ndefault %#v", got, bare)
	}
}

// In the sample, # without a space after it switches a setting off.
var switchedOff = regexp.MustCompile(`(?m)^( *)#([^ #\n])`)

func TestSampleFileHasEveryKeyAndNoOther(t *testing.T) {
	full := switchedOff.ReplaceAllString(fillIn(sampleFile(t)), "$1$2")
	full = strings.ReplaceAll(full, "the-secret-path", "x")
	c, warnings, err := Parse([]byte(full))
	if err != nil || len(warnings) > 0 {
		t.Fatalf("with everything switched on: %s %v", warningTexts(warnings), err)
	}
	if got := c.Modules.LimitsFor("hello"); got != DefaultLimits {
		t.Errorf("the limits shown are not the defaults: %+v", got)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(full), &doc); err != nil {
		t.Fatal(err)
	}
	var shown []string
	keysOf(doc.Content[0], schema(), "", &shown)
	for _, path := range schema().paths("") {
		if !slices.Contains(shown, path) {
			t.Errorf("%s is not in cofferdam.sample.yaml", path)
		}
	}
}

func keysOf(n *yaml.Node, f *field, at string, found *[]string) {
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			keysOf(item, f, at, found)
		}
		return
	}
	if n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i < len(n.Content); i += 2 {
		name, child := n.Content[i].Value, f
		if f.kind == dict {
			name = "NAME"
		} else {
			child = f.child(name)
		}
		path := join(at, name)
		*found = append(*found, path)
		switch {
		case f.kind == dict && f.elem.kind == list:
			keysOf(n.Content[i+1], f.elem.elem, path, found)
		case f.kind == dict:
			keysOf(n.Content[i+1], f.elem, path, found)
		default:
			keysOf(n.Content[i+1], child, path, found)
		}
	}
}

func TestSampleMakesAValidFile(t *testing.T) {
	salt, err := NewSalt(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	in := SampleInput{
		Token: Secret(testToken()), UserIDs: []int64{11, 22}, AdminIDs: []int64{22}, ChatIDs: []int64{-100},
		DockerHosts: []string{"unix:///run/user/1000/docker.sock", "tcp://proxy:2375"}, Salt: salt,
	}
	data, err := Sample(in)
	if err != nil {
		t.Fatal(err)
	}
	c, warnings, err := Parse(data)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%s %v\n%s", warningTexts(warnings), err, data)
	}
	got := SampleInput{
		Token: c.BotToken.ProdToken, UserIDs: c.AccessControl.AllowedUserIDs, AdminIDs: c.AccessControl.AllowedAdminsIDs,
		ChatIDs: c.ChatID.IDs(), DockerHosts: c.Docker.Host, Salt: c.AccessControl.AuthSalt,
	}
	if !reflect.DeepEqual(got, in) {
		t.Errorf("what was put in did not come out:\n%#v", got)
	}
	if strings.Count(string(data), "\n  #") < 4 {
		t.Errorf("hardly a comment:\n%s", data)
	}
}

func TestSampleOfTheLeast(t *testing.T) {
	data, err := Sample(SampleInput{Token: Secret(testToken()), Salt: Secret(testSalt())})
	if err != nil {
		t.Fatal(err)
	}
	c := mustParse(t, string(data))
	if len(c.AccessControl.AllowedUserIDs) != 0 || len(c.AccessControl.AllowedAdminsIDs) != 0 || !reflect.DeepEqual(c.Docker.Host, []string{"unix:///var/run/docker.sock"}) {
		t.Errorf("got %+v and %v", c.AccessControl, c.Docker.Host)
	}
}

func TestSampleRefusesWhatWouldNotLoad(t *testing.T) {
	good := SampleInput{Token: Secret(testToken()), UserIDs: []int64{11}, Salt: Secret(testSalt())}
	for name, spoil := range map[string]func(*SampleInput){
		"a stray admin":        func(in *SampleInput) { in.AdminIDs = []int64{12} },
		"a token that injects": func(in *SampleInput) { in.Token += "\nlog: {level: DEBUG}" },
		"a salt that injects":  func(in *SampleInput) { in.Salt = "short\"\nx: y" },
		"a bad host":           func(in *SampleInput) { in.DockerHosts = []string{"x\ny"} },
	} {
		in := good
		spoil(&in)
		var problems Problems
		if data, err := Sample(in); !errors.As(err, &problems) || data != nil {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestNewSalt(t *testing.T) {
	salt, err := NewSalt(bytes.NewReader(bytes.Repeat([]byte{0xa5}, 32)))
	if want := Secret(strings.Repeat("a5", 32)); err != nil || salt != want {
		t.Errorf("got %q, %v; want %q", string(salt), err, string(want))
	}
	if salt, err := NewSalt(iotest.ErrReader(errors.New("no entropy"))); err == nil || salt != "" {
		t.Error("a salt was made without randomness")
	}
	if salt, err := NewSalt(bytes.NewReader(make([]byte, 31))); err == nil || salt != "" {
		t.Error("a salt was made of too little randomness")
	}
}

func TestWriteNewMakesAFileThatLoads(t *testing.T) {
	for _, umask := range []int{0, 0o777} {
		path := filepath.Join(t.TempDir(), "c.yaml")
		old := syscall.Umask(umask)
		err := WriteNew(path, []byte(minimal("")))
		syscall.Umask(old)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("umask %04o: mode %v, %v", umask, info.Mode(), err)
		}
		if _, warnings, err := Load(path, Options{}); err != nil || len(warnings) > 0 {
			t.Errorf("umask %04o: %v %v", umask, warnings, err)
		}
	}
}

func TestWriteNewNeverOverwrites(t *testing.T) {
	dir := t.TempDir()
	file, dangling := filepath.Join(dir, "file"), filepath.Join(dir, "dangling")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "target"), dangling); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, dangling, dir} {
		if err := WriteNew(path, []byte("new")); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: got %v", path, err)
		}
	}
	if data, err := os.ReadFile(file); string(data) != "mine" {
		t.Errorf("the file was changed to %q (%v)", data, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "target")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a file was made through the symbolic link")
	}
}

func TestWriteNewLeavesNothingAfterAFailure(t *testing.T) {
	dir := t.TempDir()
	full := errors.New("disk full")
	err := writeNew(filepath.Join(dir, "c.yaml"), func(f *os.File) error {
		_, _ = f.WriteString("half of ")
		return full
	})
	if !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := WriteNew(filepath.Join(dir, "no", "c.yaml"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a directory that is not there: %v", err)
	}
}

func TestSecretsListsEverySecret(t *testing.T) {
	c := mustParse(t, strings.Replace(minimal("influxdb: {token: influx-token}\n"+
		"modules: {secrets: {n: {z: z-secret-of-n}, m: {b: b-secret-of-m, a: a-secret-of-m}}}\n"+
		"plugins_config: {outline: {api_url: 'https://h:1/outline-path', cert: "+strings.Repeat("0a", 32)+"}}\n"),
		"prod_token", "dev_bot_token: '"+testToken()+"dev', prod_token", 1))
	want := []string{testToken(), testToken() + "dev", testSalt(), "https://h:1/outline-path", "influx-token", "a-secret-of-m", "b-secret-of-m", "z-secret-of-n"}
	if got := c.Secrets(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %d secrets, want %d", len(got), len(want))
	}
	if got := new(Config).Secrets(); len(got) != 0 {
		t.Errorf("an empty Config has %d secrets", len(got))
	}
}

func TestNothingPrintsASecret(t *testing.T) {
	c := mustParse(t, minimal(""))
	var outputs []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		outputs = append(outputs, fmt.Sprintf(verb, c), fmt.Sprintf(verb, *c), fmt.Sprintf(verb, c.BotToken.ProdToken))
	}
	for _, encode := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal} {
		data, err := encode(c)
		if err != nil {
			t.Fatal(err)
		}
		outputs = append(outputs, string(data))
	}
	for _, output := range outputs {
		for _, secret := range c.Secrets() {
			if strings.Contains(output, secret) || strings.Contains(output, fmt.Sprintf("%x", secret)) {
				t.Errorf("a secret is shown: %s", output)
			}
		}
	}
}
