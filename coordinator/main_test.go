package main

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cleave/model/catalog"

	"go.uber.org/goleak"
)

// TestMain is a worker when train --local, under test, starts this executable as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	goleak.VerifyTestMain(m)
}

// call runs a command line.
func call(args ...string) (status int, stdout, stderr string) {
	var out, err bytes.Buffer
	status = run(args, &out, &err)
	return status, out.String(), err.String()
}

// TestBadInput wants one clear line for each fault, the status that goes with it, and
// nothing else.
func TestBadInput(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	short := filepath.Join(dir, "short")
	if err := os.Mkdir(short, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"data_batch_1.bin", "test_batch.bin"} {
		if err := os.WriteFile(filepath.Join(short, name), make([]byte, 3073+100), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()

	type row struct {
		args string // words
		want []string
		code int
	}
	rows := []row{
		{"trian", []string{`unknown command "trian": it is one of models, plan, train, version`}, 2},
		{"help trian", []string{`unknown command "trian": it is one of models, plan, train, version`}, 2},
		{"worker --bogus", []string{"unknown flag: --bogus (see worker --help)"}, 2},
		{"train extra", []string{`unexpected argument "extra"`}, 2},
		{"models extra", []string{`unexpected argument "extra"`}, 2},
		{"train --bacth 3", []string{"unknown flag: --bacth (see coordinator train --help)"}, 2},
		{"train --batch x", []string{`invalid argument "x" for --batch: invalid syntax (see coordinator train --help)`}, 2},
		{"train --steps -1", []string{`invalid argument "-1" for --steps`}, 2},
		{"models --format xml", []string{`unknown --format "xml": it is table or json`}, 2},

		{"train --model alexnett", []string{`unknown model "alexnett": nearest are alexnet`}, 2},
		{"train --policy magic", []string{`unknown policy "magic": it is one of alexnet2012, model, data`}, 2},
		{"train --data nothing", []string{`nothing`}, 1},
		{"train --data cifar10:" + filepath.Join(dir, "none"), []string{"there is no folder"}, 1},
		{"train --data cifar10:" + file, []string{"is a file, want the folder"}, 1},
		{"train --data cifar10:" + short, []string{"data_batch_1.bin"}, 1},
		{"train --data idx:" + short, []string{short}, 1},
		{"train --data random:0x0x0,0", []string{"random:0x0x0,0"}, 1},
		{"train --lr NaN", []string{"learning rate must be a finite number not below 0, not NaN"}, 2},
		{"train --lr +Inf", []string{"not +Inf"}, 2},
		{"train --lr -0.1", []string{"not -0.1"}, 2},
		{"train --momentum 1", []string{"--momentum must be from 0 to below 1, not 1"}, 2},
		{"train --momentum nan", []string{"--momentum must be from 0 to below 1, not NaN"}, 2},
		{"train --weight-decay -1", []string{"--weight-decay must be"}, 2},
		{"train --weight-decay inf", []string{"--weight-decay must be"}, 2},
		{"train --schedule zigzag", []string{`unknown schedule "zigzag"`}, 2},
		{"train --schedule step:2", []string{"step:FACTOR@S1,S2"}, 2},
		{"train --warmup soon", []string{`"soon" is no number of steps (100) or epochs (30e)`}, 2},
		{"train --steps 10 --warmup 11", []string{"a warmup of 11 steps is longer than the run of 10"}, 2},
		{"train --batch 0", []string{"--batch must be at least 1, not 0"}, 2},
		{"train --batch -5", []string{"--batch must be at least 1, not -5"}, 2},
		{"train --batch 3 --local 4 --policy data --model alexnet-cifar", []string{"--batch 3 is smaller than the 4 workers that policy data splits it over"}, 2},
		{"train --batch 101 --data patterns:n=100", []string{"batch 101 is larger than the training set of"}, 2},
		{"train --epochs 1 --steps 1", []string{"give --epochs or --steps, not both"}, 2},
		{"train --epochs 0", []string{"--epochs must be at least 1"}, 2},
		{"train --steps 0", []string{"--steps must be at least 1"}, 2},
		{"train --steps 99999999999", []string{"are too many"}, 2},
		{"train --eval-every 0", []string{"--eval-every must be at least 1"}, 2},
		{"train --groups 0", []string{"--groups must be at least 1"}, 2},
		{"train --groups 7", []string{"7"}, 1},
		{"train --metrics-tensors", []string{"--metrics-tensors needs --metrics FILE"}, 2},
		{"train --metrics " + filepath.Join(dir, "none", "m.jsonl"), []string{"--metrics: open"}, 1},
		{"train --wait 0s", []string{"--wait must be above 0"}, 2},
		{"train --memory-limit much", []string{`--memory-limit "much" is no size in bytes`}, 2},
		{"train --memory-limit 0", []string{`--memory-limit "0" leaves no memory`}, 2},
		{"train --memory-limit -1GiB", []string{`--memory-limit "-1GiB" is no size`}, 2},
		{"train --local 0", []string{"--local must be at least 1, not 0"}, 2},
		{"train --local 99999", []string{"99999 workers are too many"}, 2},
		{"train --threads 0", []string{"--threads must be at least 1, not 0"}, 2},
		{"train --device tpu", []string{`--device: unknown device "tpu": it is cpu, cuda or cuda:NUMBER`}, 2},
		{"train --local 3 --device cpu,cuda:1", []string{`--device: 2 devices for 3 workers: name one for all, or one for each`}, 2},
		{"train --advertise a:1", []string{"--advertise goes with --workers and --listen"}, 2},
		{"train --workers 2", []string{"--workers needs --listen HOST:PORT to wait on"}, 2},
		{"train --listen 127.0.0.1:0", []string{"--listen goes with --workers N"}, 2},
		{"train --workers 0 --listen 127.0.0.1:0", []string{"--workers must be at least 1, not 0"}, 2},
		{"train --workers 2 --listen 127.0.0.1", []string{`--listen "127.0.0.1" is no HOST:PORT`}, 2},
		{"train --workers 2 --listen 127.0.0.1:0 --local 2", []string{"give --local or --workers with --listen, not both"}, 2},
		{"train --workers 2 --listen 127.0.0.1:0 --threads 2", []string{"--threads is a flag of the worker"}, 2},
		{"train --workers 2 --listen " + taken.Addr().String(), []string{"address already in use"}, 1},
		{"train --workers 2 --listen 127.0.0.1:0 --wait 50ms", []string{"waited 50ms: 0 of 2 workers have come"}, 1},
		{"train --memory-limit 1KiB", []string{"worker-", ": batch 32 needs ", "its limit is 1.0 KiB: ", " missing"}, 1},
		{"train --lr NaN --batch 0 --policy magic", []string{"unknown policy", "\n", "--batch must be", "\n", "learning rate"}, 2},

		{"plan --model alexnett", []string{`unknown model "alexnett"`}, 2},
		{"plan --policy magic", []string{`unknown policy "magic"`}, 2},
		{"plan --workers 0", []string{"--workers must be at least 1"}, 2},
		{"plan --batch 0", []string{"--batch must be at least 1"}, 2},
		{"plan --batch 3 --workers 4 --policy data", []string{"smaller than the 4 workers"}, 2},
		{"plan --size 0", []string{"--size must be at least 1, not 0"}, 2},
		{"plan --classes 0", []string{"--classes must be at least 1, not 0"}, 2},
		{"plan --groups 0", []string{"--groups must be at least 1, not 0"}, 2},
		{"plan --format yaml", []string{`unknown --format "yaml"`}, 2},
		{"plan --data cifar10:" + short, []string{"data_batch_1.bin"}, 1},
		{"plan --model resnext29-2x4d --policy alexnet2012 --workers 64", []string{"alexnet2012"}, 1},
	}
	for _, r := range rows {
		t.Run(r.args, func(t *testing.T) {
			args := strings.Fields(r.args)
			if args[0] == "train" && !strings.Contains(r.args, "--data") {
				args = append(args, "--data", "patterns:n=64") // the default set takes longer to make
			}
			code, stdout, stderr := call(args...)
			if code != r.code {
				t.Errorf("status %d, want %d", code, r.code)
			}
			rest := stderr
			for _, w := range r.want {
				_, after, ok := strings.Cut(rest, w)
				if !ok {
					t.Errorf("%q is missing", w)
				}
				rest = after
			}
			lines := 0
			for line := range strings.Lines(stderr) {
				if strings.HasPrefix(line, "coordinator: ") {
					lines++
				} else if !strings.HasPrefix(line, "waiting for ") {
					t.Errorf("a line of something else: %q", line)
				}
			}
			if want := 1 + strings.Count(strings.Join(r.want, ""), "\n"); lines != want {
				t.Errorf("%d lines of faults, want %d", lines, want)
			}
			if strings.Contains(stderr, "goroutine ") || stdout != "" {
				t.Errorf("stdout %q", stdout)
			}
			if t.Failed() {
				t.Logf("stderr:\n%s", stderr)
			}
		})
	}
}

func TestModels(t *testing.T) {
	code, stdout, stderr := call("models", "--format", "json")
	if code != 0 || stderr != "" {
		t.Fatalf("status %d: %s", code, stderr)
	}
	var list []map[string]any
	if err := json.Unmarshal([]byte(stdout), &list); err != nil {
		t.Fatal(err)
	}
	want, err := catalog.List()
	if err != nil || len(list) != len(want) {
		t.Fatalf("%d models, want %d, %v", len(list), len(want), err)
	}
	for _, key := range []string{"name", "parameters", "macs", "groups", "input", "classes"} {
		if _, ok := list[0][key]; !ok || len(list[0]) != 6 {
			t.Errorf("a model is %v: %s is missing or others are too many", list[0], key)
		}
	}
	code, stdout, _ = call("models")
	for _, m := range want {
		if code != 0 || !strings.Contains(stdout, m.Name) {
			t.Errorf("%s is missing in the table", m.Name)
		}
	}
}

func TestVersion(t *testing.T) {
	code, stdout, _ := call("version")
	if code != 0 || !strings.HasPrefix(stdout, "cleave ") || !strings.Contains(stdout, "protocol 1,") {
		t.Errorf("status %d, %q", code, stdout)
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{nil, {"--help"}, {"help", "train"}, {"train", "--help"}} {
		code, stdout, stderr := call(args...)
		if code != 0 || stderr != "" || !strings.Contains(stdout, "Usage:") {
			t.Errorf("%v: status %d, stdout %q, stderr %q", args, code, stdout, stderr)
		}
	}
	_, stdout, _ := call("train", "--help")
	for _, flag := range []string{"--model", "--groups", "--data", "--batch", "--epochs", "--steps", "--lr", "--momentum", "--weight-decay", "--schedule", "--warmup",
		"--seed", "--policy", "--local", "--workers", "--listen", "--advertise", "--device", "--threads", "--memory-limit", "--eval-every", "--metrics",
		"--metrics-tensors", "--no-progress", "--wait", "step:FACTOR@S1,S2"} {
		if !strings.Contains(stdout, flag) {
			t.Errorf("train --help does not say %s", flag)
		}
	}
	if _, stdout, _ = call(); strings.Contains(stdout, "worker ") {
		t.Error("the hidden worker is not hidden")
	}
}
