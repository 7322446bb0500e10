// Package control lets the commands of the same program talk to a running bot,
// over a socket in the state directory. The directory is closed to others (E2),
// and so is the socket: who can reach it could change the state file as well.
package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// socketName is the socket in the state directory.
const socketName = "control.sock"

// timeout bounds a call, and each part of one.
const timeout = 10 * time.Second

// maxBody bounds a request, and maxAnswer an answer, in bytes: a list of many
// modules.
const (
	maxBody   = 64 << 10
	maxAnswer = 1 << 20
)

// ErrNotRunning is returned by [Call] when no bot listens in the directory.
var ErrNotRunning = errors.New("no bot runs with this state directory")

// Refusal is what a running bot answered instead of a result. A handler may
// return one, to say which refusal it is.
type Refusal struct {
	// Code is a word for programs; empty: the reason is all there is.
	Code string `json:"code,omitempty"`
	// Reason is a sentence for people.
	Reason string `json:"reason"`
}

// Error returns the bot's sentence.
func (r *Refusal) Error() string { return r.Reason }

// Server answers commands of the same program.
type Server struct {
	http   *http.Server
	path   string // of the socket
	served chan struct{}
	// left is done once: after it, the place may be another server's.
	left sync.Once
}

// Handlers are what can be asked, by name. A handler gets the JSON of its
// argument; its result is encoded as JSON. An error is told to who asked, as a
// [Refusal].
type Handlers map[string]func(ctx context.Context, argument []byte) (result any, err error)

// Listen serves in a state directory that no other bot uses: a socket that is
// left over there is replaced.
func Listen(dir string, handlers Handlers) (*Server, error) {
	if err := os.Remove(filepath.Join(dir, socketName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	folder, path, err := shortPath(dir)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	defer folder.Close()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("control socket in %s: %w", dir, err)
	}
	// Its short name is gone when the folder is closed; Close removes the file.
	listener.SetUnlinkOnClose(false)
	if err := os.Chmod(filepath.Join(dir, socketName), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("control socket: %w", err), listener.Close())
	}
	s := &Server{path: filepath.Join(dir, socketName), served: make(chan struct{}), http: &http.Server{
		Handler: handlers.mux(), ReadTimeout: timeout, WriteTimeout: 2 * timeout, MaxHeaderBytes: 16 << 10,
	}}
	go func() {
		defer close(s.served)
		_ = s.http.Serve(listener) // it ends with Close
	}()
	return s, nil
}

// Close waits for calls under way as long as the context allows, and removes the
// socket. When it returns, the state directory may be used by another bot.
func (s *Server) Close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	<-s.served
	s.left.Do(func() {
		if gone := os.Remove(s.path); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, fmt.Errorf("control socket: %w", gone))
		}
	})
	return err
}

// shortPath names the socket through an open folder: the path of a socket may
// have 107 bytes only, and state directories are deeper.
func shortPath(dir string) (folder *os.File, path string, err error) {
	folder, err = os.Open(dir)
	if err != nil {
		return nil, "", err
	}
	return folder, fmt.Sprintf("/proc/self/fd/%d/%s", folder.Fd(), socketName), nil
}

func (h Handlers) mux() http.Handler {
	mux := http.NewServeMux()
	for name, handle := range h {
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) {
			argument, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
			if err != nil {
				http.Error(w, "the request is too long", http.StatusBadRequest)
				return
			}
			result, err := handle(r.Context(), argument)
			w.Header().Set("Content-Type", "application/json")
			if err != nil {
				w.WriteHeader(http.StatusConflict)
				result = refusalOf(err)
			}
			_ = json.NewEncoder(w).Encode(result) // who asked is gone
		})
	}
	return mux
}

func refusalOf(err error) *Refusal {
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return refusal
	}
	return &Refusal{Reason: err.Error()}
}

// readRefusal is its inverse. A bot of an earlier version answers with the
// sentence alone.
func readRefusal(answer []byte) *Refusal {
	var refusal Refusal
	if json.Unmarshal(answer, &refusal) != nil || refusal.Reason == "" {
		return &Refusal{Reason: string(bytes.TrimSpace(answer))}
	}
	return &refusal
}

// Call asks the bot that runs with a state directory. Its error is
// [ErrNotRunning] if there is none, and a [*Refusal] if the bot refused.
func Call(ctx context.Context, dir, name string, argument, result any) error {
	body, err := json.Marshal(argument)
	if err != nil {
		return fmt.Errorf("ask the bot: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*timeout)
	defer cancel()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, dir) }}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://cofferdam/"+name, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask the bot: %w", err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return notRunning(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	switch {
	case err != nil:
		return fmt.Errorf("ask the bot: %w", err)
	case response.StatusCode == http.StatusConflict:
		return readRefusal(answer)
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("the running bot does not know %q: is it of another version?", name)
	}
	if err := json.Unmarshal(answer, result); err != nil {
		return fmt.Errorf("the bot's answer cannot be read: %w", err)
	}
	return nil
}

func dial(ctx context.Context, dir string) (net.Conn, error) {
	folder, path, err := shortPath(dir)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	return (&net.Dialer{}).DialContext(ctx, "unix", path)
}

// notRunning tells a socket that nobody serves from other failures.
func notRunning(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return ErrNotRunning
	}
	return fmt.Errorf("ask the bot: %w", err)
}
