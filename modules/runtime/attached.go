package runtime

import (
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// How much of one view stands on a page.
const (
	mountsPerPage    = 6
	networksPerPage  = 6
	variablesPerPage = 25
	maxPath          = 120
	maxAddress       = 60
	maxVariable      = 130
)

// volumes shows what is mounted, by where.
func (s sight) volumes(host sdk.Host, _ sdk.Request) (content, error) {
	r, err := host.ContainerRuntime(s.container())
	if err != nil {
		return content{}, err
	}
	if len(r.Mounts) == 0 {
		return whole(s.title(r.Name), sdk.Text(sdk.Plain(texts.RuntimeNoMounts))), nil
	}
	c, first, end := s.cut(len(r.Mounts), mountsPerPage)
	c.blocks = []sdk.Block{s.title(r.Name), sdk.Text(sdk.Italic(texts.RuntimeCounted(len(r.Mounts), "mount", c.part, c.parts)))}
	for _, m := range r.Mounts[first:end] {
		c.blocks = append(c.blocks, mounted(m))
	}
	return c, nil
}

// mounted is a mount in two or three short lines: where, what, and how.
func mounted(m abi.ContainerMount) sdk.Block {
	spans := []sdk.Span{sdk.Code(sdk.Line(m.Destination, maxPath)), sdk.Plain("\n" + sdk.Line(m.Type, maxWord))}
	switch {
	case m.Name != "" && isAnonymous(m.Name):
		spans = append(spans, sdk.Plain(" "+texts.RuntimeAnonymous))
	case m.Name != "":
		spans = append(spans, sdk.Plain(" "), sdk.Code(sdk.Line(m.Name, maxName)))
	}
	how := texts.RuntimeWritable
	if m.ReadOnly {
		how = texts.RuntimeReadOnly
	}
	if m.Driver != "" && m.Driver != "local" {
		how += ", " + sdk.Line(m.Driver, maxWord)
	}
	if m.Mode != "" && m.Mode != "ro" && m.Mode != "rw" {
		how += ", " + sdk.Line(m.Mode, maxWord)
	}
	spans = append(spans, sdk.Plain(", "+how))
	if m.Source != "" {
		spans = append(spans, sdk.Plain("\n"), sdk.Code(sdk.Line(m.Source, maxPath)))
	}
	return sdk.Text(spans...)
}

// isAnonymous tells a name that the engine made up.
func isAnonymous(name string) bool {
	return len(name) == 64 && strings.Trim(name, "0123456789abcdef") == ""
}

// networks shows the networks with addresses.
func (s sight) networks(host sdk.Host, _ sdk.Request) (content, error) {
	r, err := host.ContainerRuntime(s.container())
	if err != nil {
		return content{}, err
	}
	switch {
	case r.NetworkMode == "host":
		return whole(s.title(r.Name), sdk.Text(sdk.Plain(texts.RuntimeHostNet))), nil
	case len(r.Networks) == 0:
		return whole(s.title(r.Name), sdk.Text(sdk.Plain(texts.RuntimeNoNetwork))), nil
	}
	c, first, end := s.cut(len(r.Networks), networksPerPage)
	c.blocks = []sdk.Block{s.title(r.Name), sdk.Text(sdk.Italic(texts.RuntimeCounted(len(r.Networks), "network", c.part, c.parts)))}
	for _, n := range r.Networks[first:end] {
		c.blocks = append(c.blocks, sdk.HeadingOf(sdk.Code(sdk.Line(n.Name, maxName))), joined(n))
	}
	return c, nil
}

// joined is what a container is in one network.
func joined(n abi.ContainerNetwork) sdk.Block {
	fields := code(nil, texts.RuntimeIPv4, n.IPv4, maxAddress)
	fields = code(fields, texts.RuntimeIPv6, n.IPv6, maxAddress)
	fields = code(fields, texts.RuntimeGateway, n.Gateway, maxAddress)
	fields = code(fields, texts.RuntimeMAC, n.MAC, maxAddress)
	fields = code(fields, texts.RuntimeAliases, strings.Join(n.Aliases, " "), maxName)
	if len(fields) == 0 {
		return sdk.Text(sdk.Plain(texts.RuntimeAddress))
	}
	return sdk.Fields(fields...)
}

// environment shows the variables, in private chats only: what the host masks is
// what looks secret, which is not all that is (A5).
func (s sight) environment(host sdk.Host, req sdk.Request) (content, error) {
	if !req.Chat.Private {
		label, _ := texts.RuntimeView(s.view)
		return whole(sdk.Heading(label), sdk.Text(sdk.Plain(texts.RuntimePrivate))), nil
	}
	env, err := host.ContainerEnv(s.container())
	if err != nil {
		return content{}, err
	}
	if len(env.Variables) == 0 {
		return whole(s.title(env.Name), sdk.Text(sdk.Plain(texts.RuntimeNoEnv))), nil
	}
	c, first, end := s.cut(len(env.Variables), variablesPerPage)
	c.blocks = []sdk.Block{s.title(env.Name), sdk.Text(sdk.Italic(texts.RuntimeCounted(len(env.Variables)+env.Omitted, "variable", c.part, c.parts) + ". " + texts.RuntimeMasked))}
	var spans []sdk.Span
	for i, v := range env.Variables[first:end] {
		if i > 0 {
			spans = append(spans, sdk.Plain("\n"))
		}
		spans = append(spans, sdk.Code(sdk.Line(v.Name+"="+v.Value, maxVariable)))
	}
	c.blocks = append(c.blocks, sdk.Text(spans...))
	if env.Omitted > 0 && c.part == c.parts {
		c.blocks = append(c.blocks, sdk.Text(sdk.Plain(texts.RuntimeOmitted(env.Omitted))))
	}
	return c, nil
}
