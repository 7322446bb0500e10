// Command probe is the only program in the test image: it sleeps, burns
// processor time, refuses to stop, fails or talks, as its first argument says.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
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
	default:
		fmt.Fprintln(os.Stderr, "want sleep, trap, burn N, exit N or log N")
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

func burn() {
	for n := uint64(1); ; {
		n *= 2862933555777941757
	}
}
