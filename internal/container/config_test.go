package container

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// dockerCapabilities are what Docker and containerd leave to a container's root
// unless they are told otherwise.
var dockerCapabilities = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID",
	"CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
}

const (
	sysAdmin  = "CAP_SYS_ADMIN"
	sysChroot = "CAP_SYS_CHROOT"
)

// snippetCapabilities are all that the overlay snippets in deploy/ leave.
var snippetCapabilities = []string{
	sysAdmin, "CAP_DAC_OVERRIDE", "CAP_CHOWN", "CAP_FOWNER", "CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_KILL", sysChroot,
}

// firstMapped is the host's user that root is in a user namespace here.
const firstMapped = 100000

// settings say what kind of container it is. The zero settings are Docker's own.
type settings struct {
	add        []string // capabilities beside Docker's
	only       []string // capabilities instead of Docker's
	user       int      // whom the program runs as
	userns     bool     // a user namespace, as rootless engines and hostUsers: false make one
	unconfined bool     // no seccomp profile, in place of the default one

	command []string // instead of sleeping
	env     []string // beside the cache's and the store's
	network bool     // the host's network, in place of none

	worker string                          // the host's cordon-worker, where it is wanted beside cordon
	layer  func(t *testing.T, root string) // what to do to the container's own layer before it starts

	cache       string // the host's directory that is mounted at /cache; "": the container's own layer
	propagation string // of that mount; "": rprivate, as engines do
}

func (s settings) capabilities() []string {
	if s.only != nil {
		return s.only
	}
	return append(slices.Clone(dockerCapabilities), s.add...)
}

type object map[string]any

// mountCalls are refused by the default seccomp profiles of Docker and containerd
// unless the container has CAP_SYS_ADMIN. What those profiles say of other calls
// is nothing to the cache, nor, but for pivot_root and chroot, to the sandbox.
var mountCalls = []string{
	"fsconfig", "fsmount", "fsopen", "fspick", "mount", "mount_setattr", "move_mount", "open_tree", "setns", "umount", "umount2", "unshare",
}

// namespaceFlags are those of clone(2); any of them is refused likewise.
var namespaceFlags = []int{0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000}

const enosys = 38 // what those profiles answer to clone3, so that the C library falls back to clone

func (s settings) seccompProfile() object {
	if s.unconfined {
		return nil
	}
	refused := []string{"pivot_root"} // to everybody
	if !slices.Contains(s.capabilities(), sysChroot) {
		refused = append(refused, "chroot")
	}
	rules := []object{{"names": refused, "action": "SCMP_ACT_ERRNO"}}
	if !slices.Contains(s.capabilities(), sysAdmin) {
		rules = append(rules, object{"names": mountCalls, "action": "SCMP_ACT_ERRNO"},
			object{"names": []string{"clone3"}, "action": "SCMP_ACT_ERRNO", "errnoRet": enosys})
		for _, f := range namespaceFlags {
			rules = append(rules, object{"names": []string{"clone"}, "action": "SCMP_ACT_ERRNO",
				"args": []object{{"index": 0, "value": f, "valueTwo": f, "op": "SCMP_CMP_MASKED_EQ"}}})
		}
	}
	return object{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}
}

// What engines hide of /proc, and what they let nobody write to there. Who makes a user
// namespace below a /proc of which something is hidden may mount none in it: no tier rootless.
var (
	maskedPaths = []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
		"/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
	}
	readonlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
)

// writeConfig writes the config.json of a bundle: root is the container's root,
// store and binary are the host's.
func (s settings) writeConfig(t *testing.T, bundle, root, store, binary string) {
	t.Helper()
	tmpfs := func(at, mode string) object {
		return object{"destination": at, "type": "tmpfs", "source": "tmpfs", "options": []string{"nosuid", "mode=" + mode}}
	}
	bind := func(from, to string, options ...string) object {
		return object{"destination": to, "type": "bind", "source": from, "options": append([]string{"rbind"}, options...)}
	}
	mounts := []object{
		{"destination": "/proc", "type": "proc", "source": "proc"},
		tmpfs("/dev", "755"),
		tmpfs("/tmp", "1777"),
		bind(binary, "/usr/local/bin/cordon", "ro"),
		bind(store, "/store", "rw"),
	}
	if s.worker != "" {
		mounts = append(mounts, bind(s.worker, "/usr/local/bin/cordon-worker", "ro"))
	}
	if s.cache != "" {
		propagation := s.propagation
		if propagation == "" {
			propagation = "rprivate"
		}
		mounts = append(mounts, bind(s.cache, "/cache", "rw", propagation))
	}
	namespaces := []object{{"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}}
	if !s.network {
		namespaces = append(namespaces, object{"type": "network"})
	}
	linux := object{"rootfsPropagation": "rprivate", "maskedPaths": maskedPaths, "readonlyPaths": readonlyPaths}
	switch s.propagation { // engines do so: a mount propagates no further than the root it hangs below
	case "rshared":
		linux["rootfsPropagation"] = "shared"
	case "rslave":
		linux["rootfsPropagation"] = "rslave"
	}
	if s.userns {
		namespaces = append(namespaces, object{"type": "user"})
		mapping := []object{{"containerID": 0, "hostID": firstMapped, "size": 65536}}
		linux["uidMappings"], linux["gidMappings"] = mapping, mapping
	}
	linux["namespaces"] = namespaces
	if p := s.seccompProfile(); p != nil {
		linux["seccomp"] = p
	}
	caps := s.capabilities()
	sets := object{"bounding": caps, "permitted": caps, "effective": caps}
	if s.user != 0 {
		sets = object{"bounding": caps}
	}
	command := s.command
	if command == nil {
		command = []string{"sleep", "600"} // so that it ends whatever becomes of the test
	}
	config := object{
		"ociVersion": "1.0.2",
		"root":       object{"path": root, "readonly": s.cache != ""},
		"mounts":     mounts,
		"linux":      linux,
		"process": object{
			"args":            command,
			"cwd":             "/",
			"env":             append([]string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp", "CACHE_DIR=/cache", "CORDON_STORE=/store"}, s.env...),
			"user":            object{"uid": s.user, "gid": s.user},
			"capabilities":    sets,
			"noNewPrivileges": true,
		},
	}
	text, err := json.Marshal(config)
	if err == nil {
		err = os.WriteFile(filepath.Join(bundle, "config.json"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
