// Command follower is a guest that takes its time, says so, and goes on by itself.
package main

import (
	"strconv"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

func init() {
	sdk.Serve(sdk.Module{
		Commands: map[string]sdk.Handler{"load": view, "uptime": slow},
		Actions:  map[string]sdk.Handler{"more": view},
	})
}

func main() {}

// view counts to three, each second.
func view(_ sdk.Host, req sdk.Request) (sdk.Reply, error) {
	n, _ := strconv.Atoi(req.Arg("n"))
	r := sdk.Reply{Blocks: []sdk.Block{sdk.Text(sdk.Plain("Line " + strconv.Itoa(n)))}}
	if n < 3 {
		r.Again = &sdk.Again{After: 1, Action: "more", Args: map[string]string{"n": strconv.Itoa(n + 1)}}
	}
	return r, nil
}

// slow says what it does, in more than one line and as one that is too long.
func slow(host sdk.Host, _ sdk.Request) (sdk.Reply, error) {
	host.Progress("")
	host.Progress("Asking\u202e a\nregistry")
	time.Sleep(2500 * time.Millisecond)
	return sdk.Reply{Blocks: []sdk.Block{sdk.Text(sdk.Plain("It answered."))}}, nil
}
