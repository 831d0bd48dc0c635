// Package catalog finds the nets that cleave knows by their names.
package catalog

import (
	"fmt"

	"cleave/model"
	"cleave/model/alexnet"
	"cleave/model/resnext"
)

// Info describes a net as it was designed.
type Info struct {
	Name       string `json:"name"`
	Parameters int    `json:"parameters"`
	MACs       int64  `json:"macs"` // multiply-adds for one image, forward
	Groups     int    `json:"groups"`
	Input      [3]int `json:"input"` // height, width, channels
	Classes    int    `json:"classes"`
}

// entry is a net that can be built.
type entry struct {
	name     string
	standard model.Config // height, width, channels and classes that it was designed for
	build    func(model.Config) (*model.Net, error)
}

// Build builds the net of a name. An unknown name is an UnknownError.
func Build(name string, cfg model.Config) (*model.Net, error) {
	e, err := find(name)
	if err != nil {
		return nil, err
	}
	n, err := e.build(cfg)
	if s := e.standard; err != nil && cfg.Height > 0 && cfg.Width > 0 && (cfg.Height < s.Height || cfg.Width < s.Width) {
		return nil, fmt.Errorf("%w (images are %dx%d, the net was designed for %dx%d)", err, cfg.Height, cfg.Width, s.Height, s.Width)
	}
	return n, err
}

// Default returns the height, width, channels and classes that a net was designed for;
// the other fields are zero.
func Default(name string) (model.Config, error) {
	e, err := find(name)
	return e.standard, err
}

// List describes the nets that have a name of their own, AlexNet first. Names of the form
// resnext29-GxWd that are not listed can be built too.
func List() ([]Info, error) {
	var list []Info
	for _, e := range entries() {
		cfg := e.standard
		cfg.Batch = 1
		n, err := e.build(cfg)
		if err != nil {
			return nil, err
		}
		list = append(list, Info{
			Name:       e.name,
			Parameters: n.Parameters(),
			MACs:       n.MACs(),
			Groups:     n.Groups,
			Input:      [3]int{cfg.Height, cfg.Width, cfg.Channels},
			Classes:    cfg.Classes,
		})
	}
	return list, nil
}

func entries() []entry {
	var all []entry
	for _, s := range alexnet.Specs() {
		all = append(all, ofAlexNet(s))
	}
	for _, s := range resnext.Specs() {
		all = append(all, ofResNeXt(s))
	}
	return all
}

func find(name string) (entry, error) {
	if s, ok := alexnet.Find(name); ok {
		return ofAlexNet(s), nil
	}
	if s, ok := resnext.Find(name); ok {
		return ofResNeXt(s), nil
	}
	return entry{}, unknown(name)
}

func ofAlexNet(s alexnet.Spec) entry {
	return entry{
		name:     s.Name,
		standard: model.Config{Height: s.ImageSize, Width: s.ImageSize, Channels: s.Channels, Classes: s.Classes},
		build:    func(cfg model.Config) (*model.Net, error) { return alexnet.New(s, cfg) },
	}
}

func ofResNeXt(s resnext.Spec) entry {
	return entry{
		name:     s.Name,
		standard: model.Config{Height: s.ImageSize, Width: s.ImageSize, Channels: s.Channels, Classes: s.Classes},
		build:    func(cfg model.Config) (*model.Net, error) { return resnext.New(s, cfg) },
	}
}
