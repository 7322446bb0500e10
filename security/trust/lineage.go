package trust

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// Lineage is what is remembered of the files of one name. The zero Lineage is that of
// a name that never ran.
type Lineage struct {
	// Last is the version that was let run last; what comes after is held against it,
	// also when it was revoked or its file is gone.
	Last Version `json:"last"`
	// Approval is the one that holds. A newer one takes its place.
	Approval Approval `json:"approval"`
	// Revoked is the digest whose right to run was ended by hand; an approval clears it.
	Revoked string `json:"revoked,omitempty"`
	// Refused are digests about which nobody is asked again.
	Refused []string `json:"refused,omitempty"`
}

// Version is a file that was let run.
type Version struct {
	Version string `json:"version,omitempty"`
	Digest  string `json:"digest,omitempty"`
	// Signed tells that it ran because of a signature, and Signer is the key's id;
	// empty: it is not known.
	Signed bool   `json:"signed,omitempty"`
	Signer string `json:"signer,omitempty"`
	// Granted is what it was let do, before the config narrowed it.
	Granted []capability.Request `json:"granted,omitempty"`
}

// Approval lets one digest run with one list of grants. The zero Approval is of
// nothing.
type Approval struct {
	Digest string               `json:"digest,omitempty"`
	Grants []capability.Request `json:"grants,omitempty"`
	// Seal binds name, digest and grants together: see [Seal].
	Seal string `json:"seal,omitempty"`
}

// Approve makes the approval of a file.
func Approve(name, digest string, grants []capability.Request) Approval {
	return Approval{Digest: digest, Grants: grants, Seal: Seal(name, digest, grants)}
}

// Of reports whether an approval is of this name, digest and list of capabilities, as
// it was given.
func (a Approval) Of(name, digest string, asked []capability.Request) bool {
	return digest != "" && a.Digest == digest && a.Seal == Seal(name, digest, a.Grants) && sameNames(a.Grants, asked)
}

// Seal is the SHA-256 of what an approval says, in hexadecimal, whatever the order of
// capabilities and patterns. An entry that is copied to another name, or to which a
// grant or a digest was added, has another one.
func Seal(name, digest string, grants []capability.Request) string {
	sorted := slices.Clone(grants)
	slices.SortFunc(sorted, func(a, b capability.Request) int { return strings.Compare(a.Name, b.Name) })
	sum := sha256.New()
	// Quoted, texts cannot run into each other.
	fmt.Fprintf(sum, "cofferdam approval 1\n%q %q\n", name, digest)
	for _, g := range sorted {
		fmt.Fprintf(sum, "%q %q\n", g.Name, slices.Sorted(slices.Values(g.Scope)))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// sameNames reports whether two lists name the same capabilities, each once. A module
// cannot run without any that it asks for: what is not granted is not linked.
func sameNames(a, b []capability.Request) bool { return slices.Equal(names(a), names(b)) }

func names(requests []capability.Request) []string {
	var all []string
	for _, r := range requests {
		all = append(all, r.Name)
	}
	slices.Sort(all)
	return all
}

// age is how a version stands to another.
type age int

const (
	unknown age = iota // one of them is no semantic version
	older
	same
	newer
)

// compare holds versions against each other as semver.org does: 1.10.0 is newer than
// 1.9.0, and 1.0.0-rc.1 older than 1.0.0. What stands behind a + decides nothing.
func compare(version, before string) age {
	if version == before {
		return same
	}
	v, err := semver.NewVersion(version)
	b, otherErr := semver.NewVersion(before)
	if err != nil || otherErr != nil {
		return unknown
	}
	switch v.Compare(b) {
	case -1:
		return older
	case 1:
		return newer
	}
	return same
}

// Newer reports whether a version is newer than another, for who must choose between
// two files of one name. It is false if that cannot be told.
func Newer(version, than string) bool { return compare(version, than) == newer }
