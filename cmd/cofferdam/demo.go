package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
	"github.com/cofferdam-bot/cofferdam/runtime/twofactor"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
	"github.com/cofferdam-bot/cofferdam/security/totp"
)

// The people of the demo. Their ids are made up; nothing leaves the machine.
const (
	demoAdmin    = 1001
	demoUser     = 1002
	demoStranger = 1003
	demoGroup    = -1002001
)

func demoCommand() *cobra.Command {
	var listen, stateDir, logLevel, modules, drops string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Try the bot in the browser: no token, no account, no config",
		Long: `Run the whole bot against a Bot API emulator in the same process, with a chat
page in the browser. It uses this machine's Docker if it is there. Nothing
leaves the machine; state is kept in memory unless --state-dir is given.

Anybody who can open the page can use the bot as its admin, so it is served on
loopback addresses only: whoever has an account on this machine can open it, and
nobody else. To see it from another machine, forward the port (ssh -L).

With --modules the bot also runs what a folder holds: .wasm files, and folders
with a manifest.yaml, which are built. A change is built and runs within
seconds. None of it is approved or signed: the demo trusts that folder. What
acts still asks for the second factor, and nothing is reached that a manifest
does not ask for.

With --drop-in a folder is what modules.dir of the config is to a real bot: a
.wasm file that is copied there waits until the admin approves it in the chat.`,
		Example: `  cofferdam demo
  cofferdam demo --modules ./hello
  cofferdam demo --drop-in ./vetted
  cofferdam demo --listen 127.0.0.1:9000 --log-level info`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f := runFlags{logLevel: logLevel, logFormat: "human"}
			if err := f.check(); err != nil {
				return exitWith(exitUsage, err)
			}
			return runDemo(cmd.Context(), f, listen, stateDir, demoFolders{modules, drops}, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8787", "address of the chat page")
	cmd.Flags().StringVar(&stateDir, "state-dir", "", "keep state there instead of in memory")
	cmd.Flags().StringVar(&modules, "modules", "", "run the modules of this `folder` too, and build them at each change")
	cmd.Flags().StringVar(&drops, "drop-in", "", "let the modules of this `folder` wait for an approval")
	cmd.Flags().StringVar(&logLevel, "log-level", "warn", "debug, info, warn or error")
	return cmd
}

// demoFolders are those with modules of others; empty: none.
type demoFolders struct {
	trusted string // they run at once
	waiting string // they wait for an approval
}

func runDemo(ctx context.Context, f runFlags, listen, stateDir string, folders demoFolders, out, logs io.Writer) error {
	own := &demoModules{dir: folders.trusted, out: out}
	if folders.trusted != "" {
		if err := own.check(); err != nil {
			return err
		}
	}
	if folders.waiting != "" {
		if info, err := os.Stat(folders.waiting); err != nil {
			return fmt.Errorf("--drop-in %s cannot be read: %s", folders.waiting, reason(err))
		} else if !info.IsDir() {
			return fmt.Errorf("--drop-in %s: a folder for .wasm files", folders.waiting)
		}
	}
	d, err := newDemo(f, listen, stateDir, logs)
	if err != nil {
		return err
	}
	if folders.trusted != "" {
		d.modules = own
		fmt.Fprintf(out, "The modules of %s run without an approval: the demo trusts that folder.\n", folders.trusted)
	}
	if folders.waiting != "" {
		// Nobody can be asked who did not write to the bot before.
		d.cfg.Modules.Dir = folders.waiting
		fmt.Fprintf(out, "Type /start as Admin; then copy a module into %s, and be asked about it.\n", folders.waiting)
	}
	fmt.Fprintf(out, "The demo runs. Open\n\n    %s\n\nin a browser; Ctrl-C ends it.\n", d.url())
	return d.run(ctx)
}

// demo is a bot, the Telegram that it talks to, and the chat page, all on one
// listener.
type demo struct {
	listener net.Listener
	world    *emulator.Server
	page     http.Handler
	cfg      *config.Config
	o        options
	phone    *demoPhone
	modules  *demoModules // nil: the built-in ones only
}

// newDemo listens, and runs nothing yet. What it returns must be run.
func newDemo(f runFlags, listen, stateDir string, logs io.Writer) (*demo, error) {
	if err := onLoopback(listen); err != nil {
		return nil, exitWith(exitUsage, err)
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("the chat page cannot be served on %s: %s; name another address with --listen (make demo DEMO_FLAGS='--listen 127.0.0.1:9000')", listen, reason(err))
	}
	d := &demo{listener: listener, phone: &demoPhone{}}
	d.world, d.page = demoWorld(d.phone)
	if d.cfg, err = demoConfig(d.world.Token(), d.url()); err != nil {
		listener.Close()
		return nil, err
	}
	scrubber := scrub.New(d.cfg.Secrets())
	d.o = options{stateDir: stateDir, cacheDir: demoCache(), scrub: scrubber, log: newLogger(logs, f.logLevel, f.logFormat, scrubber)}
	d.o.ready = func(a *app) { d.phone.enrol(a) }
	return d, nil
}

// onLoopback refuses an address that other machines could reach. One that is no
// address is left to the listener to refuse.
func onLoopback(listen string) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil || host == "localhost" {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Unmap().IsLoopback() {
		return nil
	}
	return fmt.Errorf("--listen %s: whoever can open the page is the bot's admin, so it must be a loopback address such as 127.0.0.1:9000; to see it from another machine, forward the port (ssh -L)", listen)
}

// url is where the page is, and the Bot API.
func (d *demo) url() string { return "http://" + d.listener.Addr().String() }

// run serves the page and the bot until the context ends.
func (d *demo) run(ctx context.Context) error {
	server := &http.Server{Handler: byPath(d.world, d.page), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(d.listener) }()
	defer func() {
		d.world.Close() // ends long polls and streams, so that Shutdown does not wait for them
		stopping, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if server.Shutdown(stopping) != nil {
			server.Close()
		}
		<-served
	}()
	if d.modules == nil {
		return serveUntil(ctx, d.cfg, d.o)
	}
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	d.o.ready = func(a *app) {
		d.phone.enrol(a)
		d.modules.cfg, d.modules.to, d.modules.tell = d.cfg, atOnce{a}, tellAdmin(a)
		watching.Go(func() { d.modules.run(ctx) })
	}
	return serveUntil(ctx, d.cfg, d.o)
}

// byPath sends Bot API calls to the emulator and the rest to the page.
func byPath(world, page http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/bot") || strings.HasPrefix(r.URL.Path, "/file/bot") {
			world.ServeHTTP(w, r)
			return
		}
		page.ServeHTTP(w, r)
	})
}

// demoWorld makes a Telegram with an admin, a user, a stranger and a group.
func demoWorld(phone *demoPhone) (*emulator.Server, http.Handler) {
	world := emulator.New(emulator.Options{Flood: emulator.TelegramFlood()})
	world.AddGroup(emulator.Group{ID: demoGroup, Title: "Operations"})
	page := world.PageHandler([]emulator.Persona{
		{User: emulator.User{ID: demoAdmin, FirstName: "Admin", Username: "demo_admin"}, Role: "admin",
			About: "on both lists of the config, may do everything", Chats: []int64{demoAdmin, demoGroup}, Authenticator: phone.show},
		{User: emulator.User{ID: demoUser, FirstName: "User", Username: "demo_user"}, Role: "user",
			About: "may look, in private and in the group", Chats: []int64{demoUser, demoGroup}},
		{User: emulator.User{ID: demoStranger, FirstName: "Stranger", Username: "demo_stranger"}, Role: "stranger",
			About: "on no list, sees nothing but /getmyid", Chats: []int64{demoStranger}},
	})
	return world, page
}

// demoPhone stands in for the admin's authenticator app: who tries the demo has
// none that knows its secret.
type demoPhone struct{ secret atomic.Pointer[string] }

// enrol reads the secret that waits for its first code, as a phone would read it
// from the picture of /qrcode. Of a state directory in which the admin enrolled
// before, nobody can read it any more.
func (p *demoPhone) enrol(a *app) {
	uri, err := a.factors.Enrol(context.Background(), twofactor.Person{ID: demoAdmin}, false, a.now())
	if err != nil {
		a.log.Info("the page shows no codes", zap.String("event", "demo.no_codes"), zap.Error(err))
		return
	}
	if parsed, err := url.Parse(uri); err == nil {
		secret := parsed.Query().Get("secret")
		p.secret.Store(&secret)
	}
}

func (p *demoPhone) show() (code string, left time.Duration, ok bool) {
	secret := p.secret.Load()
	if secret == nil {
		return "", 0, false
	}
	now := time.Now()
	code, err := totp.At(*secret, now)
	return code, totp.Left(now), err == nil
}

func demoConfig(token, api string) (*config.Config, error) {
	salt, err := config.NewSalt(rand.Reader)
	if err != nil {
		return nil, err
	}
	text, err := config.Sample(config.SampleInput{
		Token: config.Secret(token), Salt: salt, UserIDs: []int64{demoAdmin, demoUser}, AdminIDs: []int64{demoAdmin}, ChatIDs: []int64{demoGroup},
	})
	if err != nil {
		return nil, fmt.Errorf("the demo's config: %w", err)
	}
	cfg, _, err := config.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("the demo's config: %w", err)
	}
	cfg.Telegram.APIURL = api
	return cfg, nil
}

// demoCache keeps compiled modules between demos, so that the second one
// starts at once. Without a home directory they are compiled each time.
func demoCache() string {
	base, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	cache, err := cacheIn(filepath.Join(base, "cofferdam"))
	if err != nil {
		return ""
	}
	return cache
}
