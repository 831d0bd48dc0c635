package cuda

import (
	"fmt"
	"strconv"

	"github.com/dustin/go-humanize"
)

// Info describes a GPU.
type Info struct {
	Index       int
	Name        string
	Capability  [2]int // compute capability, major and minor
	Free, Total int64  // bytes of memory
	Driver      [2]int // the CUDA version that the driver supports, major and minor
}

// String is a line for people.
func (i Info) String() string {
	return fmt.Sprintf("cuda:%d  %s  capability %d.%d  %s free of %s  driver for CUDA %d.%d",
		i.Index, i.Name, i.Capability[0], i.Capability[1],
		humanize.IBytes(uint64(i.Free)), humanize.IBytes(uint64(i.Total)), i.Driver[0], i.Driver[1])
}

// List describes this machine's GPUs, a line each.
func List() ([]string, error) {
	all, err := Devices()
	var lines []string
	for _, d := range all {
		lines = append(lines, d.String())
	}
	return lines, err
}

// Name returns the name of the GPU of that number; empty means 0.
func Name(unit string) (string, error) {
	all, err := Devices()
	if err != nil {
		return "", err
	}
	for _, d := range all {
		if unit == strconv.Itoa(d.Index) || unit == "" {
			return d.Name, nil
		}
	}
	return "", fmt.Errorf("there is no GPU %s", unit)
}
