package doctor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// userNamespaces looks whether this user may make a user namespace and mount in
// it, by doing so.
func userNamespaces(context.Context, *site) Result {
	if err := tryUserNamespace(); err != nil {
		fix := "allow user namespaces if tools are to be confined without root"
		if why, how := whyNoUserNamespace(err); why != "" {
			return warn(how, "%s may not use them (%v): %s", me(), err, why)
		}
		return warn(fix, "%s may not use them: %v", me(), err)
	}
	return ok("%s may make one, and mount in it", me())
}

// whyNoUserNamespace names the setting of this machine that forbids user
// namespaces, and how to change it; "" where it is none of the known ones.
func whyNoUserNamespace(err error) (why, how string) {
	switch {
	case sysctl("user/max_user_namespaces") == "0" || errors.Is(err, syscall.ENOSPC):
		return "user.max_user_namespaces leaves none", "raise the sysctl user.max_user_namespaces"
	case sysctl("kernel/unprivileged_userns_clone") == "0":
		return "kernel.unprivileged_userns_clone is 0", "set the sysctl kernel.unprivileged_userns_clone to 1"
	case sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1":
		return "AppArmor restricts them", "give the program an AppArmor profile with userns, or set the sysctl kernel.apparmor_restrict_unprivileged_userns to 0"
	}
	return "", ""
}

// sysctl reads a setting of the kernel. One that this kernel does not have
// forbids nothing, and reads as "".
func sysctl(name string) string {
	b, _ := os.ReadFile(filepath.Join("/proc/sys", name))
	return strings.TrimSpace(string(b))
}

// pathMax is the longest path that the kernel takes, in bytes (PATH_MAX).
const pathMax = 4096

// tryUserNamespace makes a process in a user namespace, which makes a mount
// namespace and mounts in it: a security module may allow the first and forbid
// the rest. The process then executes a name that is too long to be one. This
// error says that it came so far, and no program had to be found to run.
func tryUserNamespace() error {
	_, err := syscall.ForkExec(strings.Repeat("x", pathMax+1), nil, &syscall.ProcAttr{
		Sys: &syscall.SysProcAttr{
			Cloneflags:   syscall.CLONE_NEWUSER,
			Unshareflags: syscall.CLONE_NEWNS, // the runtime makes its mounts private, which is a mount(2)
			UidMappings:  []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
			GidMappings:  []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
		},
	})
	if errors.Is(err, syscall.ENAMETOOLONG) {
		return nil
	}
	return err
}
