package distribution

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// limits answers everything with 429.
func limits(header, value string) func(http.ResponseWriter, *http.Request) bool {
	return func(out http.ResponseWriter, _ *http.Request) bool {
		if header != "" {
			out.Header().Set(header, value)
		}
		http.Error(out, `{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}`, http.StatusTooManyRequests)
		return true
	}
}

// TestTooManyRequests: a registry that says so is left alone until it wants to be
// asked, by all images, whoever asks.
func TestTooManyRequests(t *testing.T) {
	w := newWorld(t)
	for i := range 6 {
		w.pulled(fmt.Sprintf("app%d:latest", i))
	}
	w.guardedBy(limits("Retry-After", "720"))
	for _, u := range w.looks(abi.UpdateQuery{}) {
		w.wellTold(u, "The registry limits how often it is asked. It can be asked again in 12 minutes.")
	}
	if n := w.requests(""); n > 2*perRegistry {
		t.Errorf("%d requests to a registry that wants none", n)
	}
	w.guardedBy(nil)
	w.passes(11 * time.Minute)
	for _, u := range w.looks(abi.UpdateQuery{Fresh: true}) {
		w.wellTold(u, "The registry limits how often it is asked. It can be asked again in 60 seconds.")
	}
	if n := w.requests(""); n != 0 {
		t.Errorf("%d requests before the time", n)
	}
	w.passes(time.Minute)
	for _, u := range w.looks(abi.UpdateQuery{}) {
		w.wellTold(u, "")
	}
}

// TestTheLastRequestOfAWindow: Docker Hub tells how many are left; the answer
// that had none left counts.
func TestTheLastRequestOfAWindow(t *testing.T) {
	w := newWorld(t)
	w.pulled("app:latest")
	w.guardedBy(func(out http.ResponseWriter, req *http.Request) bool {
		if strings.Contains(req.URL.Path, "/manifests/") {
			out.Header().Set("RateLimit-Limit", "100;w=21600")
			out.Header().Set("RateLimit-Remaining", "0;w=21600")
		}
		return false
	})
	w.wellTold(w.one(), "")
	w.requests("")
	w.passes(2 * time.Minute)
	w.fresh()
	if n := w.requests(""); n != 0 {
		t.Errorf("%d requests", n)
	}
	w.pulled("other:latest")
	w.wellTold(w.looks(abi.UpdateQuery{})[1], "The registry limits how often it is asked. It can be asked again in 58 minutes.")
}

func TestOtherRegistriesAreAskedMeanwhile(t *testing.T) {
	limited, free := newWorld(t), newWorld(t)
	limited.pulled("app:latest")
	limited.guardedBy(limits("", ""))
	image := free.pulled("app:latest")
	free.push(free.image(), "app:latest")
	id, err := image.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	limited.engine.add(free.engine.images[0])
	for _, u := range limited.looks(abi.UpdateQuery{}) {
		if u.ID == id.String() {
			if !u.NewerDigest || u.Problem != "" {
				t.Errorf("%+v", u)
			}
			continue
		}
		limited.wellTold(u, "The registry limits how often it is asked. It can be asked again in 5 minutes.")
	}
}

func TestPauses(t *testing.T) {
	now := noon
	for _, test := range []struct {
		status int
		header string
		want   time.Duration
	}{
		{200, "", 0}, {401, "", 0}, {500, "", 0}, {503, "", 0},
		{429, "", defaultPause}, {429, "Retry-After: 90", 90 * time.Second}, {503, "Retry-After: 90", 90 * time.Second},
		{429, "Retry-After: 0", minPause}, {429, "Retry-After: 99999999", maxPause}, {429, "Retry-After: -5", defaultPause},
		{429, "Retry-After: 99999999999999999999", defaultPause}, {429, "Retry-After: soon", defaultPause},
		{429, "Retry-After: " + now.Add(time.Hour).Format(http.TimeFormat), time.Hour},
		{429, "Retry-After: " + now.Add(-time.Hour).Format(http.TimeFormat), minPause},
		{200, "Retry-After: 90", 0},
		{200, "Ratelimit-Remaining: 76;w=21600", 0}, {200, "Ratelimit-Remaining: 0;w=600", 10 * time.Minute},
		{200, "Ratelimit-Remaining: 0;w=21600", spentPause}, {200, "Ratelimit-Remaining: 0", minPause}, {200, "Ratelimit-Remaining: none", 0},
		{404, "Ratelimit-Remaining: 0;w=x", minPause},
	} {
		header := http.Header{}
		if name, value, ok := strings.Cut(test.header, ": "); ok {
			header.Set(name, value)
		}
		if got := pauseOf(test.status, header, now); got != test.want {
			t.Errorf("%d %q: %v, want %v", test.status, test.header, got, test.want)
		}
	}
}

func FuzzPauses(f *testing.F) {
	f.Add(429, "720", "")
	f.Add(200, "", "0;w=21600")
	f.Add(503, "Fri, 02 Jan 2026 12:00:00 GMT", "5;w=")
	f.Fuzz(func(t *testing.T, status int, after, remaining string) {
		header := http.Header{"Retry-After": {after}, "Ratelimit-Remaining": {remaining}}
		if got := pauseOf(status, header, noon); got < 0 || got > maxPause || got > 0 && got < minPause {
			t.Fatalf("%v", got)
		}
	})
}

func TestDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Nanosecond: "1 second", time.Second: "1 second", 1500 * time.Millisecond: "2 seconds", time.Minute: "60 seconds",
		61 * time.Second: "2 minutes", 90 * time.Minute: "90 minutes", 91 * time.Minute: "2 hours", 24 * time.Hour: "24 hours",
	} {
		if got := duration(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestDockersConfig(t *testing.T) {
	password := secret()
	for _, test := range []struct {
		name, text, registry string
		user                 string
		helper, wrong        bool
	}{
		{"Docker Hub", `{"auths":{"https://index.docker.io/v1/":{"username":"hub","password":"` + password + `"}}}`, "index.docker.io", "hub", false, false},
		{"Docker Hub by its other name", `{"auths":{"docker.io":{"username":"hub","password":"` + password + `"}}}`, "index.docker.io", "hub", false, false},
		{"a port", `{"auths":{"r.example.org:5000":{"username":"me","password":"` + password + `"}}}`, "R.example.org:5000", "me", false, false},
		{"another port", `{"auths":{"r.example.org:5000":{"username":"me","password":"` + password + `"}}}`, "r.example.org", "", false, false},
		{"an empty entry and a helper", `{"auths":{"r.example.org":{}},"credsStore":"desktop"}`, "r.example.org", "", true, false},
		{"an entry goes before the helper", `{"auths":{"r.example.org":{"username":"me","password":"` + password + `"}},"credsStore":"desktop"}`, "r.example.org", "me", false, false},
		{"a helper of another", `{"credHelpers":{"other.example.org":"ecr-login"}}`, "r.example.org", "", false, false},
		{"empty", `{}`, "r.example.org", "", false, false},
		{"members that are not known", `{"detachKeys":"ctrl-e","plugins":{},"auths":{}}`, "r.example.org", "", false, false},
		{"no JSON", password, "r.example.org", "", false, true},
		{"not base64", `{"auths":{"r.example.org":{"auth":"` + password + `!"}}}`, "r.example.org", "", false, true},
		{"too long", strings.Repeat(" ", maxConfig) + "{}", "r.example.org", "", false, true},
	} {
		l, err := parseLogins([]byte(test.text))
		if (err != nil) != test.wrong || err != nil && (!errors.Is(err, errConfig) || strings.Contains(err.Error(), password)) {
			t.Errorf("%s: %v", test.name, err)
		}
		if got := l.of(test.registry); got.auth.Username != test.user || got.helper != test.helper {
			t.Errorf("%s: user %q, helper %v", test.name, got.auth.Username, got.helper)
		}
	}
}

func FuzzDockersConfig(f *testing.F) {
	f.Add([]byte(`{"auths":{"r.example.org":{"auth":"YTpi"}},"credsStore":"x","credHelpers":{"a":"b"}}`), "r.example.org")
	f.Add([]byte(`{"auths":{"https://index.docker.io/v1/":{"identitytoken":"x"}}}`), "index.docker.io")
	f.Add([]byte("null"), "")
	f.Fuzz(func(t *testing.T, text []byte, registry string) {
		l, err := parseLogins(text)
		if err != nil && !errors.Is(err, errConfig) {
			t.Fatal(err)
		}
		one := l.of(registry)
		if one.known() && one.helper {
			t.Fatal("known, and kept by a helper")
		}
		if err != nil && one.known() {
			t.Fatal("credentials of a config that is refused")
		}
	})
}

func TestAConfigThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	w.pulled("app:latest")
	password := secret()
	if err := os.WriteFile(w.folder+"/config.json", []byte(`{"auths": `+password), 0o600); err != nil {
		t.Fatal(err)
	}
	w.wellTold(w.one(), "")
	if !strings.Contains(w.logged(), "docker's config is not as docker writes it") {
		t.Errorf("the log does not say so:\n%s", w.logged())
	}
	w.keepsSecret(password)
}

// TestHelpersAreNotRun: a program that Docker's config names stays where it is.
func TestHelpersAreNotRun(t *testing.T) {
	w := newWorld(t)
	w.pulled("app:latest")
	w.guardedBy(wantsBasic("operator", secret()))
	programs, ran := t.TempDir(), filepath.Join(t.TempDir(), "ran")
	if err := os.WriteFile(filepath.Join(programs, "docker-credential-trap"), []byte("#!/bin/sh\necho > "+ran+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", programs+":"+os.Getenv("PATH"))
	w.config(map[string]any{"credsStore": "trap", "credHelpers": map[string]string{w.host: "trap"}})
	w.one()
	if _, err := os.Stat(ran); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the helper was run: %v", err)
	}
	if out, err := exec.Command("docker-credential-trap").CombinedOutput(); err != nil {
		t.Fatalf("the helper cannot be run at all: %v\n%s", err, out)
	}
	if _, err := os.Stat(ran); err != nil {
		t.Errorf("the helper leaves no trace when it is run: %v", err)
	}
}
