package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// proxyHost is the public name in the examples.
const proxyHost = "bot.example.org"

// proxyKind is a proxy that docs/OPERATIONS.md has an example for.
type proxyKind struct {
	name string
	// program is where to look for it, and missing what to do without.
	program, missing string
	// files are the examples, in docs/proxies.
	files []string
	// edits turn an example into one for a test. They change what a test cannot
	// have, such as a port or where the certificate comes from.
	edits func(s site) []edit
	// extra are files beside the examples, by name.
	extra func(s site) map[string]string
	args  []string
	// logs is what the logs of every run have, so that looking into them shows
	// something.
	logs string
}

// edit replaces a text, which must be there.
type edit struct{ old, new string }

// site is where a proxy runs.
type site struct{ dir, listen, upstream string }

func (s site) cert() string { return filepath.Join(s.dir, "cert.pem") }
func (s site) key() string  { return filepath.Join(s.dir, "key.pem") }

var nginx = proxyKind{
	name: "nginx", program: "nginx", missing: "there is no nginx: Debian has it in nginx-light",
	files: []string{"nginx.conf"},
	edits: func(s site) []edit {
		return []edit{
			{"listen 443 ssl;", "listen " + s.listen + " ssl;"},
			{"/etc/letsencrypt/live/bot.example.org/fullchain.pem", s.cert()},
			{"/etc/letsencrypt/live/bot.example.org/privkey.pem", s.key()},
			{"http://127.0.0.1:5001", "http://" + s.upstream},
		}
	},
	// As the file around it that distributions install: with logs.
	extra: func(s site) map[string]string {
		temp := ""
		for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
			temp += fmt.Sprintf("%s_temp_path %s/%s;\n", kind, s.dir, kind)
		}
		return map[string]string{"main.conf": "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log error.log;\nevents {}\n" +
			"http {\naccess_log access.log;\n" + temp + "include nginx.conf;\n}\n"}
	},
	args: []string{"-p", ".", "-c", "main.conf", "-e", "error.log"},
	logs: "/elsewhere",
}

var caddy = proxyKind{
	name: "Caddy", program: "caddy", missing: "there is no caddy: Debian has it in caddy",
	files: []string{"Caddyfile"},
	edits: func(s site) []edit {
		return []edit{
			{"\n{\n", "\n{\n\tadmin off\n\tauto_https off\n"},
			{"\nbot.example.org {\n", "\nhttps://bot.example.org:" + portOf(s.listen) + " {\n\tbind 127.0.0.1\n\ttls " + s.cert() + " " + s.key() + "\n"},
			{"reverse_proxy 127.0.0.1:5001", "reverse_proxy " + s.upstream},
		}
	},
	args: []string{"run", "--config", "Caddyfile", "--adapter", "caddyfile"},
	logs: "http.log.error",
}

var traefik = proxyKind{
	name: "Traefik", program: "traefik", missing: "there is no traefik",
	files: []string{"traefik.yaml", "traefik-bot.yaml"},
	edits: func(s site) []edit {
		return []edit{
			{`address: ":443"`, "address: " + s.listen},
			{"certificatesResolvers:\n  letsencrypt:\n    acme:\n      email: you@example.org\n      storage: /etc/traefik/acme.json\n      tlsChallenge: {}\n", ""},
			{"filename: /etc/traefik/traefik-bot.yaml", "filename: traefik-bot.yaml"},
			{"certResolver: letsencrypt", "options: default"},
			{"- url: http://127.0.0.1:5001\n", "- url: http://" + s.upstream + "\ntls:\n  certificates:\n    - {certFile: " + s.cert() + ", keyFile: " + s.key() + "}\n"},
			// So that there is something to look into.
			{"# There is no access log", "log: {level: DEBUG, filePath: traefik.log}\naccessLog: {filePath: access.log}\n# There is no access log"},
		}
	},
	args: []string{"--configFile=traefik.yaml"},
	logs: "502 Bad Gateway",
}

// proxies are those with an example. Traefik is in none of Debian's packages, and
// takes five minutes to build: without one its example is left out, and only the
// part of it that docs/proxies/traefiktest runs is tested.
func proxies(t testing.TB) []proxyKind {
	t.Helper()
	if _, err := traefik.find(); err != nil {
		t.Logf("without Traefik: %v", err)
		return []proxyKind{nginx, caddy}
	}
	return []proxyKind{nginx, caddy, traefik}
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// find looks for the proxy's program. Debian's nginx is where a plain user's PATH
// does not look.
func (k proxyKind) find() (path string, err error) {
	for _, name := range []string{k.program, "/usr/sbin/" + k.program} {
		if path, err = exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New(k.missing)
}

// path is where the program is; without one the test is skipped.
func (k proxyKind) path(t testing.TB) string {
	t.Helper()
	path, err := k.find()
	if err == nil {
		return path
	}
	if os.Getenv("COFFERDAM_CI") == "1" {
		t.Fatal(err)
	}
	t.Skip(err)
	return ""
}

// runningProxy is a proxy in front of an upstream.
type runningProxy struct {
	kind    proxyKind
	t       testing.TB
	site    site
	roots   *x509.CertPool
	process *os.Process
	ended   chan error // of the process, once
}

// behind starts a proxy with its example, in front of what listens at upstream.
// Changes are made to the example first.
func behind(t testing.TB, k proxyKind, upstream string, changes ...edit) *runningProxy {
	t.Helper()
	path := k.path(t)
	p := &runningProxy{kind: k, t: t, site: site{t.TempDir(), fmt.Sprintf("127.0.0.1:%d", freePort(t)), upstream}}
	p.certify()
	p.writeExample(changes)
	output, err := os.Create(filepath.Join(p.site.dir, "output.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	cmd := exec.Command(path, k.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.site.dir, output, output
	cmd.Env = append(os.Environ(), "HOME="+p.site.dir, "XDG_CONFIG_HOME="+p.site.dir, "XDG_DATA_HOME="+p.site.dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.process, p.ended = cmd.Process, make(chan error, 1)
	go func() { p.ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = p.process.Kill() // it may have ended already
		<-p.ended
	})
	p.ready()
	return p
}

// certify makes the certificate of the public name.
func (p *runningProxy) certify() {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: proxyHost}, DNSNames: []string{proxyHost},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		p.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		p.t.Fatal(err)
	}
	p.write(p.site.cert(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	p.write(p.site.key(), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	p.roots = x509.NewCertPool()
	p.roots.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
}

func (p *runningProxy) write(path string, data []byte) {
	p.t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// writeExample writes the files of docs/proxies as they are, but for the edits.
// Each edit must fit exactly once.
func (p *runningProxy) writeExample(changes []edit) {
	p.t.Helper()
	texts := map[string]string{}
	for _, name := range p.kind.files {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", "proxies", name))
		if err != nil {
			p.t.Fatal(err)
		}
		texts[name] = string(text)
	}
	for _, e := range append(changes, p.kind.edits(p.site)...) {
		fits := 0
		for name, text := range texts {
			fits += strings.Count(text, e.old)
			texts[name] = strings.ReplaceAll(text, e.old, e.new)
		}
		if fits != 1 {
			p.t.Fatalf("%q is %d times in %v, want 1", e.old, fits, p.kind.files)
		}
	}
	if p.kind.extra != nil {
		for name, text := range p.kind.extra(p.site) {
			texts[name] = text
		}
	}
	for name, text := range texts {
		p.write(filepath.Join(p.site.dir, name), []byte(text))
	}
}

// ready waits until the proxy serves the example.
func (p *runningProxy) ready() {
	p.t.Helper()
	client := p.client("127.0.0.1")
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		res, err := client.Get("https://" + proxyHost + "/elsewhere")
		if err == nil {
			res.Body.Close()
			return
		}
		select {
		case end := <-p.ended:
			p.ended <- end
			p.t.Fatalf("%s has ended: %v\n%s", p.kind.name, end, p.logs())
		default:
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s does not answer: %v\n%s", p.kind.name, err, p.logs())
		}
	}
}

// client is somebody on the internet with that address.
func (p *runningProxy) client(address string) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", p.site.listen)
		},
		TLSClientConfig: &tls.Config{RootCAs: p.roots}, // HTTP/1.1, as Telegram's
	}
	p.t.Cleanup(transport.CloseIdleConnections)
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{Transport: transport, Timeout: patience, CheckRedirect: stay}
}

// stop lets the proxy write what it still has for its logs, which comes after the
// answer.
func (p *runningProxy) stop() {
	p.t.Helper()
	if err := p.process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case end := <-p.ended:
		p.ended <- end
	case <-time.After(patience):
		p.t.Fatalf("%s does not stop", p.kind.name)
	}
}

// logs is all that the proxy has written.
func (p *runningProxy) logs() string {
	p.t.Helper()
	var all strings.Builder
	err := fs.WalkDir(os.DirFS(p.site.dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".log") {
			return err
		}
		text, err := os.ReadFile(filepath.Join(p.site.dir, path))
		fmt.Fprintf(&all, "%s:\n%s\n", path, text)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return all.String()
}
