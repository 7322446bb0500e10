package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// terminal is one in which `cofferdam init` runs, as a person has it: Ctrl-C
// becomes a signal.
type terminal struct {
	t        *testing.T
	keyboard *os.File
	slave    *os.File
	shown    *bufio.Reader
	cmd      *exec.Cmd
	dir      string
}

func initInTerminal(t *testing.T) *terminal {
	t.Helper()
	master, slave := openTerminal(t)
	c := &terminal{t: t, keyboard: master, slave: slave, shown: bufio.NewReader(master), dir: t.TempDir()}
	c.cmd = exec.Command("cofferdam", "init")
	c.cmd.Dir, c.cmd.Env = c.dir, []string{"PATH=" + os.Getenv("PATH")}
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = slave, slave, slave
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c.cmd.ProcessState == nil {
			c.cmd.Process.Kill()
			c.cmd.Wait()
		}
	})
	return c
}

// openTerminal makes a pair of pseudo-terminals (pty(7)).
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err = errors.Join(err, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)); err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// await returns what is shown up to and with a text.
func (c *terminal) await(text string) string {
	c.t.Helper()
	var shown strings.Builder
	watch := time.AfterFunc(patience, func() { c.cmd.Process.Kill(); c.slave.WriteString("\n(it took too long)\n") })
	defer watch.Stop()
	for !strings.Contains(shown.String(), text) {
		b, err := c.shown.ReadByte()
		if err != nil || strings.Contains(shown.String(), "(it took too long)") {
			c.t.Fatalf("%q was not shown (%v), but:\n%s", text, err, &shown)
		}
		shown.WriteByte(b)
	}
	return shown.String()
}

func (c *terminal) types(text string) {
	c.t.Helper()
	if _, err := c.keyboard.WriteString(text); err != nil {
		c.t.Fatal(err)
	}
}

// ends waits for the program and checks how it left the terminal.
func (c *terminal) ends(code int) {
	c.t.Helper()
	if err := c.cmd.Wait(); c.cmd.ProcessState.ExitCode() != code {
		c.t.Errorf("it ended with %v, want the code %d", err, code)
	}
	settings, err := unix.IoctlGetTermios(int(c.slave.Fd()), unix.TCGETS)
	if err != nil {
		c.t.Fatal(err)
	}
	if settings.Lflag&unix.ECHO == 0 {
		c.t.Error("the terminal shows nothing any more")
	}
}

func TestInitDoesNotShowTheToken(t *testing.T) {
	world := emulator.New(emulator.Options{})
	defer world.Close()
	c := initInTerminal(t)
	c.await("The bot's token")
	c.await("\n")
	c.types(world.Token() + "\n")
	if shown := c.await("Who may use the bot?"); strings.Contains(shown, world.Token()) {
		t.Errorf("the token is on the screen:\n%s", shown)
	}
	c.await("\n")
	c.types("5001\n")
	if shown := c.await("Which of them are admins?"); !strings.Contains(shown, "5001") {
		t.Errorf("what is no secret is not on the screen:\n%s", shown)
	}
	c.types("\n")
	c.await("is written")
	c.await("Next:")
	c.ends(0)
	text, err := os.ReadFile(filepath.Join(c.dir, "cofferdam.yaml"))
	if err != nil || !strings.Contains(string(text), world.Token()) {
		t.Errorf("the token is not in the config: %v", err)
	}
}

func TestCtrlCEndsInitAtEveryPrompt(t *testing.T) {
	world := emulator.New(emulator.Options{})
	defer world.Close()
	answers := []struct{ prompt, answer string }{
		{"The bot's token", world.Token() + "\n"}, {"Who may use the bot?", "5001\n"}, {"Which of them are admins?", "\n"},
	}
	for stop, last := range answers {
		t.Run(last.prompt, func(t *testing.T) {
			c := initInTerminal(t)
			for _, a := range answers[:stop] {
				c.await(a.prompt)
				c.await("\n")
				c.types(a.answer)
			}
			c.await(last.prompt)
			c.await("\n")
			c.types("\x03") // Ctrl-C
			c.await("cofferdam: stopped: no config is written")
			c.ends(1)
			if left, err := os.ReadDir(c.dir); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}
