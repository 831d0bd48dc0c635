package choose

import (
	"encoding/binary"
	"errors"
	"fmt"

	"cleave/kernels"
)

func chooseSGD(c *call) error {
	if err := c.same(0, 1, 2); err != nil {
		return err
	}
	if err := c.vectors(1, 3); err != nil {
		return err
	}
	w := c.elements(&c.in[0], &c.in[1], &c.in[2])
	name := w.run("sgd")
	c.launch(name, line(w.total(), threads), [3]int{threads, 1, 1}, 0,
		w.box(), w.view(0), w.view(1), w.view(2), w.view(3), c.in[3].ptr(), float(c.d.Mu), float(c.d.Decay))
	return nil
}

func chooseSumOfSquares(c *call) error {
	if err := c.result(1); err != nil {
		return err
	}
	x := &c.in[0]
	blocks := max(1, min(x.n.Volume()/16384, 1024))
	partials := at(c.scratch(8 * int64(blocks)))
	w := merged(x.inward(), x)
	name := w.run("sum_of_squares")
	c.launch(name, [3]int{blocks, 1, 1}, [3]int{threads, 1, 1}, 0, w.box(), w.view(0), partials)
	c.launch("sum_total_f32", [3]int{1, 1, 1}, [3]int{threads, 1, 1}, 0, partials, num(blocks), c.out.ptr())
	return nil
}

const (
	sgdChunk   = 1 << 16 // elements of a chunk
	chunkBytes = 32      // of a chunk's row in the table
)

// ErrApart says that steps cannot be made in one launch.
var ErrApart = errors.New("the steps cannot share a launch")

// SGDTable returns one launch that makes the steps of many parameters, and the bytes of the
// table that it reads from the device memory at table, 8 bytes aligned: a row for each chunk
// of a parameter with where w, m and g begin in the arena and the number of elements, 64 bits
// each. The steps must be in place, on boxes without gaps, and have Mu, Decay and the rate's
// operand in common, else the error is ErrApart. Results are those of the single steps, bit for bit.
func SGDTable(steps []kernels.Call, table Arg) ([]byte, Launch, error) {
	var rows []byte
	first := &call{}
	for i, s := range steps {
		c, err := newCall(s.Desc, s.Out, s.In)
		if err != nil {
			return nil, Launch{}, err
		}
		if err := c.choose(); err != nil {
			return nil, Launch{}, fmt.Errorf("cuda: %s: %w", s.Desc.Code, err)
		}
		if i == 0 {
			first = c
		}
		w, m, g, rate := &c.in[0], &c.in[1], &c.in[2], &c.in[3]
		if s.Desc.Code != kernels.SGD || c.d.Mu != first.d.Mu || c.d.Decay != first.d.Decay || rate.at != first.in[3].at ||
			c.out.at != w.at || c.out.st != w.st || !(w.dense() && m.dense() && g.dense()) {
			return nil, Launch{}, ErrApart
		}
		for n, at := w.n.Volume(), int64(0); at < int64(n); at += sgdChunk {
			for _, v := range []int64{w.at + 4*at, m.at + 4*at, g.at + 4*at, min(sgdChunk, int64(n)-at)} {
				rows = binary.LittleEndian.AppendUint64(rows, uint64(v))
			}
		}
	}
	if len(rows) == 0 {
		return nil, Launch{}, ErrApart
	}
	first.launches = nil
	first.launch("sgd_many_f32", [3]int{len(rows) / chunkBytes, 1, 1}, [3]int{threads, 1, 1}, 0,
		table, at(0), first.in[3].ptr(), float(first.d.Mu), float(first.d.Decay))
	return rows, first.launches[0], nil
}
