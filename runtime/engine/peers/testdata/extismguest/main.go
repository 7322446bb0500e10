// Command extismguest imports Extism's host functions itself, as its Go PDK
// does: eight bytes at a time, as that is how they come.
package main

import (
	"encoding/binary"

	"github.com/cofferdam-bot/cofferdam/runtime/engine/peers/logic"
)

//go:wasmimport extism:host/env input_length
func inputLength() uint64

//go:wasmimport extism:host/env input_load_u8
func inputLoadU8(offset uint64) uint32

//go:wasmimport extism:host/env input_load_u64
func inputLoadU64(offset uint64) uint64

//go:wasmimport extism:host/env output_set
func outputSet(offset, length uint64)

//go:wasmimport extism:host/env alloc
func alloc(length uint64) uint64

//go:wasmimport extism:host/env free
func free(offset uint64)

//go:wasmimport extism:host/env length
func length(offset uint64) uint64

//go:wasmimport extism:host/env load_u8
func loadU8(offset uint64) uint32

//go:wasmimport extism:host/env load_u64
func loadU64(offset uint64) uint64

//go:wasmimport extism:host/env store_u8
func storeU8(offset uint64, value uint32)

//go:wasmimport extism:host/env store_u64
func storeU64(offset, value uint64)

//go:wasmimport extism:host/user metrics_memory_v1
func metricsMemory(query uint64) uint64

//go:wasmexport cofferdam_handle
func handle() int32 {
	reply, err := logic.Handle(load(0, inputLength(), inputLoadU64, inputLoadU8), memory)
	if err != nil {
		return 1
	}
	outputSet(store(reply), uint64(len(reply)))
	return 0
}

func memory(query []byte) ([]byte, error) {
	asked := store(query)
	answered := metricsMemory(asked)
	free(asked)
	answer := load(answered, length(answered), loadU64, loadU8)
	free(answered)
	return answer, nil
}

func load(offset, length uint64, u64 func(uint64) uint64, u8 func(uint64) uint32) []byte {
	bytes := make([]byte, length)
	i := uint64(0)
	for ; i+8 <= length; i += 8 {
		binary.LittleEndian.PutUint64(bytes[i:], u64(offset+i))
	}
	for ; i < length; i++ {
		bytes[i] = byte(u8(offset + i))
	}
	return bytes
}

func store(bytes []byte) uint64 {
	offset, i := alloc(uint64(len(bytes))), 0
	for ; i+8 <= len(bytes); i += 8 {
		storeU64(offset+uint64(i), binary.LittleEndian.Uint64(bytes[i:]))
	}
	for ; i < len(bytes); i++ {
		storeU8(offset+uint64(i), uint32(bytes[i]))
	}
	return offset
}

func main() {}
