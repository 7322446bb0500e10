package distribution

import (
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// maxReference bounds a reference that is shown, in runes: a registry's name, a
// repository of 255 and a tag of 128.
const maxReference = 512

// target is one tag of one image that is here. problem is set if there is nothing
// to ask for.
type target struct {
	host      string // name of the Docker endpoint
	id        string
	reference string // as the engine writes it
	tag       name.Tag
	digests   []string // "sha256:…", what the repository called the image
	problem   string
}

// has reports whether the repository called the image by this digest.
func (t target) has(digest string) bool {
	return slices.Contains(t.digests, digest)
}

// key tells targets apart: the same image under the same name is looked up once,
// on whichever hosts it is.
func (t target) key() string { return t.id + " " + t.tag.Name() }

// narrow takes the tags away that may not be seen alone: an image may have others
// beside the one by which it was admitted.
func narrow(images []abi.Image, keep func(tags []string) bool) {
	for i := range images {
		images[i].Tags = slices.DeleteFunc(slices.Clone(images[i].Tags), func(tag string) bool { return !keep([]string{tag}) })
	}
}

// targetsOf are the tags of images, and those images without a tag that are asked
// for by name or that containers are made of.
func targetsOf(host string, images []abi.Image, named bool) []target {
	var all []target
	for _, image := range images {
		for _, tag := range image.Tags {
			all = append(all, targetOf(host, image, tag))
		}
		if len(image.Tags) == 0 && (named || image.Containers > 0) {
			all = append(all, tagless(host, image))
		}
	}
	return all
}

func tagless(host string, image abi.Image) target {
	t := target{host: host, id: image.ID, reference: image.ID, problem: untagged}
	if len(image.Digests) > 0 {
		t.reference, t.problem = foreign.Line(image.Digests[0], maxReference), pinned
	}
	return t
}

func targetOf(host string, image abi.Image, reference string) target {
	t := target{host: host, id: image.ID, reference: foreign.Line(reference, maxReference)}
	tag, err := name.NewTag(reference)
	if err != nil || !validTag(tag.TagStr()) {
		t.problem = unreadable
		return t
	}
	t.tag = tag
	for _, text := range image.Digests {
		digest, err := name.NewDigest(text)
		if err == nil && digest.Context() == tag.Context() {
			t.digests = append(t.digests, digest.DigestStr())
		}
	}
	switch {
	case len(t.digests) == 0:
		t.problem = builtHere
	case host != "" && host != abi.LocalHost && isLoopbackName(hostname(tag.RegistryStr())):
		t.problem = otherLocal
	}
	return t
}

// only keeps the image that ref means: by its id or the beginning of that, or by
// one of its tags, of which then only that one is kept.
func only(images []abi.Image, ref string) []abi.Image {
	if tag, err := name.NewTag(ref); err == nil {
		for _, image := range images {
			for _, text := range image.Tags {
				if own, err := name.NewTag(text); err == nil && own.Name() == tag.Name() {
					image.Tags = []string{text}
					return []abi.Image{image}
				}
			}
		}
	}
	hex := strings.TrimPrefix(ref, "sha256:")
	if len(hex) < minID || len(hex) > 64 || strings.Trim(hex, "0123456789abcdef") != "" {
		return nil
	}
	for _, image := range images {
		if strings.HasPrefix(strings.TrimPrefix(image.ID, "sha256:"), hex) {
			return []abi.Image{image}
		}
	}
	return nil
}

// minID is how many digits of an image's id Docker's own tools show.
const minID = 12
