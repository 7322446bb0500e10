package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"

	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
)

// The conversations below are about images of a real engine, which others use as
// well: the bot is granted the repositories of one test only.

// picturing is a scene in which the bot may see the images whose repositories
// begin with base, and the scene's containers.
func (s scene) picturing(base string) setup {
	return func(b *bot) {
		s.only(b)
		b.cfg.Modules.Grants["images"] = s.images(base + "*")
	}
}

func TestAnImageFromTheSectionToItsContainers(t *testing.T) {
	s := newScene(t)
	base := dockertest.Unique("pictured")
	id := dockertest.Build(t, []string{
		"ENV COLOUR=blue DB_PASSWORD=hunter2", `LABEL com.example.team=blue api.token=hunter2`, "EXPOSE 8080", "VOLUME /data",
		"USER 65534", "WORKDIR /srv", "STOPSIGNAL SIGQUIT",
	}, base+":1.0", base+":latest")
	unused := dockertest.Build(t, nil, base+"-unused:1")
	dockertest.Build(t, nil, dockertest.Unique("hidden")+":1")
	s.has(dockertest.Container{Name: s.mark + "-a", Image: id}, dockertest.Container{Name: s.mark + "-b", Image: id, State: dockertest.Created},
		dockertest.Container{Name: s.mark + "-other", State: dockertest.Created})
	b := startBot(t, s.picturing(base))
	p := b.person(user, user)

	p.says("/docker")
	list := p.presses("🖼 Images")
	p.expect(list, "<b>🖼 2 images, ", "🟢 <code>"+base+":1.0</code> <code>"+id[7:19]+"</code>", "<code>"+base+":latest</code>",
		"linux/", "2 containers, created ", "⚪️ <code>"+base+"-unused:1</code> <code>"+unused[7:19]+"</code>", "unused")
	p.lacks(list, "hidden", "cofferdam-dockertest")

	page := p.taps("🟢 " + base + ":1.0")
	p.expect(page, "<b>🖼 <code>"+base+":1.0</code></b>", "Size: ", "Platform: linux/", "Created: ", "Use: 2 containers", "Entrypoint: <code>/probe</code>",
		"User: <code>65534</code>", "Working directory: <code>/srv</code>", "Stop signal: <code>SIGQUIT</code>", "<code>8080/tcp</code>", "<code>/data</code>",
		"COLOUR=blue", "DB_PASSWORD=•••", "com.example.team=blue", "api.token=•••")
	p.lacks(page, "hunter2")
	if !slices.Contains(slices.Concat(page.Labels()...), "⬆️ Check updates") || page.ID != list.ID {
		t.Errorf("buttons %q of message %d, opened from %d", page.Labels(), page.ID, list.ID)
	}
	history := p.taps("🧱 History")
	p.expect(history, "🧱 History of <code>"+base+":1.0</code>", "steps", "<code>STOPSIGNAL SIGQUIT</code>", "DB_PASSWORD=•••", "no layer")
	p.lacks(history, "hunter2", "#(nop)")
	p.expect(p.taps("🔄 Refresh"), "STOPSIGNAL")
	p.expect(p.taps("⬅️ Back"), "Use: 2 containers")

	users := p.taps("📦 Used by")
	p.expect(users, "📦 Made of <code>"+base+":1.0</code>", "2 containers", "🟢 <code>"+s.mark+"-a</code>\nUp ", "⚪️ <code>"+s.mark+"-b</code>")
	p.lacks(users, s.mark+"-other")
	p.expect(p.taps("🟢 "+s.mark+"-a"), "<b>🟢 <code>"+s.mark+"-a</code></b>", "State: running")

	// By its name, as it is typed.
	p.expect(p.says("/images "+base+":latest"), "<b>🖼 <code>"+base+":1.0</code></b>")
	p.expect(p.says("/images "+base+":nope"), "There is no such image")
	p.expect(p.says("/images cofferdam-dockertest:1"), "may not see that image")
	if strings.Contains(b.log.String(), "hunter2") {
		t.Error("a secret of an image is in the log")
	}
}

func TestALongListOfImagesHasPages(t *testing.T) {
	s := newScene(t)
	base := dockertest.Unique("paged")
	var ids []string
	for i := range 12 {
		ids = append(ids, dockertest.Build(t, nil, fmt.Sprintf("%s-%02d:1", base, i)))
	}
	p := startBot(t, s.picturing(base)).person(user, user)
	p.expect(p.says("/images"), "🖼 12 images", "page 1 of 2", base+"-00:1", base+"-09:1")
	second := p.taps("2/2 ▶️")
	p.expect(second, "page 2 of 2", base+"-10:1", base+"-11:1")
	p.lacks(second, base+"-09:1")
	p.taps("⚪️ " + base + "-11:1")
	p.expect(p.taps("⬅️ Back"), "page 2 of 2")

	// Between a list and a tap, images come and go.
	for _, i := range []int{10, 11} {
		if _, err := dockertest.Client(t).ImageRemove(t.Context(), ids[i], image.RemoveOptions{Force: true}); err != nil {
			t.Fatal(err)
		}
	}
	p.expect(p.taps("⚪️ "+base+"-11:1"), "This image is not there any more.")
	p.expect(p.taps("⬅️ Back to the list"), "🖼 10 images")
}

func TestNoImages(t *testing.T) {
	s := newScene(t)
	base := dockertest.Unique("none")
	p := startBot(t, s.picturing(base)).person(user, user)
	m := p.says("/images")
	p.expect(m, "<b>🖼 There are no images</b>")
	if got := m.Labels(); !slices.EqualFunc(got, [][]string{{"🔄 Refresh", "⬅️ Back"}}, slices.Equal[[]string]) {
		t.Errorf("buttons: %q", got)
	}
}
