package hostcall

import (
	"context"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Metrics reads the machine that the bot runs on.
type Metrics interface {
	Host(context.Context) (abi.HostInfo, error)
	CPU(context.Context) (abi.CPUInfo, error)
	Memory(context.Context) (abi.MemoryInfo, error)
	Disk(context.Context) (abi.DiskInfo, error)
	Sensors(context.Context) (abi.SensorInfo, error)
	Processes(context.Context, abi.ProcessQuery) (abi.ProcessInfo, error)
	Users(context.Context) (abi.UserInfo, error)
	DiskIO(context.Context) (abi.DiskIOInfo, error)
	Network(context.Context) (abi.NetworkInfo, error)
	Pressure(context.Context) (abi.PressureInfo, error)
}

// machine checks that a query means a machine that there is.
func (s Sources) machine(host string) error {
	if s.Metrics == nil {
		return refuse(abi.Unavailable, "Metrics cannot be read here.")
	}
	if host != "" && host != abi.LocalHost {
		return refuse(abi.NotFound, "There is no machine of that name.")
	}
	return nil
}

// reading adapts a method of [Metrics] that takes no more than the machine.
func reading[R any](s Sources, read func(Metrics, context.Context) (R, error)) func(context.Context, *Caller, []byte) (any, error) {
	return answer(func(ctx context.Context, _ *Caller, q abi.MetricsQuery) (result R, err error) {
		if err := s.machine(q.Host); err != nil {
			return result, err
		}
		return read(s.Metrics, ctx)
	})
}

func (s Sources) processes(ctx context.Context, _ *Caller, q abi.ProcessQuery) (abi.ProcessInfo, error) {
	if err := s.machine(q.Host); err != nil {
		return abi.ProcessInfo{}, err
	}
	return s.Metrics.Processes(ctx, q)
}
