// Command goguest speaks cofferdam's ABI, without the SDK: for this project's
// engine and for wazero alone.
package main

import (
	"errors"
	"unsafe"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/engine/peers/logic"
)

//go:wasmimport cofferdam request_read
func requestRead(ptr unsafe.Pointer, capacity uint32) int32

//go:wasmimport cofferdam reply_write
func replyWrite(ptr unsafe.Pointer, length uint32) int32

//go:wasmimport cofferdam result_read
func resultRead(ptr unsafe.Pointer, capacity uint32) int32

//go:wasmimport cofferdam metrics_memory_v1
func metricsMemory(ptr unsafe.Pointer, length uint32) int64

//go:wasmexport cofferdam_handle
func handle(length int32) int32 {
	request := make([]byte, length)
	requestRead(unsafe.Pointer(unsafe.SliceData(request)), uint32(length))
	reply, err := logic.Handle(request, memory)
	if err != nil {
		return int32(abi.Internal)
	}
	return replyWrite(unsafe.Pointer(unsafe.SliceData(reply)), uint32(len(reply)))
}

func memory(query []byte) ([]byte, error) {
	code, length := abi.Unpack(metricsMemory(unsafe.Pointer(unsafe.SliceData(query)), uint32(len(query))))
	answer := make([]byte, length)
	resultRead(unsafe.Pointer(unsafe.SliceData(answer)), length)
	if code != abi.OK {
		return nil, errors.New(string(answer))
	}
	return answer, nil
}

func main() {}
