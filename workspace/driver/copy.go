package driver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Copy is the driver that works everywhere: it copies every file, in parallel,
// also where blocks could be shared.
type Copy struct{}

// Name implements Driver.
func (Copy) Name() string { return "copy" }

// Traits implements Driver: a copy stands alone.
func (Copy) Traits() Traits { return Traits{} }

// Price implements Driver: all of it.
func (Copy) Price(base Usage) Usage { return base }

// MakeBase implements Driver.
func (Copy) MakeBase(dir *os.Root, name string) error { return makePlainBase(dir, name) }

// Create implements Driver.
func (Copy) Create(ctx context.Context, job Job) (Usage, error) {
	return clone(ctx, job, KeepModes, shareNever)
}

// Check implements Driver.
func (Copy) Check(dir *os.Root, name string) error { return checkPlain(dir, name) }

// Restore implements Driver: there is nothing that could have come off.
func (Copy) Restore(_ context.Context, job Job) error { return checkPlain(job.Dir, job.Name) }

func makePlainBase(dir *os.Root, name string) error {
	if err := dir.Mkdir(name, 0o755); err != nil {
		return err
	}
	return dir.Chmod(name, 0o755) // whatever the umask
}

// checkPlain checks a view that is nothing but files.
func checkPlain(dir *os.Root, name string) error {
	info, err := dir.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.Join(ErrBroken, err)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%w: %q is no directory", ErrBroken, name)
	}
	return nil
}
