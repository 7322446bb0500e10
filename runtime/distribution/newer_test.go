package distribution

import (
	"slices"
	"strings"
	"testing"
)

func TestFindNewer(t *testing.T) {
	const none = ""
	for _, test := range []struct {
		name    string
		present string
		tags    string
		want    Newer
	}{
		{"nothing else", "1.2.3", "1.2.3", Newer{}},
		{"no tags at all", "1.2.3", none, Newer{}},
		{"the present one need not be listed", "1.2.3", "1.2.4", Newer{Tag: "1.2.4"}},
		{"only older ones", "1.2.3", "1.2.2 0.9.9 1.1.99", Newer{}},
		{"numbers, not letters", "1.9.0", "1.10.0 1.9.1 1.2.0", Newer{Tag: "1.10.0"}},
		{"a new first number", "1.2.3", "2.0.0", Newer{Tag: "2.0.0", Major: true}},
		{"a new first number and one within", "1.2.3", "2.0.0 1.3.0 1.2.9 2.1.0", Newer{Tag: "2.1.0", Major: true, Within: "1.3.0"}},
		{"several first numbers", "1.2.3", "3.0.0 2.9.9", Newer{Tag: "3.0.0", Major: true}},

		{"the suffix stays", "1.2.3-alpine", "1.3.0 1.3.0-alpine 1.4.0 1.4.0-slim", Newer{Tag: "1.3.0-alpine"}},
		{"no suffix stays none", "1.2.3", "1.3.0-alpine 1.3.0-perl", Newer{}},
		{"the suffix has a number of its own", "1.27.3-alpine3.20", "1.27.4-alpine3.20 1.27.5-alpine3.21 1.27.5-alpine", Newer{Tag: "1.27.4-alpine3.20"}},
		{"a suffix of several words", "3.12-slim-bookworm", "3.13-slim-bookworm 3.14-slim-trixie 3.14-slim", Newer{Tag: "3.13-slim-bookworm"}},
		{"one number and a suffix", "16-bookworm", "17-bookworm 18-trixie 17 16.4-bookworm", Newer{Tag: "17-bookworm", Major: true}},
		{"an underscore", "1.2.3_amd64", "1.2.4_amd64 1.2.5_arm64", Newer{Tag: "1.2.4_amd64"}},

		{"v stays", "v1.2.3", "v1.2.4 1.2.5", Newer{Tag: "v1.2.4"}},
		{"no v stays none", "1.2.3", "v1.2.4", Newer{}},
		{"v and one number", "v2", "v3 v2.1", Newer{Tag: "v3", Major: true}},
		{"a word before", "release-1.2", "release-1.3 1.4 hotfix-1.5", Newer{Tag: "release-1.3"}},
		{"a distribution before", "alpine3.18", "alpine3.19 alpine3.9 alpine4.0", Newer{Tag: "alpine4.0", Major: true, Within: "alpine3.19"}},

		{"two numbers", "1.27", "1.28 1.28.1 2 1.9", Newer{Tag: "1.28"}},
		{"one number", "7", "8 7.2 8.0 8.0.1", Newer{Tag: "8", Major: true}},
		{"one digit more", "9", "10 11", Newer{Tag: "11", Major: true}},
		{"four numbers", "1.2.3.4", "1.2.3.5 1.2.3.10 1.2.4", Newer{Tag: "1.2.3.10"}},
		{"five numbers are no version", "1.2.3.4.5", "1.2.3.4.6", Newer{}},
		{"leading zeros stay in the text", "24.04", "24.10 26.04 25.04", Newer{Tag: "26.04", Major: true, Within: "24.10"}},
		{"equal by number is not newer", "1.2", "1.02", Newer{}},

		{"a release skips pre-releases", "1.2.3", "1.3.0-rc.1 1.3.0-beta 1.3.0rc1 1.3.0-alpha1", Newer{}},
		{"a pre-release takes the next", "1.3.0-rc.1", "1.3.0-rc.2 1.3.0-rc.10 1.3.0-beta.11", Newer{Tag: "1.3.0-rc.10"}},
		{"a pre-release takes the release", "1.3.0-rc.1", "1.3.0-rc.2 1.3.0", Newer{Tag: "1.3.0"}},
		{"a pre-release keeps its suffix", "1.3.0-rc1-alpine", "1.3.0-alpine 1.3.0-rc2-alpine 1.3.1", Newer{Tag: "1.3.0-alpine"}},
		{"without a separator", "3.14.0b1", "3.14.0b2 3.14.0a9 3.14.0rc1", Newer{Tag: "3.14.0rc1"}},
		{"of another first number", "1.0.0-beta2", "2.0.0-alpha.1 1.0.0-beta3", Newer{Tag: "2.0.0-alpha.1", Major: true, Within: "1.0.0-beta3"}},
		{"a word that begins like one", "1.2-developer", "1.3-developer 1.4-dev", Newer{Tag: "1.3-developer"}},
		{"a letter is no mark behind a dash", "1.2-b1", "1.3-b1 1.3-b2", Newer{Tag: "1.3-b1"}},

		{"a date", "20240101", "20240301 20231231 20240230", Newer{Tag: "20240301"}},
		{"of another year", "20240101", "20260101", Newer{Tag: "20260101"}},
		{"a date with a suffix", "20240101-slim", "20240301-slim 20250101", Newer{Tag: "20240301-slim"}},
		{"a date behind a word", "bookworm-20240101", "bookworm-20240211 trixie-20250101", Newer{Tag: "bookworm-20240211"}},
		{"a date with dashes", "2024-01-31", "2024-02-01 20250101 2024-13-01 2025.1.1", Newer{Tag: "2024-02-01"}},
		{"a version never becomes a date", "1.27", "20240101 2024-01-01", Newer{}},
		{"a number never becomes a date", "16", "20240101 48213 2024", Newer{}},
		{"a date never becomes a number", "20240101", "99999999 17", Newer{}},
		{"a version never becomes a year", "7.2", "2024.10", Newer{}},
		{"years", "2024.12.5", "2025.1.0 2024.12.6 9999.1.1", Newer{Tag: "2025.1.0", Major: true, Within: "2024.12.6"}},

		{"a repeated build", "1.2.3-4", "1.2.3-5 1.2.4-1 1.2.5", Newer{Tag: "1.2.4-1"}},
		{"of the same version", "1.2.3-4", "1.2.3-10 1.2.3-3", Newer{Tag: "1.2.3-10"}},
		{"with a word", "8.0.1-debian-12-r3", "8.0.1-debian-12-r10 8.0.2-debian-12-r0 8.1.0-debian-13-r0", Newer{Tag: "8.0.2-debian-12-r0"}},
		{"of a packager", "4.0.9-ls250", "4.0.9-ls251 4.0.9", Newer{Tag: "4.0.9-ls251"}},

		{"no version", "latest", "1.0.0 2.0.0 latest", Newer{}},
		{"a name", "bookworm", "trixie", Newer{}},
		{"a commit", "sha-1234567", "sha-2345678", Newer{}},
		{"a commit of digits", "1234567", "2345678", Newer{}},
		{"a pull request", "pr-12", "pr-13", Newer{}},
		{"empty", "", "1.0.0", Newer{}},
		{"a number too long", "1.2.3", "1.2.9999999999999999999999", Newer{}},
		{"too many digits", "1.0", "48213.0", Newer{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			tags := strings.Fields(test.tags)
			if got := FindNewer(test.present, tags); got != test.want {
				t.Errorf("%s among %q: %+v, want %+v", test.present, tags, got, test.want)
			}
			slices.Reverse(tags)
			if got := FindNewer(test.present, tags); got != test.want {
				t.Errorf("in reverse: %+v, want %+v", got, test.want)
			}
		})
	}
}

// TestForeignTagsAreNotShown: whatever a registry calls a tag, what is no tag is
// no newer version.
func TestForeignTagsAreNotShown(t *testing.T) {
	for _, tag := range []string{"1.3.0\n", "1.3.0 ", "1.3.0\u202e", "1.3.0/x", "1.3.0:x", "1.3.0<b>", "1.3.0@sha256", ".1.3.0", "-1.3.0", "1.3.\x00",
		"1.3.0-" + strings.Repeat("a", maxTag)} {
		if got := FindNewer("1.2.0", []string{tag}); got != (Newer{}) {
			t.Errorf("%q became %+v", tag, got)
		}
	}
}

func FuzzFindNewer(f *testing.F) {
	for _, seed := range [][3]string{
		{"1.2.3", "1.3.0", "2.0.0"}, {"v1.2-alpine", "v1.3-alpine", "1.3"}, {"1.3.0-rc1", "1.3.0-rc.2", "1.3.0"},
		{"20240101", "2024-01-01", "20250101"}, {"1.2.3-r4", "1.2.3-r5", "1.2.3-5"}, {"latest", "1", "\x00"}, {"16", "17", "48213"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, present, a, b string) {
		got := FindNewer(present, []string{a, b})
		if other := FindNewer(present, []string{b, present, a, a}); other != got {
			t.Fatalf("%q among %q and %q: %+v, in another order %+v", present, a, b, got, other)
		}
		for _, tag := range []string{got.Tag, got.Within} {
			if tag == "" {
				continue
			}
			if tag != a && tag != b || !validTag(tag) {
				t.Fatalf("%q is none of %q and %q", tag, a, b)
			}
			if back := FindNewer(tag, []string{present}); back != (Newer{}) {
				t.Fatalf("%q is newer than %q, and %+v the other way", tag, present, back)
			}
			if again := FindNewer(tag, []string{tag}); again != (Newer{}) {
				t.Fatalf("%q is newer than itself", tag)
			}
		}
		if got.Within != "" && !got.Major || got.Major && got.Tag == "" || got.Tag != "" && got.Tag == got.Within {
			t.Fatalf("%+v makes no sense", got)
		}
		checkNewest(t, present, got.Tag, []string{a, b})
	})
}

// checkNewest: what is newer than the newest is none of the present one's kind,
// as a further pre-release.
func checkNewest(t *testing.T, present, newest string, tags []string) {
	t.Helper()
	next, ok := parseTag(FindNewer(newest, tags).Tag)
	if have, known := parseTag(present); ok && known && next.follows(have) {
		t.Fatalf("%q is newer than the newest, %q, of %q", next.tag, newest, present)
	}
}
