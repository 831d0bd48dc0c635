package program_test

import (
	"context"
	"encoding/binary"
	"math"
	"testing"

	"cleave/coordinator/program"
	"cleave/kernels/cpu"
	"cleave/layout"
	"cleave/proto/programpb"
	"cleave/worker/engine"
	"cleave/worker/exchange"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"
)

// TestEncodedProgramsRun sends bundles through their encoded form to the workers' engine,
// and wants bit for bit what the instructions themselves give.
func TestEncodedProgramsRun(t *testing.T) {
	for _, c := range []struct {
		net, policy string
		ranks       int
	}{{"alex", "alexnet2012", 2}, {"residual", "data", 3}, {"shuffled", "model", 2}} {
		t.Run(c.net, func(t *testing.T) {
			f := load(t, c.net)
			b := build(t, planned(t, f.train, c.policy, c.ranks), planned(t, f.eval, c.policy, c.ranks),
				program.Options{Seed: 5, Sizers: sizers(cpu.Sizer{Threads: 1}, c.ranks)})
			want, _ := runProgram(t, b, f.train, early)

			links := exchange.NewMemory(c.ranks)
			outputs := make([]map[string][]float32, c.ranks)
			var group errgroup.Group
			for r, p := range b.Programs {
				outputs[r] = map[string][]float32{}
				group.Go(func() error {
					defer links[r].Close()
					return steps(t, p, links[r], outputs[r])
				})
			}
			if err := group.Wait(); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"loss 1", "hits 1", "loss 2", "hits 2", "eval loss", "eval hits"} {
				found := false
				for r := range outputs {
					v, ok := outputs[r][name]
					if !ok {
						continue
					}
					found = true
					for i := range v {
						if float64(v[i]) != want.outputs[name][i] {
							t.Errorf("rank %d, %s: %v, want %v", r, name, v, want.outputs[name])
						}
					}
				}
				if !found {
					t.Errorf("no rank has %s", name)
				}
			}
		})
	}
}

// steps runs on one rank what runProgram runs on all.
func steps(t *testing.T, p *program.Program, link exchange.Transport, outputs map[string][]float32) error {
	wire, err := proto.Marshal(p.Encode())
	if err != nil {
		return err
	}
	var encoded programpb.Program
	if err := proto.Unmarshal(wire, &encoded); err != nil {
		return err
	}
	device := cpu.New(1)
	defer device.Close()
	e, err := engine.New(&encoded, device, link)
	if err != nil {
		return err
	}
	defer e.Close()
	ctx := t.Context()
	if err := e.Start(ctx); err != nil {
		return err
	}
	if err := e.Run(ctx, program.Init); err != nil {
		return err
	}
	evaluate := func() error {
		return step(ctx, e, 9, 9, outputs, program.Eval)
	}
	if err := evaluate(); err != nil {
		return err
	}
	for n := 1; n <= 2; n++ {
		if err := step(ctx, e, n, n, outputs, program.Accumulate, program.Update); err != nil {
			return err
		}
	}
	return evaluate()
}

func step(ctx context.Context, e *engine.Engine, data, number int, outputs map[string][]float32, sections ...string) error {
	for _, s := range sections {
		put(e, s, "image", 1, pixels(data))
		put(e, s, "labels", 4, classes(data))
		put(e, s, "step", 4, constant(float64(number)))
		putFloat(e, s, "seed", 1)
		putFloat(e, s, "rate", rate)
		if err := e.Run(ctx, s); err != nil {
			return err
		}
		for _, name := range []string{"loss", "hits"} {
			if v, ok := e.Output(s, name); ok {
				key := name + " " + string(rune('0'+number))
				if s == program.Eval {
					key = "eval " + name
				}
				outputs[key] = append([]float32(nil), v...)
			}
		}
	}
	return nil
}

// put fills an integer input of the given size an element.
func put(e *engine.Engine, section, name string, size int, value func(n, c, h, w int) float64) {
	buf, box, ok := e.Input(section, name)
	if !ok {
		return
	}
	i := 0
	each(box, func(n, c, h, w int) {
		v := int32(value(n, c, h, w))
		if size == 1 {
			buf[i] = byte(v)
		} else {
			binary.LittleEndian.PutUint32(buf[4*i:], uint32(v))
		}
		i++
	})
}

func putFloat(e *engine.Engine, section, name string, v float32) {
	if buf, box, ok := e.Input(section, name); ok && box.Shape() == (layout.Shape{1, 1, 1, 1}) {
		binary.LittleEndian.PutUint32(buf, math.Float32bits(v))
	}
}
