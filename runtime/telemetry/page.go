package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Bounds of the page. Prometheus gives a page 10 s by default.
const (
	headerTimeout = 5 * time.Second
	pageTimeout   = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 16 << 10
	// pagesAtOnce is how many are made at the same time; others get a 503.
	pagesAtOnce = 4
)

// Page is the /metrics page.
type Page struct {
	http     *http.Server
	listener net.Listener
	served   chan struct{}
}

// Listen serves the page on host:port until Close. Whoever reaches the address
// may read it. The error says why nothing can listen there.
func (m *Metrics) Listen(address string) (*Page, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve /metrics on %s: %w", address, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: pagesAtOnce, Timeout: pageTimeout, ErrorHandling: promhttp.ContinueOnError,
	}))
	p := &Page{listener: listener, served: make(chan struct{}), http: &http.Server{
		Handler: mux, ReadHeaderTimeout: headerTimeout, ReadTimeout: pageTimeout, WriteTimeout: 2 * pageTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		// What strangers send is nothing for the log.
		ErrorLog: log.New(io.Discard, "", 0),
	}}
	go func() {
		defer close(p.served)
		_ = p.http.Serve(listener) // it ends with Close
	}()
	return p, nil
}

// Address is host:port of the page.
func (p *Page) Address() string { return p.listener.Addr().String() }

// Close waits for pages under way as long as the context allows.
func (p *Page) Close(ctx context.Context) error {
	err := p.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, p.http.Close())
	}
	<-p.served
	return err
}
