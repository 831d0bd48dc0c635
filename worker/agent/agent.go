// Package agent is one rank's life: it finds the coordinator, registers, loads the Program
// that it is given, runs the steps and evaluations that it is asked for, and leaves.
//
// The coordinator's stream (session) is served by goroutines of its own, so that
// heartbeats go out and come in whatever the engine does. All else happens in one
// goroutine, under one context that ends when the user, the coordinator or the lost
// connection says so.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"cleave/kernels"
	"cleave/proto/jobpb"
	"cleave/worker/exchange"
)

// Config says who a worker is and where the coordinator is.
type Config struct {
	Coordinator string        // host:port
	Wait        time.Duration // how long to look for the coordinator
	Listen      string        // host:port for the other workers; port 0: any
	Advertise   string        // host[:port] by which they reach it; empty: as Listen; no port: the one listened on
	Name        string        // unique in the job
	Device      string        // for the coordinator, such as "cpu"
	Threads     int           // for the coordinator
	MemoryLimit uint64        // bytes that the Program's arena may take; 0: none
	Version     string        // of the build, for messages

	// Open opens the device. It is called before the coordinator is looked for.
	Open func() (kernels.Backend, error)
	Log  *slog.Logger

	timing timing // tests shorten it
}

// timing holds the durations of the conversation; the zero value is replaced.
type timing struct {
	beat   time.Duration // between heartbeats
	silent time.Duration // after which the coordinator is lost
	remind time.Duration // between lines while waiting
	retry  time.Duration // between attempts to reach the coordinator
	part   time.Duration // for the last word to be heard
}

var defaults = timing{
	beat:   500 * time.Millisecond,
	silent: 3 * time.Second,
	remind: 10 * time.Second,
	retry:  250 * time.Millisecond,
	part:   time.Second,
}

// RefusedError is the coordinator's answer to a worker that it does not take.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return "the coordinator refused this worker: " + e.Reason }

// StoppedError says that the coordinator has ended the job before its end.
type StoppedError struct{ Reason string }

func (e *StoppedError) Error() string { return "the coordinator stopped the job: " + e.Reason }

// LostError says that the coordinator is gone or silent.
type LostError struct {
	Address string
	Err     error
}

func (e *LostError) Error() string {
	return fmt.Sprintf("lost the coordinator at %s: %v", e.Address, e.Err)
}

func (e *LostError) Unwrap() error { return e.Err }

// Run lives one rank's life. It returns nil when the coordinator says that training is
// done; a RefusedError, a StoppedError, a LostError, an exchange.PeerError or what else
// went wrong; the cause of ctx when that ends.
func Run(ctx context.Context, c Config) error {
	if c.timing == (timing{}) {
		c.timing = defaults
	}
	backend, err := c.Open()
	if err != nil {
		return fmt.Errorf("open device %s: %w", c.Device, err)
	}
	defer backend.Close()
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen for other workers: %w", err)
	}
	defer listener.Close() // again, if the exchange has had it
	address, err := advertised(c.Advertise, listener.Addr())
	if err != nil {
		return err
	}
	way := &way{}
	conn, err := dial(&c, way)
	if err != nil {
		return err
	}
	defer conn.Close()
	s, workers, err := attend(ctx, &c, conn, way, &jobpb.Register{
		Protocol: jobpb.Protocol, Name: c.Name, Address: address, Device: c.Device,
		Threads: uint32(c.Threads), MemoryLimit: c.MemoryLimit, Version: c.Version,
	})
	if err != nil {
		return err
	}
	defer s.close()
	c.Log.Info("registered", "coordinator", c.Coordinator, "address", address, "workers", workers)

	r := &rank{config: &c, session: s, backend: backend, listener: listener}
	defer r.close()
	err = r.live(s.work)
	if cause := context.Cause(s.work); cause != nil {
		err = cause
	}
	return r.leave(err)
}

// leave says the last word, lets go of the peers and returns err.
func (r *rank) leave(err error) error {
	var (
		stopped *StoppedError
		lost    *LostError
	)
	switch {
	case errors.As(err, &lost):
		r.close()
		return err
	case err != nil && !errors.As(err, &stopped):
		r.session.send(&jobpb.FromWorker{Kind: &jobpb.FromWorker_Failed{Failed: r.lastWord(err)}})
	}
	r.close()
	r.session.part(r.config.timing.part)
	return err
}

// lastWord tells the coordinator why this rank leaves, and through whom.
func (r *rank) lastWord(err error) *jobpb.Failed {
	f := &jobpb.Failed{Message: err.Error(), Step: r.step}
	var peer *exchange.PeerError
	if errors.As(err, &peer) {
		p := uint32(peer.Rank)
		f.Peer = &p
	}
	return f
}

// advertised returns the address that other workers are told.
func advertised(wish string, listens net.Addr) (string, error) {
	tcp, ok := listens.(*net.TCPAddr)
	if !ok {
		return "", fmt.Errorf("listening on %v, which is no TCP address", listens)
	}
	port := fmt.Sprint(tcp.Port)
	if wish == "" {
		if tcp.IP.IsUnspecified() {
			return "", fmt.Errorf("listening on %v, which is no address that other workers can dial: say one with --advertise", listens)
		}
		return listens.String(), nil
	}
	host, p, err := net.SplitHostPort(wish)
	if err != nil {
		host, p = wish, "" // a host alone
	}
	if p == "" || p == "0" {
		p = port
	}
	return net.JoinHostPort(host, p), nil
}
