package config

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// place writes a file with exactly this mode, whatever the umask is.
func place(t *testing.T, data string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cofferdam.yaml")
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFileModes(t *testing.T) {
	for mode, want := range map[fs.FileMode]struct{ refusal, warning string }{
		0o600: {},
		0o400: {},
		0o700: {},
		0o601: {},
		0o640: {warning: "the file's group may read the secrets in it (mode 0640); run: chmod 600 PATH [insecure]"},
		0o440: {warning: "the file's group may read the secrets in it (mode 0440); run: chmod 600 PATH [insecure]"},
		0o620: {refusal: "the file's group may write it (mode 0620); run: chmod 600 PATH"},
		0o660: {refusal: "the file's group may write it (mode 0660); run: chmod 600 PATH"},
		0o604: {refusal: "everybody on this machine may read or write the file (mode 0604); run: chmod 600 PATH"},
		0o644: {refusal: "everybody on this machine may read or write the file (mode 0644); run: chmod 600 PATH"},
		0o602: {refusal: "everybody on this machine may read or write the file (mode 0602); run: chmod 600 PATH"},
		0o666: {refusal: "everybody on this machine may read or write the file (mode 0666); run: chmod 600 PATH"},
	} {
		t.Run(mode.String(), func(t *testing.T) {
			path := place(t, minimal(""), mode)
			c, warnings, err := Load(path, Options{})
			if want.refusal == "" {
				if err != nil || c == nil {
					t.Fatalf("refused: %v", err)
				}
				if got := strings.ReplaceAll(warningTexts(warnings), path, "PATH"); got != want.warning {
					t.Errorf("warning: got %q, want %q", got, want.warning)
				}
				return
			}
			if err == nil || c != nil {
				t.Fatal("accepted")
			}
			if got := strings.ReplaceAll(err.Error(), path, "PATH"); got != "config PATH: "+want.refusal {
				t.Errorf("got  %s\nwant config PATH: %s", got, want.refusal)
			}
			_, warnings, err = Load(path, Options{LooseModeWarns: true})
			if err != nil || len(warnings) != 1 || !warnings[0].Insecure {
				t.Errorf("with LooseModeWarns: %v, %v", warnings, err)
			}
		})
	}
}

func TestTheModeIsToldBeforeTheContent(t *testing.T) {
	path := place(t, "not: [yaml", 0o644)
	if _, _, err := Load(path, Options{}); err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
		t.Errorf("got %v", err)
	}
}

func TestTheLinkedFilesModeCounts(t *testing.T) {
	for mode, ok := range map[fs.FileMode]bool{0o600: true, 0o644: false} {
		target := place(t, minimal(""), mode)
		link := filepath.Join(t.TempDir(), "link.yaml")
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Load(link, Options{}); (err == nil) != ok {
			t.Errorf("a link to a file of mode %04o: %v", mode, err)
		}
	}
}

func TestFileDangers(t *testing.T) {
	dir := t.TempDir()
	fifo, loop, socket := filepath.Join(dir, "fifo"), filepath.Join(dir, "loop"), filepath.Join(dir, "socket")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	sparse := place(t, "", 0o600)
	if err := os.Truncate(sparse, 10<<20); err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct{ path, want string }{
		"missing": {filepath.Join(dir, "no such.yaml"),
			"is not there (looked for are --config, then COFFERDAM_CONFIG, then ./cofferdam.yaml); write it with: cofferdam init --config '" + dir + "/no such.yaml'"},
		"a directory":      {dir, "is a directory; Docker makes one where the file that it should mount is not there"},
		"a FIFO":           {fifo, "is a named pipe, not a file"},
		"a device":         {"/dev/zero", "is a device, not a file"},
		"a socket":         {socket, "is a socket, not a file"},
		"a link to itself": {loop, "cannot be opened: too many levels of symbolic links"},
		"empty":            {place(t, "", 0o600), "the file is empty; write a configuration with: cofferdam init"},
		"10 MB":            {sparse, "larger than 1 MiB, so this is not a configuration"},
		"binary":           {place(t, "\x7fELF\x02\x00", 0o600), "1 problem\n  line 1: a NUL byte: this is not a text file"},
		"Latin-1":          {place(t, "# caf\xe9\n", 0o600), "1 problem\n  line 1: not UTF-8 text; save the file as UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			c, _, err := loadWithin(t, 5*time.Second, row.path)
			if err == nil || c != nil {
				t.Fatal("accepted")
			}
			if got, want := err.Error(), "config "+quotePath(row.path)+": "+row.want; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// loadWithin fails, and does not hang, when Load hangs.
func loadWithin(t *testing.T, limit time.Duration, path string) (c *Config, warnings []Warning, err error) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, warnings, err = Load(path, Options{})
	}()
	select {
	case <-done:
		return c, warnings, err
	case <-time.After(limit):
		t.Fatalf("Load still runs after %s", limit)
		return nil, nil, nil
	}
}

// The descriptor is checked, and not only the name: here the FIFO is there at once, as after a swap.
func TestOpeningAFIFODoesNotWait(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, _, err := openAndRead(fifo, Options{})
		done <- result{data, err}
	}()
	select {
	case r := <-done:
		if r.err == nil || r.err.Error() != "is a named pipe, not a file" {
			t.Errorf("got %q, %v", r.data, r.err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("still waits for a writer")
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestAFileThatGrowsWhileItIsReadIsRefused(t *testing.T) {
	if _, err := readBounded(endless{}, 10); !errors.Is(err, errTooLarge) {
		t.Errorf("got %v", err)
	}
	text := strings.Repeat("#", maxFileSize)
	if data, err := readBounded(strings.NewReader(text), maxFileSize); err != nil || len(data) != maxFileSize {
		t.Errorf("exactly 1 MiB: %d bytes, %v", len(data), err)
	}
}

func TestAFileThatMayNotBeRead(t *testing.T) {
	err := explainOpen("/etc/c.yaml", &fs.PathError{Op: "open", Path: "/etc/c.yaml", Err: syscall.EACCES})
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "may not read it; run as the file's owner, or: chown ") {
		t.Errorf("got %v", err)
	}
	if os.Getuid() == 0 {
		t.Skip("root may read every file, so the real thing cannot be seen")
	}
	if _, _, err := Load(place(t, minimal(""), 0o200), Options{}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a file of mode 0200: %v", err)
	}
}

func TestFind(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(path string) {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("here.yaml")
	named := environment(map[string]string{PathVariable: "here.yaml"})
	wrong := environment(map[string]string{PathVariable: "gone.yaml"})
	none := environment(nil)

	for _, row := range []struct {
		name, flag string
		env        func(string) string
		path, want string
	}{
		{"the flag", "here.yaml", wrong, "here.yaml", ""},
		{"the variable", "", named, "here.yaml", ""},
		{"a flag that names nothing", "my conf.yaml", named, "my conf.yaml",
			"no configuration: 'my conf.yaml', which --config names, is not there; write one with: cofferdam init --config 'my conf.yaml'"},
		{"a variable that names nothing", "", wrong, "gone.yaml",
			"no configuration: gone.yaml, which COFFERDAM_CONFIG names, is not there; write one with: cofferdam init --config gone.yaml"},
		{"nothing at all", "", none, "./cofferdam.yaml",
			"no configuration: --config is not given, COFFERDAM_CONFIG is not set, and ./cofferdam.yaml is not there; write one with: cofferdam init"},
	} {
		t.Run(row.name, func(t *testing.T) { checkFind(t, row.flag, row.env, row.path, row.want) })
	}
	write("pytmbot.yaml")
	t.Run("pyTMBot's file is pointed at", func(t *testing.T) {
		checkFind(t, "", none, "./cofferdam.yaml", "no configuration: --config is not given, COFFERDAM_CONFIG is not set, and "+
			"./cofferdam.yaml is not there; write one with: cofferdam init; or use the one that is here with: --config pytmbot.yaml")
	})
	write("cofferdam.yaml")
	t.Run("the default", func(t *testing.T) { checkFind(t, "", none, "./cofferdam.yaml", "") })
}

func checkFind(t *testing.T, flag string, env func(string) string, path, want string) {
	t.Helper()
	got, err := Find(flag, env)
	if got != path {
		t.Errorf("path: got %s, want %s", got, path)
	}
	if want == "" {
		if err != nil {
			t.Errorf("error: %v", err)
		}
		return
	}
	if err == nil || err.Error() != want || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error:\ngot  %v\nwant %s", err, want)
	}
}

func TestQuotePath(t *testing.T) {
	for path, want := range map[string]string{
		"/etc/cofferdam/c.yaml": "/etc/cofferdam/c.yaml",
		"my conf.yaml":          "'my conf.yaml'",
		"it's":                  `'it'\''s'`,
		"-rf":                   "'./-rf'",
		"$(x)":                  "'$(x)'",
		"":                      "''",
	} {
		if got := quotePath(path); got != want {
			t.Errorf("%q: got %s, want %s", path, got, want)
		}
	}
}

func TestStateDir(t *testing.T) {
	file := &Config{State: State{Dir: "/file/state/"}}
	all := map[string]string{StateVariable: "/env/state", "XDG_STATE_HOME": "/xdg"}
	xdg := map[string]string{"XDG_STATE_HOME": "/xdg"}
	for _, row := range []struct {
		name, flag string
		env        map[string]string
		c          *Config
		home, want string
	}{
		{"the flag wins", "./state", all, file, "/home/op", "state"},
		{"then the variable", "", all, file, "/home/op", "/env/state"},
		{"then the file", "", xdg, file, "/home/op", "/file/state"},
		{"then XDG_STATE_HOME", "", xdg, &Config{}, "/home/op", "/xdg/cofferdam"},
		{"then the home directory", "", nil, nil, "/home/op", "/home/op/.local/state/cofferdam"},
		{"a relative XDG_STATE_HOME is no place", "", map[string]string{"XDG_STATE_HOME": "x"}, nil, "/home/op", "/home/op/.local/state/cofferdam"},
		{"nowhere", "", nil, nil, "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := StateDir(row.flag, environment(row.env), row.c, row.home)
			if got != row.want || (err == nil) != (row.want != "") {
				t.Errorf("got %q, %v; want %q", got, err, row.want)
			}
		})
	}
}
