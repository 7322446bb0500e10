package runtime

import (
	"strconv"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// Bounds of what an engine says, so that a view stays within one message.
const (
	maxName  = 100
	maxWord  = 40
	maxWords = 200 // of a list in one line
)

// runtime shows policy, limits and security options.
func (s sight) runtime(host sdk.Host, _ sdk.Request) (content, error) {
	r, err := host.ContainerRuntime(s.container())
	if err != nil {
		return content{}, err
	}
	blocks := []sdk.Block{s.title(r.Name), sdk.Fields(basics(r)...), sdk.Heading(texts.RuntimeLimits)}
	if limits := limits(r); len(limits) > 0 {
		blocks = append(blocks, sdk.Fields(limits...))
	} else {
		blocks = append(blocks, sdk.Text(sdk.Plain(texts.RuntimeUnlimited)))
	}
	return whole(append(blocks, sdk.Heading(texts.RuntimeSecurity), sdk.Fields(security(r)...))...), nil
}

func basics(r abi.ContainerRuntime) []sdk.Field {
	fields := []sdk.Field{sdk.Is(texts.RuntimeRestart, sdk.Plain(sdk.Line(texts.RuntimePolicy(r.RestartPolicy, r.MaxRetries), maxWord)))}
	fields = code(fields, texts.RuntimeNetworkMode, r.NetworkMode, maxName)
	fields = code(fields, texts.RuntimeHostname, r.Hostname, maxName)
	fields = code(fields, texts.RuntimeUser, r.User, maxName)
	fields = code(fields, texts.RuntimeFolder, r.WorkingDir, maxName)
	fields = code(fields, texts.RuntimeLogDriver, r.LogDriver, maxName)
	fields = code(fields, texts.RuntimeRuntime, r.Runtime, maxName)
	if r.Init {
		fields = append(fields, sdk.Is(texts.RuntimeInit, sdk.Plain(texts.RuntimeYes)))
	}
	return fields
}

// code adds a name, an address or a path, if there is one.
func code(fields []sdk.Field, name, value string, limit int) []sdk.Field {
	if value == "" {
		return fields
	}
	return append(fields, sdk.Is(name, sdk.Code(sdk.Line(value, limit))))
}

func limits(r abi.ContainerRuntime) []sdk.Field {
	var fields []sdk.Field
	add := func(name, value string, set bool) {
		if set {
			fields = append(fields, sdk.Is(name, sdk.Plain(value)))
		}
	}
	add(texts.RuntimeMemory, sdk.Bytes(uint64(max(r.MemoryLimit, 0))), r.MemoryLimit > 0)
	add(texts.RuntimeSwap, texts.RuntimeSwapOf(r.SwapLimit), r.SwapLimit != 0)
	add(texts.RuntimeCPU, texts.RuntimeCores(r.CPULimit), r.CPULimit > 0)
	add(texts.RuntimeShares, strconv.FormatInt(r.CPUShares, 10), r.CPUShares > 0)
	add(texts.RuntimeCPUSet, sdk.Line(r.CPUSet, maxWord), r.CPUSet != "")
	add(texts.RuntimeProcesses, strconv.FormatInt(r.PIDsLimit, 10), r.PIDsLimit > 0)
	return fields
}

func security(r abi.ContainerRuntime) []sdk.Field {
	var fields []sdk.Field
	if r.Privileged {
		fields = append(fields, sdk.Is(texts.RuntimePrivileged, sdk.Plain(texts.RuntimeDanger)))
	}
	root := texts.RuntimeWritable
	if r.ReadOnly {
		root = texts.RuntimeReadOnly
	}
	fields = append(fields, sdk.Is(texts.RuntimeRoot, sdk.Plain(root)))
	fields = code(fields, texts.RuntimeCapAdd, strings.Join(r.CapAdd, " "), maxWords)
	fields = code(fields, texts.RuntimeCapDrop, strings.Join(r.CapDrop, " "), maxWords)
	fields = code(fields, texts.RuntimeOptions, strings.Join(r.SecurityOptions, " "), maxWords)
	fields = code(fields, texts.RuntimePIDMode, r.PIDMode, maxName)
	fields = code(fields, texts.RuntimeIPCMode, r.IPCMode, maxName)
	return code(fields, texts.RuntimeDevices, strings.Join(r.Devices, ", "), maxWords)
}
