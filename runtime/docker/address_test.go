package docker

import (
	"slices"
	"strings"
	"testing"
)

func TestHostNames(t *testing.T) {
	for _, tc := range []struct{ hosts, want []string }{
		{[]string{"unix:///var/run/docker.sock"}, []string{"local"}},
		{[]string{"tcp://nas:2375"}, []string{"local"}},
		{[]string{"unix:///var/run/docker.sock", "tcp://nas:2375", "http://10.0.0.5:2375"}, []string{"local", "nas", "10.0.0.5"}},
		{[]string{"tcp://nas:2375", "tcp://nas:2376", "tcp://nas:2377"}, []string{"local", "nas:2376", "nas:2377"}},
		{[]string{"tcp://nas:2375", "tcp://local:2375"}, []string{"local", "local:2375"}},
		{[]string{"tcp://nas:2375", "unix:///run/user/1000/docker.sock", "unix:///run/podman/podman.sock"}, []string{"local", "docker", "podman"}},
		{[]string{"tcp://nas:2375", "unix:///run/user/1/docker.sock", "unix:///run/user/2/docker.sock"}, []string{"local", "/run/user/1/docker.sock", "/run/user/2/docker.sock"}},
		{[]string{"tcp://nas:2375", "tcp://[::1]:2375"}, []string{"local", "::1"}},
	} {
		c, err := New(Config{Hosts: tc.hosts}, nil)
		if err != nil {
			t.Errorf("%q: %v", tc.hosts, err)
			continue
		}
		if got := c.Hosts(); !slices.Equal(got, tc.want) {
			t.Errorf("%q\n got %q\nwant %q", tc.hosts, got, tc.want)
		}
	}
}

func TestHostsThatAreRefused(t *testing.T) {
	for _, tc := range []struct {
		hosts []string
		says  string
	}{
		{nil, "no engine"},
		{[]string{""}, "want unix:///path or tcp://host:port"},
		{[]string{"/var/run/docker.sock"}, "entry 1: want unix:///path"},
		{[]string{"unix://var/run/docker.sock"}, "full path"},
		{[]string{"unix:///var/../run/docker.sock"}, "full path"},
		{[]string{"unix:///" + strings.Repeat("x", 200)}, "107 bytes"},
		{[]string{"ssh://nas"}, "want unix:///path"},
		{[]string{"tcp://nas"}, "both host and port"},
		{[]string{"tcp://:2375"}, "both host and port"},
		{[]string{"tcp://nas:2375/v1.41"}, "nothing behind the port"},
		{[]string{"tcp://nas:2375", "tcp://nas:2375"}, "entry 2: the same engine as entry 1"},
		{[]string{"tcp://nas:2375", "http://nas:2375/"}, "entry 2: the same engine as entry 1"},
		{[]string{"tcp://bob:hunter2@nas:2375"}, "user and password"},
		{[]string{"tcp://bob:hunter2@nas:bad port"}, "want unix:///path"},
	} {
		_, err := New(Config{Hosts: tc.hosts}, nil)
		if err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%q: %v, want %q in it", tc.hosts, err, tc.says)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows a password: %v", err)
		}
	}
}
