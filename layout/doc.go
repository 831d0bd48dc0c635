// Package layout is the vocabulary that every floor of cleave shares: the shape of a
// tensor, a box of its elements, the home that says which box each rank keeps, and the
// work that says which part of an op a rank computes.
//
// Every tensor has four axes; tensors of fewer are padded with ones at the end. An
// activation is N×C×H×W, a convolution's filters K×(C/G)×R×S, a linear layer's weights
// K×C×1×1, a vector per channel C×1×1×1, a scalar 1×1×1×1. Shapes, spans and boxes are
// plain comparable values. All coordinates are global: box [0:8 48:96 0:27 0:27] of a
// tensor names the same elements on every rank.
package layout
