package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"cleave/coordinator/plan"
	"cleave/model/catalog"

	"github.com/dustin/go-humanize"
)

// parseSize reads a number of bytes such as 512MiB, 2GB or 1048576; "" is 0.
func parseSize(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	n, err := humanize.ParseBytes(s)
	if err != nil || n > math.MaxInt64 || strings.HasPrefix(s, "-") {
		return 0, fmt.Errorf("%q is no size in bytes (such as 512MiB, 2GB or 1048576)", s)
	}
	if n == 0 {
		return 0, fmt.Errorf("%q leaves no memory", s)
	}
	return int64(n), nil
}

func checkModel(name string) error {
	_, err := catalog.Default(name)
	return err
}

func checkPolicy(name string) error {
	if !slices.Contains(plan.Policies(), name) {
		return fmt.Errorf("unknown policy %q: it is one of %s", name, strings.Join(plan.Policies(), ", "))
	}
	return nil
}

// checkSplit refuses what no plan can be made for, whatever the net.
func checkSplit(policy string, workers, batch int) error {
	switch {
	case batch < 1:
		return fmt.Errorf("--batch must be at least 1, not %d", batch)
	case workers > maxWorkers:
		return fmt.Errorf("%d workers are too many: at most %d", workers, maxWorkers)
	case policy == "data" && batch < workers:
		return fmt.Errorf("--batch %d is smaller than the %d workers that policy data splits it over", batch, workers)
	}
	return nil
}

// maxWorkers bounds what a slip of the finger can start.
const maxWorkers = 1024
