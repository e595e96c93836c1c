package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"

	"github.com/cordonlabs/cordon/sandbox/internal/box"
)

// programs are where a system has its programs and libraries. Where one is a link,
// as on systems that merged them into /usr, the sandbox has the same link.
var programs = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}

// settings are what programs and libraries cannot do without in /etc. Nothing that
// tells of users, machines or secrets is among them.
var settings = []string{
	"/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/localtime", "/etc/timezone", "/etc/locale.alias",
	"/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted", "/etc/ca-certificates",
	"/etc/protocols", "/etc/services", "/etc/mime.types", "/etc/magic", "/etc/gai.conf", "/etc/os-release", "/etc/debian_version", "/etc/inputrc",
	"/etc/fonts", "/etc/python3", "/etc/perl", "/etc/java-11-openjdk", "/etc/java-17-openjdk", "/etc/java-21-openjdk", "/etc/java-25-openjdk",
}

// devices are those that every program may use.
var devices = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"}

// resolver is what name resolution needs of the host where there is a network.
var resolver = []string{"/etc/resolv.conf", "/etc/hosts"}

// system fills a spec with what every sandbox with a root of its own has.
func system(s *box.Spec, network bool) {
	for _, p := range programs {
		if target, err := os.Readlink(p); err == nil {
			s.Links = append(s.Links, box.Link{Path: p, Target: target})
		} else {
			s.Binds = append(s.Binds, box.Bind{Path: p, Optional: true})
		}
	}
	for _, p := range settings {
		s.Binds = append(s.Binds, box.Bind{Path: p, Follow: true, Optional: true})
	}
	for _, p := range devices {
		s.Binds = append(s.Binds, box.Bind{Path: p, Devices: true, Optional: true})
	}
	for name, target := range map[string]string{
		"/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0", "/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2",
		"/dev/ptmx": "pts/ptmx", "/etc/mtab": "/proc/self/mounts",
	} {
		s.Links = append(s.Links, box.Link{Path: name, Target: target})
	}
	uid, gid := s.UID, s.GID
	if uid < 0 {
		uid, gid = os.Geteuid(), os.Getegid()
	}
	passwd, group := "", ""
	if uid != 0 {
		passwd, group = "root:x:0:0:root:/:/bin/sh\n", "root:x:0:\n"
	}
	passwd += fmt.Sprintf("tool:x:%d:%d:tool:/tmp:/bin/sh\n", uid, gid)
	group += fmt.Sprintf("tool:x:%d:\n", gid)
	if uid != 65534 {
		passwd += "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
	}
	s.Files = append(s.Files,
		box.File{Path: "/etc/passwd", Data: []byte(passwd)},
		box.File{Path: "/etc/group", Data: []byte(group)},
		box.File{Path: "/etc/nsswitch.conf", Data: []byte("passwd: files\ngroup: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\n")},
	)
	if network {
		for _, p := range resolver {
			// A copy: the file may be a link into /run, and be replaced meanwhile.
			if data, err := os.ReadFile(p); err == nil {
				s.Files = append(s.Files, box.File{Path: p, Data: data})
			}
		}
	} else {
		s.Files = append(s.Files, box.File{Path: "/etc/hosts", Data: []byte("127.0.0.1 localhost\n::1 localhost\n")})
	}
}

// sortBinds puts what contains others before them: a later mount would hide it.
func sortBinds(binds []box.Bind) {
	sort.SliceStable(binds, func(i, j int) bool { return depth(binds[i].Path) < depth(binds[j].Path) })
}

func depth(path string) int {
	n := 0
	for ; path != "/"; path = filepath.Dir(path) {
		n++
	}
	return n
}
