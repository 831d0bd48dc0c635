package resnext

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Specs returns the tables of the nets that are listed by name; CIFAR gives more.
func Specs() []Spec {
	return []Spec{
		imageNet("resnext50-32x4d", []int{3, 4, 6, 3}, 32, 4), // table 1
		imageNet("resnext101-32x4d", []int{3, 4, 23, 3}, 32, 4),
		imageNet("resnext101-32x8d", []int{3, 4, 23, 3}, 32, 8), // torchvision
		imageNet("resnext101-64x4d", []int{3, 4, 23, 3}, 64, 4), // table 4
		CIFAR(4, 16),
		CIFAR(32, 4),
		CIFAR(8, 64),  // table 7
		CIFAR(16, 64), // table 7
	}
}

// imageNet is table 1: four stages, of blocks that give 256, 512, 1024 and 2048 channels.
func imageNet(name string, blocks []int, groups, width int) Spec {
	return Spec{
		Name: name, Groups: groups, Width: width, Blocks: blocks, Stem: 64, Deep: true, Out: 256,
		ImageSize: 224, Channels: 3, Classes: 1000,
	}
}

// cifarPrefix begins the names of the nets that CIFAR gives.
const cifarPrefix = "resnext29-"

// CIFAR is the net of 29 layers of §5.3: a 3×3 convolution with 64 filters and three
// stages of three blocks, for any number of groups and width of a group.
func CIFAR(groups, width int) Spec {
	return Spec{
		Name:   fmt.Sprintf("%s%dx%dd", cifarPrefix, groups, width),
		Groups: groups, Width: width, Blocks: []int{3, 3, 3}, Stem: 64, Out: 256,
		ImageSize: 32, Channels: 3, Classes: 10,
	}
}

// Find returns the table of a name: one of Specs, or resnext29-GxWd for any G groups of
// W channels.
func Find(name string) (Spec, bool) {
	specs := Specs()
	if i := slices.IndexFunc(specs, func(s Spec) bool { return s.Name == name }); i >= 0 {
		return specs[i], true
	}
	rest, ok := strings.CutPrefix(name, cifarPrefix)
	if !ok {
		return Spec{}, false
	}
	g, w, _ := strings.Cut(strings.TrimSuffix(rest, "d"), "x")
	groups, err1 := strconv.Atoi(g)
	width, err2 := strconv.Atoi(w)
	if err1 != nil || err2 != nil || groups < 1 || width < 1 {
		return Spec{}, false
	}
	s := CIFAR(groups, width)
	return s, s.Name == name // refuses 08x64d, +8x64d and the like
}
