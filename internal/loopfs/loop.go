package loopfs

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// attachTries bounds how often a free device may be snatched away by somebody
// else before it was configured.
const attachTries = 100

// attach puts image behind a loop device and returns the device, opened. It is
// freed by the kernel when nobody has it open or mounted any more.
func attach(image string) (*os.File, error) {
	backing, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer backing.Close()
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	config := unix.LoopConfig{Fd: uint32(backing.Fd())}
	config.Info.Flags = unix.LO_FLAGS_AUTOCLEAR
	for range attachTries {
		n, rerr := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if rerr != nil {
			return nil, os.NewSyscallError("LOOP_CTL_GET_FREE", rerr)
		}
		var dev *os.File
		if dev, err = os.OpenFile("/dev/loop"+strconv.Itoa(n), os.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
			return nil, err
		}
		if err = unix.IoctlLoopConfigure(int(dev.Fd()), &config); err == nil {
			return dev, nil
		}
		dev.Close()
		if !errors.Is(err, unix.EBUSY) {
			break
		}
	}
	return nil, os.NewSyscallError("LOOP_CONFIGURE", err)
}

// attached returns the loop device that image is still behind, or "".
func attached(image string) string {
	files, _ := filepath.Glob("/sys/block/loop*/loop/backing_file") // the pattern is well-formed
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && strings.TrimSpace(string(b)) == image {
			return "/dev/" + strings.Split(f, "/")[3]
		}
	}
	return ""
}
