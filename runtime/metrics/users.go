package metrics

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/shirou/gopsutil/v4/common"
	"github.com/shirou/gopsutil/v4/host"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

const maxUsers = 256

// Users returns who is logged in, from utmp. A machine without that file, or a
// container, has nobody to report.
func (r *Reader) Users(ctx context.Context) (abi.UserInfo, error) {
	out := abi.UserInfo{Users: []abi.LoggedIn{}}
	dir, ok := r.utmpFolder()
	if !ok { // gopsutil would start loginctl now
		return out, nil
	}
	ctx = context.WithValue(ctx, common.EnvKey, common.EnvMap{common.HostVarEnvKey: dir})
	all, err := host.UsersWithContext(ctx)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return abi.UserInfo{}, fail("its users", err)
	}
	for _, u := range all[:min(len(all), maxUsers)] {
		out.Users = append(out.Users, abi.LoggedIn{
			User: foreign.Line(u.User, 64), Terminal: foreign.Line(u.Terminal, 64), From: foreign.Line(u.Host, 256),
			Since: max(int64(u.Started), 0) * 1000,
		})
	}
	return out, nil
}

// utmpFolder returns the folder that has run/utmp. Where /var/run is a link to
// /run, which leads nowhere in a bind mount of /var, it is the root.
func (r *Reader) utmpFolder() (dir string, ok bool) {
	for _, dir := range []string{r.cfg.Var, r.cfg.Root} {
		if info, err := os.Stat(filepath.Join(dir, "run", "utmp")); err == nil && info.Mode().IsRegular() {
			return dir, true
		}
	}
	return "", false
}
