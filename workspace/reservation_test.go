package workspace_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

func TestReservations(t *testing.T) {
	const mb = 1 << 20

	t.Run("what the dead had reserved does not count", func(t *testing.T) {
		b := newBench(t, limited(10*mb))
		b.put("A", random(1, 5*mb))
		must(t, os.WriteFile(b.path(".cordon/reservations/dead"), []byte(`{"id":"dead","bytes":6291456,"inodes":1}`), 0o644))
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // for the living it would wait
		defer cancel()
		_, err := b.cache.Get(ctx, request("A", "R", cordon.Isolated))
		must(t, err)
		if u := b.usage(); u.Reserved != 0 {
			t.Errorf("usage = %+v", u)
		}
	})

	t.Run("what the living have reserved is waited for", func(t *testing.T) {
		b := newBench(t, limited(10*mb))
		b.put("A", random(1, 6*mb))
		b.put("B", random(2, 5*mb))
		arrive := b.store.block()
		first := make(chan error, 1)
		go func() {
			_, err := b.cache.Get(t.Context(), request("A", "R", cordon.Isolated))
			first <- err
		}()
		waitFor(t, func() bool { return b.store.opens.Load() == 1 })
		other := b.open()
		if u, err := other.Usage(); err != nil || u.Reserved != 6*mb || u.Recorded != 0 {
			t.Errorf("usage = %+v, %v", u, err)
		}
		waits := make(chan struct{}, 1)
		req := request("B", "R", cordon.Isolated)
		req.Progress = func(p workspace.Progress) {
			if p.Stage == "waiting for room in the cache" {
				select {
				case waits <- struct{}{}:
				default:
				}
			}
		}
		second := make(chan error, 1)
		go func() {
			_, err := other.Get(t.Context(), req)
			second <- err
		}()
		select {
		case <-waits:
		case <-time.After(20 * time.Second):
			t.Error("it does not wait")
		}
		arrive()
		must(t, <-first)
		mustBeKind(t, <-second, cordon.NoSpace, "CACHE_MAX_SIZE")
		if n := b.store.opens.Load(); n != 1 {
			t.Errorf("%d downloads, want 1: there was no room for the second", n)
		}
	})

	t.Run("what is in the trash counts no more", func(t *testing.T) {
		b := newBench(t, limited(10*mb))
		b.put("A", random(1, 5*mb))
		must(t, os.MkdirAll(b.path(".cordon/trash/thing.6291456.1"), 0o755))
		b.get("A", "R", cordon.Isolated)
		if u := b.usage(); u.TrashBytes != 6*mb || u.Recorded != 5*mb {
			t.Errorf("usage = %+v", u)
		}
	})

	t.Run("work counts once while it is published: the clock is where another process looks", func(t *testing.T) {
		for _, mode := range modes {
			b := newBench(t, by(t, "copy!"))
			b.put("A", random(1, mb))
			whole := int64(mb)
			if mode == cordon.CopyOnWrite {
				whole *= 2 // with its base
			}
			o := b.opts
			o.Now = func() time.Time {
				if u := b.usage(); u.Recorded+u.Reserved > whole {
					t.Errorf("%s: %d recorded and %d reserved of %d", mode, u.Recorded, u.Reserved, whole)
				}
				return b.opts.Now()
			}
			c, err := workspace.Open(o)
			must(t, err)
			ws, err := c.Get(t.Context(), request("A", "R", mode))
			must(t, err)
			mustExist(t, filepath.Dir(ws.Path))
			must(t, c.Close())
		}
	})
}
