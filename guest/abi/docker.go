package abi

// LocalHost is the Docker endpoint or machine that a query with an empty Host
// means: the first of `docker.host`.
const LocalHost = "local"

// DockerQuery names the engine that is asked.
type DockerQuery struct {
	// Host is the name of an endpoint; empty: [LocalHost].
	Host string `json:"host,omitempty"`
}

// DockerHosts are the configured endpoints, whether their engines answer or
// not. It is known without asking an engine, so the query's Host is ignored.
type DockerHosts struct {
	// Names are in the order of `docker.host`; the first is [LocalHost].
	Names []string `json:"names"`
}

// DockerInfo is the engine's state.
type DockerInfo struct {
	// Hosts are the names of all configured endpoints.
	Hosts            []string `json:"hosts"`
	Version          string   `json:"version"`
	APIVersion       string   `json:"api_version"`
	OS               string   `json:"os"`
	Arch             string   `json:"arch"`
	StorageDriver    string   `json:"storage_driver"`
	Containers       int      `json:"containers"`
	Running          int      `json:"running"`
	Paused           int      `json:"paused"`
	Stopped          int      `json:"stopped"`
	Images           int      `json:"images"`
	CPUs             int      `json:"cpus"`
	MemoryTotal      int64    `json:"memory_total"` // bytes
	EngineResponseMS float64  `json:"engine_response_ms"`
}

// ContainerQuery asks for containers, running ones first, then by name.
type ContainerQuery struct {
	Host string `json:"host,omitempty"`
	// Offset and Count cut a page out of the list; Count 0: all, up to the
	// host's limit.
	Offset int `json:"offset,omitempty"`
	Count  int `json:"count,omitempty"`
	// Image narrows the list to containers made of the image with this full id.
	Image string `json:"image,omitempty"`
}

// ContainerList is a page of containers, narrowed to what the module and the
// user may see.
type ContainerList struct {
	// Total and Running count all that may be seen, not the page.
	Total      int         `json:"total"`
	Running    int         `json:"running"`
	Containers []Container `json:"containers"`
}

// Container is one row of a list.
type Container struct {
	ID      string `json:"id"`   // 64 hexadecimal digits
	Name    string `json:"name"` // without the leading slash
	Image   string `json:"image"`
	State   string `json:"state"`  // created, running, paused, restarting, removing, exited, dead
	Status  string `json:"status"` // the engine's own words: "Up 3 minutes (healthy)"
	Health  string `json:"health,omitempty"`
	Created int64  `json:"created"` // milliseconds since 1970 UTC
	Project string `json:"project,omitempty"`
}

// ContainerRef names one container.
type ContainerRef struct {
	Host string `json:"host,omitempty"`
	// ID is the full id, or the exact name. The host resolves it first and
	// checks the scope against the name that the engine gives.
	ID string `json:"id"`
}

// ContainerDetails is what may be seen of a container without a 2FA session:
// no environment, no mounts, no networks. Values of labels, and words of the
// command, whose names look secret are masked.
type ContainerDetails struct {
	Container
	ImageID      string   `json:"image_id"`
	Started      int64    `json:"started,omitempty"`  // milliseconds since 1970 UTC
	Finished     int64    `json:"finished,omitempty"` // milliseconds since 1970 UTC
	ExitCode     int      `json:"exit_code"`
	OOMKilled    bool     `json:"oom_killed,omitempty"`
	Error        string   `json:"error,omitempty"`
	RestartCount int      `json:"restart_count"`
	Command      []string `json:"command"`
	Ports        []Port   `json:"ports,omitempty"`
	Labels       []Label  `json:"labels,omitempty"` // sorted by name
}

// Port is an exposed port, published if HostPort is set.
type Port struct {
	Container string `json:"container"` // "80/tcp"
	HostIP    string `json:"host_ip,omitempty"`
	HostPort  string `json:"host_port,omitempty"`
}

// Label is a container's label.
type Label struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// ContainerStats is a running container's use of resources now. All sizes are
// bytes, counted since the container started.
type ContainerStats struct {
	// CPUPercent is of one core: 200 is two cores in full use.
	CPUPercent  float64 `json:"cpu_percent"`
	CPUs        int     `json:"cpus"`
	MemoryUsed  int64   `json:"memory_used"`
	MemoryLimit int64   `json:"memory_limit"`
	NetworkIn   int64   `json:"network_in"`
	NetworkOut  int64   `json:"network_out"`
	BlockRead   int64   `json:"block_read"`
	BlockWrite  int64   `json:"block_write"`
	PIDs        int     `json:"pids"`
}

// What can be done to a container, in one word each.
const (
	ActStart   = "start"
	ActStop    = "stop"
	ActRestart = "restart"
	ActPause   = "pause"
	ActUnpause = "unpause"
	ActKill    = "kill"
	ActRemove  = "remove"
	ActRename  = "rename"
)

// ContainerRename gives a container another name.
type ContainerRename struct {
	Host string `json:"host,omitempty"`
	ID   string `json:"id"` // as in ContainerRef
	To   string `json:"to"`
}

// ContainerDone is how a container is after something was done to it, as the
// engine says.
type ContainerDone struct {
	Name string `json:"name"`
	// State is the engine's word; empty when the container is gone.
	State string `json:"state,omitempty"`
	// Unchanged tells that it was so already.
	Unchanged bool `json:"unchanged,omitempty"`
	// Pending tells that the engine still works on it: a container may take
	// its time to stop.
	Pending bool `json:"pending,omitempty"`
}
