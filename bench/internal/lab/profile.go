package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Profile says what the figures are of. They mean nothing on another machine,
// and little if it was busy.
type Profile struct {
	Privileges string   `json:"privileges"`
	Kernel     string   `json:"kernel"`
	Processor  string   `json:"processor"`
	Cores      int      `json:"cores"`
	Memory     uint64   `json:"memory"`
	Go         string   `json:"go"`
	LoadBefore string   `json:"load_before"` // of the last 1, 5 and 15 minutes; the bench itself counts in what follows
	LoadAfter  string   `json:"load_after"`
	On         string   `json:"on"`
	Tools      []string `json:"tools"`
}

// ReadProfile asks the machine, and each of tools for its version: a program and
// its arguments. on says what is measured on.
func ReadProfile(on string, tools ...[]string) Profile {
	p := Profile{
		Privileges: "privileged (root, mounts allowed)", Cores: runtime.NumCPU(), Go: runtime.Version(),
		LoadBefore: load(), Processor: processor(), On: on,
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		p.Kernel = unix.ByteSliceToString(u.Release[:]) + " " + unix.ByteSliceToString(u.Machine[:])
	}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		p.Memory = info.Totalram * uint64(info.Unit)
	}
	for _, tool := range tools {
		// mkfs.ext4 speaks on its error channel; one that is not there says so.
		out, err := exec.CommandContext(context.Background(), tool[0], tool[1:]...).CombinedOutput()
		line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		if line == "" && err != nil {
			line = tool[0] + ": not installed"
		}
		p.Tools = append(p.Tools, strings.Join(strings.Fields(line), " "))
	}
	return p
}

// Finish notes the load when everything is measured.
func (p *Profile) Finish() { p.LoadAfter = load() }

func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	f := strings.Fields(string(b))
	if err != nil || len(f) < 3 {
		return "unknown"
	}
	return strings.Join(f[:3], " ")
}

func processor() string {
	b, _ := os.ReadFile("/proc/cpuinfo") // not every architecture names its model
	for line := range strings.Lines(string(b)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func (p *Profile) String() string {
	return fmt.Sprintf("%s; Linux %s; %d × %s, %s of memory; %s\nload %s before, %s after; %s\n%s\n",
		p.Privileges, p.Kernel, p.Cores, p.Processor, ShowBytes(float64(p.Memory)), p.Go, p.LoadBefore, p.LoadAfter, p.On, strings.Join(p.Tools, "; "))
}
