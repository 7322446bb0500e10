package hostcall

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// fetcher is an HTTP that notes what reaches it.
type fetcher struct {
	asked []string
	err   error
}

func (f *fetcher) Fetch(_ context.Context, module string, r capability.Fetch, allows func(capability.Fetch) (capability.Terms, bool), _ abi.FetchRequest) (abi.FetchResponse, error) {
	_, ok := allows(r)
	f.asked = append(f.asked, fmt.Sprint(module, " ", r.Method(), " ", r.URL(), " ", r.Secrets(), " ", ok))
	return abi.FetchResponse{Status: 204}, f.err
}

func fetchGrant(t *testing.T, parties ...string) capability.Set {
	t.Helper()
	var set capability.Set
	for i, pattern := range parties {
		next, err := capability.Parse([]capability.Request{{Name: string(capability.HTTPFetch), Scope: []string{pattern}}})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			set = next
		} else {
			set = set.Narrow(next)
		}
	}
	return set
}

// What lies outside of the scope is denied, recorded, and reaches nobody.
func TestFetchStaysInsideTheScope(t *testing.T) {
	grant := fetchGrant(t, "GET|POST https://*/* secret=token", "POST https://example.org/hook* secret=token")
	for request, want := range map[string]abi.Code{
		`{"method":"POST","url":"https://EXAMPLE.org/hook"}`:                                                             abi.OK,
		`{"method":"POST","url":"https://example.org/hook","headers":[{"name":"A","value":"Bearer ","secret":"token"}]}`: abi.OK,
		`{"method":"POST","url":"https://example.org/hook","headers":[{"name":"A","secret":"other"}]}`:                   abi.Denied,
		`{"url":"https://example.org/hook"}`:                                                                             abi.Denied,
		`{"method":"POST","url":"https://example.org/"}`:                                                                 abi.Denied,
		`{"method":"POST","url":"https://example.org.evil.example/hook"}`:                                                abi.Denied,
		`{"method":"POST","url":"https://example.org:8443/hook"}`:                                                        abi.Denied,
		`{"method":"POST","url":"http://example.org/hook"}`:                                                              abi.Denied,
		`{"method":"POST","url":"secret:api/hook"}`:                                                                      abi.Denied,
		`{"method":"POST","url":"https://example.org@evil.example/hook"}`:                                                abi.Invalid,
		`{"method":"POST","url":"https://example.org/hook/../x"}`:                                                        abi.Invalid,
		`{"method":"CONNECT","url":"https://example.org/hook"}`:                                                          abi.Invalid,
		`{"method":"POST","url":"https://example.org\\@evil.example/hook"}`:                                              abi.Invalid,
		`{"method":"POST","url":"https://еxample.org/hook"}`:                                                             abi.Invalid, // with a Cyrillic е
		`{"method":"POST","url":"https://example.org/hook","headers":[{}]}`:                                              abi.OK,      // the adapter's to refuse
		`{"method":"POST","url":"https://example.org/hook","body":"not it!"}`:                                            abi.Invalid,
		`{}`: abi.Invalid,
	} {
		for _, role := range []string{abi.RoleUser, abi.RoleModule} {
			source, web := &spy{}, &fetcher{}
			s := source.sources()
			s.HTTP = web
			c, lines := callerWith(grant, role)
			code, answer := operation(t, s, abi.OpHTTPFetch).Call(t.Context(), c, []byte(request))
			if code != want {
				t.Errorf("%s: %v %s, want %v", request, code, answer, want)
				continue
			}
			if (len(web.asked) > 0) != (want == abi.OK) {
				t.Errorf("%s: it asked %q", request, web.asked)
			}
			if want == abi.Denied {
				mustLogDenial(t, lines, capability.HTTPFetch)
				if len(source.records) != 1 || source.records[0].Event != "capability.denied" || source.records[0].Reason != "out_of_scope" {
					t.Errorf("%s: recorded %+v", request, source.records)
				}
			}
		}
	}
}

// The log says which server was asked for, and neither path nor query.
func TestFetchErrorsNameTheServerInTheLog(t *testing.T) {
	for _, web := range []*fetcher{{}, {err: refuse(abi.Denied, "It leads elsewhere.")}} {
		source := &spy{}
		s := source.sources()
		s.HTTP = web
		url := "https://example.com/a?token=quite"
		if web.err != nil {
			url = strings.Replace(url, ".com", ".org", 1)
		}
		c, lines := callerWith(fetchGrant(t, "https://example.org/*"), abi.RoleUser)
		code, answer := operation(t, s, abi.OpHTTPFetch).Call(t.Context(), c, []byte(`{"url":"`+url+`"}`))
		told := mustRefuse(t, code, answer, abi.Denied)
		text := fmt.Sprint(lines.All()[0].ContextMap())
		if !strings.Contains(text, "GET https://example.") || strings.Contains(text, "quite") || strings.Contains(told.Message, "example") {
			t.Errorf("logged %s, told %s", text, told.Message)
		}
	}
}

func TestFetchAsksAsItWasDecided(t *testing.T) {
	web := &fetcher{}
	s := (&spy{}).sources()
	s.HTTP = web
	c, _ := callerWith(fetchGrant(t, "https://example.org/* secret=a|b"), abi.RoleModule)
	request := `{"url":"https://EXAMPLE.org.:443/x%2c","headers":[{"name":"A","secret":"b"},{"name":"B","value":"x"},{"name":"C","secret":"a"}]}`
	code, answer := operation(t, s, abi.OpHTTPFetch).Call(t.Context(), c, []byte(request))
	if want := []string{"hostile GET https://example.org/x%2C [b a] true"}; code != abi.OK || !slices.Equal(web.asked, want) {
		t.Errorf("%v %s: asked %q, want %q", code, answer, web.asked, want)
	}
	s.HTTP = nil
	code, answer = operation(t, s, abi.OpHTTPFetch).Call(t.Context(), c, []byte(request))
	mustRefuse(t, code, answer, abi.Unavailable)
}

func TestFetchGrants(t *testing.T) {
	for _, test := range []struct {
		parties []string
		want    []abi.HTTPGrant
	}{
		{[]string{"GET|HEAD https://*:*/* private", "GET https://example.org/health"}, []abi.HTTPGrant{{Methods: []string{"GET"}, URL: "https://example.org/health", Exact: true}}},
		{[]string{"https://a.org/*", "https://b.org/*"}, []abi.HTTPGrant{}},
		{[]string{"secret:api/* private"}, []abi.HTTPGrant{{Methods: []string{"GET", "HEAD"}, URL: "secret:api/*"}}},
	} {
		c, _ := callerWith(fetchGrant(t, test.parties...), abi.RoleModule)
		code, answer := operation(t, (&spy{}).sources(), abi.OpHTTPGrants).Call(t.Context(), c, []byte(`{}`))
		want, err := json.Marshal(abi.FetchScope{Grants: test.want})
		if code != abi.OK || err != nil || string(answer) != string(want) {
			t.Errorf("%q: %v %s, want %s", test.parties, code, answer, want)
		}
	}
}
