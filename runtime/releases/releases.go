// Package releases asks a feed for the newest release of this program. The feed is
// an https address that answers as GitHub does for releases/latest; what it says
// is foreign, and nothing of it is followed or run.
package releases

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Bounds of a request, and for how long its answer counts.
const (
	// timeout is below the ten seconds that a command may take, so that a feed
	// that hangs is told of in its own words.
	timeout = 8 * time.Second
	// maxAnswer is in bytes. GitHub's answer has some KB for each file of a
	// release.
	maxAnswer    = 1 << 20
	maxHeader    = 64 << 10
	maxRedirects = 3
	goodFor      = time.Hour
	failedFor    = 5 * time.Minute
)

// Options of a Feed.
type Options struct {
	// URL is https, without a user; empty: there is no feed.
	URL string
	// Current is the version that runs.
	Current string
	// Client makes the requests; nil: one that trusts what the system trusts. Its
	// rule for redirects and its cookies are not used.
	Client *http.Client
	Now    func() time.Time
}

// Feed knows the newest release. It is safe for concurrent use, and asks once
// however many want to know.
type Feed struct {
	Options
	client http.Client
	// turn is held by whoever asks or looks at what follows.
	turn    chan struct{}
	checked time.Time // the zero time: never
	latest  latest
	err     error
}

// New returns a Feed. Nothing is asked yet.
func New(o Options) *Feed {
	f := &Feed{Options: o, turn: make(chan struct{}, 1)}
	if o.Client != nil {
		f.client = *o.Client
	} else {
		f.client.Transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
			MaxResponseHeaderBytes: maxHeader, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
			DisableCompression: true, // a small body must not unpack to a huge one
		}
	}
	f.client.CheckRedirect, f.client.Jar = sameHost, nil
	return f
}

// Close lets go of idle connections.
func (f *Feed) Close() { f.client.CloseIdleConnections() }

// Latest returns the newest release and whether it is newer than what runs. An
// answer counts for an hour, a failure for five minutes. The error holds an
// [*abi.Error] with a plain sentence.
func (f *Feed) Latest(ctx context.Context) (abi.BotRelease, error) {
	out := abi.BotRelease{Configured: f.URL != "", Current: f.Current}
	if !out.Configured {
		return out, nil
	}
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return abi.BotRelease{}, told(errSilent, context.Cause(ctx))
	}
	defer func() { <-f.turn }()
	if err := f.refresh(ctx); err != nil {
		return abi.BotRelease{}, err
	}
	out.Checked, out.Latest, out.Newer = f.checked.UnixMilli(), f.latest.version.Original(), newer(f.Current, f.latest.version)
	out.URL, out.Notes = f.latest.url, f.latest.notes
	if !f.latest.published.IsZero() {
		out.Published = f.latest.published.UnixMilli()
	}
	return out, nil
}

// refresh asks if what is known is too old. That a command ended meanwhile says
// nothing about the feed.
func (f *Feed) refresh(ctx context.Context) error {
	good := goodFor
	if f.err != nil {
		good = failedFor
	}
	if age := f.Now().Sub(f.checked); !f.checked.IsZero() && age >= 0 && age < good {
		return f.err
	}
	found, err := f.fetch(ctx)
	if err != nil && ctx.Err() != nil {
		return err
	}
	f.checked, f.latest, f.err = f.Now(), found, err
	return err
}

// What is wrong with a feed, in the words that users read.
var (
	errSilent   = errors.New("it does not answer")
	errTooLong  = errors.New("its answer is too long")
	errNonsense = errors.New("its answer is no release")
	errAway     = errors.New("it sends the bot to another host")
)

// told makes of what is wrong what a user may read. The cause is for the log.
func told(what, cause error) error {
	sentence := &abi.Error{Code: abi.Unavailable, Message: "The release feed is of no use now: " + what.Error() + "."}
	return errors.Join(sentence, fmt.Errorf("release feed: %w", cause))
}

func (f *Feed) fetch(ctx context.Context) (latest, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.URL, nil)
	if err != nil {
		return latest{}, told(errNonsense, err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "cofferdam")
	answer, err := f.client.Do(req)
	switch {
	case errors.Is(err, errAway):
		return latest{}, told(errAway, err)
	case err != nil:
		return latest{}, told(errSilent, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		err := fmt.Errorf("it answers with status %d", answer.StatusCode)
		return latest{}, told(err, err)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return latest{}, told(errSilent, err)
	case len(body) > maxAnswer:
		return latest{}, told(errTooLong, errTooLong)
	}
	found, err := parse(body)
	if err != nil {
		return latest{}, told(errNonsense, err)
	}
	return found, nil
}

// sameHost follows a redirect to the host that was asked, over TLS, and no other:
// the operator named one address.
func sameHost(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects || req.URL.Scheme != "https" || req.URL.Host != via[0].URL.Host || req.URL.User != nil {
		return errAway
	}
	return nil
}
