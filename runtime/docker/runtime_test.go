package docker

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
)

// inspected is a client of an engine that says this of container web.
func inspected(t testing.TB, json string) *Client {
	return newClient(t, newFake(map[string]http.HandlerFunc{
		"/containers/web/json": body(`{"Id":"` + idA + `","Name":"/web"` + json + `}`),
	}).serve(t))
}

var web = abi.ContainerRef{ID: "web"}

func TestRuntimeOfAContainer(t *testing.T) {
	got, err := inspected(t, `,"AppArmorProfile":"docker-default",
	 "Config":{"Hostname":"h","User":"1000:1000","WorkingDir":"/srv"},
	 "HostConfig":{"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3},"NetworkMode":"shop","LogConfig":{"Type":"json-file"},"Runtime":"runc",
	  "Memory":67108864,"MemorySwap":-1,"NanoCpus":1500000000,"CpuShares":512,"CpusetCpus":"0-1","PidsLimit":100,
	  "Privileged":true,"ReadonlyRootfs":true,"Init":true,"CapAdd":["NET_ADMIN"],"CapDrop":["ALL"],"PidMode":"host","IpcMode":"private",
	  "SecurityOpt":["no-new-privileges","seccomp={\"defaultAction\":\"SCMP_ACT_ERRNO\"}"],
	  "Devices":[{"PathOnHost":"/dev/a","PathInContainer":"/dev/b","CgroupPermissions":"rw"},{"PathOnHost":"/dev/c","PathInContainer":"/dev/c"}],
	  "DeviceRequests":[{"Driver":"nvidia","Count":-1,"Capabilities":[["gpu"]]}],
	  "Tmpfs":{"/run":"ro,size=64m","/data":"size=1m"}},
	 "Mounts":[{"Type":"volume","Name":"data","Source":"/var/lib/docker/volumes/data/_data","Destination":"/data","Driver":"local","Mode":"z","RW":true},
	  {"Type":"bind","Source":"/etc/app","Destination":"/app","RW":false}],
	 "NetworkSettings":{"Networks":{"shop":{"IPAddress":"172.18.0.2","IPPrefixLen":16,"Gateway":"172.18.0.1","GlobalIPv6Address":"fd00::2","GlobalIPv6PrefixLen":64,
	   "MacAddress":"02:42:ac:12:00:02","Aliases":["web","aaaaaaaaaaaa"],"DNSNames":["web","shop-web"]},"back":null}}`).
		Runtime(t.Context(), web, anything)
	if err != nil {
		t.Fatal(err)
	}
	want := abi.ContainerRuntime{
		Name: "web", RestartPolicy: "on-failure", MaxRetries: 3, NetworkMode: "shop", Hostname: "h", User: "1000:1000", WorkingDir: "/srv",
		LogDriver: "json-file", Runtime: "runc", MemoryLimit: 64 << 20, SwapLimit: -1, CPULimit: 1.5, CPUShares: 512, CPUSet: "0-1", PIDsLimit: 100,
		Privileged: true, ReadOnly: true, Init: true, CapAdd: []string{"NET_ADMIN"}, CapDrop: []string{"ALL"}, PIDMode: "host", IPCMode: "private",
		SecurityOptions: []string{"no-new-privileges", "seccomp=custom profile", "apparmor=docker-default"},
		Devices:         []string{"/dev/a → /dev/b (rw)", "/dev/c", "nvidia gpu"},
		Mounts: []abi.ContainerMount{
			{Type: "bind", Source: "/etc/app", Destination: "/app", ReadOnly: true},
			{Type: "volume", Name: "data", Source: "/var/lib/docker/volumes/data/_data", Destination: "/data", Driver: "local", Mode: "z"},
			{Type: "tmpfs", Destination: "/run", Mode: "ro,size=64m", ReadOnly: true},
		},
		Networks: []abi.ContainerNetwork{{Name: "back"}, {Name: "shop", IPv4: "172.18.0.2/16", IPv6: "fd00::2/64", Gateway: "172.18.0.1",
			MAC: "02:42:ac:12:00:02", Aliases: []string{"aaaaaaaaaaaa", "shop-web", "web"}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

func TestLimitsOfCPUTime(t *testing.T) {
	for _, tc := range []struct {
		limits string
		want   float64
	}{
		{`"NanoCpus":250000000`, 0.25},
		{`"CpuQuota":50000`, 0.5},
		{`"CpuQuota":50000,"CpuPeriod":25000`, 2},
		{`"CpuQuota":-1,"CpuPeriod":100000`, 0},
		{`"CpuPeriod":100000`, 0},
		{`"NanoCpus":-5`, 0},
		{``, 0},
	} {
		got, err := inspected(t, `,"HostConfig":{`+tc.limits+`}`).Runtime(t.Context(), web, anything)
		if err != nil || got.CPULimit != tc.want {
			t.Errorf("%s: %v cores, %v; want %v", tc.limits, got.CPULimit, err, tc.want)
		}
	}
}

// TestWhatAnEngineLeavesOut: what is not said is not claimed.
func TestWhatAnEngineLeavesOut(t *testing.T) {
	bare := abi.ContainerRuntime{Name: "web", RestartPolicy: "no"}
	for name, rest := range map[string]string{
		"everything":      ``,
		"nulls":           `,"Config":null,"HostConfig":null,"NetworkSettings":null,"Mounts":null`,
		"empty objects":   `,"Config":{},"HostConfig":{},"NetworkSettings":{},"Mounts":[]`,
		"null in objects": `,"Config":{"Env":null},"HostConfig":{"PidsLimit":null,"Init":null,"Devices":null,"DeviceRequests":null,"Tmpfs":null},"NetworkSettings":{"Networks":null}`,
		"negative": `,"HostConfig":{"Memory":-1,"MemorySwap":-2,"CpuShares":-1,"PidsLimit":-1,"NanoCpus":-1,
		             "RestartPolicy":{"Name":"","MaximumRetryCount":-1}}`,
	} {
		t.Run(name, func(t *testing.T) {
			c := inspected(t, rest)
			got, err := c.Runtime(t.Context(), web, anything)
			if err != nil || !reflect.DeepEqual(got, bare) {
				t.Errorf("%+v, %v", got, err)
			}
			env, err := c.Env(t.Context(), web, anything)
			if err != nil || env.Name != "web" || len(env.Variables) != 0 || env.Omitted != 0 {
				t.Errorf("%+v, %v", env, err)
			}
		})
	}
}

func TestEnvironmentWithSecrets(t *testing.T) {
	got, err := inspected(t, `,"Config":{"Env":["PATH=/bin:/usr/bin","DB_PASSWORD=hunter2","db_pwd=hunter2","AWS_SECRET_ACCESS_KEY=hunter2","CREDENTIALS={}",
	 "SENTRY_DSN=https://hunter2@sentry.io/1","BASIC_AUTH=hunter2","DATABASE_URL=postgres://bob:hunter2@db/x","API_URL=https://api.example.org/v1",
	 "JAVA_OPTS=-Xmx1g -Djavax.net.ssl.keyStorePassword=hunter2","EMPTY_TOKEN=","BARE","LINES=one\ntwo","A=1=2"]}`).
		Env(t.Context(), web, anything)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, v := range got.Variables {
		lines = append(lines, v.Name+"="+v.Value)
	}
	want := []string{
		"A=1=2", "API_URL=https://api.example.org/v1", "AWS_SECRET_ACCESS_KEY=•••", "BARE=", "BASIC_AUTH=•••", "CREDENTIALS=•••",
		"DATABASE_URL=postgres://•••@db/x", "DB_PASSWORD=•••", "EMPTY_TOKEN=", "JAVA_OPTS=-Xmx1g -Djavax.net.ssl.keyStorePassword=•••",
		"LINES=one two", "PATH=/bin:/usr/bin", "SENTRY_DSN=•••", "db_pwd=•••",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("\n got %q\nwant %q", lines, want)
	}
}

// TestHugeRuntimes: whatever an engine says, the answer has bounds.
func TestHugeRuntimes(t *testing.T) {
	many := func(n int, of func(i int) any) any {
		out := make([]any, n)
		for i := range out {
			out[i] = of(i)
		}
		return out
	}
	long := strings.Repeat("x\u202e\n", 800)
	networks := map[string]any{}
	for i := range 60 {
		networks[fmt.Sprint(i, long)] = map[string]any{"IPAddress": long, "IPPrefixLen": 999, "Aliases": many(60, func(i int) any { return fmt.Sprint(i, long[:50]) })}
	}
	text, err := json.Marshal(map[string]any{
		"Config":     map[string]any{"Hostname": long, "Env": many(5000, func(i int) any { return fmt.Sprintf("V%05d=%s", i, long[:200]) })},
		"HostConfig": map[string]any{"CapAdd": many(500, func(int) any { return long[:200] }), "SecurityOpt": many(500, func(int) any { return long[:200] })},
		"Mounts": many(500, func(i int) any {
			return map[string]any{"Destination": fmt.Sprint(i, long[:2000]), "Source": long[:2000]}
		}),
		"NetworkSettings": map[string]any{"Networks": networks},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := inspected(t, ","+string(text[1:len(text)-1]))
	r, err := c.Runtime(t.Context(), web, anything)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Mounts) != maxMounts || len(r.Networks) != maxNetworks || len(r.CapAdd) != maxOptions || len(r.SecurityOptions) != maxOptions || len(r.Networks[0].Aliases) != maxOptions {
		t.Errorf("%d mounts, %d networks, %d and %d options, %d aliases", len(r.Mounts), len(r.Networks), len(r.CapAdd), len(r.SecurityOptions), len(r.Networks[0].Aliases))
	}
	env, err := c.Env(t.Context(), web, anything)
	if err != nil || len(env.Variables) != maxVariables || env.Omitted != 5000-maxVariables || env.Variables[0].Name != "V00000" {
		t.Errorf("%d variables, %d omitted, %v", len(env.Variables), env.Omitted, err)
	}
	for _, answer := range []any{r, env} {
		if text := fmt.Sprint(answer); strings.ContainsAny(text, "\u202e\n") {
			t.Errorf("not cleaned: %.200q", text)
		}
	}
}

func TestWhoMaySeeRuntimeAndEnvironment(t *testing.T) {
	c := twoContainers(t)
	named := func(name string) Keep { return func(got string, _ map[string]string) bool { return got == name } }
	for _, tc := range []struct {
		ref  string
		keep Keep
		want abi.Code
	}{
		{"web", named("web"), abi.OK}, {idA, named("web"), abi.OK}, {"db", named("web"), abi.Denied}, {idB, named("web"), abi.Denied},
		{"web", nil, abi.Denied}, {"aa", anything, abi.NotFound}, {"gone", named("web"), abi.Denied}, {"../x", anything, abi.Invalid},
	} {
		asked := 0
		keep := func(name string, labels map[string]string) bool { asked++; return allows(tc.keep, name, labels) }
		_, err := c.Runtime(t.Context(), abi.ContainerRef{ID: tc.ref}, keep)
		wantCode(t, err, tc.want)
		if asked > 1 || err == nil && asked != 1 {
			t.Errorf("%s: keep was asked %d times", tc.ref, asked)
		}
		_, err = c.Env(t.Context(), abi.ContainerRef{ID: tc.ref}, keep)
		wantCode(t, err, tc.want)
	}
}

func TestRuntimeOfARealEngine(t *testing.T) {
	c := realClient(t)
	labels, keep := mine(t)
	name := dockertest.Unique("tied")
	limit := int64(50)
	dockertest.Run(t, dockertest.Container{Name: name, Labels: labels, Adjust: func(cfg *container.Config, host *container.HostConfig) {
		cfg.Env = []string{"COLOUR=blue", "DB_PASSWORD=hunter2"}
		cfg.Hostname, cfg.User = "inside", "65534"
		host.NetworkMode, host.Memory, host.NanoCPUs, host.PidsLimit = "bridge", 64<<20, 500_000_000, &limit
		host.RestartPolicy = container.RestartPolicy{Name: "on-failure", MaximumRetryCount: 2}
		host.ReadonlyRootfs, host.CapDrop, host.SecurityOpt = true, []string{"ALL"}, []string{"no-new-privileges"}
		host.Tmpfs = map[string]string{"/run": "size=1m"}
		host.Binds = []string{"/proc/version:/version:ro"}
	}})
	r, err := c.Runtime(t.Context(), abi.ContainerRef{ID: name}, keep)
	if err != nil {
		t.Fatal(err)
	}
	if r.Name != name || r.RestartPolicy != "on-failure" || r.MaxRetries != 2 || r.Hostname != "inside" || r.User != "65534" || r.NetworkMode != "bridge" ||
		r.MemoryLimit != 64<<20 || r.CPULimit != 0.5 || r.PIDsLimit != 50 || !r.ReadOnly || r.Privileged || !slices.Equal(r.CapDrop, []string{"ALL"}) ||
		!slices.Contains(r.SecurityOptions, "no-new-privileges") || r.LogDriver == "" {
		t.Errorf("runtime %+v", r)
	}
	want := []abi.ContainerMount{{Type: "tmpfs", Destination: "/run", Mode: "size=1m"}, {Type: "bind", Source: "/proc/version", Destination: "/version", Mode: "ro", ReadOnly: true}}
	if !slices.Equal(r.Mounts, want) {
		t.Errorf("mounts %+v, want %+v", r.Mounts, want)
	}
	if len(r.Networks) != 1 || r.Networks[0].Name != "bridge" || !strings.Contains(r.Networks[0].IPv4, "/") || r.Networks[0].Gateway == "" || r.Networks[0].MAC == "" {
		t.Errorf("networks %+v", r.Networks)
	}
	env, err := c.Env(t.Context(), abi.ContainerRef{ID: name}, keep)
	if err != nil || !slices.Contains(env.Variables, abi.Label{Name: "COLOUR", Value: "blue"}) || !slices.Contains(env.Variables, abi.Label{Name: "DB_PASSWORD", Value: masked}) {
		t.Errorf("environment %+v, %v", env, err)
	}
}
