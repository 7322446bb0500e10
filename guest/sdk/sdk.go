// Package sdk is for authors of modules. A command is a function from a
// [Request] to a [Reply]; what it needs from the world it asks of a [Host]:
//
//	func init() {
//		sdk.Serve(sdk.Module{Commands: map[string]sdk.Handler{"hello": hello}})
//	}
//
//	func main() {}
//
//	func hello(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
//		return sdk.Reply{Blocks: []sdk.Block{sdk.Text(sdk.Plain("Hello!"))}}, nil
//	}
//
// Compiled with GOOS=wasip1 GOARCH=wasm -buildmode=c-shared the calls go to
// the host's imports. Compiled natively they go to a [Fake], so that a
// module's logic is tested with plain `go test`.
package sdk

import (
	"errors"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// The vocabulary of requests and replies; see package abi for the members.
type (
	Request = abi.Request
	Reply   = abi.Reply
	Block   = abi.Block
	Span    = abi.Span
	Field   = abi.Field
	Table   = abi.Table
	Bar     = abi.Bar
	File    = abi.File
	Button  = abi.Button
	Chart   = abi.Chart
	Again   = abi.Again
	Error   = abi.Error
)

// Handler answers one command or one button. An error that is an [*Error] is
// told to the user with its sentence; any other is told as an internal error.
type Handler func(Host, Request) (Reply, error)

// Module is what a guest serves: handlers by the command names of its
// manifest, and handlers by the action names of its buttons.
type Module struct {
	Commands map[string]Handler
	Actions  map[string]Handler
}

// Handle finds and runs the handler for a request. It returns an
// [abi.Invalid] error for a command or action that the module does not have.
func (m Module) Handle(host Host, req Request) (Reply, error) {
	handler, ok := m.Commands[req.Command]
	if req.Action != "" {
		handler, ok = m.Actions[req.Action]
	}
	if !ok {
		return Reply{}, &Error{Code: abi.Invalid, Message: "This module does not know that command."}
	}
	return handler(host, req)
}

// serve runs one request from JSON to JSON: the whole of a guest, free of
// pointers, so that it is the same in the sandbox and in a native test.
func (m Module) serve(host Host, request []byte) ([]byte, abi.Code) {
	var req Request
	if err := decode(readRequest, request, &req); err != nil {
		return nil, abi.Invalid
	}
	reply, err := m.Handle(host, req)
	if err != nil {
		return m.refuse(host, err)
	}
	encoded, err := encode(writeReply, &reply)
	if err != nil {
		return nil, abi.Internal
	}
	return encoded, abi.OK
}

// refuse turns a handler's error into a code and a reply with its sentence.
func (m Module) refuse(host Host, err error) ([]byte, abi.Code) {
	known, ok := errors.AsType[*Error](err)
	if !ok || known.Code == abi.OK {
		host.Log(abi.LogError, err.Error())
		return nil, abi.Internal
	}
	encoded, err := encode(writeReply, &Reply{Blocks: []Block{Text(Plain(known.Message))}})
	if err != nil {
		return nil, abi.Internal
	}
	return encoded, known.Code
}

// Fail returns the error with which a handler tells the user, in one plain
// sentence, what went wrong.
func Fail(code abi.Code, sentence string) error { return &Error{Code: code, Message: sentence} }

// CodeOf returns the code of a host call's error; [abi.OK] for nil.
func CodeOf(err error) abi.Code {
	if err == nil {
		return abi.OK
	}
	if known, ok := errors.AsType[*Error](err); ok {
		return known.Code
	}
	return abi.Internal
}

// MessageOf returns the sentence of a host call's error, for a view that
// shows what it has and says what is missing; "" for nil.
func MessageOf(err error) string {
	if err == nil {
		return ""
	}
	if known, ok := errors.AsType[*Error](err); ok {
		return known.Message
	}
	return "Something went wrong."
}
