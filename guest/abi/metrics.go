package abi

// MetricsQuery names the machine that is asked.
type MetricsQuery struct {
	Host string `json:"host,omitempty"`
}

// HostInfo is about the machine as a whole.
type HostInfo struct {
	Hostname string  `json:"hostname"`
	OS       string  `json:"os"`       // "Debian GNU/Linux 12"
	Kernel   string  `json:"kernel"`   // "6.1.0-18-amd64"
	Uptime   int64   `json:"uptime"`   // seconds
	BootTime int64   `json:"boot"`     // milliseconds since 1970 UTC
	Load1    float64 `json:"load1"`    // run queue over 1 minute
	Load5    float64 `json:"load5"`    // over 5 minutes
	Load15   float64 `json:"load15"`   // over 15 minutes
	CPUs     int     `json:"cpus"`     // logical processors
	InGuest  bool    `json:"in_guest"` // the host reads /proc of a container, not of the machine
}

// CPUInfo is the processors' use since the sample before, at least 200 ms ago.
type CPUInfo struct {
	Percent  float64   `json:"percent"`  // of all cores together, 0 to 100
	PerCore  []float64 `json:"per_core"` // each 0 to 100
	Logical  int       `json:"logical"`
	Physical int       `json:"physical"` // 0: unknown
	Model    string    `json:"model,omitempty"`
	MHz      float64   `json:"mhz,omitempty"` // mean of the cores; 0: unknown
	Times    CPUTimes  `json:"times"`
	WindowMS int64     `json:"window_ms"` // how long the percentages were measured over
}

// CPUTimes are shares of the window in percent.
type CPUTimes struct {
	User    float64 `json:"user"`
	System  float64 `json:"system"`
	Nice    float64 `json:"nice"`
	Idle    float64 `json:"idle"`
	IOWait  float64 `json:"iowait"`
	IRQ     float64 `json:"irq"`
	SoftIRQ float64 `json:"softirq"`
	Steal   float64 `json:"steal"`
}

// MemoryInfo is the machine's memory, in bytes.
type MemoryInfo struct {
	Total     uint64  `json:"total"`
	Used      uint64  `json:"used"`
	Free      uint64  `json:"free"`
	Available uint64  `json:"available"`
	Percent   float64 `json:"percent"` // (total − available) of total
	Active    uint64  `json:"active"`
	Inactive  uint64  `json:"inactive"`
	Cached    uint64  `json:"cached"`
	Buffers   uint64  `json:"buffers"`
	Shared    uint64  `json:"shared"`
	Swap      Swap    `json:"swap"`
}

// Swap is the machine's swap space, in bytes; Total 0: there is none.
type Swap struct {
	Total   uint64  `json:"total"`
	Used    uint64  `json:"used"`
	Free    uint64  `json:"free"`
	Percent float64 `json:"percent"`
	In      uint64  `json:"in"`  // swapped in since boot
	Out     uint64  `json:"out"` // swapped out since boot
}

// DiskInfo lists real mounts; one that does not answer in time is named in
// Hanging instead.
type DiskInfo struct {
	Mounts  []Mount  `json:"mounts"`
	Hanging []string `json:"hanging,omitempty"`
}

// Mount is a mounted file system; sizes in bytes.
type Mount struct {
	Path    string  `json:"path"`
	Device  string  `json:"device"`
	Type    string  `json:"type"`
	Total   uint64  `json:"total"`
	Used    uint64  `json:"used"`
	Free    uint64  `json:"free"`
	Percent float64 `json:"percent"`
}

// SensorInfo lists temperature sensors; empty where the machine has none.
type SensorInfo struct {
	Temperatures []Temperature `json:"temperatures"`
}

// Temperature is a sensor's reading in degrees Celsius; 0 for a limit that
// the sensor does not state.
type Temperature struct {
	Name     string  `json:"name"`
	Current  float64 `json:"current"`
	High     float64 `json:"high,omitempty"`
	Critical float64 `json:"critical,omitempty"`
}

// Orders of a process list.
const (
	ByCPU    = "cpu"
	ByMemory = "memory"
)

// ProcessQuery asks for the counts, and for the top Count processes.
type ProcessQuery struct {
	Host  string `json:"host,omitempty"`
	By    string `json:"by,omitempty"`    // ByCPU (default) or ByMemory
	Count int    `json:"count,omitempty"` // 0: counts only; at most 50
}

// ProcessInfo counts processes by state and lists the busiest.
type ProcessInfo struct {
	Total    int       `json:"total"`
	Running  int       `json:"running"`
	Sleeping int       `json:"sleeping"`
	Idle     int       `json:"idle"`
	Stopped  int       `json:"stopped"`
	Zombie   int       `json:"zombie"`
	Top      []Process `json:"top,omitempty"`
}

// Process is one running program. Its command line is never given: it may
// hold secrets.
type Process struct {
	PID           int32   `json:"pid"`
	Name          string  `json:"name"`
	User          string  `json:"user,omitempty"`
	CPUPercent    float64 `json:"cpu_percent"` // of one core
	Memory        uint64  `json:"memory"`      // resident bytes
	MemoryPercent float64 `json:"memory_percent"`
}

// UserInfo lists who is logged in.
type UserInfo struct {
	Users []LoggedIn `json:"users"`
}

// LoggedIn is one login.
type LoggedIn struct {
	User     string `json:"user"`
	Terminal string `json:"terminal,omitempty"`
	From     string `json:"from,omitempty"`
	Since    int64  `json:"since"` // milliseconds since 1970 UTC
}
