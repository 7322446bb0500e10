package docker

import (
	"os"
	"path"
	"strings"

	"github.com/docker/docker/api/types/container"
)

// self is the container that the bot runs in, as far as it can tell (E6). The
// zero value is of a bot that runs in none. An id is unique, so it is refused
// on every engine: one that cannot hold the bot has no such container.
type self struct {
	// id is the container's full id.
	id string
	// layer names its writable layer. Where containers share a network they
	// share the files that betray an id too, but never the layer.
	layer string
}

// findSelf reads what the kernel says about this process. What cannot be read
// says nothing.
func findSelf() self {
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	groups, _ := os.ReadFile("/proc/self/cgroup")
	return parseSelf(string(mounts), string(groups))
}

// parseSelf reads proc_pid_mountinfo(5) and the process's entry of cgroups(7).
// The control group is the process's own; the mounts are asked where it is
// hidden by a namespace, as it is by default with version 2.
func parseSelf(mounts, groups string) self {
	s := self{id: idInGroups(groups), layer: layerIn(mounts)}
	if s.id == "" {
		s.id = idInMounts(mounts)
	}
	return s
}

// is tells whether that is the bot's container.
func (s self) is(c container.InspectResponse) bool {
	switch {
	case c.ContainerJSONBase == nil:
		return false
	case s.id != "" && c.ID == s.id:
		return true
	}
	return s.layer != "" && lastID(c.GraphDriver.Data["UpperDir"]) == s.layer
}

// idInGroups reads lines such as "0::/system.slice/docker-ID.scope" and
// "4:memory:/docker/ID".
func idInGroups(groups string) string {
	for line := range strings.Lines(groups) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		if _, group, ok := strings.Cut(rest, ":"); ok {
			if id := lastID(group); id != "" {
				return id
			}
		}
	}
	return ""
}

// idInMounts looks for the files that engines mount over a container's own, out
// of a folder with its id: "/var/lib/docker/containers/ID/hostname". Other
// mounts may lead to anybody's folder.
func idInMounts(mounts string) string {
	for line := range strings.Lines(mounts) {
		m := strings.Fields(line)
		if len(m) < 5 {
			continue
		}
		root, point := m[3], m[4]
		switch point {
		case "/etc/hostname", "/etc/hosts", "/etc/resolv.conf":
			if id := lastID(path.Dir(root)); id != "" && path.Base(root) == path.Base(point) {
				return id
			}
		}
	}
	return ""
}

// layerIn returns the name of the folder into which the root file system
// writes: "upperdir=/var/lib/docker/overlay2/NAME/diff".
func layerIn(mounts string) string {
	for line := range strings.Lines(mounts) {
		m := strings.Fields(line)
		if len(m) < 5 || m[4] != "/" {
			continue
		}
		for option := range strings.SplitSeq(m[len(m)-1], ",") {
			if dir, ok := strings.CutPrefix(option, "upperdir="); ok {
				return lastID(dir)
			}
		}
	}
	return ""
}

// lastID returns the last full id that a path has as an element, alone or with
// the words that engines put around it: "docker-ID.scope", "crio-ID",
// "kubepods.slice:cri-containerd:ID". Of nested containers the last is the
// inner one.
func lastID(p string) string {
	id := ""
	for element := range strings.SplitSeq(p, "/") {
		element = strings.TrimSuffix(element, ".scope")
		if cut := strings.LastIndexAny(element, "-:"); cut >= 0 {
			element = element[cut+1:]
		}
		if isID(element) {
			id = element
		}
	}
	return id
}
