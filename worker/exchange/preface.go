package exchange

import (
	"errors"
	"log/slog"
	"net"
)

// clientPreface is what every HTTP/2 client says first (RFC 9113, 3.4).
const clientPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

var errGarbage = errors.New("not a gRPC client")

// preface is a listener that says when a stranger talks something else than HTTP/2; gRPC
// itself would hang up without a word.
type preface struct {
	net.Listener
	log *slog.Logger
}

// Accept waits for the next connection.
func (p *preface) Accept() (net.Conn, error) {
	c, err := p.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &prefaceConn{Conn: c, log: p.log}, nil
}

type prefaceConn struct {
	net.Conn
	log  *slog.Logger
	seen int // bytes of the preface read so far; only the reader uses it
}

func (c *prefaceConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.seen == len(clientPreface) {
		return n, err
	}
	k := min(n, len(clientPreface)-c.seen)
	if string(b[:k]) != clientPreface[c.seen:c.seen+k] {
		c.log.Warn("refused a stranger at the exchange", "from", c.RemoteAddr(), "reason", errGarbage)
		return 0, errGarbage
	}
	c.seen += k
	return n, err
}
