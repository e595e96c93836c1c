package sandbox_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/sandbox"
)

// refusedVar makes this program one that may not call pivot_root, like all in a
// container with an engine's seccomp profile.
const refusedVar = "CORDON_TEST_NO_PIVOT_ROOT"

func refusePivotRoot() error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_PIVOT_ROOT},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if e != 0 {
		return e
	}
	return nil
}

func TestEveryPromiseHoldsWherePivotRootIsRefused(t *testing.T) {
	if os.Getenv(refusedVar) != "" {
		if err := unix.PivotRoot(".", "."); !errors.Is(err, unix.EPERM) {
			t.Fatalf("it is not refused: %v", err)
		}
		allPromises(t, sandbox.Full)
		return
	}
	s, err := sandbox.New(sandbox.Options{StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if r := s.Report(); r.Tier != sandbox.Full {
		t.Skipf("this host has no tier full: %v", r.Missing)
	}
	again := exec.Command("/proc/self/exe", "-test.v", "-test.count=1", "-test.run", "^("+t.Name()+"|TestTheHostsUnmountIsNotKeptUpByASandbox)$")
	again.Env = append(os.Environ(), refusedVar+"=1")
	out, err := again.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("tier full stopped ")) {
		t.Errorf("%v\n%s", err, out)
	}
}
