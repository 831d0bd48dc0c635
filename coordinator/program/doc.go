// Package program turns a plan into the Programs that the workers run.
//
// Build walks the planned graph op by op. For each rank it asks what the rank's work needs
// of every input and takes away what the rank has; the rest is exchanged: posts, sends,
// local copies and waits between pairs of ranks. Summands are merged on one owner at once.
// Each op becomes kernel calls on the local parts of its operands. Then kernels are fused,
// the instructions of each section are put in an order that starts transfers early and
// waits late, and every buffer gets a place in the rank's arena.
//
// Everything here is pure: no clock, no network, no files. Validate proves what the rest
// promises, over all ranks together and without knowing how the Programs came about.
package program
