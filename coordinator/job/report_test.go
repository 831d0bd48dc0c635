package job

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// golden compares got with testdata/name, or writes it with -update.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is now\n%s\nnot\n%s", file, got, want)
	}
}

// tell reports a run of 40 steps; tick is called before each.
func tell(t *testing.T, r Reporter, tick func(), end error) {
	t.Helper()
	rates, err := ParseRates(0.02, "constant", "")
	if err != nil {
		t.Fatal(err)
	}
	course, err := NewCourse(20*64, 64, Length{Epochs: 2}, 0, rates)
	if err != nil {
		t.Fatal(err)
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(r.Start(StartReport{Model: "alexnet-mini", Policy: "alexnet2012", Workers: []string{"worker-0", "worker-1"},
		Course: course, Batch: 64, Arenas: []int64{12_345_678, 12_345_680}}))
	var last StepReport
	var eval *EvalReport
	for n := uint64(1); n <= course.Steps; n++ {
		tick()
		s := course.Step(n)
		last = StepReport{Step: n, Epoch: s.Epoch + 1, Loss: float32(2.302585092994 / float64(n)), Top1: float64(n) / 64, Rate: s.Rate,
			GradNorm: math.Sqrt2 * float64(n), Images: 64, Time: 20 * time.Millisecond, Received: 1 << 20, Wait: 1500 * time.Microsecond}
		if n == 1 {
			last.Tensors = []TensorNorm{{"conv1.bias", 0.25}, {"conv1.weight", 1.0 / 3}}
		}
		check(r.Step(last))
		if course.Evaluates(n) {
			tick()
			eval = &EvalReport{Step: n, Epoch: last.Epoch, Loss: 1 / float64(n), Top1: 0.875, Top5: 0.99609375, Images: 1024}
			check(r.Eval(*eval))
		}
		if end != nil && n == 7 {
			break
		}
	}
	check(r.Done(DoneReport{Err: end, Step: last.Step, Epoch: last.Epoch, Time: 2 * time.Second, TrainTime: 1600 * time.Millisecond,
		Images: 64 * int(last.Step), Received: last.Step << 20, Loss: last.Loss, Eval: eval, Arenas: []int64{12_345_678, 12_345_680}}))
}

func TestMetricsGolden(t *testing.T) {
	var out bytes.Buffer
	tell(t, NewMetrics(&out), func() {}, nil)
	tell(t, NewMetrics(&out), func() {}, &Interrupted{7, 40})
	tell(t, NewMetrics(&out), func() {}, errors.New("worker-1 is lost"))
	golden(t, "metrics.jsonl", out.Bytes())
	for line := range strings.Lines(out.String()) {
		var x map[string]any
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestMetricsNumbers(t *testing.T) {
	for _, c := range []struct {
		n    number
		want string
	}{
		{loss(float64(float32(0.1))), "0.100000001"},
		{loss(float64(float32(2.3025851))), "2.30258512"},
		{loss(1e-7), "1e-07"},
		{loss(math.NaN()), "null"},
		{loss(math.Inf(-1)), "null"},
		{exact32(0.1), "0.1"},
		{digits(2.0 / 3), "0.666667"},
	} {
		b, err := json.Marshal(c.n)
		if err != nil || string(b) != c.want {
			t.Errorf("%+v: %s %v, want %s", c.n, b, err, c.want)
		}
	}
}

// TestMetricsKeepFloat32 reads back every loss as it was.
func TestMetricsKeepFloat32(t *testing.T) {
	for i := range 100_000 {
		f := math.Float32frombits(uint32(i) * 42_949)
		if f != f || math.IsInf(float64(f), 0) {
			continue
		}
		b, err := json.Marshal(loss(float64(f)))
		if err != nil {
			t.Fatal(err)
		}
		var back float64
		if err := json.Unmarshal(b, &back); err != nil || float32(back) != f {
			t.Fatalf("%v: %s reads as %v, %v", f, b, back, err)
		}
	}
}

func TestArenasText(t *testing.T) {
	for want, arenas := range map[string][]int64{
		"2.0 KiB":            {2048, 2048, 2049},
		"1.0 KiB, 2.0 KiB":   {1024, 1024, 2048},
		"1.0 KiB to 5.0 KiB": {2048, 1024, 3072, 5120, 4096},
	} {
		if got := arenasText(arenas); got != want {
			t.Errorf("%v: %q, want %q", arenas, got, want)
		}
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestMetricsError(t *testing.T) {
	if err := NewMetrics(brokenWriter{}).Step(StepReport{}); err == nil || err.Error() != "write the metrics: no space left" {
		t.Error(err)
	}
}

func TestLinesGolden(t *testing.T) {
	var out bytes.Buffer
	for _, every := range []time.Duration{2 * time.Second, -1} {
		l := NewLines(&out, every)
		now := time.Unix(0, 0)
		l.now = func() time.Time { return now }
		tell(t, l, func() { now = now.Add(300 * time.Millisecond) }, nil)
	}
	golden(t, "lines.txt", out.Bytes())
}

func TestBar(t *testing.T) {
	var out bytes.Buffer
	b := NewBar(&out)
	if _, err := b.Write([]byte("before\n")); err != nil {
		t.Error(err)
	}
	tell(t, b, func() {}, nil)
	b.Close()
	for _, line := range []string{"step ", "evaluation after step 20"} { // may follow a ^C
		if !strings.Contains(out.String(), "\r"+line) {
			t.Errorf("%q does not begin at the line's beginning in:\n%q", line, out.String())
		}
	}
	if _, err := b.Write([]byte("after\n")); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"before\n", "training alexnet-mini", "evaluation after step 20", "40 steps in 2s: 1600 images/s", "after\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, out.String())
		}
	}
	NewBar(&out).Close() // never begun
}
