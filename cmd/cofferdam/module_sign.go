package main

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/cofferdam-bot/cofferdam/security/signature"
)

// signing is what the command line says about a signature.
type signing struct {
	key, comment    string
	generate, force bool
	json            bool
}

// signedFile is what is said of a signature that was made, with --json.
type signedFile struct {
	File      string `json:"file"`
	Signature string `json:"signature"` // its path
	KeyID     string `json:"key_id"`
	Key       string `json:"key"` // public, as modules.trusted_keys takes it
}

func moduleSignCommand() *cobra.Command {
	var s signing
	cmd := &cobra.Command{
		Use:   "sign FILE",
		Short: "Sign a module's file",
		Long: `Write FILE.minisig, the signature of FILE in minisign's format, with the secret
key in --key: one of minisign's own, or one that --generate makes before, with
its public key in a file of the same name that ends in .pub.

The password of a key is asked for on the terminal. Where standard input is no
terminal, it is its first line. It is never taken from the command line or the
environment, where others could see it. An empty password makes a key without.

Nothing that is there is overwritten; with --force a signature is.

Exit codes: 0 signed, 1 failed, 2 wrong usage.`,
		Example: `  cofferdam module sign uptime.wasm --key author.key --generate
  cofferdam module sign uptime.wasm --key author.key --comment uptime-1.2.0`,
		Args:              usageArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: completeModuleFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			if s.key == "" {
				return usageError(cmd, "--key is missing: the file of a secret key; --generate makes one")
			}
			asks := &passwords{in: cmd.InOrStdin(), out: cmd.ErrOrStderr()}
			return s.sign(args[0], asks, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&s.key, "key", "", "the `file` of a secret key")
	_ = cmd.MarkFlagFilename("key")
	flags.StringVar(&s.comment, "comment", "", "a trusted `comment`, signed too (default: time and file name)")
	flags.BoolVar(&s.generate, "generate", false, "make the key, and its public key, first")
	flags.BoolVar(&s.force, "force", false, "overwrite a signature that is there")
	flags.BoolVar(&s.json, "json", false, "one JSON object")
	return cmd
}

func (s signing) sign(path string, asks *passwords, out, log io.Writer) error {
	data, err := readModuleFile(path, maxModuleFile)
	switch {
	case err != nil:
		return err
	case len(data) == maxModuleFile:
		return fmt.Errorf("%s is longer than 8 MiB, so it is no module", quotedPath(path))
	}
	to := path + signature.Suffix
	if _, err := os.Lstat(to); err == nil && !s.force {
		return fmt.Errorf("%s is there already; overwrite it with --force", quotedPath(to))
	}
	var secret signature.Secret
	if s.generate {
		secret, err = s.makeKey(asks)
	} else {
		secret, err = s.openKey(asks, log)
	}
	if err != nil {
		return err
	}
	comment := s.comment
	if comment == "" { // as minisign has it
		comment = fmt.Sprintf("timestamp:%d\tfile:%s\thashed", time.Now().Unix(), filepath.Base(path))
	}
	sig, err := signature.Sign(data, secret, comment)
	if err != nil {
		return fmt.Errorf("%s cannot be signed: %w; give another --comment", quotedPath(path), err)
	}
	if err := s.put(to, sig); err != nil {
		return err
	}
	if s.json {
		return writeJSON(out, signedFile{quotedPath(path), quotedPath(to), secret.Key().ID(), secret.Key().String()})
	}
	fmt.Fprintf(out, "signed with the key %s: %s\n", secret.Key().ID(), quotedPath(to))
	if s.generate {
		fmt.Fprintf(out, "its public key, for modules.trusted_keys: %s\n", secret.Key())
	}
	return nil
}

// put writes a signature. One that is replaced is there or whole at any time.
func (s signing) put(to string, sig []byte) error {
	if !s.force {
		return writeNew(to, sig, 0o644)
	}
	next := to + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s cannot be removed: %s", quotedPath(next), reason(err))
	}
	if err := writeNew(next, sig, 0o644); err != nil {
		return err
	}
	if err := os.Rename(next, to); err != nil {
		return fmt.Errorf("%s cannot be written: %s", quotedPath(to), reason(err))
	}
	return nil
}

// writeNew writes a file that was not there.
func writeNew(path string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err == nil {
		_, err = f.Write(data)
		err = errors.Join(err, f.Close())
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s is there already, and is not overwritten", quotedPath(path))
	case err != nil:
		return fmt.Errorf("%s cannot be written: %s", quotedPath(path), reason(err))
	}
	return nil
}

// makeKey writes a new key, the secret half first: a public key without its other half
// is of no use.
func (s signing) makeKey(asks *passwords) (signature.Secret, error) {
	for _, path := range []string{s.key, s.key + ".pub"} {
		if _, err := os.Lstat(path); err == nil {
			return signature.Secret{}, fmt.Errorf("%s is there already, and a key is never overwritten: leave out --generate to sign with it", quotedPath(path))
		}
	}
	secret, err := signature.NewSecret(rand.Reader)
	if err != nil {
		return signature.Secret{}, err
	}
	password, err := asks.choose()
	if err != nil {
		return signature.Secret{}, err
	}
	file, err := secret.File(password)
	if err != nil {
		return signature.Secret{}, err
	}
	if err := writeNew(s.key, file, 0o600); err != nil {
		return signature.Secret{}, err
	}
	return secret, writeNew(s.key+".pub", secret.Key().File(), 0o644)
}

func (s signing) openKey(asks *passwords, log io.Writer) (signature.Secret, error) {
	file, err := readModuleFile(s.key, signature.MaxFile+1)
	if err != nil {
		return signature.Secret{}, fmt.Errorf("--key: %w; --generate makes a key", err)
	}
	if info, err := os.Stat(s.key); err == nil && info.Mode().Perm()&0o077 != 0 {
		fmt.Fprintf(log, "warning: others may read %s: chmod 600 it\n", quotedPath(s.key))
	}
	password := ""
	if signature.Encrypted(file) {
		if password, err = asks.ask("Password of " + quotedPath(s.key) + ": "); err != nil {
			return signature.Secret{}, err
		}
	}
	secret, err := signature.OpenSecret(file, password)
	switch {
	case errors.Is(err, signature.ErrMalformed):
		return secret, fmt.Errorf("--key: %s is not the file of a minisign secret key", quotedPath(s.key))
	case err != nil:
		return secret, fmt.Errorf("--key: %s: %w", quotedPath(s.key), err)
	}
	return secret, nil
}

// passwords asks for them: on the terminal, or the first line of what comes in.
type passwords struct {
	in  io.Reader
	out io.Writer
}

// maxPassword bounds one, in bytes, as minisign does.
const maxPassword = 1024

func (p *passwords) ask(prompt string) (string, error) {
	if f, ok := p.in.(*os.File); ok && isTerminal(f) {
		fmt.Fprint(p.out, prompt)
		line, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(p.out)
		if err != nil {
			return "", fmt.Errorf("the password cannot be read: %s", reason(err))
		}
		return string(line), nil
	}
	line, err := bufio.NewReader(io.LimitReader(p.in, maxPassword)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("the password cannot be read: %s", reason(err))
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// choose asks for a new one, twice where a typing error would go unseen.
func (p *passwords) choose() (string, error) {
	first, err := p.ask("Password for the new key (empty: none): ")
	if f, ok := p.in.(*os.File); err != nil || !ok || !isTerminal(f) {
		return first, err
	}
	second, err := p.ask("Once more: ")
	if err == nil && first != second {
		err = errors.New("the passwords differ; nothing was written")
	}
	return first, err
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
