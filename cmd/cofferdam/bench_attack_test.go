package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The attack of BenchmarkWebhookUnderAttack, in requests a second: most through
// the proxy, each from another address, the rest on connections of their own.
const (
	attackProxied = 9_000
	attackDirect  = 1_000
	attackers     = 20
	attackTick    = 20 * time.Millisecond
)

// BenchmarkWebhookUnderAttack is the time from a typed command to its reply, when
// Telegram brings it by webhook: without an attack, and during one.
func BenchmarkWebhookUnderAttack(b *testing.B) {
	for _, attacked := range []bool{false, true} {
		b.Run(fmt.Sprintf("attack=%v", attacked), func(b *testing.B) {
			port := freePort(b)
			p := startAttacked(b, port)
			if err := p.world.WaitReady(b.Context()); err != nil {
				b.Fatal(err)
			}
			who := person{p.world.Client(firstOfMany, firstOfMany), b}
			who.says("/load")
			stop := func() float64 { return 0 }
			if attacked {
				stop = attack(b, fmt.Sprintf("127.0.0.1:%d", port))
			}
			var took []time.Duration
			for b.Loop() {
				who := int64(firstOfMany + len(took)%takingTurns) // nobody too often for A8
				p := person{p.world.Client(who, who), b}
				began := time.Now()
				p.says("/load")
				took = append(took, time.Since(began))
			}
			if rate := stop(); attacked {
				b.ReportMetric(rate, "attacks/s")
			}
			reportQuantiles(b, took)
			p.end()
		})
	}
}

// startAttacked is the real program in webhook mode.
func startAttacked(b *testing.B, port int) *process {
	b.Helper()
	path := builtBinary(b)
	p := newProcess(b, webhookRoute(b, port))
	file := p.writeConfig(p.api, takingTurns)
	text, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	text = fmt.Appendf(text, "webhook_config:\n  url: bot.example.org\n  local_port: %d\n  trusted_proxy_ips: 127.0.0.1\n", port)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		b.Fatal(err)
	}
	p.command(path, "run", "--webhook", "--config", file, "--state-dir", filepath.Join(b.TempDir(), "state"), "--log-level", "info", "--log-format", "json")
	p.start()
	return p
}

// attack goes on until stop, which returns how many requests a second it was.
func attack(b *testing.B, address string) (stop func() float64) {
	var sent atomic.Int64
	over := make(chan struct{})
	var workers sync.WaitGroup
	began := time.Now()
	for i := range attackers {
		workers.Go(func() { attackProxy(address, i, &sent, over) })
	}
	workers.Go(func() { attackDirectly(address, &sent, over) })
	return func() float64 {
		close(over)
		workers.Wait()
		return float64(sent.Load()) / time.Since(began).Seconds()
	}
}

// paced calls something so many times a second.
func paced(rate int, over <-chan struct{}, do func(n int64)) {
	ticker := time.NewTicker(attackTick)
	defer ticker.Stop()
	began, done := time.Now(), int64(0)
	for {
		for due := int64(time.Since(began).Seconds() * float64(rate)); done < due; done++ {
			do(done)
		}
		select {
		case <-over:
			return
		case <-ticker.C:
		}
	}
}

func attackProxy(address string, i int, sent *atomic.Int64, over <-chan struct{}) {
	t := &target{}
	var c net.Conn
	var r *bufio.Reader
	paced(attackProxied/attackers, over, func(n int64) {
		if c == nil {
			var err error
			if c, err = net.Dial("tcp", address); err != nil {
				return
			}
			r = bufio.NewReader(c)
		}
		sent.Add(1)
		if _, err := exchange(c, r, t.request("/webhook/nothing/", "x", strangerAt(n*attackers+int64(i)), "")); err != nil {
			c.Close()
			c = nil
		}
	})
	if c != nil {
		c.Close()
	}
}

// attackDirectly comes from a few addresses, which are soon banned.
func attackDirectly(address string, sent *atomic.Int64, over <-chan struct{}) {
	paced(attackDirect, over, func(n int64) {
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(n%8+1))}}
		sent.Add(1)
		c, err := dialer.Dial("tcp", address)
		if err != nil {
			return
		}
		_ = c.(*net.TCPConn).SetLinger(0)
		_, _ = c.Write((&target{}).request("/webhook/nothing/", "x", "192.0.2.1", ""))
		c.Close()
	})
}
