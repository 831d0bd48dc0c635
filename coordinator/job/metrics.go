package job

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"
)

// Metrics writes what happens as one JSON object a line; docs/formats.md describes them.
// Each line is flushed, so that a run can be followed.
type Metrics struct {
	w *bufio.Writer
}

// NewMetrics returns a reporter that writes to w.
func NewMetrics(w io.Writer) *Metrics { return &Metrics{bufio.NewWriter(w)} }

// number is written with the given significant digits; JSON has no NaN or infinity, which
// become null.
type number struct {
	v      float64
	digits int // -1: as many as needed
	bits   int // of the float it came from
}

func (n number) MarshalJSON() ([]byte, error) {
	if math.IsNaN(n.v) || math.IsInf(n.v, 0) {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, n.v, 'g', n.digits, n.bits), nil
}

// loss keeps 9 digits, which tell any two float32 apart.
func loss(v float64) number { return number{v, 9, 64} }

func digits(v float64) number { return number{v, 6, 64} }

func exact32(v float32) number { return number{float64(v), -1, 32} }

func milliseconds(d time.Duration) number { return digits(d.Seconds() * 1e3) }

type stepLine struct {
	Event        string            `json:"event"`
	Step         uint64            `json:"step"`
	Epoch        uint64            `json:"epoch"`
	Loss         number            `json:"loss"`
	Top1         number            `json:"top1"`
	Rate         number            `json:"lr"`
	GradNorm     number            `json:"grad_norm"`
	ImagesPerS   number            `json:"images_per_s"`
	StepMS       number            `json:"step_ms"`
	Received     uint64            `json:"exchange_bytes"`
	ExchangeWait number            `json:"exchange_wait_ms"`
	Tensors      map[string]number `json:"gradient_norms,omitempty"`
}

type evalLine struct {
	Event  string `json:"event"`
	Step   uint64 `json:"step"`
	Epoch  uint64 `json:"epoch"`
	Loss   number `json:"loss"`
	Top1   number `json:"top1"`
	Top5   number `json:"top5"`
	Images int    `json:"images"`
}

type doneLine struct {
	Event      string  `json:"event"`
	Reason     string  `json:"reason"`
	Error      string  `json:"error,omitempty"`
	Step       uint64  `json:"step"`
	Epoch      uint64  `json:"epoch"`
	Seconds    number  `json:"seconds"`
	Images     int     `json:"images"`
	ImagesPerS number  `json:"images_per_s"`
	Loss       *number `json:"loss,omitempty"`
	Top1       *number `json:"top1,omitempty"`
	Top5       *number `json:"top5,omitempty"`
	Received   uint64  `json:"exchange_bytes"`
	Peaks      []int64 `json:"peak_bytes"`
}

// Start writes nothing: the stream has steps, evaluations and its end.
func (m *Metrics) Start(StartReport) error { return nil }

func (m *Metrics) Step(r StepReport) error {
	line := stepLine{
		Event: "step", Step: r.Step, Epoch: r.Epoch, Loss: loss(float64(r.Loss)), Top1: digits(r.Top1), Rate: exact32(r.Rate),
		GradNorm: loss(r.GradNorm), ImagesPerS: digits(r.ImagesPerSecond()), StepMS: milliseconds(r.Time),
		Received: r.Received, ExchangeWait: milliseconds(r.Wait),
	}
	if r.Tensors != nil {
		line.Tensors = map[string]number{}
		for _, t := range r.Tensors {
			line.Tensors[t.Name] = loss(t.Norm)
		}
	}
	return m.write(line)
}

func (m *Metrics) Eval(r EvalReport) error {
	return m.write(evalLine{Event: "eval", Step: r.Step, Epoch: r.Epoch, Loss: loss(r.Loss),
		Top1: digits(r.Top1), Top5: digits(r.Top5), Images: r.Images})
}

func (m *Metrics) Done(r DoneReport) error {
	line := doneLine{
		Event: "done", Reason: "finished", Step: r.Step, Epoch: r.Epoch, Seconds: digits(r.Time.Seconds()),
		Images: r.Images, ImagesPerS: digits(r.ImagesPerSecond()), Received: r.Received, Peaks: r.Arenas,
	}
	if r.Err != nil {
		line.Reason, line.Error = "failed", r.Err.Error()
		if i := (*Interrupted)(nil); errors.As(r.Err, &i) || errors.Is(r.Err, ErrLeft) {
			line.Reason = "interrupted"
		}
	}
	if r.Step > 0 {
		l := loss(float64(r.Loss))
		line.Loss = &l
	}
	if r.Eval != nil {
		top1, top5 := digits(r.Eval.Top1), digits(r.Eval.Top5)
		line.Top1, line.Top5 = &top1, &top5
	}
	return m.write(line)
}

func (m *Metrics) write(line any) error {
	b, err := json.Marshal(line)
	if err == nil {
		_, err = m.w.Write(append(b, '\n'))
	}
	if err == nil {
		err = m.w.Flush()
	}
	if err != nil {
		return fmt.Errorf("write the metrics: %w", err)
	}
	return nil
}
