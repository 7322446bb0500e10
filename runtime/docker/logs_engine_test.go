package docker

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
)

// What is tested here runs against a real engine.

// logged is a container that has said all of it.
func logged(t testing.TB, last string, c dockertest.Container) string {
	t.Helper()
	id := dockertest.Run(t, c)
	client := realClient(t)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		page, err := client.Logs(context.Background(), abi.LogQuery{ID: id, Count: 5}, anything)
		if err == nil && slices.ContainsFunc(page.Lines, func(l abi.LogLine) bool { return strings.HasPrefix(l.Text, last) }) {
			return id
		}
		if time.Now().After(deadline) {
			t.Fatalf("it never says %q: %+v, %v", last, page, err)
		}
	}
}

func texts(page abi.LogPage) (all []string) {
	for _, l := range page.Lines {
		all = append(all, l.Text)
	}
	return all
}

func logs(t testing.TB, c *Client, q abi.LogQuery) abi.LogPage {
	t.Helper()
	page, err := c.Logs(context.Background(), q, anything)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// numbered are the lines of the probe's "log".
func numbered(from, to int) (all []string) {
	for i := from; i <= to; i++ {
		all = append(all, "line "+strconv.Itoa(i))
	}
	return all
}

func TestLogsArePagedFromTheirEnd(t *testing.T) {
	for name, tty := range map[string]bool{"streams": false, "a terminal": true} {
		t.Run(name, func(t *testing.T) {
			c := realClient(t)
			id := logged(t, "line 1000", dockertest.Container{
				Args: []string{"log", "1000"}, Adjust: func(cfg *container.Config, _ *container.HostConfig) { cfg.Tty = tty },
			})
			page := logs(t, c, abi.LogQuery{ID: id, Count: 30})
			seen := texts(page)
			for page.Older != "" {
				page = logs(t, c, abi.LogQuery{ID: id, Count: 30, Before: page.Older})
				seen = append(texts(page), seen...)
			}
			if !slices.Equal(seen, numbered(1, 1000)) {
				t.Errorf("backwards: %d lines, %q…", len(seen), seen[:min(len(seen), 5)])
			}
			seen = texts(page)
			for {
				page = logs(t, c, abi.LogQuery{ID: id, Count: 70, After: page.Newer})
				if len(page.Lines) == 0 {
					break
				}
				seen = append(seen, texts(page)...)
			}
			if !slices.Equal(seen, numbered(1, 1000)) {
				t.Errorf("forwards: %d lines, %q…", len(seen), seen[:min(len(seen), 5)])
			}
			page = logs(t, c, abi.LogQuery{ID: id, Count: 3, Contains: "LINE 77"})
			if want := []string{"line 777", "line 778", "line 779"}; !slices.Equal(texts(page), want) {
				t.Errorf("found %q, want %q", texts(page), want)
			}
			page = logs(t, c, abi.LogQuery{ID: id, Count: 10, Contains: "LINE 77", Before: page.Older})
			if got := texts(page); len(got) != 8 || got[0] != "line 77" || page.Older != "" || page.Partial {
				t.Errorf("older ones: %q, older %q", got, page.Older)
			}
		})
	}
}

func TestBothStreamsAndWhatTheyMayHold(t *testing.T) {
	c := realClient(t)
	id := logged(t, "last", dockertest.Container{Args: []string{"say",
		`1\x1b[1;31mred\x1b[0m and \x1b]0;title\adone\n`, `2not \xff UTF-8\r\n`, `1\n`, `1tab\tNUL\x00BEL\a\n`, `2\u202eturned\n`, `1last\n`}})
	page := logs(t, c, abi.LogQuery{ID: id})
	byStream := map[string][]string{}
	for i, l := range page.Lines {
		byStream[l.Stream] = append(byStream[l.Stream], l.Text)
		if l.Cut || time.Since(time.UnixMilli(l.Time)) > time.Hour || i > 0 && l.Time < page.Lines[i-1].Time {
			t.Errorf("line %+v", l)
		}
	}
	if want := []string{"red and done", "", "tab NULBEL", "last"}; !slices.Equal(byStream[abi.StreamOut], want) {
		t.Errorf("stdout %q, want %q", byStream[abi.StreamOut], want)
	}
	if want := []string{"not � UTF-8", "�turned"}; !slices.Equal(byStream[abi.StreamErr], want) {
		t.Errorf("stderr %q, want %q", byStream[abi.StreamErr], want)
	}
	page = logs(t, c, abi.LogQuery{ID: id, Stream: abi.StreamErr, Count: 1})
	if got := texts(page); len(got) != 1 || got[0] != "�turned" || page.Older == "" {
		t.Errorf("the last of stderr: %q", got)
	}
}

func TestALineOfAMegabyteIsOneLine(t *testing.T) {
	args := []string{"say", `1before\n`}
	for range 16 {
		args = append(args, "1"+strings.Repeat("0123456789abcdef", 4096))
	}
	args = append(args, `1\nafter\n`)
	for name, tty := range map[string]bool{"streams": false, "a terminal": true} {
		t.Run(name, func(t *testing.T) {
			c := realClient(t)
			id := logged(t, "after", dockertest.Container{
				Args:   args,
				Adjust: func(cfg *container.Config, _ *container.HostConfig) { cfg.Tty = tty },
			})
			for _, count := range []int{1, 2, 3, 0} {
				var seen []abi.LogLine
				page := logs(t, c, abi.LogQuery{ID: id, Count: count})
				for seen = page.Lines; page.Older != ""; seen = append(page.Lines, seen...) {
					page = logs(t, c, abi.LogQuery{ID: id, Count: count, Before: page.Older})
				}
				if len(seen) != 3 || seen[0].Text != "before" || seen[2].Text != "after" || !seen[1].Cut || len(seen[1].Text) != maxLogRunes {
					t.Errorf("by %d: %d lines", count, len(seen))
				}
			}
		})
	}
}

// TestAFollowedLogLosesAndRepeatsNothing while it is written.
func TestAFollowedLogLosesAndRepeatsNothing(t *testing.T) {
	c := realClient(t)
	id := logged(t, "tick 2", dockertest.Container{Args: []string{"tick", "1"}})
	page := logs(t, c, abi.LogQuery{ID: id, Count: 1})
	seen, older := texts(page), page.Older
	for len(seen) < 400 {
		page = logs(t, c, abi.LogQuery{ID: id, Count: 25, After: page.Newer})
		seen = append(seen, texts(page)...)
	}
	for older != "" {
		page = logs(t, c, abi.LogQuery{ID: id, Count: 25, Before: older})
		seen, older = append(texts(page), seen...), page.Older
	}
	count := map[string]int{}
	for _, text := range seen {
		count[text]++
	}
	for i := range len(seen) {
		if n := count[fmt.Sprintf("tick %d", i+1)]; n != 1 {
			t.Errorf("tick %d is there %d times", i+1, n)
		}
	}
}

func TestRangesOfALog(t *testing.T) {
	c := realClient(t)
	id := logged(t, "line 100", dockertest.Container{Args: []string{"log", "100"}})
	first := logs(t, c, abi.LogQuery{ID: id}).Lines[0].Time
	for name, q := range map[string]abi.LogQuery{
		"later than all":   {Since: first + 3_600_000},
		"earlier than all": {Until: first - 3_600_000},
	} {
		q.ID = id
		if page := logs(t, c, q); len(page.Lines) != 0 || page.Older != "" || page.Newer == "" || page.Lines == nil {
			t.Errorf("%s: %+v", name, page)
		}
	}
	page := logs(t, c, abi.LogQuery{ID: id, Since: first, Until: first + 3_600_000, Count: 60})
	if got := texts(page); len(got) != 60 || got[59] != "line 100" || page.Older == "" {
		t.Errorf("%q", got)
	}
}

func TestLogsThatAreNotThere(t *testing.T) {
	c := realClient(t)
	ctx := context.Background()
	never := dockertest.Run(t, dockertest.Container{State: dockertest.Created})
	if page := logs(t, c, abi.LogQuery{ID: never}); len(page.Lines) != 0 || page.Older != "" {
		t.Errorf("never started: %+v", page)
	}
	quiet := dockertest.Run(t, dockertest.Container{})
	page := logs(t, c, abi.LogQuery{ID: quiet})
	if page = logs(t, c, abi.LogQuery{ID: quiet, After: page.Newer}); len(page.Lines) != 0 || page.Newer == "" {
		t.Errorf("says nothing: %+v", page)
	}
	none := dockertest.Run(t, dockertest.Container{Args: []string{"log", "3"}, Adjust: func(_ *container.Config, host *container.HostConfig) {
		host.LogConfig.Type = "none"
	}})
	_, err := c.Logs(ctx, abi.LogQuery{ID: none}, anything)
	wantCode(t, err, abi.Unavailable)
	if !strings.Contains(err.Error(), `its log driver "none" keeps nothing`) {
		t.Errorf("says %v", err)
	}
	gone := dockertest.Run(t, dockertest.Container{Args: []string{"log", "3"}})
	if err := dockertest.Client(t).ContainerRemove(ctx, gone, container.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	_, err = c.Logs(ctx, abi.LogQuery{ID: gone}, anything)
	wantCode(t, err, abi.NotFound)
	_, err = c.Logs(ctx, abi.LogQuery{ID: never}, nil)
	wantCode(t, err, abi.Denied)
}

// TestTheLocalDriverIsReadToo: it keeps logs in another form.
func TestTheLocalDriverIsReadToo(t *testing.T) {
	c := realClient(t)
	id := logged(t, "line 100", dockertest.Container{Args: []string{"log", "100"}, Adjust: func(_ *container.Config, host *container.HostConfig) {
		host.LogConfig.Type = "local"
	}})
	page := logs(t, c, abi.LogQuery{ID: id, Count: 40})
	older := logs(t, c, abi.LogQuery{ID: id, Count: 60, Before: page.Older})
	if got := append(texts(older), texts(page)...); !slices.Equal(got, numbered(1, 100)) || older.Older != "" {
		t.Errorf("%q, older %q", got, older.Older)
	}
}

func TestALogOfAContainerThatRestarts(t *testing.T) {
	c := realClient(t)
	id := dockertest.Run(t, dockertest.Container{Args: []string{"nonsense"}, Adjust: func(_ *container.Config, host *container.HostConfig) {
		host.RestartPolicy.Name = container.RestartPolicyAlways
	}})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		page := logs(t, c, abi.LogQuery{ID: id, Stream: abi.StreamErr})
		if len(page.Lines) >= 2 && strings.HasPrefix(page.Lines[1].Text, "want ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", page)
		}
	}
}
