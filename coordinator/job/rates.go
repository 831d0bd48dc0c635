package job

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Rates is a schedule of learning rates. Parse reads one; NewCourse resolves its epochs
// into steps, and only then At may be called.
type Rates struct {
	Base   float64
	kind   kind
	factor float64 // stepped: at each drop
	drops  []moment
	warmup moment

	total  uint64   // resolved: steps of the run
	warm   uint64   // resolved
	downAt []uint64 // resolved: the rate drops after these steps
}

type kind uint8

const (
	constant kind = iota
	cosine
	stepped
)

// moment is a number of steps or of epochs.
type moment struct {
	n      uint64
	epochs bool
}

func (m moment) steps(perEpoch uint64) uint64 {
	if m.epochs {
		return m.n * perEpoch
	}
	return m.n
}

// ScheduleHelp describes the schedules that ParseRates reads, for flags.
const ScheduleHelp = "constant, cosine (from the rate down to 0 over the run), " +
	"or step:FACTOR@S1,S2,… (times FACTOR after each of the given steps; 30e is 30 epochs), such as step:0.1@30e,60e"

// ParseRates reads a schedule: "constant", "cosine" or "step:FACTOR@S1,S2,…", where each S
// is a number of steps, or of epochs with the suffix e, after which the rate is
// multiplied by FACTOR. warmup, a number of the same form or "", is how long the rate
// first rises in equal parts to base. All faults are joined into the error.
func ParseRates(base float64, schedule, warmup string) (Rates, error) {
	r := Rates{Base: base}
	var faults []error
	if !(base >= 0) || math.IsInf(base, 0) {
		faults = append(faults, fmt.Errorf("the learning rate must be a finite number not below 0, not %v", base))
	}
	name, rest, _ := strings.Cut(schedule, ":")
	switch {
	case schedule == "constant":
	case schedule == "cosine":
		r.kind = cosine
	case name == "step":
		r.kind = stepped
		if err := r.parseDrops(rest); err != nil {
			faults = append(faults, fmt.Errorf("schedule %q: %w", schedule, err))
		}
	default:
		faults = append(faults, fmt.Errorf("unknown schedule %q: it is %s", schedule, ScheduleHelp))
	}
	if warmup != "" {
		m, err := parseMoment(warmup)
		if err != nil {
			faults = append(faults, fmt.Errorf("warmup: %w", err))
		}
		r.warmup = m
	}
	return r, errors.Join(faults...)
}

func (r *Rates) parseDrops(s string) error {
	factor, list, ok := strings.Cut(s, "@")
	if !ok {
		return errors.New("it has the form step:FACTOR@S1,S2,…")
	}
	f, err := strconv.ParseFloat(factor, 64)
	if err != nil || !(f > 0) || math.IsInf(f, 0) {
		return fmt.Errorf("the factor must be a finite number above 0, not %q", factor)
	}
	r.factor = f
	for part := range strings.SplitSeq(list, ",") {
		m, err := parseMoment(part)
		if err != nil {
			return err
		}
		if m.n == 0 {
			return errors.New("the rate cannot drop after step 0: give a smaller rate")
		}
		r.drops = append(r.drops, m)
	}
	return nil
}

func parseMoment(s string) (moment, error) {
	digits, epochs := strings.CutSuffix(s, "e")
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil {
		return moment{}, fmt.Errorf("%q is no number of steps (100) or epochs (30e)", s)
	}
	return moment{n: n, epochs: epochs}, nil
}

// over resolves the schedule for a run.
func (r Rates) over(total, perEpoch uint64) (Rates, error) {
	r.total, r.warm, r.downAt = total, r.warmup.steps(perEpoch), nil
	if r.warm > total {
		return r, fmt.Errorf("a warmup of %d steps is longer than the run of %d", r.warm, total)
	}
	for _, m := range r.drops {
		r.downAt = append(r.downAt, m.steps(perEpoch))
	}
	if !slices.IsSorted(r.downAt) {
		return r, errors.New("the steps of a step schedule must rise")
	}
	return r, nil
}

// At returns the rate of step n, from 1.
func (r Rates) At(n uint64) float64 {
	if n <= r.warm {
		return r.Base * float64(n) / float64(r.warm)
	}
	switch r.kind {
	case cosine:
		return r.Base / 2 * (1 + math.Cos(math.Pi*float64(n-1-r.warm)/float64(r.total-r.warm)))
	case stepped:
		rate := r.Base
		for _, at := range r.downAt {
			if n > at {
				rate *= r.factor
			}
		}
		return rate
	}
	return r.Base
}
