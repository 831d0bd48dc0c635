package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"cleave/model/catalog"

	"github.com/spf13/cobra"
)

func (a *app) modelsCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "models",
		Short: "List the nets that can be trained",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			list, err := catalog.List()
			if err != nil {
				return err
			}
			if format == "json" {
				return writeJSON(a.stdout, list)
			}
			w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
			fmt.Fprintln(w, "model\tparameters\tmultiply-adds\tgroups\tinput\tclasses\t")
			for _, m := range list {
				fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%dx%dx%d\t%d\t\n", m.Name, m.Parameters, millions(m.MACs), m.Groups, m.Input[0], m.Input[1], m.Input[2], m.Classes)
			}
			fmt.Fprintln(w)
			if err := w.Flush(); err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.stdout, "resnext29-GxWd takes any G groups of W channels; the size of the images and the classes follow the data.")
			return err
		},
	}
	c.Flags().StringVar(&format, "format", "table", "table or json")
	return c
}

func checkFormat(format string) error {
	if format != "table" && format != "json" {
		return &usageError{fmt.Sprintf("unknown --format %q: it is table or json", format)}
	}
	return nil
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// millions writes multiply-adds.
func millions(n int64) string {
	if n == 0 {
		return "0"
	}
	return fmt.Sprintf("%.1f M", float64(n)/1e6)
}
