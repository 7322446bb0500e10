package abi

// Series of the machine's history.
const (
	SeriesCPU        = "cpu"         // percent of all cores together
	SeriesLoad1      = "load1"       // run queue over 1 minute
	SeriesMemory     = "memory"      // percent of total, as MemoryInfo.Percent
	SeriesSwap       = "swap"        // percent of total
	SeriesDisk       = "disk"        // percent used of the fullest real mount
	SeriesDiskRead   = "disk_read"   // bytes per second, as DiskIOInfo.Total counts
	SeriesDiskWrite  = "disk_write"  // bytes per second
	SeriesNetworkIn  = "network_in"  // bytes per second, as NetworkInfo.Total counts: what others sent
	SeriesNetworkOut = "network_out" // bytes per second, to others
)

// Series of a container's history.
const (
	SeriesContainerCPU    = "cpu"         // percent of one core
	SeriesContainerMemory = "memory"      // bytes
	SeriesContainerIn     = "network_in"  // bytes per second
	SeriesContainerOut    = "network_out" // bytes per second
	SeriesContainerRead   = "block_read"  // bytes per second
	SeriesContainerWrite  = "block_write" // bytes per second
)

// HistoryQuery asks for what the machine's sampler kept.
type HistoryQuery struct {
	Host   string   `json:"host,omitempty"`
	Series []string `json:"series"` // at most 4
	// Seconds is how far to look back from now: at most 30 days.
	Seconds int64 `json:"seconds"`
	// Points is the most that come back of each series, at most 400; 0: 200.
	// Where there is more, each point is the mean of its span.
	Points int `json:"points,omitempty"`
}

// ContainerHistoryQuery asks for what was kept of a container.
type ContainerHistoryQuery struct {
	Host    string   `json:"host,omitempty"`
	ID      string   `json:"id"` // as in ContainerRef
	Series  []string `json:"series"`
	Seconds int64    `json:"seconds"`
	Points  int      `json:"points,omitempty"`
}

// History is what was kept, in the form that a [Chart] takes.
type History struct {
	From   int64    `json:"from"` // milliseconds since 1970 UTC
	To     int64    `json:"to"`
	Step   int64    `json:"step"` // seconds that each point stands for
	Series []Series `json:"series"`
	// Name is the container's; MemoryLimit its limit in bytes, 0: none; CPUs how
	// many cores there are.
	Name        string `json:"name,omitempty"`
	MemoryLimit int64  `json:"memory_limit,omitempty"`
	CPUs        int    `json:"cpus,omitempty"`
}

// Series is a line over time. At[i] is the moment of Values[i], in seconds after
// From; where nothing was kept there is no point.
type Series struct {
	Name   string    `json:"name"`
	At     []int64   `json:"at"`
	Values []float64 `json:"values"`
}

// Units of a chart's values.
const (
	UnitNumber  = ""
	UnitPercent = "percent"
	UnitBytes   = "bytes"
	UnitRate    = "bytes/s"
)

// Chart is drawn by the host as a picture. A reply has at most one; its text is
// the picture's caption.
type Chart struct {
	Title string `json:"title"`
	Unit  string `json:"unit,omitempty"`
	From  int64  `json:"from"` // milliseconds since 1970 UTC
	To    int64  `json:"to"`
	// Gap is the distance in seconds from which on two points are not joined.
	Gap    int64       `json:"gap,omitempty"`
	Series []Series    `json:"series"` // at most 4
	Lines  []ChartLine `json:"lines,omitempty"`
	// Max is the end of the scale, which begins at 0; 0: what the values need.
	Max  float64 `json:"max,omitempty"`
	Dark bool    `json:"dark,omitempty"`
}

// ChartLine is a threshold across the chart.
type ChartLine struct {
	Label string  `json:"label"`
	Value float64 `json:"value"`
}
