package telegram

import (
	"context"
	"crypto/tls"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cofferdam-bot/cofferdam/security/webhook"
)

// door is the listener. Whom the guard does not want never gets as far as
// net/http: no memory for it, no handshake.
type door struct {
	net.Listener
	s *WebhookServer
}

// Accept returns the next connection that may come in.
func (d *door) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		peer := addrOf(c.RemoteAddr())
		let, v := d.s.connect(c, peer)
		if v.Accept {
			return let, nil
		}
		d.s.tell(v)
		drop(c)
	}
}

func (s *WebhookServer) connect(c net.Conn, peer netip.Addr) (*connection, webhook.Verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.guard.Connect(peer, s.Now())
	if !v.Accept {
		return nil, v
	}
	let := &connection{Conn: c, s: s, peer: v.Client}
	s.open[let] = struct{}{}
	return let, v
}

func addrOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr()
	}
	return netip.Addr{} // nobody's: no range has it
}

// drop ends a connection with a reset: an ordinary end would keep its port
// number busy for a minute, on our side.
func drop(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // it is closed in any case
	}
	_ = c.Close()
}

// connection is one that was let in.
type connection struct {
	net.Conn
	s    *WebhookServer
	peer netip.Addr
	// read is set once there was a byte, and asked once that became a request.
	read, asked atomic.Bool
	closed      sync.Once
}

func (c *connection) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.read.Load() {
		c.read.Store(true)
	}
	return n, err
}

// Close gives the connection back. One that brought bytes, and never a request
// that could be read, counts against its peer.
func (c *connection) Close() error {
	c.closed.Do(func() {
		c.s.left(c)
	})
	return c.Conn.Close()
}

// CloseWrite is what net/http does half a second before it closes a connection
// on which more came than it wants to read, so that the answer arrives before
// the reset does.
func (c *connection) CloseWrite() error {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		return tcp.CloseWrite()
	}
	return nil
}

// cut closes at once.
func (c *connection) cut() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

func (s *WebhookServer) left(c *connection) {
	broken := c.read.Load() && !c.asked.Load()
	s.mu.Lock()
	delete(s.open, c)
	s.guard.Disconnect(c.peer)
	if !broken {
		s.mu.Unlock()
		return
	}
	v := s.guard.Broken(c.peer, s.Now())
	s.mu.Unlock()
	s.tell(v)
}

// cutSilent ends the connections on which nothing was asked yet. net/http would
// wait for them when it shuts down, some seconds for each.
func (s *WebhookServer) cutSilent() {
	s.mu.Lock()
	silent := slices.Collect(maps.Keys(s.open))
	s.mu.Unlock()
	for _, c := range silent {
		if !c.asked.Swap(true) { // which is not its fault
			c.cut()
		}
	}
}

type connectionKey struct{}

// withConnection lets a handler know on which connection a request came.
func withConnection(ctx context.Context, c net.Conn) context.Context {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	return context.WithValue(ctx, connectionKey{}, c)
}

func connectionOf(ctx context.Context) *connection {
	return ctx.Value(connectionKey{}).(*connection) // the door makes no others
}
