package job

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestRates(t *testing.T) {
	for _, c := range []struct {
		schedule, warmup string
		perEpoch, total  uint64
		want             map[uint64]float64 // by step, of a base of 0.8
	}{
		{"constant", "", 10, 100, map[uint64]float64{1: 0.8, 50: 0.8, 100: 0.8}},
		{"constant", "4", 10, 100, map[uint64]float64{1: 0.2, 2: 0.4, 3: 0.6, 4: 0.8, 5: 0.8}},
		{"constant", "2e", 10, 100, map[uint64]float64{1: 0.04, 10: 0.4, 20: 0.8, 21: 0.8}},
		{"constant", "100", 10, 100, map[uint64]float64{50: 0.4, 100: 0.8}},
		{"cosine", "", 10, 100, map[uint64]float64{1: 0.8, 26: 0.4 * (1 + math.Sqrt2/2), 51: 0.4, 76: 0.4 * (1 - math.Sqrt2/2), 100: 0.4 * (1 + math.Cos(0.99*math.Pi))}},
		{"cosine", "20", 10, 100, map[uint64]float64{10: 0.4, 20: 0.8, 21: 0.8, 61: 0.4}},
		{"step:0.1@30,60", "", 10, 100, map[uint64]float64{1: 0.8, 30: 0.8, 31: 0.08, 60: 0.08, 61: 0.008, 100: 0.008}},
		{"step:0.5@3e,6e,7e", "", 10, 100, map[uint64]float64{30: 0.8, 31: 0.4, 60: 0.4, 61: 0.2, 70: 0.2, 71: 0.1}},
		{"step:0.5@15,3e", "10", 10, 100, map[uint64]float64{5: 0.4, 10: 0.8, 15: 0.8, 16: 0.4, 31: 0.2}},
		{"step:0.1@1000", "", 10, 100, map[uint64]float64{100: 0.8}},
	} {
		t.Run(c.schedule+"/"+c.warmup, func(t *testing.T) {
			r, err := ParseRates(0.8, c.schedule, c.warmup)
			if err != nil {
				t.Fatal(err)
			}
			course, err := NewCourse(int(c.perEpoch)*4, 4, Length{Steps: c.total}, 0, r)
			if err != nil {
				t.Fatal(err)
			}
			for n, want := range c.want {
				if got := course.Rates.At(n); math.Abs(got-want) > 1e-12 {
					t.Errorf("step %d: rate %v, want %v", n, got, want)
				}
			}
		})
	}
}

func TestRatesRefused(t *testing.T) {
	for _, c := range []struct {
		base             float64
		schedule, warmup string
		want             string
	}{
		{math.NaN(), "constant", "", "finite number not below 0"},
		{math.Inf(1), "constant", "", "finite number"},
		{-1, "constant", "", "not -1"},
		{1, "linear", "", `unknown schedule "linear"`},
		{1, "cosine:3", "", `unknown schedule "cosine:3"`},
		{1, "", "", `unknown schedule ""`},
		{1, "step", "", "it has the form step:FACTOR@"},
		{1, "step:0.1", "", "it has the form step:FACTOR@"},
		{1, "step:@10", "", "the factor must be"},
		{1, "step:nan@10", "", "the factor must be"},
		{1, "step:0@10", "", "the factor must be"},
		{1, "step:-1@10", "", "the factor must be"},
		{1, "step:0.1@", "", `"" is no number of steps`},
		{1, "step:0.1@1,x", "", `"x" is no number of steps`},
		{1, "step:0.1@-1", "", `"-1" is no number of steps`},
		{1, "step:0.1@1.5e", "", `"1.5e" is no number`},
		{1, "step:0.1@0", "", "after step 0"},
		{1, "constant", "x", `warmup: "x"`},
		{1, "constant", "99999999999", "warmup:"},
	} {
		_, err := ParseRates(c.base, c.schedule, c.warmup)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v %q %q: error %v, want %q", c.base, c.schedule, c.warmup, err, c.want)
		}
	}
	_, err := ParseRates(math.NaN(), "linear", "x")
	if n := strings.Count(fmt.Sprint(err), "\n"); n != 2 {
		t.Errorf("three faults make %d lines: %v", n+1, err)
	}
}

func TestCourse(t *testing.T) {
	rates, err := ParseRates(1, "constant", "")
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewCourse(50, 8, Length{Epochs: 3}, 0, rates) // 6 whole batches, 2 images dropped
	if err != nil {
		t.Fatal(err)
	}
	if c.Steps != 18 || c.PerEpoch != 6 || c.EvalEvery != 6 || c.Epochs() != 3 {
		t.Errorf("%+v", c)
	}
	for n, want := range map[uint64]Step{
		1: {1, 0, 0, 1}, 6: {6, 0, 5, 1}, 7: {7, 1, 0, 1}, 18: {18, 2, 5, 1},
	} {
		if got := c.Step(n); got != want {
			t.Errorf("step %d: %+v, want %+v", n, got, want)
		}
	}
	for n, want := range map[uint64]bool{0: false, 1: false, 6: true, 7: false, 18: true} {
		if c.Evaluates(n) != want {
			t.Errorf("step %d evaluates: %v", n, !want)
		}
	}
	if c, err = NewCourse(50, 8, Length{Steps: 7}, 0, rates); err != nil || c.EvalEvery != 0 || c.Epochs() != 2 {
		t.Errorf("a run by steps: %+v %v", c, err)
	}
	if c, err = NewCourse(50, 8, Length{Epochs: 2}, 5, rates); err != nil || c.EvalEvery != 5 {
		t.Errorf("a run by epochs with its own evaluations: %+v %v", c, err)
	}
	if c, err = NewCourse(8, 8, Length{Steps: 3}, 0, rates); err != nil || c.PerEpoch != 1 || c.Step(3) != (Step{3, 2, 0, 1}) {
		t.Errorf("an epoch of one batch: %+v %v", c, err)
	}
}

func TestCourseRefused(t *testing.T) {
	for _, c := range []struct {
		images, batch int
		length        Length
		schedule      string
		warmup        string
		want          string
	}{
		{0, 8, Length{Epochs: 1}, "constant", "", "empty"},
		{50, 0, Length{Epochs: 1}, "constant", "", "at least 1"},
		{50, 51, Length{Epochs: 1}, "constant", "", "batch 51 is larger than the training set of 50 images"},
		{50, 5, Length{}, "constant", "", "one of them"},
		{50, 5, Length{1, 1}, "constant", "", "one of them"},
		{50, 5, Length{Epochs: math.MaxUint64}, "constant", "", "too many"},
		{50, 5, Length{Steps: math.MaxUint64}, "constant", "", "too many"},
		{50, 5, Length{Steps: 10}, "constant", "11", "longer than the run"},
		{50, 5, Length{Steps: 10}, "step:0.1@5,4", "", "must rise"},
		{50, 5, Length{Steps: 10}, "step:0.1@2e,11", "", "must rise"},
	} {
		r, err := ParseRates(1, c.schedule, c.warmup)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = NewCourse(c.images, c.batch, c.length, 0, r); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want %q", c, err, c.want)
		}
	}
}
