package outbound

import (
	"cmp"
	"encoding/base64"
	"io"
	"net/http"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
)

// read reads an answer as far as the module wants it. Enough is read that a secret
// at the end can be seen whole and hidden.
func (t *task) read(answer *http.Response) (abi.FetchResponse, error) {
	encoding := strings.ToLower(cmp.Or(answer.Header.Get("Content-Encoding"), "identity"))
	if encoding != "identity" && len(t.hide) > 0 {
		return abi.FetchResponse{}, errEncoded
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, int64(t.maxBody+scrub.Longest(t.hide)+1)))
	if err != nil {
		return abi.FetchResponse{}, err
	}
	got := abi.FetchResponse{Status: answer.StatusCode, Headers: t.answered(answer.Header), Cut: len(data) > t.maxBody}
	if len(t.hide) > 0 {
		data = []byte(scrub.Values(string(data), t.hide, t.maxBody))
	}
	// A mask can be longer than what it hides.
	got.Body = data[:min(len(data), t.maxBody)]
	if answer.TLS != nil && len(answer.TLS.PeerCertificates) > 0 {
		got.CertificateUntil = answer.TLS.PeerCertificates[0].NotAfter.UnixMilli()
	}
	return got, nil
}

// minPart is from which length on a part of an address's path counts as a password,
// in bytes. A shorter one is a word such as "api", which answers are full of.
const minPart = 16

// hidden are the texts that stand for secrets in an answer. Of an address that is
// the whole of it, and what of its path can be a password. What it consists of
// otherwise may be what the module asks for: an Outline server tells its host.
func hidden(secrets []string) []string {
	var all []string
	for _, secret := range secrets {
		all = append(all, secret)
		if plain, err := base64.StdEncoding.DecodeString(secret); err == nil && len(plain) >= minPart/2 {
			all = append(all, string(plain)) // as of "Basic "
		}
		base, err := capability.ParseFetch("", secret, nil)
		if err != nil || base.Scheme() == "" {
			continue
		}
		path := strings.TrimSuffix(base.Tail(), "/")
		if path == "" {
			continue
		}
		_, origin, _ := strings.Cut(base.Origin(), "://")
		all = append(all, base.Origin()+path, origin+path)
		for part := range strings.FieldsFuncSeq(path, func(r rune) bool { return strings.ContainsRune("/?&=", r) }) {
			if len(part) >= minPart {
				all = append(all, part)
			}
		}
	}
	return all
}
