package folder

import (
	"context"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// Pace says how quickly changes are seen. The zero Pace is the usual one.
type Pace struct {
	// Quiet is how long nothing happens before the folder is looked at: a file that is
	// being copied is written to many times. 0: 300 ms.
	Quiet time.Duration
	// Longest bounds that wait while something always happens. 0: a second.
	Longest time.Duration
	// Poll is how often the folder is looked at without being told of a change: network
	// file systems and some container mounts tell nothing. 0: 10 s.
	Poll time.Duration
}

func (p Pace) filled() Pace {
	for _, field := range []struct {
		at    *time.Duration
		usual time.Duration
	}{{&p.Quiet, 300 * time.Millisecond}, {&p.Longest, time.Second}, {&p.Poll, 10 * time.Second}} {
		if *field.at <= 0 {
			*field.at = field.usual
		}
	}
	return p
}

// Watch calls a function at once, whenever something happened in the folder, and every
// now and then, until the context ends. The function returns how soon it wants to be
// called again, 0 if it does not mind. The folder may come and go. An error of the
// system's own notices is told once, and polling goes on.
func (f *Folder) Watch(ctx context.Context, p Pace, sync func(context.Context) (again time.Duration), failed func(error)) {
	p = p.filled()
	w := watched{folder: f}
	var err error
	if w.notify, err = fsnotify.NewWatcher(); err != nil {
		failed(err)
		w.notify = &fsnotify.Watcher{} // its channels are nil: nothing ever comes
	} else {
		defer w.notify.Close()
	}
	for ctx.Err() == nil {
		if err := w.follow(); err != nil && !w.told {
			w.told = true
			failed(err)
		}
		wait := p.Poll
		if again := sync(ctx); again > 0 {
			wait = min(wait, again)
		}
		w.wait(ctx, p, wait)
	}
}

// watched is the folder that is watched now.
type watched struct {
	folder *Folder
	notify *fsnotify.Watcher
	// dev and ino are those of the folder that is watched; 0: none is.
	dev, ino uint64
	told     bool
}

// follow watches the folder that is at the path now, which may be another than before.
func (w *watched) follow() error {
	var st unix.Stat_t
	if err := unix.Stat(w.folder.dir, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		st.Dev, st.Ino = 0, 0
	}
	if st.Dev == w.dev && st.Ino == w.ino || w.notify.Events == nil {
		return nil
	}
	if w.ino != 0 {
		_ = w.notify.Remove(w.folder.dir) // it may be gone already
	}
	w.dev, w.ino = 0, 0
	if st.Ino == 0 {
		return nil
	}
	if err := w.notify.Add(filepath.Clean(w.folder.dir)); err != nil {
		return err
	}
	w.dev, w.ino = st.Dev, st.Ino
	return nil
}

// wait returns when the folder is to be looked at again.
func (w *watched) wait(ctx context.Context, p Pace, most time.Duration) {
	deadline := time.NewTimer(most)
	defer deadline.Stop()
	quiet := time.NewTimer(most + p.Quiet)
	defer quiet.Stop()
	happened := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-deadline.C:
			return
		case <-quiet.C:
			return
		case <-w.notify.Errors: // some events were lost: look
		case <-w.notify.Events:
		}
		if !happened {
			happened = true
			deadline.Reset(min(most, p.Longest))
		}
		quiet.Reset(p.Quiet)
	}
}
