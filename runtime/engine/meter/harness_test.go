package meter

import (
	"errors"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/cofferdam-bot/cofferdam/security/vetting"
)

// coreFeatures are the engine's.
const coreFeatures = api.CoreFeaturesV2 &^ api.CoreFeatureSIMD

var errTooDeep = errors.New("it calls itself too deeply")

// hostTicks defines the meter's import.
func hostTicks(t testing.TB, r wazero.Runtime, tick func(left int64) int64) {
	t.Helper()
	_, err := r.NewHostModuleBuilder(ImportModule).NewFunctionBuilder().WithFunc(tick).Export(ImportTick).Instantiate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
}

func scan(t testing.TB, wasm []byte) *vetting.File {
	t.Helper()
	f, err := vetting.Scan(wasm, vetting.Limits{MemoryPages: 1024})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func rewrite(t testing.TB, wasm []byte, o Options) Metered {
	t.Helper()
	m, err := Rewrite(scan(t, wasm), o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
