package distribution

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

// maxConfig bounds Docker's config file, in bytes.
const maxConfig = 1 << 20

// logins are the credentials of a Docker config, by the host of their registry.
type logins struct {
	byHost map[string]authn.AuthConfig
	// helpers are the hosts whose credentials a program keeps; helper is set if
	// one keeps those of all others. Such programs are not run: whoever could
	// write the file would choose them.
	helpers map[string]bool
	helper  bool
}

// DockerConfig is the folder of Docker's config: $DOCKER_CONFIG, else .docker in
// the user's home; empty if there is no home.
func DockerConfig() string {
	if dir := os.Getenv("DOCKER_CONFIG"); dir != "" {
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".docker")
}

// readLogins reads config.json in folder. That there is none is no error.
func readLogins(folder string) (logins, error) {
	if folder == "" {
		return logins{}, nil
	}
	file, err := os.Open(filepath.Join(folder, "config.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return logins{}, nil
	}
	if err != nil {
		return logins{}, fmt.Errorf("read Docker's config: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxConfig+1))
	if err != nil {
		return logins{}, fmt.Errorf("read Docker's config: %w", err)
	}
	return parseLogins(data)
}

var errConfig = errors.New("docker's config is not as docker writes it")

// parseLogins reads the text of a config.json. Its errors hold nothing of it.
func parseLogins(data []byte) (logins, error) {
	if len(data) > maxConfig {
		return logins{}, fmt.Errorf("%w: it is longer than %d bytes", errConfig, maxConfig)
	}
	var file struct {
		Auths       map[string]json.RawMessage `json:"auths"`
		CredsStore  string                     `json:"credsStore"`
		CredHelpers map[string]string          `json:"credHelpers"`
	}
	if json.Unmarshal(data, &file) != nil {
		return logins{}, fmt.Errorf("%w: no such JSON", errConfig)
	}
	l := logins{byHost: map[string]authn.AuthConfig{}, helpers: map[string]bool{}, helper: file.CredsStore != ""}
	for key, raw := range file.Auths {
		var auth authn.AuthConfig
		if json.Unmarshal(raw, &auth) != nil {
			return logins{}, fmt.Errorf("%w: an entry of auths cannot be read", errConfig)
		}
		if auth != (authn.AuthConfig{}) {
			l.byHost[configHost(key)] = auth
		}
	}
	for key := range file.CredHelpers {
		l.helpers[configHost(key)] = true
	}
	return l, nil
}

// configHost is the host of a key of the config, which may be an address: Docker
// Hub's is "https://index.docker.io/v1/".
func configHost(key string) string {
	for _, scheme := range []string{"https://", "http://"} {
		key = strings.TrimPrefix(key, scheme)
	}
	host, _, _ := strings.Cut(key, "/")
	host = strings.ToLower(host)
	switch host {
	case "docker.io", "registry-1.docker.io":
		return name.DefaultRegistry
	}
	return host
}

// login is what there is for one registry.
type login struct {
	registry string
	auth     authn.AuthConfig // zero: nothing
	helper   bool             // a program keeps it
	named    map[string]bool  // every host that the config has credentials for
}

func (l logins) of(registry string) login {
	registry = strings.ToLower(registry)
	one := login{registry: registry, auth: l.byHost[registry], named: map[string]bool{}}
	one.helper = one.auth == (authn.AuthConfig{}) && (l.helper || l.helpers[registry])
	for host := range l.byHost {
		one.named[hostname(host)] = true
	}
	return one
}

func (l login) known() bool { return l.auth != (authn.AuthConfig{}) }

func (l login) authenticator() authn.Authenticator {
	if !l.known() {
		return authn.Anonymous
	}
	return authn.FromConfig(l.auth)
}

// secrets are what must not be told of it.
func (l login) secrets() []string {
	var all []string
	for _, secret := range []string{l.auth.Auth, l.auth.Password, l.auth.IdentityToken, l.auth.RegistryToken} {
		if secret != "" {
			all = append(all, secret)
		}
	}
	return all
}

// goesTo reports whether the credentials may be sent to a host: the registry's
// own, one of the same domain (a registry names the server that gives out its
// tokens, as index.docker.io does auth.docker.io), or one that the config has
// credentials for.
func (l login) goesTo(host string) bool {
	own, other := hostname(l.registry), hostname(host)
	if own == other || l.named[other] {
		return true
	}
	if isAddress(own) || isAddress(other) {
		return false
	}
	_, ownDomain, _ := strings.Cut(own, ".")
	_, otherDomain, _ := strings.Cut(other, ".")
	return isDomain(other) && strings.HasSuffix(own, "."+other) || isDomain(ownDomain) && ownDomain == otherDomain
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// isDomain reports whether a name has a dot, so that "com" is none.
func isDomain(host string) bool { return strings.Contains(strings.Trim(host, "."), ".") }
