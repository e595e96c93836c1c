package drivertest

import (
	"errors"
	"fmt"

	"github.com/cordonlabs/cordon/internal/ptrace"
)

// killAt tells a child that is ready to go on, and kills it when any of its
// threads enters its n-th changing system call. It returns false if the child
// answered before: then calls is how many there were.
func (c *child) killAt(n int) (killed bool, calls int) {
	c.s.Helper()
	begin := func() error {
		_, err := c.stdin.WriteString("go\n")
		return errors.Join(err, c.stdin.Close())
	}
	v, err := ptrace.Run(c.s.Context(), c.pid, begin, ptrace.Strike{At: n})
	c.ended = v.Ended
	if errors.Is(err, ptrace.ErrForbidden) {
		c.s.Skip(err)
	}
	if err == nil && v.Status.Exited() && v.Status.ExitStatus() != 0 {
		err = fmt.Errorf("the second process failed, which stderr says more about: status %d", v.Status.ExitStatus())
	}
	c.s.must(err)
	return v.Struck, v.Calls
}
