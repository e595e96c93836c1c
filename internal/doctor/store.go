package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/worker"
)

// stranger is an id and a workflow id that nobody uses. What a store says of it
// tells whether it can be asked at all.
const stranger = "cordon-doctor-asks"

func (s *site) openStore() (worker.Store, error) { return worker.OpenStore(s.Config, s.Logger) }

// objectStore looks whether targets can be read and results written.
func objectStore(ctx context.Context, s *site) Result {
	store, err := s.store()
	if err != nil {
		return because(Fail, err, "")
	}
	if d, ok := store.(*dir.Store); ok {
		return storeDirectory(d.Root())
	}
	return s.askServer(ctx, store)
}

// askServer asks an S3 server for something that is not there, in both buckets.
// A GET is asked and not a HEAD, whose refusals do not say why.
func (s *site) askServer(ctx context.Context, store worker.Store) Result {
	id, err := cordon.ParseTargetID(stranger)
	if err != nil {
		return because(Fail, err, "")
	}
	began := time.Now()
	results := make(chan error, 1)
	go func() {
		_, err := store.GetResult(ctx, stranger, "json")
		results <- err
	}()
	body, _, err := store.Open(ctx, id, "")
	if err == nil {
		err = body.Close()
	}
	if bad := s.refused(ctx, err, "targets"); bad != nil {
		return *bad
	}
	if bad := s.refused(ctx, <-results, "results"); bad != nil {
		return *bad
	}
	return ok("%s answers in %s and has the buckets for targets and results", s.storeURL(), took(began))
}

// refused returns the finding where err is more than the absence of the object
// that was asked for.
func (s *site) refused(ctx context.Context, err error, what string) *Result {
	var r Result
	switch {
	case err == nil || cordon.KindOf(err) == cordon.TargetNotFound && !strings.Contains(err.Error(), "has no bucket"):
		return nil
	case late(ctx, err):
		r = fail("check S3_ENDPOINT, and that the server runs and can be reached from here", "%s: no answer within %v", s.storeURL(), s.Timeout)
	default:
		var e *cordon.Error
		if errors.As(err, &e) && e.Err != nil {
			r = because(Fail, e.Err, e.Fix) // without what was asked for, which nobody knows
		} else {
			r = because(Fail, err, "")
		}
		r.Found = what + ": " + r.Found
	}
	return &r
}

// storeDirectory looks whether the directory store can be read and written, or
// be made.
func storeDirectory(root string) Result {
	const fix = "let this user read and write there, or name another directory with CORDON_STORE, --store or --data"
	at := root
	for {
		if info, err := os.Stat(at); err == nil && !info.IsDir() {
			return fail("name a directory for targets and results", "%s is not a directory", at)
		} else if err == nil {
			break
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fail(fix, "%s cannot be looked at: %v", root, cause(err))
		}
		at = filepath.Dir(at)
	}
	if err := tryDirectory(at, at == root); err != nil {
		if at != root {
			return fail(fix, "the directory %s does not exist, and %s cannot make it in %s: %v", root, me(), at, cause(err))
		}
		return fail(fix, "the directory %s cannot be used by %s: %v", root, me(), cause(err))
	}
	if at != root {
		return warn("check the name, or put a target there: that makes it", "the directory %s is not there yet", root)
	}
	for _, name := range []string{"targets", "results"} {
		err := tryDirectory(filepath.Join(root, name), true)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // the first object makes it
			return fail(fix, "%s in %s cannot be used by %s: %v", name, root, me(), cause(err))
		}
	}
	return ok("the directory %s can be read and written", root)
}

// tryDirectory makes a file in a directory and removes it, and reads the
// directory where that is asked for.
func tryDirectory(path string, read bool) error {
	f, err := os.CreateTemp(path, trialPrefix)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil || !read {
		return err
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return d.Close()
}
