package config

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/template"
)

// SampleInput is what a new configuration is made of.
type SampleInput struct {
	// Token is the bot's token.
	Token Secret
	// UserIDs may use the bot, AdminIDs among them may run privileged commands. Without any the file is valid, and nobody
	// may use the bot until one is written into it.
	UserIDs, AdminIDs []int64
	// ChatIDs get notifications; none is fine.
	ChatIDs []int64
	// DockerHosts are engine addresses; none means the local socket.
	DockerHosts []string
	// Salt is what NewSalt returns.
	Salt Secret
}

var sampleTemplate = template.Must(template.New("config").Funcs(template.FuncMap{
	"text":   func(s string) (string, error) { return quoteYAML(s) },
	"secret": func(s Secret) (string, error) { return quoteYAML(string(s)) },
}).Parse(`# Configuration of cofferdam. Keep it to yourself: chmod 600.
# cofferdam.sample.yaml, which comes with the program, explains every key.

bot_token:
  # What @BotFather gave you. Whoever has it is the bot.
  prod_token: {{secret .Token}}

access_control:
  # Who may use the bot: Telegram user ids. The bot tells anybody's own id on /getmyid, in a private chat.
  allowed_user_ids:{{range .UserIDs}}
    - {{.}}{{else}} []{{end}}
  # Who of them may start, stop and remove containers, after a second factor.
  allowed_admins_ids:{{range .AdminIDs}}
    - {{.}}{{else}} []{{end}}
  # Encrypts the second-factor secrets. If it changes, every admin has to enrol again.
  auth_salt: {{secret .Salt}}

chat_id:
  # Where notifications go: a user id, or the negative id of a group.
  global_chat_id:{{range .ChatIDs}}
    - {{.}}{{else}} []{{end}}

docker:
  host:{{range .DockerHosts}}
    - {{text .}}{{else}}
    - unix:///var/run/docker.sock{{end}}
`))

// quoteYAML writes a double-quoted YAML scalar, of which JSON's strings are a subset.
func quoteYAML(s string) (string, error) {
	quoted, err := json.Marshal(s)
	return string(quoted), err
}

// Sample returns a short, commented configuration with the values of in. What it returns has been through [Parse]; the
// error is a [Problems] if in does not make a valid one.
func Sample(in SampleInput) ([]byte, error) {
	var b bytes.Buffer
	if err := sampleTemplate.Execute(&b, in); err != nil {
		return nil, fmt.Errorf("render a configuration: %w", err)
	}
	if _, _, err := Parse(b.Bytes()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// saltBytes is twice the security level that the key derived from the salt has to give.
const saltBytes = 32

// NewSalt returns 64 hexadecimal digits, 256 bits, from random, which is crypto/rand.Reader outside tests.
func NewSalt(random io.Reader) (Secret, error) {
	raw := make([]byte, saltBytes)
	if _, err := io.ReadFull(random, raw); err != nil {
		return "", fmt.Errorf("read random bytes for a salt: %w", err)
	}
	return Secret(hex.EncodeToString(raw)), nil
}

// WriteNew writes data to a new file at path with mode 0600 and returns when it is on disk. Whatever is at path already,
// a dangling symbolic link too, is left alone: the error then wraps [io/fs.ErrExist]. After any other error no file is
// left.
func WriteNew(path string, data []byte) error {
	return writeNew(path, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
}

func writeNew(path string, fill func(*os.File) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write a new configuration to %s: %w", quotePath(path), bare(err))
	}
	// A umask may have taken the owner's bits away.
	err = errors.Join(f.Chmod(0o600), fill(f))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("write a new configuration to %s: %w", quotePath(path), errors.Join(err, os.Remove(path)))
	}
	return nil
}

// syncDir makes the file's name durable, as fsync of the file does for its content.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
