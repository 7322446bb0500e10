package docker

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
)

const layerA = "1111111111111111111111111111111111111111111111111111111111111111"

// inDocker is the mountinfo of a container of Docker with overlay2; shares names
// the container whose network it uses, itself as a rule.
func inDocker(layer, shares string) string {
	return `1040 905 0:187 / / rw,relatime master:418 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/A:/var/lib/docker/overlay2/l/B,upperdir=/var/lib/docker/overlay2/` + layer + `/diff,workdir=/var/lib/docker/overlay2/` + layer + `/work
1041 1040 0:190 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
1046 1040 254:1 /var/lib/docker/containers/` + shares + `/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda1 rw
1047 1040 254:1 /var/lib/docker/containers/` + shares + `/hostname /etc/hostname rw,relatime - ext4 /dev/vda1 rw
1048 1040 254:1 /var/lib/docker/containers/` + shares + `/hosts /etc/hosts rw,relatime - ext4 /dev/vda1 rw
`
}

func TestWhereTheBotRuns(t *testing.T) {
	mount := func(root, point string) string {
		return "1047 1040 254:1 " + root + " " + point + " rw,relatime - ext4 /dev/vda1 rw\n"
	}
	for name, tc := range map[string]struct {
		mounts, groups string
		want           self
	}{
		"on the machine":                {"22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n", "0::/user.slice/user-1000.slice/session-3.scope\n", self{}},
		"a unit of its own":             {"", "0::/system.slice/cofferdam.service\n", self{}},
		"nothing can be read":           {"", "", self{}},
		"docker, groups v1":             {"", "12:memory:/docker/" + idA + "\n1:name=systemd:/docker/" + idA + "\n", self{id: idA}},
		"docker, groups v1, systemd":    {"", "5:cpu,cpuacct:/system.slice/docker-" + idA + ".scope\n", self{id: idA}},
		"docker, groups v2 of the host": {"", "0::/system.slice/docker-" + idA + ".scope\n", self{id: idA}},
		"docker, groups v2 hidden":      {inDocker(layerA, idA), "0::/\n", self{id: idA, layer: layerA}},
		"docker, moved out of the root": {"", "0::/../docker-" + idA + ".scope\n", self{id: idA}},
		"docker on a disk of its own":   {mount("/containers/"+idA+"/hostname", "/etc/hostname"), "0::/\n", self{id: idA}},
		"docker in docker":              {"", "4:pids:/docker/" + idB + "/docker/" + idA + "\n", self{id: idA}},
		"a v1 line without, then with":  {"", "2:cpuset:/\n1:cpu:/docker/" + idA + "\n", self{id: idA}},
		"another's network, v1":         {inDocker(layerA, idB), "4:pids:/docker/" + idA + "\n", self{id: idA, layer: layerA}},
		"another's network, v2":         {inDocker(layerA, idB), "0::/\n", self{id: idB, layer: layerA}},
		"podman":                        {"", "0::/machine.slice/libpod-" + idA + ".scope/container\n", self{id: idA}},
		"podman, hidden":                {mount("/var/lib/containers/storage/overlay-containers/"+idA+"/userdata/hostname", "/etc/hostname"), "0::/\n", self{id: idA}},
		"nerdctl, hidden":               {mount("/var/lib/nerdctl/1935db59/containers/default/"+idA+"/resolv.conf", "/etc/resolv.conf"), "0::/\n", self{id: idA}},
		"kubernetes":                    {"", "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod0d3b.slice/cri-containerd-" + idA + ".scope\n", self{id: idA}},
		"kubernetes, with colons":       {"", "3:pids:/system.slice/containerd.service/kubepods-burstable-pod0d3b.slice:cri-containerd:" + idA + "\n", self{id: idA}},
		"crio":                          {"", "0::/kubepods/burstable/pod0d3b/crio-" + idA + "\n", self{id: idA}},
		"another's folder, mounted":     {mount("/var/lib/docker/containers/"+idB, "/logs") + mount("/var/lib/docker/containers/"+idB+"/hostname", "/x"), "0::/\n", self{}},
		"another's file over hosts":     {mount("/var/lib/docker/containers/"+idB+"/config", "/etc/hosts"), "0::/\n", self{}},
		"an id in upper case":           {"", "0::/docker/" + strings.ToUpper(idA) + "\n", self{}},
		"an id that is too short":       {"", "0::/docker/" + idA[1:] + "\n", self{}},
		"a layer with a short name":     {"1 0 0:1 / / rw - overlay overlay rw,upperdir=/var/lib/containerd/snapshots/123/fs\n", "", self{}},
		"cut lines":                     {"1047 1040 254:1\n\n / /", "::\n:\n0\n", self{}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := parseSelf(tc.mounts, tc.groups); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestTheBotsContainerIsKnownByIDOrLayer(t *testing.T) {
	at := func(id, layer string) container.InspectResponse {
		base := &container.ContainerJSONBase{ID: id}
		base.GraphDriver.Data = map[string]string{"UpperDir": "/var/lib/docker/overlay2/" + layer + "/diff"}
		return container.InspectResponse{ContainerJSONBase: base}
	}
	for name, tc := range map[string]struct {
		self self
		c    container.InspectResponse
		want bool
	}{
		"its id":                      {self{id: idA}, at(idA, "x"), true},
		"its layer, another's id":     {self{id: idB, layer: layerA}, at(idA, layerA), true},
		"neither":                     {self{id: idB, layer: layerA}, at(idA, idA), false},
		"runs in none":                {self{}, at(idA, "x"), false},
		"runs in none, and no layer":  {self{}, at(idA, ""), false},
		"nothing is known of the one": {self{id: idA, layer: layerA}, container.InspectResponse{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.self.is(tc.c); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

// TestAProcessFindsItsRealContainer reads, from outside, what a process in a
// container would read of itself.
func TestAProcessFindsItsRealContainer(t *testing.T) {
	c := realClient(t)
	for name, adjust := range map[string]func(*container.Config, *container.HostConfig){
		"no network":    nil,
		"the host's":    func(_ *container.Config, h *container.HostConfig) { h.NetworkMode = "host" },
		"groups hidden": func(_ *container.Config, h *container.HostConfig) { h.CgroupnsMode = "private" },
	} {
		t.Run(name, func(t *testing.T) {
			id := dockertest.Run(t, dockertest.Container{Adjust: adjust})
			got, err := dockertest.Client(t).ContainerInspect(context.Background(), id)
			if err != nil {
				t.Fatal(err)
			}
			read := func(file string) string {
				text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", got.State.Pid, file))
				if err != nil && os.Getenv("COFFERDAM_CI") != "1" {
					t.Skipf("the engine must run on this machine, and the test as root: %v", err)
				}
				if err != nil {
					t.Fatal(err)
				}
				return string(text)
			}
			mounts, groups := read("mountinfo"), read("cgroup")
			if found := parseSelf(mounts, groups); found.id != id || !found.is(got) {
				t.Errorf("found %+v, want %s in\n%s\n%s", found, id, mounts, groups)
			}
			if found := parseSelf(mounts, ""); found.id != id {
				t.Errorf("by the mounts alone: found %+v, want %s in\n%s", found, id, mounts)
			}
			c.self = parseSelf(mounts, groups)
			_, err = c.Find(context.Background(), abi.ContainerRef{ID: id}, anything)
			wantCode(t, err, abi.Conflict)
		})
	}
}

func FuzzParseSelf(f *testing.F) {
	f.Add(inDocker(layerA, idA), "0::/\n")
	f.Add("", "0::/system.slice/docker-"+idA+".scope\n")
	f.Add("1 2 3 / /", ":::\n-.scope")
	f.Fuzz(func(t *testing.T, mounts, groups string) {
		got := parseSelf(mounts, groups)
		for _, id := range []string{got.id, got.layer} {
			if id != "" && (!isID(id) || !strings.Contains(mounts+groups, id)) {
				t.Errorf("found %q", id)
			}
		}
	})
}
