package command

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// split reads host:port; the port is a number.
func split(address string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("%q is no host:port", address)
	}
	port, err = strconv.Atoi(p)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("%q has no port from 0 to 65535", address)
	}
	return host, port, checkHost(host)
}

func checkHost(host string) error {
	if strings.ContainsAny(host, " \t\n/\\\"'") {
		return fmt.Errorf("%q is no host", host)
	}
	return nil
}

// unspecified reports whether host means all addresses of this machine.
func unspecified(host string) bool {
	return host == "" || net.ParseIP(host).IsUnspecified()
}

// loopback reports whether a checked address is reached from this machine only.
func loopback(address string) bool {
	host, _, err := split(address)
	return err == nil && (host == "localhost" || net.ParseIP(host).IsLoopback())
}

func checkCoordinator(address string) error {
	if address == "" {
		return errors.New("say where the coordinator is: host:port")
	}
	host, port, err := split(address)
	switch {
	case err != nil:
		return err
	case unspecified(host):
		return fmt.Errorf("%q names no host", address)
	case port == 0:
		return fmt.Errorf("%q has port 0, where nobody listens", address)
	}
	return nil
}

func checkListen(address string) error {
	_, _, err := split(address)
	return err
}

// checkAdvertise takes host or host:port, or nothing where other workers can dial the
// address listened on.
func checkAdvertise(address, listen string) error {
	if address == "" {
		if host, _, err := split(listen); err == nil && unspecified(host) {
			return fmt.Errorf("other workers cannot dial %q: say by which address they reach this one", listen)
		}
		return nil
	}
	host := address
	if strings.Contains(address, ":") && net.ParseIP(address) == nil { // a bare IPv6 address has colons
		var err error
		if host, _, err = split(address); err != nil {
			return err
		}
	}
	if unspecified(host) {
		return fmt.Errorf("%q names no host", address)
	}
	return checkHost(host)
}
