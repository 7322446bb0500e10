package capability

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
)

// Fetch is one HTTP request as the rule sees it, in the one form in which it is
// held against patterns and sent. The zero Fetch lies in no scope.
type Fetch struct {
	method  string
	place   place
	tail    string
	secrets []string
}

var (
	errFetchMethod = errors.New("the method is none of GET, HEAD, POST, PUT, PATCH and DELETE")
	errFetchSecret = errors.New("a header names a secret that nobody can be called")
)

// ParseFetch checks a request: its method, its URL as [ParseURLScope] describes it,
// but without any star that stands for something, and the names of the secrets that
// are to be put into its headers. Without a method it is GET. Its errors say what
// is wrong and do not repeat it.
func ParseFetch(method, url string, secrets []string) (Fetch, error) {
	if method == "" {
		method = "GET"
	}
	if methodOf(method) == 0 {
		return Fetch{}, errFetchMethod
	}
	if slices.ContainsFunc(secrets, func(name string) bool { return !isSecretName(name) }) {
		return Fetch{}, errFetchSecret
	}
	where, tail, err := parsePlace(url, false)
	if err != nil {
		return Fetch{}, err
	}
	return Fetch{method: method, place: where, tail: tail, secrets: slices.Clone(secrets)}, nil
}

// CheckBase says what is wrong with an operator's address for secret:NAME, without
// repeating it.
func CheckBase(url string) error {
	f, err := ParseFetch("", url, nil)
	if err == nil && f.place.scheme != "https" {
		err = errors.New("must begin with https://")
	}
	return err
}

// Method is the request's method.
func (f Fetch) Method() string { return f.method }

// Base returns the name of the operator's address that the request goes to, and
// what is behind it: nothing, or a path, or a query. ok is false for a request that
// says its address itself.
func (f Fetch) Base() (name, tail string, ok bool) { return f.place.base, f.tail, f.place.base != "" }

// Scheme is https or http; empty for a request with a base.
func (f Fetch) Scheme() string { return f.place.scheme }

// Host is a name in lower case or an IP address without brackets; empty for a
// request with a base.
func (f Fetch) Host() string { return f.place.host }

// Port is a number; empty for a request with a base.
func (f Fetch) Port() string { return f.place.port }

// Tail is the path with the query behind it.
func (f Fetch) Tail() string { return f.tail }

// Origin is the URL before its path, such as https://example.org or secret:api.
func (f Fetch) Origin() string { return f.place.String() }

// URL is the whole in its one form.
func (f Fetch) URL() string { return f.place.String() + f.tail }

// Secrets are the names of those that are put into headers.
func (f Fetch) Secrets() []string { return f.secrets }

// Terms are the conditions under which a request may be made: for each party that
// had a say, what its patterns demand in which the request lies. One of them must
// be met for each party. The zero Terms permit nothing.
type Terms struct {
	based   bool
	parties [][]clause
}

// AllowsFetch reports whether a request lies inside a pattern of each party, and on
// which terms it may be made. Secrets must be in all of these patterns. A request
// with secrets, and one that is not encrypted, needs a party that names its host
// without a star: "whatever I am given" on all sides gives nothing.
func (s Set) AllowsFetch(f Fetch) (Terms, bool) {
	t := Terms{based: f.place.base != ""}
	for _, scope := range s.granted[HTTPFetch] {
		var clauses []clause
		for _, p := range scope.urls {
			if p.matches(f) && !slices.ContainsFunc(f.secrets, func(name string) bool { return !slices.Contains(p.secrets, name) }) {
				clauses = append(clauses, p.clause)
			}
		}
		t.parties = append(t.parties, clauses)
	}
	if (len(f.secrets) > 0 || f.place.scheme == "http") && !t.named() || !t.met() {
		return Terms{}, false
	}
	return t, true
}

// met reports whether each party has something to say.
func (t Terms) met() bool {
	return len(t.parties) > 0 && !slices.ContainsFunc(t.parties, func(clauses []clause) bool { return len(clauses) == 0 })
}

// named reports whether a party names the host. An address that goes by a name of
// the operator's was named by the operator.
func (t Terms) named() bool {
	return t.based || slices.ContainsFunc(t.parties, func(clauses []clause) bool {
		return slices.ContainsFunc(clauses, func(c clause) bool { return c.exact })
	})
}

// At narrows the terms to a connection to an address that a host's name stands
// for, and reports whether it may be made. An address that is not public needs the
// word private of all parties, and one that names the host. The address of a
// metadata service must besides be the host itself, or the service's known name.
func (t Terms) At(host string, addr netip.Addr) (Terms, bool) {
	switch zone := zoneOf(addr); zone {
	case zonePublic:
		return t, t.met()
	case zonePrivate, zoneMetadata:
		narrowed := Terms{based: t.based}
		for _, clauses := range t.parties {
			narrowed.parties = append(narrowed.parties, slices.DeleteFunc(slices.Clone(clauses), func(c clause) bool { return !c.private }))
		}
		if !narrowed.met() || !narrowed.named() || zone == zoneMetadata && !meansMetadata(host) {
			return Terms{}, false
		}
		return narrowed, true
	}
	return Terms{}, false
}

// Pinned reports whether any certificates are named.
func (t Terms) Pinned() bool {
	return slices.ContainsFunc(t.parties, func(clauses []clause) bool {
		return slices.ContainsFunc(clauses, func(c clause) bool { return len(c.pins) > 0 })
	})
}

// Trust is what a server's certificate is worth. The zero Trust is nothing.
type Trust int

// The kinds of trust.
const (
	TrustNothing Trust = iota
	TrustName          // if an authority vouches for it, and for the host's name
	TrustPin           // by itself, who ever made it
)

// Trusts says what a certificate is worth, by its SHA-256. Each party must have
// named it, or none. It is worth something by itself if the operator named it, that
// is anybody but the first party (the module that asks), or in a setting; or if all
// did. So a module cannot bring a certificate of its own to a host that it was
// granted without one. setting returns the operator's settings.
func (t Terms) Trusts(certificate [32]byte, setting func(name string) (string, bool)) Trust {
	if !t.met() {
		return TrustNothing
	}
	all, operator := true, false
	for i, clauses := range t.parties {
		free, pinned := false, false
		for _, c := range clauses {
			free = free || len(c.pins) == 0
			for _, p := range c.pins {
				if p.matches(certificate, setting) {
					pinned = true
					operator = operator || i > 0 || p.name != ""
				}
			}
		}
		if !free && !pinned {
			return TrustNothing
		}
		all = all && pinned
	}
	if all || operator {
		return TrustPin
	}
	return TrustName
}

func (p pin) matches(certificate [32]byte, setting func(name string) (string, bool)) bool {
	if p.name == "" {
		return p.digest == certificate
	}
	value, ok := setting(p.name)
	digest, valid := parseDigest(strings.TrimSpace(value))
	return ok && valid && digest == certificate
}

// FetchPattern is a part of what http.fetch is granted for.
type FetchPattern struct {
	Methods []string
	URL     string // may have stars
	// Exact tells that URL is one address.
	Exact bool
}

// FetchPatterns returns the patterns of any party that lie inside those of all
// others, with the methods that all permit: what a module that asks for much learns
// from it is what it was given.
func (s Set) FetchPatterns() []FetchPattern {
	var out []FetchPattern
	scopes := s.granted[HTTPFetch]
	for i, scope := range scopes {
		for _, p := range scope.urls {
			allowed := p.methods
			for j, other := range scopes {
				if j != i {
					allowed &= other.methodsAt(p)
				}
			}
			tail := strings.Join(p.tail, "*")
			url := p.place.String() + tail
			known := slices.IndexFunc(out, func(f FetchPattern) bool { return f.URL == url })
			switch {
			case allowed == 0 || p.place.scheme == "http" && !p.exact:
			case known >= 0:
				out[known].Methods = (setOf(out[known].Methods) | allowed).names()
			default:
				out = append(out, FetchPattern{Methods: allowed.names(), URL: url, Exact: p.exact && p.place.port != "*" && len(p.tail) == 1})
			}
		}
	}
	return out
}

// methodsAt returns the methods that the patterns of a scope permit in which all of
// another pattern's URLs lie.
func (s Scope) methodsAt(inner urlPattern) (allowed methods) {
	for _, p := range s.urls {
		if coversPlace(p, inner) {
			allowed |= p.methods
		}
	}
	return allowed
}

func setOf(names []string) (set methods) {
	for _, name := range names {
		set |= methodOf(name)
	}
	return set
}
