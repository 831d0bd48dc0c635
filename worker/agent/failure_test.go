package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"cleave/kernels"
	"cleave/proto/jobpb"
	"cleave/proto/programpb"
	"cleave/worker/exchange"
)

func TestFailuresAreReported(t *testing.T) {
	sections := func(l *jobpb.Load) []*programpb.Section { return l.Program.Sections }
	for name, c := range map[string]struct {
		damage func(l *jobpb.Load)
		want   string
	}{
		"data": {func(l *jobpb.Load) { l.Data = "nothing:1" }, "nothing"},
		"other data": {func(l *jobpb.Load) { l.Contents = &jobpb.Contents{TrainImages: 1, TestImages: 2} },
			"1 and 2 where the coordinator is; every worker needs the same files"},
		"no program":   {func(l *jobpb.Load) { l.Program = nil }, "load program: there is none"},
		"rank":         {func(l *jobpb.Load) { l.Program.Rank = 9 }, "rank 9"},
		"memory limit": {func(l *jobpb.Load) { l.Program.ArenaBytes = 3 << 20 }, "the program takes 3.0 MiB, 2.0 MiB more than the memory limit of 1.0 MiB"},
		"kernel":       {func(l *jobpb.Load) { sections(l)[0].Instructions[0].GetRun().Kernel.Code = "lrn" }, `section "init", instruction 0 (lrn mine 1x1x1x1)`},
		"no section": {func(l *jobpb.Load) {
			sections(l)[2].Name = "downdate"
			l.Program.Inputs[4].Section = "downdate"
			l.Program.Outputs = nil
		}, `no section "update"`},
		"input":      {func(l *jobpb.Load) { l.Program.Inputs[4].Name = "pace" }, `section "update", input "pace": this worker does not know what it is`},
		"input type": {func(l *jobpb.Load) { l.Program.Inputs[0].Buffer = bufTheirs }, `input "image": the program wants 1x1x1x1, the data has 1x1x4x4`},
		"image size": {func(l *jobpb.Load) { l.Data = "random:8x8x1,3" }, "the program wants 2x1x4x4, the data has 2x1x8x8"},
		"batch":      {func(l *jobpb.Load) { l.Batch = 2 }, "samples 1:3 of a batch of 2"},
		"image in update": {func(l *jobpb.Load) { l.Program.Inputs[0].Section = "update" },
			`section "update", input "image": there are no images in this section`},
	} {
		t.Run(name, func(t *testing.T) {
			address := serve(t, "", func(k *call) error {
				r, err := k.welcome()
				if err != nil {
					return err
				}
				l := testLoad(0, r.Address)
				c.damage(l)
				k.send(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Load{Load: l}})
				f, err := k.failed()
				if err == nil && (!strings.Contains(f.Message, c.want) || f.Peer != nil) {
					err = fmt.Errorf("last word %v, want %s", f, c.want)
				}
				return err
			})
			conf, _ := testConfig(address, &fakeBackend{})
			if err := live(t, t.Context(), conf); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestMessagesOutOfTurn(t *testing.T) {
	step := &jobpb.ToWorker{Kind: &jobpb.ToWorker_Step{Step: &jobpb.Step{Number: 1}}}
	for name, c := range map[string]struct {
		say  func(c *call) error
		want string
	}{
		"step before load": {meet(func(c *call) error { c.send(step); return nil }), "before it sent a Load"},
		"eval before load": {meet(func(c *call) error {
			c.send(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Evaluate{Evaluate: &jobpb.Evaluate{}}})
			return nil
		}), "before it sent a Load"},
		"second welcome": {meet(func(c *call) error {
			c.send(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Welcome{Welcome: &jobpb.Welcome{}}})
			return nil
		}), "which is not for now"},
		"second load": {func(c *call) error {
			if err := c.load(nil); err != nil {
				return err
			}
			c.send(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Load{Load: testLoad(0, "x")}})
			return nil
		}, "a second Load"},
		"a batch that is not there": {func(c *call) error {
			if err := c.load(nil); err != nil {
				return err
			}
			c.send(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Step{Step: &jobpb.Step{Number: 1, Batch: 99}}})
			return nil
		}, "step 1: training batch 99 of 2"},
	} {
		t.Run(name, func(t *testing.T) {
			address := serve(t, "", func(k *call) error {
				if err := c.say(k); err != nil {
					return err
				}
				f, err := k.failed()
				if err == nil && !strings.Contains(f.Message, c.want) {
					err = fmt.Errorf("last word %v, want %s", f, c.want)
				}
				return err
			})
			conf, _ := testConfig(address, &fakeBackend{})
			if err := live(t, t.Context(), conf); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestTooManyMessagesAhead(t *testing.T) {
	hold := make(chan struct{})
	address := serve(t, "", func(c *call) error {
		if err := c.load(nil); err != nil {
			return err
		}
		for i := range uint64(2 * inboxSize) {
			c.send(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Step{Step: &jobpb.Step{Number: i + 1}}})
		}
		time.Sleep(20 * testTiming.beat)
		close(hold)
		return c.leave()
	})
	launches := 0
	conf, _ := testConfig(address, &fakeBackend{seen: func(kernels.Code, []byte) {
		if launches++; launches > 2 { // not in init
			<-hold
		}
	}})
	if err := live(t, t.Context(), conf); err == nil || !strings.Contains(err.Error(), "messages ahead") {
		t.Errorf("got %v", err)
	}
}

func TestPeerIsLost(t *testing.T) {
	leave := errors.New("the user left")
	ctx, cancel := context.WithCancelCause(t.Context())
	addresses := [2]chan string{make(chan string, 2), make(chan string, 2)}
	script := func(rank int) func(c *call) error {
		return func(c *call) error {
			r, err := c.welcome()
			if err != nil {
				return err
			}
			addresses[0] <- r.Address // one for each rank, in any order
			addresses[1] <- r.Address
			return c.playTwo(rank, r.Address, addresses[rank], func() { cancel(leave) })
		}
	}
	var errs [2]chan error
	for rank := range 2 {
		errs[rank] = make(chan error, 1)
		address := serve(t, "", script(rank))
		conf, _ := testConfig(address, &fakeBackend{})
		within := t.Context()
		if rank == 1 {
			within = ctx
		}
		go func() { errs[rank] <- Run(within, conf) }()
	}
	var peer *exchange.PeerError
	if err := <-errs[0]; !errors.As(err, &peer) || peer.Rank != 1 {
		t.Errorf("rank 0: %v", err)
	}
	if err := <-errs[1]; !errors.Is(err, leave) {
		t.Errorf("rank 1: %v", err)
	}
}

// playTwo is the coordinator of one rank of two: one step together, then rank 0 alone.
func (c *call) playTwo(rank int, own string, addresses <-chan string, leave func()) error {
	a, b := <-addresses, <-addresses
	peers := []string{a, b}
	if peers[rank] != own {
		peers = []string{b, a}
	}
	l := testLoad(uint32(rank), peers...)
	c.send(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Load{Load: l}})
	if m, err := c.next(); err != nil || m.GetLoaded() == nil {
		return fmt.Errorf("after Load came %v, %v", m, err)
	}
	c.send(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Step{Step: &jobpb.Step{Number: 1}}})
	m, err := c.next()
	if err != nil {
		return err
	}
	if d := m.GetStepDone().GetMeasures(); d.GetLoss() != 2 || d.GetReceivedBytes() != 4 {
		return fmt.Errorf("step 1: %v", m)
	}
	if rank == 1 {
		leave()
		f, err := c.failed()
		if err == nil && f.Peer != nil {
			err = fmt.Errorf("last word %v", f)
		}
		return err
	}
	c.send(&jobpb.ToWorker{Kind: &jobpb.ToWorker_Step{Step: &jobpb.Step{Number: 2, Batch: 1}}})
	f, err := c.failed()
	if err == nil && (f.Peer == nil || *f.Peer != 1 || f.Step != 2) {
		err = fmt.Errorf("last word %v", f)
	}
	return err
}

func TestLocalFaultsComeFirst(t *testing.T) {
	c, _ := testConfig("127.0.0.1:1", &fakeBackend{})
	c.Open = func() (kernels.Backend, error) { return nil, errors.New("it is not there") }
	if err := live(t, t.Context(), c); err == nil || err.Error() != "open device fake: it is not there" {
		t.Errorf("device: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, _ = testConfig("127.0.0.1:1", &fakeBackend{})
	c.Listen = l.Addr().String()
	if err := live(t, t.Context(), c); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("port in use: %v", err)
	}
	c, _ = testConfig("127.0.0.1:1", &fakeBackend{})
	c.Listen = "0.0.0.0:0"
	if err := live(t, t.Context(), c); err == nil || !strings.Contains(err.Error(), "--advertise") {
		t.Errorf("unspecified address: %v", err)
	}
}

func TestFits(t *testing.T) {
	if err := fits(5<<30, 0, 4<<30); err == nil || err.Error() != "the program takes 5.0 GiB, 1.0 GiB more than the device's memory of 4.0 GiB" {
		t.Errorf("machine: %v", err)
	}
	if err := fits(5<<30, 0, 0); err != nil {
		t.Errorf("unknown machine: %v", err)
	}
}
