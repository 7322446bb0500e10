// Package hostcall is what a module can ask of the host: one table of
// operations, each bound to the capability that covers it. An operation checks
// the module's grant, the scope, and what the acting user may do, before it
// touches anything (F1).
package hostcall

import (
	"context"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// Sources is where operations get their answers from. A nil source answers
// "unavailable".
type Sources struct {
	Docker  Docker
	Images  Images
	Updates Updates
	Metrics Metrics
	History History
	Bot     Bot
	Health  Health
	HTTP    HTTP
	KV      KV
	// Notifier sends notices, Modules lets files of the module folder run.
	Notifier Notifier
	Modules  Modules
	// Audit keeps the record of what acts; without it nothing acts.
	Audit Audit
	// Observe is told how each call ended, in the word of its code; nil: nobody
	// counts.
	Observe func(capability, outcome string)
}

// Operation is one row of the table.
type Operation struct {
	// Import is the name under which a guest imports it.
	Import string
	// Capability is what the module needs.
	Capability capability.Name
	// An operation either reads, or acts on a target that the host finds
	// first. What acts has no other way to be run.
	run func(context.Context, *Caller, []byte) (any, error)
	act *action
	// instead answers in place of all that; see Recorded and Replayed.
	instead func(context.Context, *Caller, []byte) (abi.Code, []byte)
	// audit and observe are those of the sources.
	audit   Audit
	observe func(capability, outcome string)
}

// Table lists every operation there is. To add one: a constant in guest/abi,
// a row here, a function in the file of its group, a method in guest/sdk.
func Table(s Sources) []Operation {
	return []Operation{
		s.reads(abi.OpContainerList, capability.ContainersList, answer(s.containerList)),
		s.reads(abi.OpContainerInspect, capability.ContainersInspect, answer(s.containerInspect)),
		s.reads(abi.OpContainerStats, capability.ContainersStats, answer(s.containerStats)),
		s.reads(abi.OpContainerHistory, capability.ContainersStats, answer(s.containerHistory)),
		s.reads(abi.OpContainerLogs, capability.ContainersLogs, answer(s.containerLogs)),
		s.reads(abi.OpContainerRuntime, capability.ContainersRuntime, answer(s.containerRuntime)),
		s.reads(abi.OpContainerEnv, capability.ContainersEnv, answer(s.containerEnv)),
		s.reads(abi.OpImageList, capability.ImagesList, answer(s.imageList)),
		s.reads(abi.OpImageInspect, capability.ImagesInspect, answer(s.imageInspect)),
		s.reads(abi.OpImageHistory, capability.ImagesHistory, answer(s.imageHistory)),
		s.reads(abi.OpImageUpdates, capability.ImagesUpdates, answer(s.imageUpdates)),
		s.reads(abi.OpDockerInfo, capability.DockerInfo, answer(s.dockerInfo)),
		s.reads(abi.OpDockerHosts, capability.DockerInfo, answer(s.dockerHosts)),

		s.acts(abi.OpContainerStart, capability.ContainersStart, abi.ActStart),
		s.acts(abi.OpContainerStop, capability.ContainersStop, abi.ActStop),
		s.acts(abi.OpContainerRestart, capability.ContainersRestart, abi.ActRestart),
		s.acts(abi.OpContainerPause, capability.ContainersPause, abi.ActPause),
		s.acts(abi.OpContainerUnpause, capability.ContainersUnpause, abi.ActUnpause),
		s.acts(abi.OpContainerKill, capability.ContainersKill, abi.ActKill),
		s.acts(abi.OpContainerRemove, capability.ContainersRemove, abi.ActRemove),
		s.renames(abi.OpContainerRename),

		s.reads(abi.OpMetricsHost, capability.MetricsHost, reading(s, Metrics.Host)),
		s.reads(abi.OpMetricsCPU, capability.MetricsCPU, reading(s, Metrics.CPU)),
		s.reads(abi.OpMetricsMemory, capability.MetricsMemory, reading(s, Metrics.Memory)),
		s.reads(abi.OpMetricsDisk, capability.MetricsDisk, reading(s, Metrics.Disk)),
		s.reads(abi.OpMetricsDiskIO, capability.MetricsDisk, reading(s, Metrics.DiskIO)),
		s.reads(abi.OpMetricsNetwork, capability.MetricsNetwork, reading(s, Metrics.Network)),
		s.reads(abi.OpMetricsPressure, capability.MetricsHost, reading(s, Metrics.Pressure)),
		s.reads(abi.OpMetricsHistory, capability.MetricsHistory, answer(s.history)),
		s.reads(abi.OpMetricsSensors, capability.MetricsSensors, reading(s, Metrics.Sensors)),
		s.reads(abi.OpMetricsProcesses, capability.MetricsProcesses, answer(s.processes)),
		s.reads(abi.OpMetricsUsers, capability.MetricsUsers, reading(s, Metrics.Users)),

		s.reads(abi.OpBotModules, capability.BotModules, answer(s.bot)),
		s.reads(abi.OpBotHealth, capability.BotHealth, answer(s.health)),
		s.reads(abi.OpBotRelease, capability.BotHealth, answer(s.release)),

		s.reads(abi.OpHTTPFetch, capability.HTTPFetch, answer(s.fetch)),
		s.reads(abi.OpHTTPGrants, capability.HTTPFetch, answer(s.fetchGrants)),
		s.reads(abi.OpKVGet, capability.KV, answer(s.kvGet)),
		s.reads(abi.OpKVPut, capability.KV, answer(s.kvPut)),
		s.reads(abi.OpKVDelete, capability.KV, answer(s.kvDelete)),
		s.reads(abi.OpKVList, capability.KV, answer(s.kvList)),
		s.reads(abi.OpNotify, capability.Notify, answer(s.notify)),
		s.reads(abi.OpModulesPending, capability.BotModules, answer(s.pending)),
		s.approves(abi.OpModuleApprove),
		s.refuses(abi.OpModuleRefuse),
		s.revokes(abi.OpModuleRevoke),
	}
}

func (s Sources) reads(name string, needs capability.Name, run func(context.Context, *Caller, []byte) (any, error)) Operation {
	return Operation{Import: name, Capability: needs, run: run, audit: s.Audit, observe: s.Observe}
}
