package command

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/pflag"

	"cleave/worker/agent"
)

// flags are the command's flags as they were given.
type flags struct {
	coordinator, listen, advertise string
	device, memoryLimit, name      string
	threads                        int
	wait                           time.Duration
	ignoreInterrupt                bool
}

const (
	defaultWait = 5 * time.Minute
	mostThreads = 4096
)

func (f *flags) register(s *pflag.FlagSet, devices Devices) {
	s.SortFlags = false
	s.StringVar(&f.coordinator, "coordinator", "", "`ADDR` of the coordinator, host:port")
	s.StringVar(&f.listen, "listen", "127.0.0.1:0", "`ADDR` to listen on for other workers, host:port; port 0: any that is free")
	s.StringVar(&f.advertise, "advertise", "", "`ADDR` by which other workers reach this one, host or host:port (default: the address listened on)")
	s.StringVar(&f.device, "device", "cpu", "`DEVICE` to compute on; this build has "+devices.String())
	s.IntVar(&f.threads, "threads", 0, "threads to compute with (default: one per processor)")
	s.StringVar(&f.memoryLimit, "memory-limit", "", "most memory that this worker's part of the net may take, a `SIZE` like 2GiB or 500MB (default: no limit)")
	s.StringVar(&f.name, "name", "", "`NAME` of this worker, unique in the job (default: host and process number)")
	s.DurationVar(&f.wait, "wait", defaultWait, "how long to look for the coordinator")
	s.BoolVar(&f.ignoreInterrupt, "ignore-interrupt", false, "leave interrupts to the coordinator that started this worker")
	if err := s.MarkHidden("ignore-interrupt"); err != nil {
		panic("command: there is no flag ignore-interrupt")
	}
}

// config checks the flags; the error is a UsageError with a line for each fault.
func (f *flags) config(devices Devices) (agent.Config, error) {
	c := agent.Config{
		Coordinator: f.coordinator, Wait: f.wait, Listen: f.listen, Advertise: f.advertise,
		Device: f.device, Threads: f.threads, Name: f.name,
	}
	var faults []string
	check := func(flag string, err error) {
		if err != nil {
			faults = append(faults, fmt.Sprintf("--%s: %v", flag, err))
		}
	}
	check("coordinator", checkCoordinator(f.coordinator))
	check("listen", checkListen(f.listen))
	check("advertise", checkAdvertise(f.advertise, f.listen))
	if c.Threads == 0 {
		c.Threads = runtime.GOMAXPROCS(0)
	}
	if c.Threads < 0 || c.Threads > mostThreads {
		check("threads", fmt.Errorf("%d is not between 1 and %d", c.Threads, mostThreads))
	}
	var err error
	c.Open, err = devices.opener(f.device, c.Threads)
	check("device", err)
	c.MemoryLimit, err = parseSize(f.memoryLimit)
	check("memory-limit", err)
	if c.Name == "" {
		c.Name = defaultName()
	}
	check("name", checkName(c.Name))
	if f.wait <= 0 {
		check("wait", fmt.Errorf("%v is not a time to wait", f.wait))
	}
	if len(faults) > 0 {
		return c, &UsageError{strings.Join(faults, "\n")}
	}
	return c, nil
}

// warnings says what the flags expose.
func (f *flags) warnings() []string {
	const exposed = " is not on this host alone: traffic is plain text, whoever is on the way can read and change it"
	var lines []string
	if !loopback(f.coordinator) {
		lines = append(lines, "--coordinator "+f.coordinator+exposed)
	}
	if !loopback(f.listen) {
		lines = append(lines, "--listen "+f.listen+exposed)
	}
	return lines
}

// parseSize reads a number of bytes; empty is 0, no limit.
func parseSize(s string) (uint64, error) {
	if s == "" {
		return 0, nil
	}
	n, err := humanize.ParseBytes(s)
	if err != nil {
		return 0, fmt.Errorf("%q is no size like 2GiB or 500MB", s)
	}
	if n == 0 {
		return 0, errors.New("nothing fits in 0 bytes")
	}
	return n, nil
}

const longestName = 64

// checkName refuses names that do not fit in one line of a message.
func checkName(s string) error {
	if len(s) > longestName {
		return fmt.Errorf("%.16q... is longer than %d bytes", s, longestName)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("%q has spaces or characters beyond plain letters, digits and signs", s)
	}
	return nil
}

// defaultName returns a name that no other worker has.
func defaultName() string {
	host, err := os.Hostname()
	if err != nil || checkName(host) != nil || len(host) > longestName-12 {
		host = "worker"
	}
	return fmt.Sprintf("%s-%d", host, os.Getpid())
}
