package distribution

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Bounds of one look.
const (
	maxTags     = 50_000
	maxPages    = 60
	pageSize    = 1000 // more is an error for Amazon's registry
	maxChildren = 256  // of an index
)

// times are by when a registry has answered.
type times struct{ tags, tag time.Duration }

var defaultTimes = times{tags: 20 * time.Second, tag: 15 * time.Second}

// look asks one registry about tags of one repository.
type look struct {
	repo     name.Repository
	registry *registry
	login    login
	puller   *remote.Puller
	platform platformOf
}

// platformOf tells what an image here is made for.
type platformOf = func(context.Context, target) (v1.Platform, error)

func newLook(repo name.Repository, r *registry, l login, platform platformOf) (*look, error) {
	puller, err := remote.NewPuller(
		remote.WithTransport(round{registry: r, login: l}),
		remote.WithAuth(l.authenticator()),
		remote.WithUserAgent("cofferdam"),
		remote.WithPageSize(pageSize),
		// A registry in trouble is asked again later, not at once.
		remote.WithRetryBackoff(remote.Backoff{Steps: 1}),
		remote.WithRetryStatusCodes(),
		remote.WithRetryPredicate(func(error) bool { return false }),
	)
	if err != nil {
		return nil, err
	}
	return &look{repo: repo, registry: r, login: l, puller: puller, platform: platform}, nil
}

// errManyTags tells that a repository has more tags than are read.
var errManyTags = errors.New("more tags than are read")

// tags lists the repository's tags. With an error it returns those that came
// before it.
func (k *look) tags(ctx context.Context) (tags []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, k.registry.times.tags)
	defer cancel()
	defer func() { k.registry.note(err) }()
	pages, err := k.puller.Lister(ctx, k.repo)
	if err != nil {
		return nil, err
	}
	for n := 0; pages.HasNext(); n++ {
		page, err := pages.Next(ctx)
		if err != nil {
			return tags, err
		}
		if n == maxPages || len(tags)+len(page.Tags) > maxTags {
			return tags, errManyTags
		}
		tags = append(tags, page.Tags...)
	}
	return tags, nil
}

// newDigest reports whether the tag means another image than t is. seen is the
// registry's digest at the time of the last look, and what was found then.
func (k *look) newDigest(ctx context.Context, t target, seen verdict) (found verdict, err error) {
	ctx, cancel := context.WithTimeout(ctx, k.registry.times.tag)
	defer cancel()
	defer func() { k.registry.note(err) }()
	digest, err := k.digest(ctx, t.tag)
	if err != nil {
		return verdict{}, err
	}
	found = verdict{digest: digest}
	switch {
	case t.has(digest):
		return found, nil
	case digest == seen.digest:
		return seen, nil
	}
	same, err := k.same(ctx, t, digest)
	if err != nil {
		return verdict{}, err
	}
	found.newer = !same
	return found, nil
}

// verdict is what a tag meant at the registry.
type verdict struct {
	digest string
	newer  bool
}

// digest asks for the tag's digest without its manifest: Docker Hub counts that
// as no pull. A registry that cannot do so is asked for the manifest.
func (k *look) digest(ctx context.Context, tag name.Tag) (string, error) {
	head, err := k.puller.Head(ctx, tag)
	if err == nil {
		return head.Digest.String(), nil
	}
	if !headless(err) {
		return "", err
	}
	got, err := k.puller.Get(ctx, tag)
	if err != nil {
		return "", err
	}
	return got.Digest.String(), nil
}

// headless reports whether an error may come of HEAD alone: its answer lacked a
// header, or the method is not known.
func headless(err error) bool {
	var status *transport.Error
	if errors.As(err, &status) {
		return status.StatusCode == http.StatusMethodNotAllowed || status.StatusCode == http.StatusNotImplemented
	}
	return strings.HasPrefix(err.Error(), "HEAD ") || strings.HasPrefix(err.Error(), "GET ")
}

// errNoPlatform tells that an index has nothing for the platform of the image.
type errNoPlatform struct{ platform string }

func (e *errNoPlatform) Error() string { return "the index has nothing for " + e.platform }

// same reports whether what has another digest is the image that is here all the
// same: its manifest was written anew, or its index for another platform's sake.
func (k *look) same(ctx context.Context, t target, digest string) (bool, error) {
	got, err := k.puller.Get(ctx, k.repo.Digest(digest))
	if err != nil {
		return false, err
	}
	if !got.MediaType.IsIndex() {
		config, err := configOf(got)
		return config == t.id, err
	}
	platform, err := k.platform(ctx, t)
	if err != nil {
		return false, err
	}
	child, err := childOf(got, platform)
	if err != nil || t.has(child) {
		return err == nil, err
	}
	if t.has(t.id) {
		// The engine's containerd store: an image's id is the digest that was
		// pulled, and not its config's.
		return k.sameAsPulled(ctx, t, platform, child), nil
	}
	manifest, err := k.puller.Get(ctx, k.repo.Digest(child))
	if err != nil {
		return false, err
	}
	config, err := configOf(manifest)
	return config == t.id, err
}

// sameAsPulled compares with the index that was pulled, if the registry still has
// it.
func (k *look) sameAsPulled(ctx context.Context, t target, platform v1.Platform, child string) bool {
	old, err := k.puller.Get(ctx, k.repo.Digest(t.id))
	if err != nil || !old.MediaType.IsIndex() {
		return false
	}
	before, err := childOf(old, platform)
	return err == nil && before == child
}

var errNoManifest = errors.New("the answer is no manifest of an image")

// configOf is the digest of a manifest's config, which is the image's id. The
// oldest kind of manifests has none.
func configOf(d *remote.Descriptor) (string, error) {
	switch {
	case d.MediaType.IsSchema1():
		return "", nil
	case !d.MediaType.IsImage():
		return "", errNoManifest
	}
	manifest, err := v1.ParseManifest(bytes.NewReader(d.Manifest))
	if err != nil || manifest.Config.Digest.Hex == "" {
		return "", errNoManifest
	}
	return manifest.Config.Digest.String(), nil
}

// childOf is the digest of an index's manifest for a platform: the one with the
// same variant, else the first of the same processor.
func childOf(d *remote.Descriptor, platform v1.Platform) (string, error) {
	index, err := v1.ParseIndexManifest(bytes.NewReader(d.Manifest))
	if err != nil {
		return "", err
	}
	found := ""
	for _, m := range index.Manifests[:min(len(index.Manifests), maxChildren)] {
		if m.Digest.Hex == "" || m.Platform == nil || m.Platform.OS != platform.OS || m.Platform.Architecture != platform.Architecture {
			continue
		}
		if variant(*m.Platform) == variant(platform) {
			return m.Digest.String(), nil
		}
		if found == "" {
			found = m.Digest.String()
		}
	}
	if found == "" {
		return "", &errNoPlatform{platform.OS + "/" + platform.Architecture}
	}
	return found, nil
}

// variant is a platform's, where 64-bit ARM goes without its only one.
func variant(p v1.Platform) string {
	if p.Architecture == "arm64" && p.Variant == "v8" {
		return ""
	}
	return p.Variant
}

// finding is what is known of a target.
type finding struct {
	checked time.Time // of what is known; zero: nothing is
	tried   time.Time // the last look, whatever came of it
	newer   Newer
	verdict verdict
	problem problem
}

// find looks at one target; tags are the repository's, with what stood in their
// way. What was found before stays where the registry does not answer. The error
// is why the tag's digest is not known.
func (k *look) find(ctx context.Context, t target, before finding, tags []string, tagsErr error, now time.Time) (finding, error) {
	f := finding{checked: now, tried: now, newer: FindNewer(t.tag.TagStr(), tags)}
	verdict, err := k.newDigest(ctx, t, before.verdict)
	switch {
	case isNotFound(err):
		f.problem = problem{sentence: tagGone}
		err = nil
	case err != nil:
		before.tried, before.problem = now, k.explain(err, tagGone)
		if before.checked.IsZero() {
			before.checked = now
		}
		if tagsErr == nil {
			before.newer = f.newer
		}
		return before, err
	}
	f.verdict = verdict
	switch {
	case tagsErr == nil:
	case errors.Is(tagsErr, errManyTags):
		f.problem.sentence = tooManyTags
	default:
		f.problem = k.explain(tagsErr, repoGone)
		if f.newer == (Newer{}) {
			f.newer = before.newer
		}
	}
	return f, err
}

// explain is the sentence of an error, with the time at which the registry may be
// asked again.
func (k *look) explain(err error, notFound string) problem {
	var none *errNoPlatform
	if errors.As(err, &none) {
		return problem{sentence: "The registry has a newer image of this tag, but not for " + none.platform + "."}
	}
	p := explain(err, k.login, notFound)
	var paused *errPaused
	if errors.As(k.registry.pause(), &paused) {
		p.until = paused.until
	}
	return p
}

func isNotFound(err error) bool {
	var status *transport.Error
	return errors.As(err, &status) && status.StatusCode == http.StatusNotFound
}
