// Command coordinator plans how a net is split over workers and leads them in training
// it. Each command has a file of its own; what they do is in the packages below.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"cleave/coordinator/job"
	"cleave/worker/command"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// Exit statuses.
const (
	statusOK          = 0
	statusFailed      = 1
	statusUsage       = 2
	statusInterrupted = 130 // 128 + SIGINT, as shells have it
)

// run is the whole program: it takes a command line and returns the exit status. An error
// is one line on stderr for each fault.
func run(args []string, stdout, stderr io.Writer) int {
	a := &app{stdout: stdout, stderr: stderr, signals: notify}
	err := a.execute(context.Background(), args)
	if err == nil {
		return statusOK
	}
	who := "coordinator"
	var worker *workerError
	if errors.As(err, &worker) {
		who = "worker"
	}
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" {
			fmt.Fprintf(stderr, "%s: %s\n", who, line)
		}
	}
	if worker != nil {
		return command.Status(worker)
	}
	return status(err)
}

func status(err error) int {
	var interrupted *job.Interrupted
	var usage *usageError
	var worker *command.UsageError
	switch {
	case errors.As(err, &interrupted), errors.Is(err, job.ErrLeft):
		return statusInterrupted
	case errors.As(err, &usage), errors.As(err, &worker):
		return statusUsage
	}
	return statusFailed
}

// app is what the commands share.
type app struct {
	stdout, stderr io.Writer
	signals        func() (got <-chan os.Signal, stop func())
}

func notify() (<-chan os.Signal, func()) {
	c := make(chan os.Signal, 2) // two Ctrl-C are told apart
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	return c, func() { signal.Stop(c) }
}

func (a *app) execute(ctx context.Context, args []string) error {
	root := a.root()
	root.SetArgs(args)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	return root.ExecuteContext(ctx)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "coordinator",
		Short:         "Split a convolutional net over workers and train it",
		Args:          noArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &usageError{fmt.Sprintf("%s (see %s --help)", command.FlagFault(err), c.CommandPath())}
	})
	root.SetHelpCommand(helpCommand())
	root.AddCommand(a.trainCommand(), a.planCommand(), a.modelsCommand(), a.versionCommand(), a.workerCommand())
	return root
}

// helpCommand is cobra's, but for a command that does not exist it fails.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Help about any command",
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return noArgs(c.Root(), args)
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// usageError is a command line that cannot be meant.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// noArgs refuses arguments that are no flags, and commands that do not exist.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !c.HasParent() {
		var names []string
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() && sub.Name() != "help" {
				names = append(names, sub.Name())
			}
		}
		return &usageError{fmt.Sprintf("unknown command %q: it is one of %s", args[0], strings.Join(names, ", "))}
	}
	return &usageError{fmt.Sprintf("unexpected argument %q (see %s --help)", args[0], c.CommandPath())}
}

// usageFaults joins faults into one usageError, a line each; nil if there are none.
func usageFaults(faults []error) error {
	if err := errors.Join(faults...); err != nil {
		return &usageError{err.Error()}
	}
	return nil
}
