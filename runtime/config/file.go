package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"syscall"
)

// maxFileSize is 1 MiB. A real file has a few KiB; what is larger is not a configuration.
const maxFileSize = 1 << 20

// readFile returns the bytes of a regular file that only its owner, and at most its group, may read. All checks are
// made on the open descriptor, so nothing can be put in the file's place between check and use.
func readFile(path string, opts Options) ([]byte, []Warning, error) {
	// Some devices act when they are opened. This look is a courtesy; the one on the descriptor is the check.
	if info, err := os.Stat(path); err == nil {
		if err := checkKind(info.Mode()); err != nil {
			return nil, nil, err
		}
	}
	return openAndRead(path, opts)
}

func openAndRead(path string, opts Options) ([]byte, []Warning, error) {
	// O_NONBLOCK: without it, opening a FIFO waits for a writer.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, explainOpen(path, err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("cannot be looked at: %w", bare(err))
	}
	if err := checkKind(info.Mode()); err != nil {
		return nil, nil, err
	}
	warnings, err := checkMode(path, info.Mode().Perm(), opts)
	if err != nil {
		return nil, nil, err
	}
	data, err := readBounded(f, info.Size())
	return data, warnings, err
}

func readBounded(r io.Reader, size int64) ([]byte, error) {
	if size > maxFileSize {
		return nil, errTooLarge
	}
	// The file may grow while it is read.
	data, err := io.ReadAll(io.LimitReader(r, maxFileSize+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot be read: %w", bare(err))
	case len(data) > maxFileSize:
		return nil, errTooLarge
	case len(data) == 0:
		return nil, errors.New("the file is empty; write a configuration with: cofferdam init")
	}
	return data, nil
}

var errTooLarge = errors.New("larger than 1 MiB, so this is not a configuration")

func checkKind(mode fs.FileMode) error {
	switch {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return errors.New("is a directory; Docker makes one where the file that it should mount is not there")
	case mode&fs.ModeNamedPipe != 0:
		return errors.New("is a named pipe, not a file")
	case mode&fs.ModeDevice != 0:
		return errors.New("is a device, not a file")
	case mode&fs.ModeSocket != 0:
		return errors.New("is a socket, not a file")
	}
	return errors.New("is not a regular file")
}

const (
	othersAccess fs.FileMode = 0o006
	groupWrite   fs.FileMode = 0o020
	groupRead    fs.FileMode = 0o040
)

// checkMode keeps the secrets in the file with its owner. Who may write it can make himself an admin.
func checkMode(path string, perm fs.FileMode, opts Options) ([]Warning, error) {
	fix := "chmod 600 " + quotePath(path)
	var message string
	switch {
	case perm&othersAccess != 0:
		message = fmt.Sprintf("everybody on this machine may read or write the file (mode %04o)", perm)
	case perm&groupWrite != 0:
		message = fmt.Sprintf("the file's group may write it (mode %04o)", perm)
	case perm&groupRead != 0:
		message = fmt.Sprintf("the file's group may read the secrets in it (mode %04o)", perm)
	default:
		return nil, nil
	}
	if perm&(othersAccess|groupWrite) != 0 && !opts.LooseModeWarns {
		return nil, fmt.Errorf("%s; run: %s", message, fix)
	}
	return []Warning{{Problem: Problem{Message: message, Hint: "run: " + fix}, Insecure: true}}, nil
}

// explainOpen turns an error of open into a sentence with what to do.
func explainOpen(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		const text = "is not there (looked for are --config, then %s, then %s); write it with: cofferdam init --config %s"
		return &fileError{fmt.Sprintf(text, PathVariable, DefaultPath, quotePath(path)), fs.ErrNotExist}
	case errors.Is(err, fs.ErrPermission):
		return &fileError{fmt.Sprintf("user %d may not read it; run as the file's owner, or: chown %d %s",
			os.Getuid(), os.Getuid(), quotePath(path)), fs.ErrPermission}
	}
	return fmt.Errorf("cannot be opened: %w", bare(err))
}

// fileError keeps its own words, and still is what the system said.
type fileError struct {
	text string
	kind error
}

func (e *fileError) Error() string { return e.text }
func (e *fileError) Unwrap() error { return e.kind }

// bare takes the path out of an *fs.PathError: Load says it once, in front.
func bare(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}

var shellSafe = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,~][A-Za-z0-9_./:@%+=,~-]*$`)

// quotePath returns path so that it can be pasted into a shell.
func quotePath(path string) string {
	if shellSafe.MatchString(path) {
		return path
	}
	if strings.HasPrefix(path, "-") {
		path = "./" + path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
