// Package plan decides where everything is: it reads a net's Gorgonia graph into a Graph
// of ops, and gives each tensor a home over the ranks and each op its work, under a
// policy. It is pure: the same graph, policy and number of ranks give the same Plan.
//
//	g, err := plan.Read(net, plan.Optimizer{Momentum: 0.9, Decay: 5e-4})
//	p, err := plan.New(g, "model", 2)
//
// A policy pins the homes and who computes. The forward pass runs at home. Where the
// input that an op sums over is cut along the summed axis, every rank sums its own span
// and the summands are merged at once: data gradients where filters are split, parameter
// gradients and batch statistics where the batch is. Package program turns a Plan into
// transfers and instructions.
package plan
