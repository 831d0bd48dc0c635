package exchange

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"cleave/layout"
)

// childEnv makes the test binary a rank of its own: "RANK ADDRESS-OF-THE-OTHER".
const childEnv = "CLEAVE_EXCHANGE_CHILD"

const childBytes = 2 << 20

// childMain exchanges for ever if this process is such a rank.
func childMain() bool {
	spec := os.Getenv(childEnv)
	if spec == "" {
		return false
	}
	var rank int
	var other string
	fmt.Sscan(spec, &rank, &other)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	peers := []string{other, other}
	g, err := NewGRPC(GRPCOptions{Rank: layout.Rank(rank), Job: 42, Listener: l, Peers: peers})
	if err != nil {
		panic(err)
	}
	defer g.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second) // lest it outlives the test
	defer cancel()
	if err := g.Open(ctx, slotsOf(one(childBytes), rank)); err != nil {
		panic(err)
	}
	for err == nil {
		err = swap(ctx, g, rank, make([]byte, childBytes), make([]byte, childBytes))
	}
	return true
}

// swap is one step of a job of one(...): a message each way.
func swap(ctx context.Context, x Transport, rank int, src, dst []byte) error {
	out, in := Tag(1), Tag(2)
	if rank == 1 {
		out, in = in, out
	}
	if err := x.Post(in, dst); err != nil {
		return err
	}
	if err := x.Send(out, src); err != nil {
		return err
	}
	if err := x.Sent(ctx, out); err != nil {
		return err
	}
	return x.Wait(ctx, in)
}

func TestPeerIsKilled(t *testing.T) {
	for _, rank := range []int{0, 1} { // of the victim: 0 dials, 1 answers
		t.Run(fmt.Sprintf("rank %d", rank), func(t *testing.T) {
			l := listen(t)
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s", childEnv, rank, l.Addr()))
			out, err := cmd.StdoutPipe()
			must(t, err, cmd.Start())
			defer cmd.Wait()
			defer cmd.Process.Kill()
			addr, err := bufio.NewReader(out).ReadString('\n')
			must(t, err)
			addr = strings.TrimSpace(addr)
			g, err := NewGRPC(GRPCOptions{Rank: layout.Rank(1 - rank), Job: 42, Listener: l, Peers: []string{addr, addr}})
			must(t, err)
			ctx := short(t, 20*time.Second)
			must(t, g.Open(ctx, slotsOf(one(childBytes), 1-rank)))
			src, dst := make([]byte, childBytes), make([]byte, childBytes)
			for range 5 {
				must(t, swap(ctx, g, 1-rank, src, dst))
			}
			killed := make(chan time.Time, 1)
			time.AfterFunc(10*time.Millisecond, func() {
				cmd.Process.Kill()
				killed <- time.Now()
			})
			for err == nil {
				err = swap(ctx, g, 1-rank, src, dst)
			}
			took := time.Since(<-killed)
			wantPeer(t, err, layout.Rank(rank))
			if took > time.Second {
				t.Errorf("noticed after %v", took)
			}
			t.Logf("noticed after %v: %v", took, err)
			closeAll(t, []Transport{g})
		})
	}
}
