package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// world is the emulated Telegram of a script.
type world struct {
	*emulator.Server
	http         *httptest.Server
	token, other string
}

func (w *world) close() {
	w.Server.Close()
	w.http.Close()
}

func (s *session) telegram([]string) error {
	if s.world != nil {
		return errors.New("there is one already")
	}
	w := &world{Server: emulator.New(emulator.Options{})}
	w.http = httptest.NewServer(w.Server)
	for id, name := range map[int64]string{admin: "Admin", user: "User"} {
		w.AddUser(emulator.User{ID: id, FirstName: name})
	}
	stranger := emulator.New(emulator.Options{})
	defer stranger.Close()
	w.token, w.other = w.Token(), stranger.Token()
	s.world = w
	s.ts.Setenv("API", w.http.URL)
	s.ts.Setenv("API_HOST", strings.TrimPrefix(w.http.URL, "http://"))
	s.ts.Setenv("TOKEN", w.token)
	s.ts.Setenv("OTHER_TOKEN", w.other)
	return os.WriteFile(s.ts.MkAbs("token"), []byte(w.token+"\n"), 0o600)
}

// configure writes what `cofferdam init` writes, with other values where the
// arguments say so. No engine is there, unless they name one.
func (s *session) configure(args []string) error {
	if s.world == nil {
		return errors.New("there is no Telegram yet")
	}
	salt, err := config.NewSalt(rand.Reader)
	if err != nil {
		return err
	}
	text, err := config.Sample(config.SampleInput{
		Token: config.Secret(s.world.token), Salt: salt, UserIDs: []int64{admin, user}, AdminIDs: []int64{admin},
		DockerHosts: []string{"unix://" + s.ts.MkAbs("no-docker.sock")},
	})
	if err != nil {
		return err
	}
	tree := map[string]any{}
	if err := yaml.Unmarshal(text, tree); err != nil {
		return err
	}
	for _, arg := range append([]string{"telegram.api_url=" + s.world.http.URL}, args...) {
		key, value, _ := strings.Cut(arg, "=")
		if err := put(tree, strings.Split(key, "."), value); err != nil {
			return err
		}
	}
	if text, err = yaml.Marshal(tree); err != nil {
		return err
	}
	path := s.ts.MkAbs("cofferdam.yaml")
	if err := errors.Join(os.WriteFile(path, text, 0o600), os.Chmod(path, 0o600)); err != nil || !s.nobody {
		return err
	}
	return os.Chown(path, nobodyID, nobodyID)
}

// put sets a value, which is YAML, in a tree of sections.
func put(tree map[string]any, key []string, value string) error {
	for _, name := range key[:len(key)-1] {
		section, ok := tree[name].(map[string]any)
		if !ok {
			section = map[string]any{}
			tree[name] = section
		}
		tree = section
	}
	var v any
	if err := yaml.Unmarshal([]byte(value), &v); err != nil {
		return err
	}
	tree[key[len(key)-1]] = v
	return nil
}

func (s *session) says(args []string) error {
	if s.world == nil {
		return errors.New("there is no Telegram yet")
	}
	want, err := regexp.Compile(args[1])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	person := s.world.Client(user, user)
	before := person.Last().ID
	person.Type(args[0])
	if err := person.Wait(ctx, func([]emulator.Message) bool { return person.Last().ID > before && !working(person.Last()) }); err != nil {
		return err
	}
	if answer := person.Last().Styled(); !want.MatchString(answer) {
		return fmt.Errorf("the answer is another one:\n%s", answer)
	}
	return nil
}

// json fails unless a file, or stdout, is exactly one JSON object.
func (s *session) json(args []string) error {
	decoder := json.NewDecoder(strings.NewReader(s.ts.ReadFile(args[0])))
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("there is more behind the object: %v", err)
	}
	return nil
}

// log fails unless every line of a file, or stderr, is a log record.
func (s *session) log(args []string) error {
	n := 0
	for line := range strings.Lines(s.ts.ReadFile(args[0])) {
		if err := checkRecord(line); err != nil {
			return fmt.Errorf("%w: %s", err, line)
		}
		n++
	}
	if n == 0 {
		return errors.New("there is no log")
	}
	return nil
}

func checkRecord(line string) error {
	var record map[string]any
	if err := json.Unmarshal([]byte(line), &record); err != nil {
		return err
	}
	for _, key := range []string{"ts", "level", "logger", "event", "msg"} {
		if text, _ := record[key].(string); text == "" {
			return fmt.Errorf("no %s", key)
		}
	}
	if !milliseconds.MatchString(record["ts"].(string)) {
		return errors.New("the time is not RFC 3339 with milliseconds")
	}
	_, err := time.Parse(time.RFC3339, record["ts"].(string))
	return err
}

func TestLogRecords(t *testing.T) {
	const good = `{"ts":"2026-01-02T03:04:05.678Z","level":"info","logger":"cofferdam","event":"a.b","msg":"words"}`
	if err := checkRecord(good); err != nil {
		t.Error(err)
	}
	for _, change := range [][2]string{
		{`"event":"a.b",`, ``}, {`a.b`, ``}, {`.678`, ``}, {`"words"`, `1`}, {`}`, ``}, {`01-02T`, `13-02T`},
	} {
		if bad := strings.Replace(good, change[0], change[1], 1); checkRecord(bad) == nil {
			t.Errorf("this counts as a record: %s", bad)
		}
	}
}

var milliseconds = regexp.MustCompile(`T\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d\d:\d\d)$`)

func fetch(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(answer.Body); err != nil {
		return "", err
	}
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", url, answer.Status)
	}
	return body.String(), nil
}
