package trust

import (
	"slices"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

func request(name string, scope ...string) capability.Request {
	return capability.Request{Name: name, Scope: scope}
}

var restartWeb, restartAll = request("docker.containers.restart", "web"), request("docker.containers.restart", "*")

// file is version 1.1.0 of hello, which asks to restart web.
func file() File {
	return File{Digest: "new", Manifest: abi.Manifest{Name: "hello", Version: "1.1.0", Capabilities: []abi.CapabilityRequest{
		{Name: restartWeb.Name, Scope: restartWeb.Scope, Reason: "because"},
	}}}
}

// before is version 1.0.0, which was approved.
func before() Lineage {
	return Lineage{Last: Version{Version: "1.0.0", Digest: "old", Granted: []capability.Request{restartWeb}}}
}

// world is what a decision is made of.
type world struct {
	File
	Policy
	Lineage
	granted []capability.Request
}

func signed(w *world) { w.Signature = Signature{KeyID: "OURS", Verified: true} }

// The rules, in a sentence each.
var rules = []struct {
	rule   string
	world  func(*world)
	state  State
	source string
	says   string
}{
	{"a file of which nobody said anything waits", func(*world) {}, Pending, "", "neither pinned nor signed"},
	{"so does the first of its name", func(w *world) { w.Lineage = Lineage{} }, Pending, "", "neither pinned nor signed"},
	{"and one that a stranger's key signed", func(w *world) { w.Signature.KeyID = "THEIRS" }, Pending, "", "THEIRS, is none of modules.trusted_keys"},

	{"a pinned file runs", func(w *world) { w.Pins = map[string]string{"hello": "new"} }, Runs, abi.TrustPinned, ""},
	{"whatever its version", func(w *world) { w.Pins = map[string]string{"hello": "new"}; w.Manifest.Version = "0.1.0" }, Runs, abi.TrustPinned, ""},
	{"and whatever lies beside it", func(w *world) {
		w.Pins = map[string]string{"hello": "new"}
		w.Signature.Fault = "malformed"
	}, Runs, abi.TrustPinned, ""},
	{"one that is not the pinned is refused", func(w *world) { w.Pins = map[string]string{"hello": "other"} }, Refused, "", "pins another file"},
	{"though it is signed", func(w *world) { signed(w); w.Pins = map[string]string{"hello": "other"} }, Refused, "", "pins another file"},
	{"though it is approved", func(w *world) {
		w.Approval = Approve("hello", "new", []capability.Request{restartWeb})
		w.Pins = map[string]string{"hello": "other"}
	}, Refused, "", "pins another file"},
	{"the pin of another name is none", func(w *world) { w.Pins = map[string]string{"hallo": "new"} }, Pending, "", ""},

	{"a file that a trusted key signed runs", signed, Runs, abi.TrustSigned, "OURS"},
	{"also the first of its name", func(w *world) { signed(w); w.Lineage = Lineage{} }, Runs, abi.TrustSigned, "OURS"},
	{"not if the key is trusted no more", func(w *world) { signed(w); w.Keys = nil }, Pending, "", "OURS, is none of"},
	{"nor if nobody verified it", func(w *world) { w.Signature.KeyID = "OURS" }, Pending, "", "OURS"},
	{"one whose signature is broken is refused", func(w *world) { w.Signature.Fault = "malformed" }, Refused, "", "no good: malformed"},
	{"one that newly asks for more waits", func(w *world) {
		signed(w)
		w.Manifest.Capabilities[0].Scope = []string{"*"}
	}, Pending, "", "newly asks for more: docker.containers.restart"},
	{"also for another capability", func(w *world) {
		signed(w)
		w.Manifest.Capabilities = append(w.Manifest.Capabilities, abi.CapabilityRequest{Name: "metrics.cpu"})
	}, Pending, "", "more: metrics.cpu"},
	{"and if it only asks for as much again as was not granted", func(w *world) {
		signed(w)
		w.Manifest.Capabilities[0].Scope = []string{"*"}
		w.Last.Granted = []capability.Request{restartWeb} // of "*" that it asked
	}, Pending, "", "newly asks for more"},
	{"not if it asks for less", func(w *world) { signed(w); w.Last.Granted = append(w.Last.Granted, request("metrics.cpu")) }, Runs, abi.TrustSigned, ""},
	{"after a revocation a signature is not enough", func(w *world) { signed(w); w.Revoked = "old" }, Pending, "", "was revoked"},

	{"an approved file runs", func(w *world) { w.Approval = Approve("hello", "new", []capability.Request{restartWeb}) }, Runs, abi.TrustApproved, ""},
	{"whatever its version, for whoever approved it saw that", func(w *world) {
		w.Approval = Approve("hello", "new", []capability.Request{restartWeb})
		w.Manifest.Version = "0.1.0"
	}, Runs, abi.TrustApproved, ""},
	{"the approval of another file is none", func(w *world) { w.Approval = Approve("hello", "old", []capability.Request{restartWeb}) }, Pending, "", ""},
	{"nor that of another name", func(w *world) { w.Approval = Approve("hallo", "new", []capability.Request{restartWeb}) }, Pending, "", ""},
	{"nor one to which grants were added", func(w *world) {
		w.Approval = Approve("hello", "new", []capability.Request{restartWeb})
		w.Approval.Grants = []capability.Request{restartAll}
	}, Pending, "", ""},
	{"nor one for other capabilities", func(w *world) {
		w.Approval = Approve("hello", "new", []capability.Request{request("metrics.cpu")})
	}, Pending, "", ""},
	{"nor one without its seal", func(w *world) {
		w.Approval = Approval{Digest: "new", Grants: []capability.Request{restartWeb}}
	}, Pending, "", ""},

	{"an older version is refused", func(w *world) { w.Manifest.Version = "0.9.9" }, Refused, "", "older than the version that was let run last, 1.0.0"},
	{"though it is signed", func(w *world) { signed(w); w.Manifest.Version = "0.9.9" }, Refused, "", "older"},
	{"numbers are compared as numbers", func(w *world) { signed(w); w.Last.Version = "1.0.9"; w.Manifest.Version = "1.0.10" }, Runs, abi.TrustSigned, ""},
	{"a candidate is older than its release", func(w *world) { w.Manifest.Version = "1.0.0-rc.1" }, Refused, "", "older"},
	{"the same version with other bytes waits", func(w *world) { signed(w); w.Manifest.Version = "1.0.0" }, Pending, "", "1.0.0, and other bytes"},
	{"build metadata makes no other version", func(w *world) { signed(w); w.Manifest.Version = "1.0.0+2" }, Pending, "", "and other bytes"},
	{"the same bytes run on", func(w *world) { signed(w); w.Manifest.Version = "1.0.0"; w.Digest = "old" }, Runs, abi.TrustSigned, ""},
	{"a version that is none waits", func(w *world) { signed(w); w.Manifest.Version = "final" }, Pending, "", "cannot be told"},

	{"one that was signed and is not any more is refused", func(w *world) { w.Last.Signed = true }, Refused, "", "not signed, and the version before was"},
	{"also with a stranger's signature", func(w *world) { w.Last.Signed = true; w.Signature.KeyID = "THEIRS" }, Refused, "", "THEIRS"},
	{"one that another trusted key signed waits: it would get what the other's kept", func(w *world) {
		w.Last.Signed, w.Last.Signer, w.Keys = true, "OURS", []string{"OURS", "ALSO"}
		w.Signature = Signature{KeyID: "ALSO", Verified: true}
	}, Pending, "", "ALSO, but another than the version before, OURS"},
	{"one of the same key runs", func(w *world) { signed(w); w.Last.Signed, w.Last.Signer = true, "OURS" }, Runs, abi.TrustSigned, "OURS"},

	{"a refused file stays so, silently", func(w *world) { w.Lineage.Refused = []string{"new"} }, Refused, "", "an admin refused it"},
	{"though it is signed", func(w *world) { signed(w); w.Lineage.Refused = []string{"new"} }, Refused, "", "an admin refused it"},
	{"a pin is a newer word", func(w *world) { w.Lineage.Refused = []string{"new"}; w.Pins = map[string]string{"hello": "new"} }, Runs, abi.TrustPinned, ""},
	{"a revoked file waits, though it is pinned", func(w *world) { w.Revoked = "new"; w.Pins = map[string]string{"hello": "new"} }, Pending, "", "was revoked"},

	{"what only built-in modules have is not for it", func(w *world) {
		w.Pins = map[string]string{"hello": "new"}
		w.Manifest.Capabilities[0] = abi.CapabilityRequest{Name: "bot.modules.approve"}
	}, Refused, "", "which only built-in modules can have"},
	{"nor is a command for anybody", func(w *world) {
		w.Pins = map[string]string{"hello": "new"}
		w.Manifest.Commands = []abi.Command{{Name: "hello", Who: abi.WhoAnybody}}
	}, Refused, "", "only built-in modules may answer anybody"},
	{"nor a built-in module's name", func(w *world) { w.Pins = map[string]string{"hello": "new"}; w.BuiltIn = []string{"core", "hello"} }, Refused, "", "a built-in module has its name"},
	{"nor one that people would take for the bot", func(w *world) {
		w.Manifest.Name, w.Pins = "cofferdam", map[string]string{"cofferdam": "new"}
	}, Refused, "", "people would take what it says for the bot's own words"},
	{"a capability that is not there is refused", func(w *world) { w.Manifest.Capabilities[0].Name = "root" }, Refused, "", "unknown in this version"},
	{"so is a file that was not read", func(w *world) { w.Digest = "" }, Refused, "", "not read"},
	{"the config may grant more than it asks", func(w *world) { signed(w); w.granted = []capability.Request{restartAll, request("metrics.cpu")} }, Runs, abi.TrustSigned, ""},
	{"but must leave nothing out", func(w *world) { signed(w); w.granted = []capability.Request{request("metrics.cpu")} }, Refused, "", "modules.grants.hello leaves out docker.containers.restart"},
	{"not even everything", func(w *world) { signed(w); w.granted = []capability.Request{} }, Refused, "", "leaves out"},
}

func TestRules(t *testing.T) {
	for _, test := range rules {
		t.Run(test.rule, func(t *testing.T) {
			w := world{File: file(), Policy: Policy{Keys: []string{"OURS"}, Chat: true}, Lineage: before()}
			test.world(&w)
			v := Decide(w.File, w.Policy, w.Lineage, w.granted)
			if v.State != test.state || v.Source != test.source || !strings.Contains(v.Why, test.says) {
				t.Errorf("got %s by %q: %s", v.State, v.Source, v.Why)
			}
			if v.Why == "" || v.State != Runs && v.Source != "" {
				t.Errorf("a verdict without a reason, or with a source: %+v", v)
			}
			if silent := test.says == "an admin refused it"; v.Silent != silent {
				t.Errorf("silent is %v", v.Silent)
			}
		})
	}
}

func TestZeroDenies(t *testing.T) {
	if v := Decide(File{}, Policy{}, Lineage{}, nil); v.State != Refused {
		t.Errorf("nothing at all is %q", v.State)
	}
	if (Verdict{}).State == Runs || (Approval{}).Of("", "", nil) {
		t.Error("a zero value permits")
	}
	if v := Decide(file(), Policy{Chat: true}, Lineage{}, nil); v.State != Pending || v.Host {
		t.Errorf("got %+v", v)
	}
	if v := Decide(file(), Policy{}, Lineage{}, nil); v.State != Pending || !v.Host {
		t.Errorf("without approval in chat only the host decides: %+v", v)
	}
}

// TestSeal keeps texts apart that could run into each other, and knows no order.
func TestSeal(t *testing.T) {
	a, b := request("a", "x", "y"), request("b")
	if Seal("n", "d", []capability.Request{a, b}) != Seal("n", "d", []capability.Request{b, request("a", "y", "x")}) {
		t.Error("the order counts")
	}
	seals := map[string]bool{}
	for _, s := range []string{
		Seal("n", "d", nil), Seal("nd", "", nil), Seal("", "nd", nil), Seal("n d", "", nil), Seal("n", "d", []capability.Request{a}),
		Seal("n", "d", []capability.Request{request("a", "xy")}), Seal("n", "d", []capability.Request{request("a", "x y")}),
		Seal("n", "d", []capability.Request{request("a", `x" "y`)}), Seal("n", "d", []capability.Request{request("a"), request("x"), request("y")}),
		Seal("n", "d", []capability.Request{request("a", "\xff")}), Seal("n", "d", []capability.Request{request("a", "\ufffd")}),
	} {
		if seals[s] {
			t.Errorf("%s is there twice", s)
		}
		seals[s] = true
	}
}

// FuzzDecide holds every decision against what must never be.
func FuzzDecide(f *testing.F) {
	f.Add("hello", "1.0.0", "1.1.0", "web", "web", "OURS", uint16(0))
	f.Add("core", "x", "", "*", "web", "", uint16(0xffff))
	f.Fuzz(func(t *testing.T, name, version, last, asks, had, key string, flags uint16) {
		flag := func(i int) bool { return flags>>i&1 == 1 }
		file := File{Digest: "new", Manifest: abi.Manifest{Name: name, Version: version}, Signature: Signature{KeyID: key, Verified: flag(0)}}
		file.Manifest.Capabilities = []abi.CapabilityRequest{{Name: "docker.containers.restart", Scope: []string{asks}, Reason: "x"}}
		policy := Policy{Keys: []string{"OURS"}, BuiltIn: []string{"core"}, Chat: flag(1)}
		var lineage Lineage
		if flag(2) {
			lineage.Last = Version{Version: last, Digest: "old", Signed: flag(3), Granted: []capability.Request{request("docker.containers.restart", had)}}
		}
		if flag(4) {
			lineage.Refused = []string{"new"}
		}
		if flag(5) {
			lineage.Approval = Approve(name, "new", []capability.Request{request("docker.containers.restart", had)})
		}
		if flag(6) {
			lineage.Approval.Grants = []capability.Request{request("docker.containers.restart", asks)}
		}
		if flag(7) {
			lineage.Revoked = "new"
		}
		if flag(8) {
			file.Signature.Fault = "broken"
		}
		v := Decide(file, policy, lineage, nil)
		if v.State != Runs {
			if v.State != Pending && v.State != Refused || v.Source != "" || v.Why == "" {
				t.Fatalf("got %+v", v)
			}
			return
		}
		trusted := v.Source == abi.TrustSigned && file.Signature.Verified && key == "OURS" && !(flag(2) && asks != had)
		approved := v.Source == abi.TrustApproved && lineage.Approval.Digest == "new" &&
			lineage.Approval.Seal == Seal(name, "new", v.Granted) && (!flag(6) || asks == had)
		if !trusted && !approved || name == "core" || flag(4) || flag(7) || flag(8) {
			t.Fatalf("it runs: %+v, of %+v and %+v", v, file, lineage)
		}
		if trusted && flag(2) && compare(version, last) != newer {
			t.Fatalf("%s runs after %s", version, last)
		}
	})
}

func TestMoreIsSaid(t *testing.T) {
	w := file()
	w.Manifest.Capabilities = append(w.Manifest.Capabilities, abi.CapabilityRequest{Name: "metrics.cpu"})
	v := Decide(w, Policy{}, before(), nil)
	if !slices.Equal(v.More, []capability.Name{"metrics.cpu"}) {
		t.Errorf("got %v", v.More)
	}
}
