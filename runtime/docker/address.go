package docker

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// address is where an engine listens.
type address struct {
	url     string // as configured; it never holds a password
	network string // unix or tcp
	target  string // a socket's path, or host:port
}

// maxSocketPath is the length of sockaddr_un's path on Linux, less its NUL.
const maxSocketPath = 107

func parseHosts(urls []string) ([]address, error) {
	if len(urls) == 0 {
		return nil, errors.New("docker.host: no engine is named")
	}
	seen := make(map[string]int, len(urls))
	addresses := make([]address, 0, len(urls))
	for i, raw := range urls {
		a, err := parseHost(raw)
		if err != nil {
			return nil, fmt.Errorf("docker.host, entry %d: %w", i+1, err)
		}
		if j, ok := seen[a.target]; ok {
			return nil, fmt.Errorf("docker.host, entry %d: the same engine as entry %d", i+1, j+1)
		}
		seen[a.target] = i
		addresses = append(addresses, a)
	}
	return addresses, nil
}

// parseHost reads one URL. Its errors do not repeat the URL: a wrong one may
// hold a password.
func parseHost(raw string) (address, error) {
	if p, ok := strings.CutPrefix(raw, "unix://"); ok {
		return parseSocket(raw, p)
	}
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "tcp" && u.Scheme != "http") {
		return address{}, errors.New("want unix:///path or tcp://host:port")
	}
	switch {
	case u.User != nil:
		return address{}, errors.New("user and password do not belong in the URL of an engine")
	case u.Hostname() == "" || u.Port() == "":
		return address{}, errors.New("want tcp://host:port with both host and port")
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "":
		return address{}, errors.New("want tcp://host:port with nothing behind the port")
	}
	target := net.JoinHostPort(u.Hostname(), u.Port())
	return address{url: "tcp://" + target, network: "tcp", target: target}, nil
}

func parseSocket(raw, p string) (address, error) {
	switch {
	case !path.IsAbs(p) || path.Clean(p) != p || p == "/":
		return address{}, errors.New("want unix:// followed by the socket's full path")
	case len(p) > maxSocketPath:
		return address{}, fmt.Errorf("a socket's path has at most %d bytes", maxSocketPath)
	}
	return address{url: raw, network: "unix", target: p}, nil
}

// hostNames gives each engine a name that a person can read and that stays the
// same when entries move: the first is [abi.LocalHost], the others are named
// after host or socket; where that is ambiguous, with port or whole path.
func hostNames(addresses []address) []string {
	count := map[string]int{abi.LocalHost: 1}
	for _, a := range addresses[1:] {
		count[a.shortName()]++
	}
	names := []string{abi.LocalHost}
	for _, a := range addresses[1:] {
		name := a.shortName()
		if count[name] > 1 {
			name = a.target
		}
		names = append(names, name)
	}
	return names
}

func (a address) shortName() string {
	if a.network == "unix" {
		return strings.TrimSuffix(path.Base(a.target), ".sock")
	}
	host, _, _ := net.SplitHostPort(a.target)
	return host
}
