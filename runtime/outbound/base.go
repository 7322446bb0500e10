package outbound

import (
	"strings"

	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// resolve puts the operator's address in the place of its name.
func (t *task) resolve(f capability.Fetch) (capability.Fetch, error) {
	name, tail, ok := f.Base()
	if !ok {
		return f, nil
	}
	base, err := t.base(name)
	if err != nil {
		return capability.Fetch{}, err
	}
	whole := base.Origin() + join(base.Tail(), tail)
	if strings.Contains(base.Tail(), "?") && tail != "" {
		return capability.Fetch{}, errBase // a path behind a query is none
	}
	target, err := capability.ParseFetch(f.Method(), whole, nil)
	if err != nil {
		return capability.Fetch{}, errBase
	}
	return target, nil
}

func (t *task) base(name string) (capability.Fetch, error) {
	value, ok := t.cfg.Secret(t.module, name)
	if !ok {
		return capability.Fetch{}, errNoSecret
	}
	base, err := capability.ParseFetch("", value, nil)
	if err != nil || base.Scheme() != "https" {
		return capability.Fetch{}, errBase
	}
	return base, nil
}

func join(path, tail string) string {
	if strings.HasPrefix(tail, "/") {
		path = strings.TrimSuffix(path, "/")
	}
	return path + tail
}

// named is the request for a redirect's target as the rule sees it. What lies
// inside the operator's address that a module asked goes by the address's name; the
// module does not know it otherwise. All that is left of secrets goes along.
func (t *task) named(from, target capability.Fetch) (capability.Fetch, error) {
	name, _, ok := from.Base()
	if !ok {
		return capability.ParseFetch(target.Method(), target.URL(), t.secrets())
	}
	base, err := t.base(name)
	if err != nil {
		return capability.Fetch{}, err
	}
	tail, inside := strings.CutPrefix(target.Tail(), strings.TrimSuffix(base.Tail(), "/"))
	if target.Tail() == base.Tail() {
		tail = ""
	}
	inside = inside && (tail == "" || tail[0] == '/' || tail[0] == '?') && !strings.Contains(base.Tail(), "?")
	if target.Origin() != base.Origin() || !inside && tail != "" {
		return capability.ParseFetch(target.Method(), target.URL(), t.secrets())
	}
	return capability.ParseFetch(target.Method(), "secret:"+name+tail, t.secrets())
}
