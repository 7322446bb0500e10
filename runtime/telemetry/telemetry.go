// Package telemetry counts what the bot does, and shows it to Prometheus. No
// label holds an id, a name that a user chose, or a secret: labels are words of
// this program, and the names of modules that the operator let in.
package telemetry

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// seconds are the bounds of the histograms: from a warm module's answer to its
// deadline, which is 10 s by default (F3).
var seconds = []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

// Metrics are the figures of one bot, in a registry of their own. They are safe
// for concurrent use.
type Metrics struct {
	registry *prometheus.Registry

	updates     *prometheus.CounterVec
	commands    *prometheus.HistogramVec
	denied      *prometheus.CounterVec
	invocations *prometheus.CounterVec
	took        *prometheus.HistogramVec
	fuel        *prometheus.CounterVec
	bytes       *prometheus.CounterVec
	memory      *prometheus.GaugeVec
	hostcalls   *prometheus.CounterVec
	requests    *prometheus.CounterVec
	rejected    *prometheus.CounterVec

	mu   sync.Mutex
	peak map[string]uint32 // bytes, by module: what memory shows
}

// New returns Metrics, with those of Go and of the process.
func New() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), peak: map[string]uint32{}}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.updates = m.counter("cofferdam_updates_total", "Updates from Telegram, by how they ended.", "outcome")
	m.commands = m.histogram("cofferdam_command_seconds", "From an update's arrival to its end, by the module that handled it.", "module")
	m.denied = m.counter("cofferdam_access_denied_total", "Updates of those who may not, by why.", "reason")
	m.invocations = m.counter("cofferdam_invocations_total", "Invocations of modules, by how they ended.", "module", "outcome")
	m.took = m.histogram("cofferdam_invocation_seconds", "Time that invocations took.", "module")
	m.fuel = m.counter("cofferdam_invocation_fuel_total", "Units of metered work in modules.", "module")
	m.bytes = m.counter("cofferdam_invocation_bytes_total", "Bytes that modules and the host exchanged.", "module")
	m.memory = register(m, prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "cofferdam_invocation_memory_bytes", Help: "The most linear memory that one invocation had, since the start.",
	}, []string{"module"}))
	m.hostcalls = m.counter("cofferdam_hostcalls_total", "What modules asked of the host, by how it ended.", "capability", "outcome")
	m.requests = m.counter("cofferdam_telegram_requests_total", "Calls to the Bot API, by how they ended.", "method", "outcome")
	m.rejected = m.counter("cofferdam_webhook_rejected_total", "Requests and connections that the webhook refused, by why.", "reason")
	return m
}

func register[C prometheus.Collector](m *Metrics, c C) C {
	m.registry.MustRegister(c) // fails for a name twice only
	return c
}

func (m *Metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	return register(m, prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels))
}

func (m *Metrics) histogram(name, help string, labels ...string) *prometheus.HistogramVec {
	return register(m, prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: seconds}, labels))
}

// ModulesLoaded shows how many modules are loaded, as count says whenever
// somebody asks. It may be called once.
func (m *Metrics) ModulesLoaded(count func() int) {
	register(m, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "cofferdam_modules_loaded", Help: "Modules that are loaded.",
	}, func() float64 { return float64(count()) }))
}

// Update counts updates that ended so.
func (m *Metrics) Update(outcome string, n int) { m.updates.WithLabelValues(outcome).Add(float64(n)) }

// Command counts a command that a module handled.
func (m *Metrics) Command(module string, took time.Duration) {
	m.commands.WithLabelValues(module).Observe(took.Seconds())
}

// Denied counts an update of somebody who may not.
func (m *Metrics) Denied(reason string) { m.denied.WithLabelValues(reason).Inc() }

// Invocation is what one took.
type Invocation struct {
	Module, Outcome string
	Time            time.Duration
	Fuel            uint64
	Memory          uint32 // bytes
	Bytes           int
}

// Invoked counts an invocation that ran.
func (m *Metrics) Invoked(i Invocation) {
	m.Skipped(i.Module, i.Outcome)
	m.took.WithLabelValues(i.Module).Observe(i.Time.Seconds())
	m.fuel.WithLabelValues(i.Module).Add(float64(i.Fuel))
	m.bytes.WithLabelValues(i.Module).Add(float64(i.Bytes))
	m.mu.Lock()
	defer m.mu.Unlock()
	if i.Memory >= m.peak[i.Module] {
		m.peak[i.Module] = i.Memory
		m.memory.WithLabelValues(i.Module).Set(float64(i.Memory))
	}
}

// Skipped counts an invocation that took nothing, since the module was not run.
func (m *Metrics) Skipped(module, outcome string) {
	m.invocations.WithLabelValues(module, outcome).Inc()
}

// HostCall counts what a module asked of the host.
func (m *Metrics) HostCall(capability, outcome string) {
	m.hostcalls.WithLabelValues(capability, outcome).Inc()
}

// TelegramRequest counts a call to the Bot API.
func (m *Metrics) TelegramRequest(method, outcome string) {
	m.requests.WithLabelValues(method, outcome).Inc()
}

// WebhookRejected counts what the webhook refused.
func (m *Metrics) WebhookRejected(reason string) { m.rejected.WithLabelValues(reason).Inc() }
