package webhook

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"time"
)

// The figures of C1.
const (
	pathBytes   = 16 // 128 bits
	secretBytes = 32 // 256 bits
	// RotateAfter accepted requests, or after RotateEvery, a pair is replaced.
	RotateAfter = 10_000
	RotateEvery = 24 * time.Hour
	// Grace is for how long the replaced pair stays valid.
	Grace = 300 * time.Second
	// formerAtMost bounds how many are in their Grace at once. One is replaced once
	// in half a minute at most.
	formerAtMost = 16
)

const (
	pathStart    = "/webhook/"
	pathLength   = len(pathStart) + 22 + 1
	secretLength = 43
)

// Pair is a path and the secret that belongs to it. Its parts are secrets: it
// prints as neither. The zero Pair opens nothing. A copy is equal, and no other.
type Pair struct{ parts *parts }

// parts are behind two pointers, since fmt does not ask String of what is in a
// field that is not exported, but prints it, and what is behind one pointer too
// if the verb does not fit.
type parts struct {
	path   *[pathLength]byte
	secret *[secretLength]byte
}

// NewPair makes a pair of random bits, which must be those of crypto/rand.
func NewPair(random io.Reader) (Pair, error) {
	var bits [pathBytes + secretBytes]byte
	if _, err := io.ReadFull(random, bits[:]); err != nil {
		return Pair{}, fmt.Errorf("make a webhook path and secret: %w", err)
	}
	made := parts{new([pathLength]byte), new([secretLength]byte)}
	n := copy(made.path[:], pathStart)
	base64.RawURLEncoding.Encode(made.path[n:], bits[:pathBytes])
	made.path[pathLength-1] = '/'
	base64.RawURLEncoding.Encode(made.secret[:], bits[pathBytes:])
	return Pair{&made}, nil
}

// Path is /webhook/, 22 characters, and a slash.
func (p Pair) Path() string {
	if p.parts == nil {
		return ""
	}
	return string(p.parts.path[:])
}

// PathSecret is what is secret of the path: the 22 characters.
func (p Pair) PathSecret() string {
	if p.parts == nil {
		return ""
	}
	return string(p.parts.path[len(pathStart) : pathLength-1])
}

// Secret is 43 characters of [A-Za-z0-9_-].
func (p Pair) Secret() string {
	if p.parts == nil {
		return ""
	}
	return string(p.parts.secret[:])
}

// String keeps the pair out of logs.
func (p Pair) String() string { return "webhook pair" }

// GoString does the same for %#v.
func (p Pair) GoString() string { return p.String() }

// leads compares in a time that does not depend on what is wrong. The length is
// the same for all pairs, and no secret.
func (p Pair) leads(path string) bool {
	return p.parts != nil && subtle.ConstantTimeCompare(p.parts.path[:], []byte(path)) == 1
}

func (p Pair) opens(secret string) bool {
	return p.parts != nil && subtle.ConstantTimeCompare(p.parts.secret[:], []byte(secret)) == 1
}

// Pairs are those that are valid: one, and for a while more, since a pair is
// replaced without that a request is lost. A new one is valid before Telegram is
// told of it, and the old one for [Grace] after. The zero value has none. It is
// not safe for concurrent use.
type Pairs struct {
	current Pair
	// since is when current was made known, and accepted how many requests it
	// let in since.
	since    time.Time
	accepted int
	// next is valid too: Telegram may or may not know it already.
	next Pair
	// former are valid until their time, the oldest first.
	former []former
}

type former struct {
	Pair
	until time.Time
}

// Next returns the pair that Telegram is to be told of next. It is valid from
// now on. As long as it is not known whether Telegram took it, that is the same
// one: a call that failed may have had its effect.
func (p *Pairs) Next(random io.Reader) (Pair, error) {
	if p.next == (Pair{}) {
		next, err := NewPair(random)
		if err != nil {
			return Pair{}, err
		}
		p.next = next
	}
	return p.next, nil
}

// Registered makes the next pair the current one: Telegram knows it.
func (p *Pairs) Registered(now time.Time) {
	if p.next == (Pair{}) {
		return
	}
	if p.current != (Pair{}) {
		p.former = append(p.former, former{p.current, now.Add(Grace)})
		p.former = p.former[max(len(p.former)-formerAtMost, 0):]
	}
	p.current, p.next = p.next, Pair{}
	p.since, p.accepted = now, 0
}

// Accepted counts a request that was let in, and taken over.
func (p *Pairs) Accepted() { p.accepted++ }

// Due reports whether the current pair is to be replaced (C1), or there is none.
func (p *Pairs) Due(now time.Time) bool {
	if p.since.After(now) {
		p.since = now // the clock went back: a pair lives no longer for it
	}
	return p.current == (Pair{}) || p.accepted >= RotateAfter || now.Sub(p.since) >= RotateEvery
}

// Knows reports whether a path is valid.
func (p *Pairs) Knows(path string, now time.Time) bool {
	_, ok := p.find(path, now)
	return ok
}

// find returns the pair of a path.
func (p *Pairs) find(path string, now time.Time) (found Pair, ok bool) {
	p.forget(now)
	if len(path) != pathLength {
		return Pair{}, false
	}
	// All are compared: which one it was takes no time either.
	see := func(pair Pair) {
		if pair.leads(path) {
			found, ok = pair, true
		}
	}
	see(p.current)
	see(p.next)
	for _, f := range p.former {
		see(f.Pair)
	}
	return found, ok
}

// forget drops pairs whose Grace is over.
func (p *Pairs) forget(now time.Time) {
	for i, f := range p.former {
		if f.until.Sub(now) > Grace {
			p.former[i].until = now.Add(Grace) // the clock went back
		}
	}
	p.former = slices.DeleteFunc(p.former, func(f former) bool { return !f.until.After(now) })
}
