package docker

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// How much of one container's ties to its host is shown.
const (
	maxMounts    = 100
	maxNetworks  = 50
	maxOptions   = 50 // capabilities, security options, devices, aliases
	maxPath      = 512
	maxVariables = 500
	maxValue     = 512 // runes
)

// Runtime returns how a container is tied to its host, with the errors of
// [Client.Inspect]. Values that look secret are masked.
func (c *Client) Runtime(ctx context.Context, ref abi.ContainerRef, keep Keep) (abi.ContainerRuntime, error) {
	got, err := c.found(ctx, ref, keep)
	if err != nil {
		return abi.ContainerRuntime{}, err
	}
	r := abi.ContainerRuntime{Name: displayName(bareName(got.Name), got.ID), RestartPolicy: string(container.RestartPolicyDisabled)}
	if got.Config != nil {
		r.Hostname = foreign.Line(got.Config.Hostname, maxText)
		r.User = foreign.Line(got.Config.User, 128)
		r.WorkingDir = foreign.Line(got.Config.WorkingDir, maxPath)
	}
	if got.HostConfig != nil {
		addPolicy(&r, got.HostConfig)
		addLimits(&r, got.HostConfig)
		addSecurity(&r, got.HostConfig)
	}
	addProfile(&r, got.AppArmorProfile)
	r.Mounts = mounts(got)
	r.Networks = networks(got.NetworkSettings)
	return r, nil
}

// Env returns a container's environment, with the errors of [Client.Inspect].
// Values that look secret are masked (D6).
func (c *Client) Env(ctx context.Context, ref abi.ContainerRef, keep Keep) (abi.ContainerEnv, error) {
	got, err := c.found(ctx, ref, keep)
	if err != nil {
		return abi.ContainerEnv{}, err
	}
	env := abi.ContainerEnv{Name: displayName(bareName(got.Name), got.ID)}
	if got.Config != nil {
		env.Variables, env.Omitted = variables(got.Config.Env)
	}
	return env, nil
}

// found is the container that ref means, if keep admits it.
func (c *Client) found(ctx context.Context, ref abi.ContainerRef, keep Keep) (container.InspectResponse, error) {
	e, ctx, cancel, err := c.begin(ctx, ref.Host)
	if err != nil {
		return container.InspectResponse{}, err
	}
	defer cancel()
	return e.resolve(ctx, ref.ID, keep)
}

func addPolicy(r *abi.ContainerRuntime, host *container.HostConfig) {
	r.RestartPolicy = cmp.Or(foreign.Line(string(host.RestartPolicy.Name), 32), r.RestartPolicy)
	r.MaxRetries = max(host.RestartPolicy.MaximumRetryCount, 0)
	r.NetworkMode = foreign.Line(string(host.NetworkMode), maxText)
	r.LogDriver = foreign.Line(host.LogConfig.Type, 64)
	r.Runtime = foreign.Line(host.Runtime, 64)
}

// unlimitedSwap is the engine's word and the contract's.
const unlimitedSwap = -1

func addLimits(r *abi.ContainerRuntime, host *container.HostConfig) {
	r.MemoryLimit = max(host.Memory, 0)
	if host.MemorySwap > 0 || host.MemorySwap == unlimitedSwap {
		r.SwapLimit = host.MemorySwap
	}
	r.CPULimit = cores(host.Resources)
	r.CPUShares = max(host.CPUShares, 0)
	r.CPUSet = foreign.Line(host.CpusetCpus, 128)
	if host.PidsLimit != nil {
		r.PIDsLimit = max(*host.PidsLimit, 0)
	}
}

// defaultPeriod is what a quota is of when the container names no period, in
// microseconds (the kernel's cpu.cfs_period_us).
const defaultPeriod = 100_000

// cores is the limit of CPU time, set in either of the engine's two ways.
func cores(limits container.Resources) float64 {
	switch {
	case limits.NanoCPUs > 0:
		return float64(limits.NanoCPUs) / 1e9
	case limits.CPUQuota > 0 && limits.CPUPeriod > 0:
		return float64(limits.CPUQuota) / float64(limits.CPUPeriod)
	case limits.CPUQuota > 0:
		return float64(limits.CPUQuota) / defaultPeriod
	}
	return 0
}

func addSecurity(r *abi.ContainerRuntime, host *container.HostConfig) {
	r.Privileged, r.ReadOnly = host.Privileged, host.ReadonlyRootfs
	r.Init = host.Init != nil && *host.Init
	r.CapAdd, r.CapDrop = options(host.CapAdd), options(host.CapDrop)
	r.PIDMode, r.IPCMode = foreign.Line(string(host.PidMode), maxText), foreign.Line(string(host.IpcMode), 128)
	for _, option := range host.SecurityOpt {
		// The engine keeps a profile whole: a text of many pages.
		if name, value, ok := strings.Cut(option, "="); ok && strings.HasPrefix(strings.TrimSpace(value), "{") {
			option = name + "=custom profile"
		}
		r.SecurityOptions = append(r.SecurityOptions, option)
	}
	r.SecurityOptions = options(r.SecurityOptions)
	r.Devices = options(devices(host.Resources))
}

// addProfile names the AppArmor profile, which the engine tells apart from the
// options unless it was chosen.
func addProfile(r *abi.ContainerRuntime, profile string) {
	named := slices.ContainsFunc(r.SecurityOptions, func(o string) bool { return strings.HasPrefix(o, "apparmor") })
	if profile != "" && !named {
		r.SecurityOptions = append(r.SecurityOptions, foreign.Line("apparmor="+profile, maxText))
	}
}

func devices(limits container.Resources) []string {
	var out []string
	for _, d := range limits.Devices {
		path := d.PathOnHost
		if d.PathInContainer != "" && d.PathInContainer != path {
			path += " → " + d.PathInContainer
		}
		if d.CgroupPermissions != "" {
			path += " (" + d.CgroupPermissions + ")"
		}
		out = append(out, path)
	}
	for _, d := range limits.DeviceRequests {
		wants := slices.Concat(d.Capabilities...)
		out = append(out, strings.TrimSpace(d.Driver+" "+strings.Join(wants[:min(len(wants), maxOptions)], " ")))
	}
	return out
}

// options are words of the operator's, bounded.
func options(all []string) []string {
	var out []string
	for _, o := range all[:min(len(all), maxOptions)] {
		out = append(out, foreign.Line(maskText(head(o)), maxText))
	}
	return out
}

// mounts lists what is mounted, by where. What --tmpfs asked for stands elsewhere
// in the engine's answer.
func mounts(got container.InspectResponse) []abi.ContainerMount {
	var out []abi.ContainerMount
	for _, m := range got.Mounts {
		out = append(out, abi.ContainerMount{
			Type: string(m.Type), Name: m.Name, Source: m.Source, Destination: m.Destination,
			Driver: m.Driver, Mode: m.Mode, ReadOnly: !m.RW,
		})
	}
	if got.HostConfig != nil {
		for path, mode := range got.HostConfig.Tmpfs {
			if !slices.ContainsFunc(out, func(m abi.ContainerMount) bool { return m.Destination == path }) {
				out = append(out, abi.ContainerMount{Type: string(mount.TypeTmpfs), Destination: path, Mode: mode, ReadOnly: readOnly(mode)})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b abi.ContainerMount) int { return cmp.Compare(a.Destination, b.Destination) })
	out = out[:min(len(out), maxMounts)]
	for i := range out {
		m := &out[i]
		m.Type, m.Driver = foreign.Line(m.Type, 32), foreign.Line(m.Driver, 64)
		m.Name, m.Mode = foreign.Line(m.Name, maxText), foreign.Line(maskText(head(m.Mode)), 128)
		m.Source, m.Destination = foreign.Line(maskText(head(m.Source)), maxPath), foreign.Line(m.Destination, maxPath)
	}
	return out
}

// readOnly tells it of the options of a tmpfs.
func readOnly(mode string) bool {
	return slices.Contains(strings.Split(mode, ","), "ro")
}

func networks(settings *container.NetworkSettings) []abi.ContainerNetwork {
	if settings == nil {
		return nil
	}
	var out []abi.ContainerNetwork
	for _, name := range slices.Sorted(maps.Keys(settings.Networks)) {
		if len(out) == maxNetworks {
			break
		}
		out = append(out, networkOf(name, settings.Networks[name]))
	}
	return out
}

// networkOf is empty but for the name where a container that does not run has no
// address.
func networkOf(name string, at *network.EndpointSettings) abi.ContainerNetwork {
	n := abi.ContainerNetwork{Name: foreign.Line(name, maxText)}
	if at == nil {
		return n
	}
	n.IPv4, n.IPv6 = prefixed(at.IPAddress, at.IPPrefixLen), prefixed(at.GlobalIPv6Address, at.GlobalIPv6PrefixLen)
	n.Gateway = foreign.Line(cmp.Or(at.Gateway, at.IPv6Gateway), 64)
	n.MAC = foreign.Line(at.MacAddress, 64)
	// Newer engines list the names by which a container is found elsewhere.
	aliases := slices.Concat(at.Aliases, at.DNSNames)
	slices.Sort(aliases)
	n.Aliases = options(slices.Compact(aliases))
	return n
}

// prefixed is an address with its network's length: "172.17.0.2/16".
func prefixed(address string, length int) string {
	if address == "" || length <= 0 || length > 128 {
		return foreign.Line(address, 64)
	}
	return foreign.Line(address, 64) + "/" + strconv.Itoa(length)
}
