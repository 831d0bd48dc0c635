package choose

import "fmt"

func chooseNormalize(c *call) error {
	if err := c.same(0); err != nil {
		return err
	}
	tables := min(c.out.n[1], 4)
	var mean, inverse []Arg
	for ch, d := range c.d.Dev {
		if ch < tables && d == 0 {
			return fmt.Errorf("channel %d's deviation is 0", ch)
		}
		mean, inverse = append(mean, double(c.d.Mean[ch])), append(inverse, double(1/d))
	}
	w := channelwise(&c.out, &c.in[0])
	c.launch("normalize_u8_f32", line(w.total(), 16*threads), [3]int{threads, 1, 1}, 0, w.box(), w.view(0), w.view(1), num(tables), mean, inverse)
	return nil
}
