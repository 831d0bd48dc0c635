// Package command is the worker's command line. The program worker is made of it, and the
// coordinator has it as a hidden command, to start workers from its own executable.
package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cleave/proto/jobpb"
	"cleave/worker/agent"
)

// New returns the command `worker`. It prints log lines to the command's error output; its
// error, which Status turns into an exit status, is left to whoever executes it.
func New(devices Devices) *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "worker --coordinator ADDR",
		Short: "compute one part of a net for a coordinator",
		Long: "worker registers with a coordinator, is given its part of a net, and trains it together\n" +
			"with the other workers until the coordinator says that it is done. Start one per device.",
		Args:          noArgs,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.config(devices)
			if err != nil {
				return err
			}
			c.Version = version()
			c.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)).With("worker", c.Name)
			for _, line := range f.warnings() {
				c.Log.Warn(line)
			}
			ctx, end := context.WithCancelCause(cmd.Context())
			defer end(nil)
			defer f.onSignals(end)()
			return agent.Run(ctx, c)
		},
	}
	f.register(cmd.Flags(), devices)
	cmd.AddCommand(listCommand(devices))
	cmd.CompletionOptions.DisableDefaultCmd = true
	cmd.SetVersionTemplate(fmt.Sprintf("cleave {{.Version}}, protocol %d, %s %s/%s\n", jobpb.Protocol, runtime.Version(), runtime.GOOS, runtime.GOARCH))
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &UsageError{FlagFault(err) + " (see worker --help)"} })
	return cmd
}

func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &UsageError{fmt.Sprintf("unexpected argument %q (see worker --help)", args[0])}
	}
	return nil
}

// UsageError is a command line that cannot be meant; its text has a line for each fault.
type UsageError struct{ text string }

func (e *UsageError) Error() string { return e.text }

// FlagFault returns what is wrong with a flag, without the names of Go's functions.
func FlagFault(err error) string {
	var value *pflag.InvalidValueError
	if !errors.As(err, &value) {
		return err.Error()
	}
	why := value.Unwrap()
	var number *strconv.NumError
	if errors.As(why, &number) {
		why = number.Err
	}
	return fmt.Sprintf("invalid argument %q for --%s: %s", value.GetValue(), value.GetFlag().Name, strings.TrimPrefix(why.Error(), "time: "))
}

// SignalError says that a signal ended the worker.
type SignalError struct{ Signal os.Signal }

func (e *SignalError) Error() string { return "ended by a signal: " + e.Signal.String() }

// Status returns the exit status for the command's error: 0 for none, 2 for a UsageError,
// 128 and the signal's number for a SignalError (an interrupt: 130), else 1.
func Status(err error) int {
	var s *SignalError
	var usage *UsageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		return 2
	case errors.As(err, &s):
		if n, ok := s.Signal.(syscall.Signal); ok {
			return 128 + int(n)
		}
	}
	return 1
}

// onSignals calls end at the first signal that asks this process to leave; a second one
// ends the process as if nobody listened. The function that it returns undoes it.
func (f *flags) onSignals(end context.CancelCauseFunc) (undo func()) {
	come := make(chan os.Signal, 1) // the first is enough
	signals := []os.Signal{syscall.SIGTERM}
	if f.ignoreInterrupt {
		signal.Ignore(os.Interrupt)
	} else {
		signals = append(signals, os.Interrupt)
	}
	signal.Notify(come, signals...)
	over, left := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(left)
		select {
		case s := <-come:
			signal.Stop(come)
			end(&SignalError{s})
		case <-over:
		}
	}()
	return func() {
		signal.Stop(come)
		close(over)
		<-left
		if f.ignoreInterrupt {
			signal.Reset(os.Interrupt)
		}
	}
}

// version returns the version of this build, for people only.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
