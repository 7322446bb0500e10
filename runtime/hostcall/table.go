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
	Metrics Metrics
	Bot     Bot
}

// Operation is one row of the table.
type Operation struct {
	// Import is the name under which a guest imports it.
	Import string
	// Capability is what the module needs.
	Capability capability.Name
	run        func(context.Context, *Caller, []byte) (any, error)
}

// Table lists every operation there is. To add one: a constant in guest/abi,
// a row here, a function in the file of its group, a method in guest/sdk.
func Table(s Sources) []Operation {
	return []Operation{
		{abi.OpContainerList, capability.ContainersList, answer(s.containerList)},
		{abi.OpContainerInspect, capability.ContainersInspect, answer(s.containerInspect)},
		{abi.OpContainerStats, capability.ContainersStats, answer(s.containerStats)},
		{abi.OpDockerInfo, capability.DockerInfo, answer(s.dockerInfo)},
		{abi.OpDockerHosts, capability.DockerInfo, answer(s.dockerHosts)},

		{abi.OpMetricsHost, capability.MetricsHost, reading(s, Metrics.Host)},
		{abi.OpMetricsCPU, capability.MetricsCPU, reading(s, Metrics.CPU)},
		{abi.OpMetricsMemory, capability.MetricsMemory, reading(s, Metrics.Memory)},
		{abi.OpMetricsDisk, capability.MetricsDisk, reading(s, Metrics.Disk)},
		{abi.OpMetricsSensors, capability.MetricsSensors, reading(s, Metrics.Sensors)},
		{abi.OpMetricsProcesses, capability.MetricsProcesses, answer(s.processes)},
		{abi.OpMetricsUsers, capability.MetricsUsers, reading(s, Metrics.Users)},

		{abi.OpBotModules, capability.BotModules, answer(s.bot)},
	}
}
