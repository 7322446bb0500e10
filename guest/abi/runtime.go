package abi

// ContainerRuntime is how a container is tied to its host. It is shown within a
// 2FA session only.
type ContainerRuntime struct {
	Name          string `json:"name"`
	RestartPolicy string `json:"restart_policy"` // "no", "always", "unless-stopped", "on-failure"
	MaxRetries    int    `json:"max_retries,omitempty"`
	NetworkMode   string `json:"network_mode,omitempty"`
	Hostname      string `json:"hostname,omitempty"`
	User          string `json:"user,omitempty"`
	WorkingDir    string `json:"working_dir,omitempty"`
	LogDriver     string `json:"log_driver,omitempty"`
	Runtime       string `json:"runtime,omitempty"` // "runc"
	// Limits; 0: none.
	MemoryLimit int64   `json:"memory_limit,omitempty"` // bytes
	SwapLimit   int64   `json:"swap_limit,omitempty"`   // bytes of memory and swap together; -1: unlimited swap
	CPULimit    float64 `json:"cpu_limit,omitempty"`    // cores
	CPUShares   int64   `json:"cpu_shares,omitempty"`
	CPUSet      string  `json:"cpu_set,omitempty"`
	PIDsLimit   int64   `json:"pids_limit,omitempty"`
	// Security.
	Privileged      bool     `json:"privileged,omitempty"`
	ReadOnly        bool     `json:"read_only,omitempty"` // its root file system
	Init            bool     `json:"init,omitempty"`
	CapAdd          []string `json:"cap_add,omitempty"`
	CapDrop         []string `json:"cap_drop,omitempty"`
	SecurityOptions []string `json:"security_options,omitempty"`
	PIDMode         string   `json:"pid_mode,omitempty"`
	IPCMode         string   `json:"ipc_mode,omitempty"`
	Devices         []string `json:"devices,omitempty"`

	Mounts   []ContainerMount   `json:"mounts,omitempty"`
	Networks []ContainerNetwork `json:"networks,omitempty"`
}

// ContainerMount is a volume, a folder of the host or a tmpfs in a container.
type ContainerMount struct {
	Type        string `json:"type"` // "bind", "volume", "tmpfs", …
	Name        string `json:"name,omitempty"`
	Source      string `json:"source,omitempty"`
	Destination string `json:"destination"`
	Driver      string `json:"driver,omitempty"`
	Mode        string `json:"mode,omitempty"`
	ReadOnly    bool   `json:"read_only,omitempty"`
}

// ContainerNetwork is a network that a container is in.
type ContainerNetwork struct {
	Name    string   `json:"name"`
	IPv4    string   `json:"ipv4,omitempty"` // with its prefix: "172.17.0.2/16"
	IPv6    string   `json:"ipv6,omitempty"`
	Gateway string   `json:"gateway,omitempty"`
	MAC     string   `json:"mac,omitempty"`
	Aliases []string `json:"aliases,omitempty"`
}

// ContainerEnv is a container's environment, sorted by name. Values whose names
// look secret are masked (D6).
type ContainerEnv struct {
	Name      string  `json:"name"`
	Variables []Label `json:"variables,omitempty"`
	// Omitted counts those that are too many to be listed.
	Omitted int `json:"omitted,omitempty"`
}
