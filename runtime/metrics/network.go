package metrics

import (
	"context"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

func (r *Reader) Network(context.Context) (abi.NetworkInfo, error) { return abi.NetworkInfo{}, nil }

func (r *Reader) DiskIO(context.Context) (abi.DiskIOInfo, error) { return abi.DiskIOInfo{}, nil }

func (r *Reader) Pressure(context.Context) (abi.PressureInfo, error) { return abi.PressureInfo{}, nil }
