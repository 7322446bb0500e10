package scrub

import (
	"errors"
	"fmt"
)

// Error returns an error whose text is free of secrets, or nil for nil.
//
// An error that is clean in every layer is returned as it is, so that errors.Is
// and errors.As go on working. Of any other only errors.Is is kept, which
// compares and shows nothing: errors.As and Unwrap would hand out the layer
// that holds the secret.
func (s *Scrubber) Error(err error) error {
	if err == nil || s.clean(err) {
		return err
	}
	return &hidden{text: s.String(err.Error()), cause: err}
}

// clean tells whether neither the error nor one that it wraps shows a secret.
func (s *Scrubber) clean(err error) bool {
	if err == nil {
		return true
	}
	if !s.cleanText(err.Error()) {
		return false
	}
	// zap and others print such an error with %+v, which may say more.
	if f, ok := err.(fmt.Formatter); ok && !s.cleanText(fmt.Sprintf("%+v", f)) {
		return false
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return s.clean(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			if !s.clean(inner) {
				return false
			}
		}
	}
	return true
}

func (s *Scrubber) cleanText(text string) bool { return s.String(text) == text }

// hidden is an error whose text was scrubbed. It has no Unwrap on purpose.
type hidden struct {
	text  string
	cause error
}

func (h *hidden) Error() string { return h.text }

// Is lets errors.Is look through without giving the cause away.
func (h *hidden) Is(target error) bool { return errors.Is(h.cause, target) }

// GoString keeps %#v from printing the cause.
func (h *hidden) GoString() string { return fmt.Sprintf("%q", h.text) }
