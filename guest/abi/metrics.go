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
	Fans         []Fan         `json:"fans,omitempty"`
}

// Fan is a fan's speed.
type Fan struct {
	Name string `json:"name"`
	RPM  int    `json:"rpm"` // turns per minute
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

// DiskIOInfo lists the block devices that did something since the machine
// started: no idle loop devices.
type DiskIOInfo struct {
	Devices  []DiskIO `json:"devices"`
	WindowMS int64    `json:"window_ms"` // how long the rates were measured over
}

// DiskIO is what one block device did.
type DiskIO struct {
	Name       string  `json:"name"`
	Reads      uint64  `json:"reads"` // requests since the machine started
	Writes     uint64  `json:"writes"`
	ReadBytes  uint64  `json:"read_bytes"`
	WriteBytes uint64  `json:"write_bytes"`
	ReadRate   float64 `json:"read_rate"` // bytes per second in the window
	WriteRate  float64 `json:"write_rate"`
	Busy       float64 `json:"busy"` // percent of the window with a request under way
	// Virtual is a device that is made of others, such as a volume of LVM, a
	// RAID or a loop device: what it does, those do as well.
	Virtual bool `json:"virtual,omitempty"`
}

// Total sums the devices up, each request once: without those that are made of
// others, unless there is nothing else. Busy is that of the busiest.
func (d DiskIOInfo) Total() (sum DiskIO) {
	real := false
	for _, one := range d.Devices {
		real = real || !one.Virtual
	}
	for _, one := range d.Devices {
		if real && one.Virtual {
			continue
		}
		sum.Reads += one.Reads
		sum.Writes += one.Writes
		sum.ReadBytes += one.ReadBytes
		sum.WriteBytes += one.WriteBytes
		sum.ReadRate += one.ReadRate
		sum.WriteRate += one.WriteRate
		sum.Busy = max(sum.Busy, one.Busy)
	}
	return sum
}

// NetworkInfo lists the interfaces, and counts connections by state.
type NetworkInfo struct {
	Interfaces  []Interface       `json:"interfaces"`
	Connections []ConnectionCount `json:"connections,omitempty"`
	// Uncounted says that there are more connections than were counted.
	Uncounted bool  `json:"uncounted,omitempty"`
	WindowMS  int64 `json:"window_ms"` // how long the rates were measured over
}

// Total sums up what the machine exchanged with others: a packet to a container
// goes through a bridge and a pair of virtual interfaces besides, and counts
// once. A container has virtual interfaces only, and those count there; loopback
// never does.
func (n NetworkInfo) Total() (sum Interface) {
	real := false
	for _, one := range n.Interfaces {
		real = real || !one.Virtual && !one.Loopback
	}
	for _, one := range n.Interfaces {
		if one.Loopback || real && one.Virtual {
			continue
		}
		sum.BytesIn += one.BytesIn
		sum.BytesOut += one.BytesOut
		sum.PacketsIn += one.PacketsIn
		sum.PacketsOut += one.PacketsOut
		sum.ErrorsIn += one.ErrorsIn
		sum.ErrorsOut += one.ErrorsOut
		sum.DropsIn += one.DropsIn
		sum.DropsOut += one.DropsOut
		sum.RateIn += one.RateIn
		sum.RateOut += one.RateOut
	}
	return sum
}

// Interface is a network interface; counters since the machine started.
type Interface struct {
	Name       string   `json:"name"`
	Up         bool     `json:"up"`
	Loopback   bool     `json:"loopback,omitempty"`
	Virtual    bool     `json:"virtual,omitempty"`   // no hardware behind it: a bridge, a tunnel, a container's
	Addresses  []string `json:"addresses,omitempty"` // with their prefixes
	MAC        string   `json:"mac,omitempty"`
	MTU        int      `json:"mtu,omitempty"`
	BytesIn    uint64   `json:"bytes_in"`
	BytesOut   uint64   `json:"bytes_out"`
	PacketsIn  uint64   `json:"packets_in"`
	PacketsOut uint64   `json:"packets_out"`
	ErrorsIn   uint64   `json:"errors_in"`
	ErrorsOut  uint64   `json:"errors_out"`
	DropsIn    uint64   `json:"drops_in"`
	DropsOut   uint64   `json:"drops_out"`
	RateIn     float64  `json:"rate_in"` // bytes per second in the window
	RateOut    float64  `json:"rate_out"`
}

// ConnectionCount counts sockets of a protocol in one state.
type ConnectionCount struct {
	Protocol string `json:"protocol"` // "tcp" or "udp"; both versions of IP together
	State    string `json:"state"`    // "ESTABLISHED", "LISTEN", …; "" for udp
	Count    int    `json:"count"`
}

// PressureInfo is how much work waited for a resource (PSI of the Linux
// kernel); Known is false where the kernel does not say.
type PressureInfo struct {
	Known  bool     `json:"known"`
	CPU    Pressure `json:"cpu"`
	Memory Pressure `json:"memory"`
	IO     Pressure `json:"io"`
}

// Pressure is the share of time, in percent, in which some work, or all of it,
// waited.
type Pressure struct {
	Some10  float64 `json:"some10"` // over 10 seconds
	Some60  float64 `json:"some60"`
	Some300 float64 `json:"some300"`
	Full10  float64 `json:"full10"`
	Full60  float64 `json:"full60"`
	Full300 float64 `json:"full300"`
}
