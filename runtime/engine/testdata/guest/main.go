// Command guest is a Go module with bad habits, for the tests of the engine.
package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

func init() {
	sdk.Serve(sdk.Module{Commands: map[string]sdk.Handler{
		"echo":    func(_ sdk.Host, req sdk.Request) (sdk.Reply, error) { return say(req.Text) },
		"memory":  memory,
		"count":   count,
		"panic":   func(sdk.Host, sdk.Request) (sdk.Reply, error) { panic("on purpose") },
		"exit":    exit,
		"print":   write,
		"sleep":   func(sdk.Host, sdk.Request) (sdk.Reply, error) { time.Sleep(time.Hour); return say("awake") },
		"world":   world,
		"ticks":   ticks,
		"random":  random,
		"loop":    loop,
		"hoard":   hoard,
		"recurse": func(sdk.Host, sdk.Request) (sdk.Reply, error) { return say(fmt.Sprint(recurse(1))) },
	}})
}

func main() {}

func say(text string) (sdk.Reply, error) { return sdk.Reply{Notice: text}, nil }

func memory(host sdk.Host, _ sdk.Request) (sdk.Reply, error) {
	info, err := host.Memory(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	return say(fmt.Sprint(info.Total))
}

// heard is what must not be there any more when the next request comes.
var heard []string

func count(_ sdk.Host, req sdk.Request) (sdk.Reply, error) {
	heard = append(heard, req.Text)
	return say(strings.Join(heard, ","))
}

func exit(_ sdk.Host, req sdk.Request) (sdk.Reply, error) {
	if req.Text == "0" {
		os.Exit(0)
	}
	os.Exit(3)
	return sdk.Reply{}, nil
}

func write(sdk.Host, sdk.Request) (sdk.Reply, error) {
	fmt.Println("to stdout")
	fmt.Fprint(os.Stderr, "to stderr\x1b[31m\u202e, no end of line")
	return say("printed")
}

// world tells what can be seen of the machine.
func world(sdk.Host, sdk.Request) (sdk.Reply, error) {
	return say(fmt.Sprintf("args %q environ %q pid %d", os.Args, os.Environ(), os.Getpid()))
}

// ticks measures the finest step of both clocks.
func ticks(sdk.Host, sdk.Request) (sdk.Reply, error) {
	var wall, steady time.Duration = time.Hour, time.Hour
	for last, n := time.Now(), 0; n < 3; {
		now := time.Now()
		if d := now.Sub(last); d > 0 {
			steady, n = min(steady, d), n+1
		}
		if d := now.Round(0).Sub(last.Round(0)); d > 0 {
			wall = min(wall, d)
		}
		last = now
	}
	return say(fmt.Sprintf("%v %v %d", wall, steady, time.Now().UnixNano()%1e6))
}

func random(sdk.Host, sdk.Request) (sdk.Reply, error) {
	bytes := make([]byte, 16)
	if _, err := rand.Read(bytes); err != nil {
		return sdk.Reply{}, err
	}
	return say(hex.EncodeToString(bytes))
}

func loop(sdk.Host, sdk.Request) (sdk.Reply, error) {
	for n := 0; ; n++ {
		heard = heard[:0]
	}
}

func hoard(sdk.Host, sdk.Request) (sdk.Reply, error) {
	var kept [][]byte
	for {
		kept = append(kept, make([]byte, 1<<20))
		kept[len(kept)-1][0] = 1
	}
}

//lint:ignore SA5007 to recurse without end is what it is for
func recurse(n int) int { return recurse(n+1) + n }
