package crash

import (
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// signalText matches how a signal is told where nothing else is known: by AFL++ in a
// crash's name, by shells, by Go.
var signalText = regexp.MustCompile(`\bsig:(\d{1,2})\b|\bsignal (\d{1,2})\b|\b(SIG[A-Z]{2,6})\b|(Segmentation fault)|(Aborted)|(Illegal instruction)|(Bus error)|(Floating point exception)`)

// signalTypes are the signals that a crash ends in.
var signalTypes = map[syscall.Signal]string{
	syscall.SIGSEGV: "segv", syscall.SIGABRT: "abort", syscall.SIGILL: "illegal-instruction", syscall.SIGBUS: "bus-error",
	syscall.SIGFPE: "arithmetic-exception", syscall.SIGTRAP: "trap", syscall.SIGKILL: "killed", syscall.SIGSYS: "bad-system-call",
}

func (p *parser) signal() (Report, bool) {
	for _, line := range p.lines {
		m := signalText.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		var sig syscall.Signal
		switch {
		case m[1]+m[2] != "":
			n, _ := strconv.Atoi(m[1] + m[2])
			sig = syscall.Signal(n)
		case m[3] != "":
			sig = unix.SignalNum(m[3])
		default:
			for i, s := range []syscall.Signal{syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGILL, syscall.SIGBUS, syscall.SIGFPE} {
				if m[4+i] != "" {
					sig = s
				}
			}
		}
		if kind, ok := signalTypes[sig]; ok {
			return Report{Type: kind, Title: "died of " + unix.SignalName(sig), Detail: strings.TrimSpace(line)}, true
		}
	}
	return Report{}, false
}
