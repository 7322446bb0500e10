// Command probe is the only program in the test image: it sleeps, burns
// processor time, refuses to stop, fails or talks, as its first argument says.
package main

import (
	"bufio"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	mode := "sleep"
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	stop := make(chan os.Signal, 1)
	switch mode {
	case "sleep": // until SIGTERM
		signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	case "trap": // ends by SIGKILL only
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
		signal.Notify(stop, syscall.SIGUSR2)
	case "burn": // N goroutines at full speed
		signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
		for range number(1) {
			go burn()
		}
	case "exit": // with code N
		os.Exit(number(0))
	case "log": // N lines, then sleep
		signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
		for i := range number(10) {
			fmt.Printf("line %d\n", i+1)
		}
	case "say": // each argument, "1…" on stdout or "2…" on stderr, with Go's escapes
		signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
		say(os.Args[2:])
	case "fill": // N lines of 100 bytes
		signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
		fill(number(10))
	case "tick": // a line every N milliseconds, in turn on both streams
		signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
		go tick(time.Duration(number(100)) * time.Millisecond)
	default:
		fmt.Fprintln(os.Stderr, "want sleep, trap, burn N, exit N, log N, say TEXT…, fill N or tick N")
		os.Exit(2)
	}
	<-stop
}

func number(fallback int) int {
	if len(os.Args) > 2 {
		if n, err := strconv.Atoi(os.Args[2]); err == nil {
			return n
		}
	}
	return fallback
}

func say(texts []string) {
	for _, text := range texts {
		said, err := strconv.Unquote(`"` + text[1:] + `"`)
		if err != nil {
			panic(err)
		}
		if text[0] == '2' {
			os.Stderr.WriteString(said)
		} else {
			os.Stdout.WriteString(said)
		}
	}
}

func fill(n int) {
	out := bufio.NewWriter(os.Stdout)
	for i := range n {
		fmt.Fprintf(out, "line %07d %s\n", i+1, strings.Repeat("x", 86))
	}
	out.Flush()
}

func tick(every time.Duration) {
	for i := 1; ; i++ {
		to := os.Stdout
		if i%2 == 0 {
			to = os.Stderr
		}
		fmt.Fprintf(to, "tick %d\n", i)
		time.Sleep(every)
	}
}

func burn() {
	for n := uint64(1); ; {
		n *= 2862933555777941757
	}
}
