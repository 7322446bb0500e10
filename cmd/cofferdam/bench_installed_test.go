package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/modules"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/engine"
	"github.com/cofferdam-bot/cofferdam/runtime/engine/compiler"
	"github.com/cofferdam-bot/cofferdam/runtime/registry"
)

// What modules cost that are installed and that nobody uses.

// benchInstalled is the environment variable that names the folder of what a
// process of the benchmarks has installed.
const benchInstalled = "COFFERDAM_BENCH_INSTALLED"

// installedMain is the main function of a bot that has a folder of modules
// installed, each of them vouched for.
func installedMain(args []string, dir string) int {
	return otherMain(args, func(o *options) {
		o.ready = func(a *app) {
			if err := install(context.Background(), a, dir); err != nil {
				panic(err)
			}
			a.log.Info(allKnown)
		}
	})
}

const allKnown = "all installed modules are known"

// install reads every file of a folder, and puts what is in it.
func install(ctx context.Context, a *app, dir string) error {
	paths, err := filepath.Glob(filepath.Join(dir, "*.wasm"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		spec, err := installedSpec(path)
		if err == nil {
			err = a.registry.Put(ctx, spec)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func installedSpec(path string) (registry.Spec, error) {
	wasm, err := os.ReadFile(path)
	if err != nil {
		return registry.Spec{}, err
	}
	manifest, err := abi.ReadManifest(wasm)
	l := config.DefaultLimits
	return registry.Spec{
		Read: func() ([]byte, error) { return os.ReadFile(path) }, Digest: digestOf(wasm), Manifest: manifest, Trust: abi.TrustApproved,
		Limits: engine.Limits{
			Memory: int64(l.Memory), Timeout: l.Timeout, HostCalls: l.HostCalls,
			Reply: int(l.Reply), Log: int(l.Log), Concurrency: l.Concurrency, Fuel: uint64(l.Fuel),
		},
	}, err
}

func digestOf(wasm []byte) string {
	sum := sha256.Sum256(wasm)
	return hex.EncodeToString(sum[:])
}

// installable is a folder of n files that differ in their manifests: by name,
// command and word, and so by digest. The code of all of them is that of module
// server.
func installable(b *testing.B, n int) string {
	b.Helper()
	files, err := modules.Builtin()
	if err != nil {
		b.Fatal(err)
	}
	of := files[slices.IndexFunc(files, func(f modules.File) bool { return f.Name == "server" })]
	manifest, err := abi.ReadManifest(of.Data)
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	for i := range n {
		name := fmt.Sprintf("m%03d", i)
		manifest.Name, manifest.Commands = name, []abi.Command{{
			Name: name, Description: "Nothing", Who: abi.WhoUser, Aliases: []string{"word " + name},
		}}
		wasm, err := abi.WithManifest(of.Data, manifest)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name+".wasm"), wasm, 0o600)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

// installedState is a state directory in which the code of the built-in modules
// is, and that of a folder of installable modules. It would take six minutes to
// compile two hundred of them, and it is the same code each time; so two are
// compiled by a bot, which must come to the same, and the others get links to
// that.
func installedState(b *testing.B, dir string) (state, cache string) {
	b.Helper()
	state = compiledState(b)
	cache = filepath.Join(state, "modules")
	paths, err := filepath.Glob(filepath.Join(dir, "*.wasm"))
	if err != nil || len(paths) < 2 {
		b.Fatalf("%d modules, %v", len(paths), err)
	}
	bot := startBot(b, silent, func(bot *bot) { bot.o.cacheDir = cache })
	for _, path := range paths[:2] {
		spec, err := installedSpec(path)
		if err == nil {
			err = bot.app.registry.Put(b.Context(), spec)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := bot.stop(); err != nil {
		b.Fatal(err)
	}
	fingerprint, err := compiler.Fingerprint(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	code := func(path string) string {
		wasm, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		return filepath.Join(cache, digestOf(fmt.Appendf(nil, "%s\n%s\n%s\n", fingerprint, compiler.PreparedFile, digestOf(wasm))))
	}
	model := code(paths[0])
	if err := sameFiles(model, code(paths[1])); err != nil {
		b.Fatal(err)
	}
	for _, path := range paths[2:] {
		if err := linkAll(model, code(path)); err != nil {
			b.Fatal(err)
		}
	}
	return state, cache
}

// sameFiles says what is different in two folders.
func sameFiles(a, b string) error {
	one, other := os.DirFS(a), os.DirFS(b)
	return fs.WalkDir(one, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		first, err := fs.ReadFile(one, path)
		second, err2 := fs.ReadFile(other, path)
		if err == nil && err2 == nil && string(first) != string(second) {
			return fmt.Errorf("%s is another", path)
		}
		return errors.Join(err, err2)
	})
}

// linkAll makes a folder with links to the files of another.
func linkAll(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		if entry.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		return os.Link(path, target)
	})
}

// installedModules is how many there are at most.
const installedModules = 200

// BenchmarkInstalledStart is the time from exec until all modules are known, and
// the memory of the idle process then and after a first command.
func BenchmarkInstalledStart(b *testing.B) {
	for _, n := range []int{0, installedModules} {
		b.Run(fmt.Sprintf("modules=%d", n), func(b *testing.B) {
			dir, state := b.TempDir(), compiledState(b)
			if n > 0 {
				dir = installable(b, n)
				state, _ = installedState(b, dir)
			}
			var known, idle []float64
			for b.Loop() {
				for range startsPerOp {
					p := startProcess(b, program{"installed", thisBinary, []string{benchInstalled + "=" + dir}}, state, 1)
					known = append(known, float64(p.said(allKnown).Microseconds())/1000)
					p.called("sendMessage", 1)
					if len(idle) < 2 { // it takes seconds until memory is at rest
						idle = append(idle, p.settled())
					}
					p.end()
				}
			}
			b.ReportMetric(median(known), "known-ms")
			b.ReportMetric(slices.Max(idle), "idle-MiB")
			b.ReportMetric(0, "ns/op") // is starting and stopping
		})
	}
}

// BenchmarkInstalledReply is the latency of commands of built-in modules in two
// bots that take turns, of which one has two hundred modules installed. /start
// and /help list the commands of all of them.
func BenchmarkInstalledReply(b *testing.B) {
	dir := installable(b, installedModules)
	_, cache := installedState(b, dir)
	for _, command := range []string{"/memory", "/start"} {
		b.Run(command[1:], func(b *testing.B) { benchmarkInstalledReply(b, dir, cache, command) })
	}
}

func benchmarkInstalledReply(b *testing.B, dir, cache, command string) {
	var bots [2]*bot
	for i := range bots {
		bots[i] = startBot(b, silent, onDisk, manyUsers(takingTurns), func(bot *bot) { bot.o.cacheDir = cache })
		bots[i].person(user, user).says(command) // loads the module
	}
	if err := install(b.Context(), bots[1].app, dir); err != nil {
		b.Fatal(err)
	}
	var took [2][]float64
	for n := 0; b.Loop(); n++ {
		for i, bot := range bots {
			who := int64(firstOfMany + n/chatLength%takingTurns)
			p := bot.person(who, who)
			began := time.Now()
			p.says(command)
			took[i] = append(took[i], float64(time.Since(began).Microseconds())/1000)
		}
	}
	without, with := median(took[0]), median(took[1])
	b.ReportMetric(without, "without-p50-ms")
	b.ReportMetric(with, "with-p50-ms")
	b.ReportMetric(with/without, "ratio")
	b.ReportMetric(0, "ns/op") // is that of both
}

// BenchmarkInstalledReload is the time that the Put of an approved module takes
// whose code is in the cache, and the time until it has replied.
func BenchmarkInstalledReload(b *testing.B) {
	dir := installable(b, 2)
	_, cache := installedState(b, dir)
	bot := startBot(b, silent, onDisk, func(bot *bot) { bot.o.cacheDir = cache })
	var specs []registry.Spec
	for i := range 2 {
		spec, err := installedSpec(filepath.Join(dir, fmt.Sprintf("m%03d.wasm", i)))
		if err != nil {
			b.Fatal(err)
		}
		specs = append(specs, spec)
	}
	var puts, replies []time.Duration
	for n := 0; b.Loop(); n++ {
		spec := specs[n%2]
		began := time.Now()
		if err := bot.app.registry.Put(b.Context(), spec); err != nil {
			b.Fatal(err)
		}
		puts = append(puts, time.Since(began))
		request := fmt.Appendf(nil, `{"version":%d,"command":%q}`, abi.Version, spec.Manifest.Name)
		if _, _, err := bot.app.registry.Invoke(b.Context(), spec.Manifest.Name, abi.Actor{ID: user, Role: abi.RoleUser}, nil, zap.NewNop(), request); err != nil {
			b.Fatal(err)
		}
		replies = append(replies, time.Since(began))
		if err := bot.app.registry.Remove(b.Context(), spec.Manifest.Name); err != nil {
			b.Fatal(err)
		}
	}
	slices.Sort(puts)
	slices.Sort(replies)
	b.ReportMetric(float64(puts[len(puts)/2].Microseconds())/1000, "put-p50-ms")
	b.ReportMetric(float64(replies[len(replies)/2].Microseconds())/1000, "reply-p50-ms")
	b.ReportMetric(0, "ns/op")
}
