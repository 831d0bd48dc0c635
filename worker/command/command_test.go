package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"go.uber.org/goleak"

	"cleave/kernels"
)

var testDevices = Devices{
	"cpu": {
		Open: Single(func(int) (kernels.Backend, error) { return nil, errors.New("the cpu is on fire") }),
		List: func() ([]string, error) { return []string{"cpu  burning"}, nil },
	},
	"tpu": {
		Open: func(unit string, threads int) (kernels.Backend, error) {
			return nil, fmt.Errorf("unit %s with %d threads", unit, threads)
		},
		List: func() ([]string, error) { return nil, errors.New("no driver was found") },
	},
}

// asWorker makes the test's own executable a worker, for what needs a process.
const asWorker = "CLEAVE_TEST_AS_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(asWorker) != "" {
		devices := Devices{"cpu": {Open: Single(func(int) (kernels.Backend, error) { return idle{}, nil })}}
		err := New(devices).Execute()
		if err != nil {
			fmt.Fprintln(os.Stderr, "worker:", err)
		}
		os.Exit(Status(err))
	}
	goleak.VerifyTestMain(m)
}

// idle is a device that is never used.
type idle struct{ kernels.Backend }

func (idle) Close() error { return nil }

func execute(args ...string) (log string, err error) {
	cmd := New(testDevices)
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(context.Background())
	return out.String(), err
}

func TestBadFlags(t *testing.T) {
	for _, c := range []struct {
		args string // after --coordinator
		want string
	}{
		{"", "--coordinator: say where the coordinator is: host:port"},
		{"localhost", `--coordinator: "localhost" is no host:port`},
		{"http://localhost:1", `--coordinator: "http://localhost:1" is no host:port`},
		{"localhost:port", `--coordinator: "localhost:port" has no port from 0 to 65535`},
		{"localhost:65536", `--coordinator: "localhost:65536" has no port from 0 to 65535`},
		{"localhost:0", `--coordinator: "localhost:0" has port 0, where nobody listens`},
		{":7000", `--coordinator: ":7000" names no host`},
		{"0.0.0.0:7000", `--coordinator: "0.0.0.0:7000" names no host`},
		{"a/b:7000", `--coordinator: "a/b" is no host`},
		{"h:1 --listen 7000", `--listen: "7000" is no host:port`},
		{"h:1 --listen 127.0.0.1:-1", `--listen: "127.0.0.1:-1" has no port from 0 to 65535`},
		{"h:1 --listen 0.0.0.0:7000", `--advertise: other workers cannot dial "0.0.0.0:7000": say by which address they reach this one`},
		{"h:1 --listen :7000", `--advertise: other workers cannot dial ":7000"`},
		{"h:1 --listen [::]:0", `--advertise: other workers cannot dial "[::]:0"`},
		{"h:1 --advertise 0.0.0.0", `--advertise: "0.0.0.0" names no host`},
		{"h:1 --advertise a:b:c", `--advertise: "a:b:c" is no host:port`},
		{"h:1 --device cuda:0", `--device: this build has no "cuda:0", it has cpu, tpu`},
		{"h:1 --device gpu", `--device: this build has no "gpu", it has cpu, tpu`},
		{"h:1 --threads -1", "--threads: -1 is not between 1 and 4096"},
		{"h:1 --threads 5000", "--threads: 5000 is not between 1 and 4096"},
		{"h:1 --threads two", `invalid argument "two" for --threads: invalid syntax (see worker --help)`},
		{"h:1 --memory-limit lots", `--memory-limit: "lots" is no size like 2GiB or 500MB`},
		{"h:1 --memory-limit -1GB", `--memory-limit: "-1GB" is no size like 2GiB or 500MB`},
		{"h:1 --memory-limit 0", "--memory-limit: nothing fits in 0 bytes"},
		{"h:1 --memory-limit 99999999EB", `--memory-limit: "99999999EB" is no size`},
		{"h:1 --name a\x00b", `--name: "a\x00b" has spaces or characters beyond`},
		{"h:1 --name " + strings.Repeat("a", 65), "is longer than 64 bytes"},
		{"h:1 --wait 0s", "--wait: 0s is not a time to wait"},
		{"h:1 --wait -5m", "--wait: -5m0s is not a time to wait"},
		{"h:1 --wait soon", `invalid argument "soon" for --wait: invalid duration "soon" (see worker --help)`},
		{"h:1 --colour red", "unknown flag: --colour"},
		{"h:1 again", `unexpected argument "again" (see worker --help)`},
		// More than one fault: a line each.
		{"h --threads -1 --device x", "--coordinator: \"h\" is no host:port\n--threads: -1 is not between 1 and 4096\n--device: this build has no \"x\""},
		// The device is opened before the coordinator is looked for.
		{"h:1", "open device cpu: the cpu is on fire"},
		{"h:1 --device cpu:1", `open device cpu:1: there is one only, it has no number "1"`},
		{"h:1 --device tpu:7 --threads 3", "open device tpu:7: unit 7 with 3 threads"},
		{"h:1 --listen [::1]:0 --advertise fd00::1", "the cpu is on fire"},
		{"h:1 --listen 0.0.0.0:0 --advertise node1:0", "the cpu is on fire"},
	} {
		args := append([]string{"--coordinator"}, strings.Split(c.args, " ")...)
		_, err := execute(args...)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q\n got %v\nwant %s", args, err, c.want)
			continue
		}
		if strings.Count(err.Error(), "\n") != strings.Count(c.want, "\n") {
			t.Errorf("%q: more than a line for each fault: %v", args, err)
		}
		want := 2
		if strings.Contains(c.want, "open device") || strings.Contains(c.want, "on fire") {
			want = 1
		}
		if Status(err) != want {
			t.Errorf("%q: status %d, want %d", args, Status(err), want)
		}
	}
	if _, err := execute(); err == nil || !strings.Contains(err.Error(), "say where the coordinator is") {
		t.Errorf("no flags: %v", err)
	}
}

func TestConfigFromFlags(t *testing.T) {
	cmd := New(testDevices)
	var f flags
	set := cmd.Flags()
	set.VisitAll(func(fl *pflag.Flag) {
		if fl.Usage == "" || fl.Name != "ignore-interrupt" && fl.Hidden {
			t.Errorf("--%s is not documented", fl.Name)
		}
	})
	f.register(pflag.NewFlagSet("worker", pflag.ContinueOnError), testDevices)
	f.coordinator, f.memoryLimit = "node:7000", "2GiB"
	c, err := f.config(testDevices)
	if err != nil {
		t.Fatal(err)
	}
	if c.Coordinator != "node:7000" || c.Listen != "127.0.0.1:0" || c.Advertise != "" || c.Device != "cpu" || c.Threads < 1 ||
		c.MemoryLimit != 2<<30 || c.Wait != 5*time.Minute || !strings.HasSuffix(c.Name, fmt.Sprint(-os.Getpid())) {
		t.Errorf("got %+v", c)
	}
}

func TestWarnings(t *testing.T) {
	for _, c := range []struct {
		coordinator, listen string
		want                int
	}{
		{"127.0.0.1:1", "127.0.0.1:0", 0},
		{"localhost:1", "[::1]:0", 0},
		{"10.0.0.1:1", "127.0.0.1:0", 1},
		{"node1:1", "0.0.0.0:0", 2},
		{"127.0.0.1:1", ":0", 1},
	} {
		f := flags{coordinator: c.coordinator, listen: c.listen}
		if got := f.warnings(); len(got) != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
	log, _ := execute("--coordinator", "10.0.0.1:7000")
	if !strings.Contains(log, "level=WARN") || !strings.Contains(log, "--coordinator 10.0.0.1:7000") || !strings.Contains(log, "plain text") {
		t.Errorf("log %q", log)
	}
}

// start starts this executable as a worker that looks for a coordinator in vain, and waits
// until it does.
func start(t *testing.T, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cmd := exec.Command(os.Args[0], append([]string{"--coordinator", l.Addr().String()}, args...)...)
	cmd.Env = append(os.Environ(), asWorker+"=1")
	var out bytes.Buffer
	cmd.Stderr = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	// It dials only after it listens to signals.
	if err := l.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatalf("the worker does not dial: %v", err)
	}
	conn.Close()
	return cmd, &out
}

func TestSignals(t *testing.T) {
	for name, c := range map[string]struct {
		args   []string
		signal syscall.Signal
		status int
	}{
		"interrupt": {nil, syscall.SIGINT, 130},
		"terminate": {nil, syscall.SIGTERM, 143},
	} {
		t.Run(name, func(t *testing.T) {
			cmd, out := start(t, c.args...)
			begin := time.Now()
			if err := cmd.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != c.status || !strings.Contains(out.String(), "worker: ended by a signal") {
				t.Errorf("status %d, want %d: %s", got, c.status, out)
			}
			if d := time.Since(begin); d > 3*time.Second {
				t.Errorf("it took %v to leave", d)
			}
		})
	}
}

func TestIgnoredInterrupt(t *testing.T) {
	cmd, out := start(t, "--ignore-interrupt")
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 143 {
		t.Errorf("status %d: %s", got, out)
	}
}

func TestVersion(t *testing.T) {
	out, err := execute("--version")
	if err != nil || !strings.HasPrefix(out, "cleave ") || !strings.Contains(out, ", protocol 1, go") || strings.Count(out, "\n") != 1 {
		t.Errorf("%q, %v", out, err)
	}
}

func TestStatus(t *testing.T) {
	for want, err := range map[int]error{0: nil, 1: errors.New("x"), 130: fmt.Errorf("wrapped: %w", &SignalError{syscall.SIGINT})} {
		if got := Status(err); got != want {
			t.Errorf("%v: status %d, want %d", err, got, want)
		}
	}
}

func TestDevices(t *testing.T) {
	out, err := execute("devices")
	if want := "cpu  burning\ntpu: none: no driver was found\n"; err != nil || out != want {
		t.Errorf("got %q, %v, want %q", out, err, want)
	}
	if _, err := execute("devices", "all"); Status(err) != 2 {
		t.Errorf("an argument too many: %v", err)
	}
}
