package job

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// Lines shows a run as plain lines: for outputs that are no terminal.
type Lines struct {
	w     io.Writer
	every time.Duration // between the lines of steps; below 0: no lines of steps
	now   func() time.Time

	start StartReport
	shown time.Time
}

// NewLines returns a reporter that writes a line for the first and the last step and, in
// between, one at most every so often; a negative duration: no lines of steps at all.
func NewLines(w io.Writer, every time.Duration) *Lines {
	return &Lines{w: w, every: every, now: time.Now}
}

func (l *Lines) Start(r StartReport) error {
	l.start = r
	_, err := fmt.Fprintln(l.w, startText(r))
	return err
}

func (l *Lines) Step(r StepReport) error {
	now := l.now()
	last := r.Step == l.start.Course.Steps
	if l.every < 0 || r.Step > 1 && !last && now.Sub(l.shown) < l.every {
		return nil
	}
	l.shown = now
	_, err := fmt.Fprintf(l.w, "step %d/%d  epoch %d/%d  %s\n", r.Step, l.start.Course.Steps, r.Epoch, l.start.Course.Epochs(), stepText(r))
	return err
}

func (l *Lines) Eval(r EvalReport) error {
	_, err := fmt.Fprintln(l.w, evalText(r))
	return err
}

func (l *Lines) Done(r DoneReport) error {
	_, err := fmt.Fprint(l.w, doneText(r))
	return err
}

func startText(r StartReport) string {
	workers := plural(len(r.Workers), "worker")
	if len(r.Workers) > 1 {
		workers += ", policy " + r.Policy
	}
	steps := plural(r.Course.Steps, "step") + " of " + plural(r.Batch, "image")
	return fmt.Sprintf("training %s on %s: %s, %s a worker", r.Model, workers, steps, arenasText(r.Arenas))
}

func plural[T int | uint64](n T, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// arenasText says what the workers need: one figure if they all need about the same, the
// least and the most of many.
func arenasText(arenas []int64) string {
	var parts []string
	for _, a := range arenas {
		s := humanize.IBytes(uint64(a))
		if len(parts) == 0 || parts[len(parts)-1] != s {
			parts = append(parts, s)
		}
	}
	if len(parts) > 3 {
		return humanize.IBytes(uint64(slices.Min(arenas))) + " to " + humanize.IBytes(uint64(slices.Max(arenas)))
	}
	return strings.Join(parts, ", ")
}

func stepText(r StepReport) string {
	return fmt.Sprintf("loss %.4f  top-1 %.1f %%  %s images/s  %s exchanged",
		r.Loss, 100*r.Top1, rateText(r.ImagesPerSecond()), humanize.IBytes(r.Received))
}

func rateText(perSecond float64) string {
	if perSecond < 100 {
		return fmt.Sprintf("%.1f", perSecond)
	}
	return fmt.Sprintf("%.0f", perSecond)
}

func evalText(r EvalReport) string {
	return fmt.Sprintf("evaluation after step %d: %.2f %% right, %.2f %% among the first five, loss %.4f, %d images",
		r.Step, 100*r.Top1, 100*r.Top5, r.Loss, r.Images)
}

// doneText is the summary at the end of a run that has finished; how another ended is
// the command's last line.
func doneText(r DoneReport) string {
	if r.Step == 0 {
		return ""
	}
	s := fmt.Sprintf("%s in %s: %s images/s, %s exchanged, last loss %.4f",
		plural(r.Step, "step"), roundTime(r.Time), rateText(r.ImagesPerSecond()), humanize.IBytes(r.Received), r.Loss)
	if r.Eval != nil && r.Eval.Step == r.Step {
		s += fmt.Sprintf(", %.2f %% of %d test images right", 100*r.Eval.Top1, r.Eval.Images)
	}
	return s + "\n"
}

func roundTime(d time.Duration) time.Duration {
	if d < time.Minute {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(time.Second)
}
