package exchange

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

const (
	serviceName = "cleave.exchange.Exchange"
	streamName  = "Connect"
	// keepaliveTime is what gRPC clamps clients to; quicker detection is the heartbeats' part.
	keepaliveTime = 10 * time.Second
	retryFirst    = 20 * time.Millisecond
	retryMost     = time.Second
)

// service describes the one method: the bidirectional stream between two ranks.
var service = grpc.ServiceDesc{
	ServiceName: serviceName,
	HandlerType: (*any)(nil),
	Streams: []grpc.StreamDesc{{
		StreamName:    streamName,
		ServerStreams: true,
		ClientStreams: true,
		Handler:       func(t any, s grpc.ServerStream) error { return t.(*GRPC).answer(s) },
	}},
}

func (t *GRPC) newServer() *grpc.Server {
	s := grpc.NewServer(
		grpc.ForceServerCodecV2(codec{}),
		grpc.MaxRecvMsgSize(chunkBytes+headerBytes),
		grpc.StaticStreamWindowSize(windowBytes),
		grpc.StaticConnWindowSize(windowBytes),
		grpc.ReadBufferSize(ioBufferBytes),
		grpc.WriteBufferSize(ioBufferBytes),
		experimental.BufferPool(t.pool),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepaliveTime, Timeout: keepaliveTime}),
		grpc.ConnectionTimeout(10*time.Second),
		grpc.WaitForHandlers(true),
		grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
			return t.refuse(s, codes.Unimplemented, errors.New("it asks for a service that is not here"))
		}),
	)
	s.RegisterService(&service, t)
	return s
}

// dialLocked starts to connect to a higher rank and to run its stream.
func (t *GRPC) dialLocked(ctx context.Context, l *link) error {
	conn, err := grpc.NewClient("passthrough:///"+t.peers[l.peer],
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(l.dial),
		grpc.WithNoProxy(),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(codec{}), grpc.MaxCallRecvMsgSize(chunkBytes+headerBytes), grpc.WaitForReady(true)),
		grpc.WithStaticStreamWindowSize(windowBytes),
		grpc.WithStaticConnWindowSize(windowBytes),
		grpc.WithReadBufferSize(ioBufferBytes),
		grpc.WithWriteBufferSize(ioBufferBytes),
		experimental.WithBufferPool(t.pool),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTime, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: retryFirst, Multiplier: 1.6, Jitter: 0.2, MaxDelay: retryMost},
			MinConnectTimeout: 5 * time.Second,
		}),
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		grpc.WithIdleTimeout(0),
	)
	if err != nil {
		return err
	}
	life, cancel := context.WithCancel(context.Background()) // of the stream, not of Open
	l.conn, l.cancel = conn, cancel
	mine := termsOf(t.slots, t.rank, l.peer)
	t.dialing.Add(1)
	t.owned.Go(func() {
		defer cancel()
		release := context.AfterFunc(ctx, cancel)
		s, err := l.greet(life, mine)
		if !release() && err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = l.attach()
		} else {
			l.fail(l.explain(ctx, err))
		}
		t.dialing.Done()
		if err == nil {
			l.run(s, cancel)
		}
	})
	return nil
}

// dial connects for gRPC; it keeps the connection, to cut it, and the last error, to tell it.
func (l *link) dial(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	l.t.mu.Lock()
	defer l.t.mu.Unlock()
	l.raw, l.dialErr = c, err
	return c, err
}

// greet opens the stream and exchanges hellos, as often as it takes for the peer to be there.
func (l *link) greet(ctx context.Context, mine terms) (grpc.ClientStream, error) {
	for wait := retryFirst; ; wait = min(2*wait, retryMost) {
		s, err := l.tryGreet(ctx, mine)
		if err == nil || status.Code(err) != codes.Unavailable {
			return s, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, err
		}
	}
}

func (l *link) tryGreet(ctx context.Context, mine terms) (grpc.ClientStream, error) {
	t := l.t
	s, err := l.conn.NewStream(ctx, &service.Streams[0], "/"+serviceName+"/"+streamName)
	if err != nil {
		return nil, err
	}
	// Before the server's header has come gRPC would keep what is sent, to send it again. An
	// error of Header or SendMsg is only a hint; RecvMsg tells the reason.
	_, _ = s.Header()
	own := hello{Job: t.job, From: t.rank, To: l.peer, Terms: mine}
	_ = s.SendMsg(newChunk(l).copied(header{Type: frameHello}, own.encode()))
	var in greeting
	if err := s.RecvMsg(&in); err != nil {
		return nil, err
	}
	h := in.hello
	switch {
	case h.Job != t.job || h.From != l.peer || h.To != t.rank:
		return nil, fmt.Errorf("it says it is rank %d of job %x and speaks to rank %d", h.From, h.Job, h.To)
	case h.Terms != mine:
		return nil, disagree(t.rank, mine, l.peer, h.Terms)
	}
	return s, nil
}

// explain makes the error of a failed greeting readable.
func (l *link) explain(ctx context.Context, err error) error {
	l.t.mu.Lock()
	dialErr := l.dialErr
	l.t.mu.Unlock()
	addr := l.t.peers[l.peer]
	switch {
	case ctx.Err() != nil && dialErr != nil:
		return fmt.Errorf("connect to %s: %w (%w)", addr, context.Cause(ctx), dialErr)
	case ctx.Err() != nil:
		return fmt.Errorf("connect to %s: no answer: %w", addr, context.Cause(ctx))
	}
	if s, ok := status.FromError(err); ok {
		err = errors.New(s.Message())
	}
	return fmt.Errorf("connect to %s: %w", addr, err)
}

// attach makes the link usable, once.
func (l *link) attach() error {
	t := l.t
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.statusLocked() != nil:
		return t.statusLocked()
	case l.up:
		return fmt.Errorf("rank %d is connected already", l.peer)
	}
	l.up = true
	t.poke()
	return nil
}

func (l *link) fail(err error) {
	l.t.mu.Lock()
	defer l.t.mu.Unlock()
	l.t.failLocked(&PeerError{l.peer, err})
}

// answer is the server's side of a stream: it lives as long as the link.
func (t *GRPC) answer(s grpc.ServerStream) error {
	if err := s.SendHeader(nil); err != nil {
		return err
	}
	var in greeting
	if err := s.RecvMsg(&in); err != nil {
		if in.err != nil {
			return t.refuse(s, codes.FailedPrecondition, in.err)
		}
		return t.refuse(s, codes.FailedPrecondition, errors.New(status.Convert(err).Message()))
	}
	h := in.hello
	var err error
	switch {
	case h.Job != t.job:
		err = fmt.Errorf("it is of job %x, this is job %x", h.Job, t.job)
	case h.To != t.rank:
		err = fmt.Errorf("it looks for rank %d, this is rank %d", h.To, t.rank)
	case h.From < 0 || h.From >= t.rank:
		err = fmt.Errorf("it says it is rank %d, which has no business to dial rank %d", h.From, t.rank)
	}
	if err != nil {
		return t.refuse(s, codes.FailedPrecondition, err)
	}
	l := t.links[h.From]
	mine := termsOf(t.slots, t.rank, l.peer)
	if h.Terms != mine {
		err := disagree(t.rank, mine, l.peer, h.Terms)
		l.fail(err)
		return status.Error(codes.FailedPrecondition, err.Error())
	}
	if err := l.attach(); err != nil {
		return t.refuse(s, codes.FailedPrecondition, err)
	}
	own := hello{Job: t.job, From: t.rank, To: l.peer, Terms: mine}
	if err := s.SendMsg(newChunk(l).copied(header{Type: frameHello}, own.encode())); err != nil {
		l.ended(err)
		return err
	}
	// When the dialler hangs up, the stream is done and no SendMsg blocks.
	l.run(s, func() {})
	return nil
}

// refuse turns a stranger away.
func (t *GRPC) refuse(s grpc.ServerStream, code codes.Code, reason error) error {
	t.mu.Lock()
	closed := t.closed
	t.mu.Unlock()
	if closed {
		return status.Error(codes.Unavailable, ErrClosed.Error())
	}
	from := "unknown"
	if p, ok := peer.FromContext(s.Context()); ok {
		from = p.Addr.String()
	}
	t.log.Warn("refused a stranger at the exchange", "from", from, "reason", reason)
	return status.Error(code, fmt.Sprintf("refused by rank %d: %v", t.rank, reason))
}

// greeting receives a hello.
type greeting struct {
	hello hello
	err   error
}

func (g *greeting) receive(data mem.BufferSlice) error {
	var buf [headerBytes + helloBytes]byte
	b := buf[:data.CopyTo(buf[:])]
	h, err := decodeHeader(b, data.Len()-headerBytes)
	if err == nil && h.Type != frameHello {
		err = fmt.Errorf("the first frame is of type %d, not a hello", h.Type)
	}
	if err == nil && h.Length != helloBytes {
		err = fmt.Errorf("hello of %d bytes, not %d", h.Length, helloBytes)
	}
	if err == nil {
		g.hello, err = decodeHello(b[headerBytes:])
	}
	g.err = err
	return err
}
