package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// Where there is nothing but the program, TZ must mean something all the same.
func TestZonesAreInTheProgram(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	if !slices.Contains(strings.Fields(string(out)), "time/tzdata") {
		t.Error("the program does not carry the time zones")
	}
}

func TestAZoneThatIsNoneIsToldOf(t *testing.T) {
	for tz, want := range map[string]int{
		"": 0, "UTC": 0, "Europe/Berlin": 0, ":Asia/Kathmandu": 0, "/etc/localtime": 0,
		"Europe/Berlim": 1, "CEST": 1, "../etc/passwd": 1,
	} {
		core, logs := observer.New(zap.WarnLevel)
		warnOfZone(zap.New(core), tz)
		if got := logs.FilterField(zap.String("event", "config.zone")).Len(); got != want {
			t.Errorf("%q is told of %d times, want %d", tz, got, want)
		}
	}
}
