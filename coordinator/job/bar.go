package job

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// Bar shows a run as a progress bar on a terminal. Close must be called when the run is
// over, whether or not it has begun.
type Bar struct {
	out    io.Writer
	course Course
	begun  time.Time
	bar    *mpb.Bar

	mu       sync.Mutex    // held while the terminal is written
	progress *mpb.Progress // nil before Start and after Close
	refresh  chan any
	drawn    time.Time

	stepMu sync.Mutex // the bar reads step while mu is held
	step   StepReport
}

// redraw is the time between two pictures of the bar.
const redraw = 100 * time.Millisecond

// home begins what is drawn: where the terminal shows what is typed, as ^C, the cursor has
// moved to the right.
const home = "\r"

// NewBar returns a bar on the terminal out.
func NewBar(out io.Writer) *Bar { return &Bar{out: out} }

func (b *Bar) Start(r StartReport) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := fmt.Fprintln(b.out, startText(r)); err != nil {
		return err
	}
	b.course, b.begun = r.Course, time.Now()
	b.refresh = make(chan any)
	b.progress = mpb.New(mpb.WithOutput(b.out), mpb.WithWidth(24), mpb.WithManualRefresh(b.refresh))
	b.bar = b.progress.New(int64(r.Course.Steps), mpb.BarStyle().Lbound("▕").Filler("█").Tip("▌").Padding(" ").Rbound("▏"),
		mpb.PrependDecorators(decor.Any(b.left)),
		mpb.AppendDecorators(decor.Percentage(), decor.Any(b.right), decor.Any(b.timeLeft)),
	)
	b.drawLocked()
	return nil
}

func (b *Bar) left(decor.Statistics) string {
	return fmt.Sprintf(home+"step %d/%d ", b.latest().Step, b.course.Steps)
}

func (b *Bar) right(decor.Statistics) string {
	s := b.latest()
	if s.Step == 0 {
		return ""
	}
	return fmt.Sprintf("  loss %.4f  %.1f %%  %s images/s  ⇄ %s", // fits beside a small bar in 80 columns
		s.Loss, 100*s.Top1, rateText(s.ImagesPerSecond()), humanize.IBytes(s.Received))
}

// timeLeft goes by the time that the steps have taken so far; before the first there is
// nothing to go by.
func (b *Bar) timeLeft(decor.Statistics) string {
	step := b.latest().Step
	if step == 0 {
		return ""
	}
	each := float64(time.Since(b.begun)) / float64(step)
	return fmt.Sprintf("  %v", time.Duration(each*float64(b.course.Steps-step)).Round(time.Second))
}

func (b *Bar) latest() StepReport {
	b.stepMu.Lock()
	defer b.stepMu.Unlock()
	return b.step
}

func (b *Bar) Step(r StepReport) error {
	b.stepMu.Lock()
	b.step = r
	b.stepMu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.progress != nil {
		b.bar.SetCurrent(int64(r.Step))
		if time.Since(b.drawn) >= redraw {
			b.drawLocked()
		}
	}
	return nil
}

// drawLocked draws the bar and what was written above it. The second request is taken
// only when the first has been handed on, so nothing written before is lost at the end.
func (b *Bar) drawLocked() {
	b.drawn = time.Now()
	b.refresh <- b.drawn
	b.refresh <- b.drawn
}

func (b *Bar) Eval(r EvalReport) error {
	_, err := fmt.Fprintln(b, evalText(r))
	return err
}

func (b *Bar) Done(r DoneReport) error {
	b.Close()
	_, err := fmt.Fprint(b.out, doneText(r))
	return err
}

// Close ends the bar; what it showed last stays on the terminal.
func (b *Bar) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.progress == nil {
		return
	}
	b.drawLocked()
	b.progress.Shutdown()
	b.progress = nil
}

// Write writes whole lines above the bar, from any goroutine.
func (b *Bar) Write(lines []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.progress == nil {
		return b.out.Write(lines)
	}
	_, err := b.progress.Write(append([]byte(home), lines...))
	b.drawLocked()
	return len(lines), err
}
