package data

import (
	"strings"
	"testing"
)

// TestSame tells sources apart that differ in one thing.
func TestSame(t *testing.T) {
	open := func(spec string, seed uint64) *Source {
		s, err := Open(spec, seed)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	base := open("patterns:n=100", 1)
	if err := open("patterns:n=100", 1).Same(base.Contents()); err != nil {
		t.Errorf("the same data: %v", err)
	}
	for _, c := range []struct {
		what string
		s    *Source
		want string
	}{
		{"fewer images", open("patterns:n=96", 1), `data "patterns:n=96": 96 training and 24 test images here, 100 and 25 where the coordinator is`},
		{"another seed", open("patterns:n=100", 2), "but other ones"},
		{"another size", open("patterns:n=100,size=16", 1), "but other ones"},
		{"other pixels", &Source{Train: base.Train, Test: base.Test, Mean: []float64{0.1, 0.2, 0.3}, Dev: base.Dev}, "but other ones"},
		{"no test images", &Source{Train: base.Train, Mean: base.Mean, Dev: base.Dev}, "100 training and 0 test images here"},
	} {
		if err := c.s.Same(base.Contents()); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}
