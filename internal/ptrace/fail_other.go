//go:build !amd64

package ptrace

import "golang.org/x/sys/unix"

// canFail is false where nobody has written down which registers hold a call's
// number and its result.
const canFail = false

func takeAway(int) error              { return unix.ENOSYS }
func setResult(int, unix.Errno) error { return unix.ENOSYS }
