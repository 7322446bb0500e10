package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"golang.org/x/sys/unix"
)

// TestScripts runs the transcripts in testdata/script. They read like what an
// operator types and sees. Beside testscript's own commands they have:
//
//	$ PROGRAM ARG... [<FILE] [&]   run a program; & is the background, of which there is one
//	exit N                         how the program before ended; not saying so means 0
//	await REGEXP                   wait until the background program printed that; its first group is $MATCH
//	signal NAME                    send it a signal
//	join                           wait for its end; stdout, stderr and exit are about it from here on
//	su USER                        be root or nobody from here on; without being root: stay who one is
//	telegram                       start an emulated Telegram: $API, $API_HOST, $TOKEN, $OTHER_TOKEN and the file token
//	configure [KEY=VALUE...]       write cofferdam.yaml for it, for the users 5001 (admin) and 5002
//	says TEXT REGEXP               user 5002 writes to the bot, and its answer is like that
//	...                            and those of scriptCommands that say what they do
//
// At the end of each script nothing that was printed may hold a secret.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	compileModules(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", Setup: openSession, Cmds: scriptCommands, Condition: scriptCondition, RequireUniqueNames: true,
	})
}

// compileModules fills the cache that all sessions share: they are about what
// an operator sees, and a program that compiles takes long to stop.
func compileModules(t *testing.T) {
	b, loaded := startBot(t), builtInModules(t)
	deadline := time.After(5 * patience) // on a busy machine, under the race detector
	for strings.Count(b.log.String(), `"event":"module.loaded"`) < loaded {
		select {
		case <-deadline:
			t.Fatal("the modules are not compiled")
		case <-tick():
		}
	}
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
}

// scriptCondition knows [race]: the program is built with the race detector,
// and compiles modules twenty times slower.
func scriptCondition(name string) (bool, error) {
	info, ok := debug.ReadBuildInfo()
	if name != "race" || !ok {
		return false, fmt.Errorf("no condition %q", name)
	}
	return slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}), nil
}

var scriptCommands = map[string]func(*testscript.TestScript, bool, []string){
	"$":         inSession((*session).shell, 1),
	"exit":      inSession((*session).exit, 1),
	"await":     inSession((*session).await, 1),
	"signal":    inSession((*session).signal, 1),
	"join":      inSession((*session).join, 0),
	"su":        inSession((*session).su, 1),
	"telegram":  inSession((*session).telegram, 0),
	"configure": inSession((*session).configure, 0),
	"says":      inSession((*session).says, 2),
	"get":       inSession((*session).get, 2),
	"json":      inSession((*session).json, 1),
	"log":       inSession((*session).log, 1),
	"mode":      inSession((*session).mode, 2),
	"fill":      inSession((*session).fill, 2),
	"append":    inSession((*session).append, 2),
	"records":   inSession((*session).records, 2),
	"port":      inSession((*session).port, 1),
	"wasm":      inSession((*session).wasm, 2),
}

// session is one script's terminal.
type session struct {
	ts         *testscript.TestScript
	dir        string
	nobody     bool
	printed    strings.Builder // by all programs
	code       int             // how the last one ended
	unread     string          // the last one, if its code was not 0 and nothing asked for it
	background *job
	world      *world
}

type sessionKey struct{}

func openSession(env *testscript.Env) error {
	s := &session{dir: env.WorkDir}
	env.Values[sessionKey{}] = s
	env.Defer(func() {
		if err := s.close(); err != nil {
			env.T().Fatal(err)
		}
	})
	repo, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	env.Setenv("REPO", repo)
	// The toolchain's caches are those of whoever runs the tests.
	caches, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE").Output()
	if err != nil {
		return err
	}
	for i, dir := range strings.Fields(string(caches)) {
		env.Setenv([]string{"GOCACHE", "GOMODCACHE"}[i], dir)
	}
	env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
	return errors.Join(s.openToAll(env), s.shareCache(env))
}

// openToAll lets nobody in: into this script's folder and to the program.
func (s *session) openToAll(env *testscript.Env) error {
	path, err := exec.LookPath("cofferdam")
	if err != nil {
		return err
	}
	return errors.Join(
		os.Chmod(filepath.Dir(filepath.Dir(path)), 0o711),
		os.Chmod(filepath.Dir(env.WorkDir), 0o711),
		os.Chmod(env.WorkDir, 0o755),
	)
}

// shareCache gives the bot and the demo the compiled modules of all tests, as
// if they had run here before.
func (s *session) shareCache(env *testscript.Env) error {
	cache, err := compiledCache()
	if err != nil {
		return err
	}
	state := filepath.Join(env.WorkDir, "home", ".local", "state", "cofferdam")
	env.Setenv("STATE", state)
	demo := filepath.Join(env.WorkDir, "home", ".cache", "cofferdam")
	return errors.Join(
		os.MkdirAll(state, 0o700), os.Symlink(cache, filepath.Join(state, "modules")),
		os.MkdirAll(demo, 0o700), os.Symlink(cache, filepath.Join(demo, "modules")),
	)
}

// inSession makes a command of a method that wants so many arguments or more.
func inSession(do func(*session, []string) error, least int) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, negated bool, args []string) {
		s := ts.Value(sessionKey{}).(*session)
		s.ts = ts
		if negated || len(args) < least {
			ts.Fatalf("used wrongly: %t, %q", negated, args)
		}
		ts.Check(do(s, args))
	}
}

// close ends what runs and holds what was printed against every secret.
func (s *session) close() error {
	var errs []error
	if s.background != nil {
		s.background.cmd.Process.Kill()
		<-s.background.ended
		s.printed.WriteString(s.background.stdout.String() + s.background.stderr.String())
	}
	if s.world != nil {
		s.world.close()
	}
	if s.unread != "" {
		errs = append(errs, errors.New(s.unread))
	}
	return errors.Join(append(errs, s.leaks()...)...)
}

// job is a program that was started.
type job struct {
	cmd            *exec.Cmd
	stdout, stderr logBuffer
	ended          chan struct{}
}

// inherited are the variables of a script that its programs get.
var inherited = []string{
	"PATH", "HOME", "TMPDIR", "COFFERDAM_CONFIG", "COFFERDAM_STATE_DIR", "XDG_STATE_HOME", "GORACE", "GOCOVERDIR",
	"GOCACHE", "GOMODCACHE", "GOFLAGS", "GOPROXY", "GOTOOLCHAIN", "CGO_ENABLED",
}

func (s *session) start(args []string) (*job, error) {
	p := &job{ended: make(chan struct{})}
	var stdin io.Reader = strings.NewReader("")
	if last := args[len(args)-1]; strings.HasPrefix(last, "<") {
		stdin, args = strings.NewReader(s.ts.ReadFile(last[1:])), args[:len(args)-1]
	}
	p.cmd = exec.Command(args[0], args[1:]...)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = stdin, &p.stdout, &p.stderr
	p.cmd.Dir = s.ts.MkAbs(".")
	for _, name := range inherited {
		if value := s.ts.Getenv(name); value != "" {
			p.cmd.Env = append(p.cmd.Env, name+"="+value)
		}
	}
	if s.nobody {
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobodyID, Gid: nobodyID}}
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // what it says is in ProcessState
		close(p.ended)
	}()
	return p, nil
}

func (s *session) shell(args []string) error {
	if s.unread != "" {
		return errors.New(s.unread)
	}
	if n := len(args) - 1; args[n] == "&" {
		if s.background != nil {
			return errors.New("something runs in the background already")
		}
		p, err := s.start(args[:n])
		s.background = p
		return err
	}
	p, err := s.start(args)
	if err != nil {
		return err
	}
	return s.finish(p, strings.Join(args, " "))
}

// finish waits for a program's end and shows what it printed.
func (s *session) finish(p *job, what string) error {
	select {
	case <-p.ended:
	case <-time.After(3 * patience): // all modules may have to be compiled, beside other scripts
		p.cmd.Process.Kill()
		<-p.ended
		return fmt.Errorf("%s did not end\n%s%s", what, &p.stdout, &p.stderr)
	}
	io.WriteString(s.ts.Stdout(), p.stdout.String())
	io.WriteString(s.ts.Stderr(), p.stderr.String())
	s.printed.WriteString(p.stdout.String() + p.stderr.String())
	if s.code = p.cmd.ProcessState.ExitCode(); s.code != 0 {
		s.unread = fmt.Sprintf("%s: exit code %d (%s), which the script does not expect", what, s.code, p.cmd.ProcessState)
	}
	return nil
}

func (s *session) exit(args []string) error {
	want, err := strconv.Atoi(args[0])
	s.unread = ""
	if err == nil && s.code != want {
		err = fmt.Errorf("exit code %d, want %d", s.code, want)
	}
	return err
}

func (s *session) await(args []string) error {
	want, err := regexp.Compile("(?m)" + args[0])
	if err != nil || s.background == nil {
		return fmt.Errorf("nothing to wait for: %v", err)
	}
	deadline := timeout()
	for {
		printed := s.background.stdout.String() + s.background.stderr.String()
		if found := want.FindStringSubmatch(printed); found != nil {
			if len(found) > 1 {
				s.ts.Setenv("MATCH", found[1])
			}
			return nil
		}
		select {
		case <-s.background.ended:
			printed = s.background.stdout.String() + s.background.stderr.String()
			if !want.MatchString(printed) { // else it is found in the next round
				return fmt.Errorf("it ended without printing that:\n%s", printed)
			}
		case <-deadline:
			return fmt.Errorf("it did not print that:\n%s", printed)
		case <-tick():
		}
	}
}

func (s *session) signal(args []string) error {
	if s.background == nil {
		return errors.New("nothing runs in the background")
	}
	return s.background.cmd.Process.Signal(unix.SignalNum("SIG" + args[0]))
}

func (s *session) join([]string) error {
	if s.background == nil {
		return errors.New("nothing runs in the background")
	}
	p := s.background
	s.background = nil
	return s.finish(p, "the program in the background")
}

// nobodyID is the user and group that own nothing.
const nobodyID = 65534

func (s *session) su(args []string) error {
	s.nobody = args[0] == "nobody" && os.Getuid() == 0
	return nil
}

// mode compares a file's permissions with an octal number.
func (s *session) mode(args []string) error {
	info, err := os.Stat(s.ts.MkAbs(args[1]))
	if err == nil && fmt.Sprintf("%o", info.Mode().Perm()) != args[0] {
		err = fmt.Errorf("%s has mode %o", args[1], info.Mode().Perm())
	}
	return err
}

// fill makes a file of so many bytes that are not text.
func (s *session) fill(args []string) error {
	size, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i)
	}
	return os.WriteFile(s.ts.MkAbs(args[0]), data, 0o600)
}

// append adds a line to a file.
func (s *session) append(args []string) error {
	f, err := os.OpenFile(s.ts.MkAbs(args[0]), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, strings.Join(args[1:], ""))
	return errors.Join(err, f.Close())
}

// leaks returns an error for each secret that was printed: those of every
// config that the script left behind, and the tokens of its Telegram.
func (s *session) leaks() (found []error) {
	secrets := map[string]string{}
	if s.world != nil {
		secrets["the token"], secrets["the other token"] = s.world.token, s.world.other
	}
	err := filepath.WalkDir(s.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		for i, match := range saltLine.FindAllSubmatch(text, -1) {
			secrets[fmt.Sprintf("salt %d of %s", i, path)] = string(match[1])
		}
		return err
	})
	if err != nil {
		found = append(found, err)
	}
	for name, secret := range secrets {
		if strings.Contains(s.printed.String(), secret) {
			found = append(found, fmt.Errorf("%s was printed", name))
		}
	}
	return found
}

var saltLine = regexp.MustCompile(`auth_salt: "?([0-9a-f]{32,})`)

// TestSessionsFindLeaks shows that a script with a leak fails.
func TestSessionsFindLeaks(t *testing.T) {
	s := &session{dir: t.TempDir(), world: &world{token: "the-token", other: "the-other"}}
	salt := strings.Repeat("0a1b", 16)
	if err := os.WriteFile(filepath.Join(s.dir, "c.yaml"), []byte(`auth_salt: "`+salt+`"`), 0o600); err != nil {
		t.Fatal(err)
	}
	s.printed.WriteString("some words")
	if found := s.leaks(); len(found) != 0 {
		t.Errorf("a leak where there is none: %v", found)
	}
	s.printed.WriteString(" " + salt + " the-token")
	if found := s.leaks(); len(found) != 2 {
		t.Errorf("found %v, want the salt and the token", found)
	}
}

// port gives a variable the number of a port on which nobody listens.
func (s *session) port(args []string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.ts.Setenv(args[0], strconv.Itoa(listener.Addr().(*net.TCPAddr).Port))
	return listener.Close()
}

// get opens a page until something is in it, which may take a moment.
func (s *session) get(args []string) error {
	want, err := regexp.Compile(args[1])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for {
		body, err := fetch(ctx, args[0])
		if err == nil && want.MatchString(body) {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%s is not in the page:\n%s", args[1], body), err)
		case <-tick():
		}
	}
}
