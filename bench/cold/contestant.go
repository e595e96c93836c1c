package main

import (
	"os/exec"
	"path/filepath"
	"strings"
)

// contestant is a way of getting the tree of an object, or a part of that way.
type contestant struct {
	name  string
	store string // what it fetches from; empty: a limit, the same for all stores

	why error // it cannot take part; nil if it can

	// Either job is done by Cordon, in a child, or a program is run; each in dir,
	// an empty directory of its own.
	job  func(dir string) job
	argv []string
	env  []string

	reads bool   // it makes nothing, and needs no file system for that
	made  string // the tree or file that it makes, below dir; Cordon says so itself
}

const (
	ours = "cordon"
	boto = "boto3 + tarfile"

	decodeAlone   = "decode alone"
	writeAlone    = "write alone"
	transferAlone = "transfer alone"
)

// byHand is the command that a user would type for each format; what others are
// compared with.
var byHand = map[string][]string{
	"tar": {"tar", "-xf"}, "tar.gz": {"tar", "-xzf"}, "tar.zst": {"tar", "--zstd", "-xf"}, "tar.xz": {"tar", "-xJf"},
	"zip": {"unzip", "-q"}, image: {"cp"},
}

// byCurl is the same from a server: a line for a shell, of which $1 is the URL.
var byCurl = map[string]struct{ name, line string }{
	"tar":     {"curl | tar -x", `curl -sf "$1" | tar -x -f -`},
	"tar.gz":  {"curl | tar -xz", `curl -sf "$1" | tar -xz -f -`},
	"tar.zst": {"curl | tar --zstd -x", `curl -sf "$1" | tar --zstd -x -f -`},
	"tar.xz":  {"curl | tar -xJ", `curl -sf "$1" | tar -xJ -f -`},
	"zip":     {"curl, unzip", `curl -sf -o "$2" "$1" && unzip -q "$2" -d workspace`},
	image:     {"curl -o", `curl -sf -o "$2" "$1"`},
}

// fetched is what contestants call an object, or a file, that they made of it.
const fetched = "target"

// fromDirectory are those who take the object from a directory store.
func (s *stand) fromDirectory() []*contestant {
	object := s.objectPath()
	hand := program(dirStore, byHand[s.in.format], object)
	all := []*contestant{
		{name: ours, store: dirStore, job: func(dir string) job {
			return job{Do: doGet, Dir: s.store.Root(), Target: s.in.name, Cache: filepath.Join(dir, "cache")}
		}},
		hand,
	}
	if s.in.format == image {
		hand.argv, hand.made = append(hand.argv, fetched), fetched
		return all
	}
	all = append(all, program(dirStore, []string{"bsdtar", "-xf"}, object))
	if s.in.format == "tar.zst" {
		all = append(all, shell(dirStore, "zstd -dc | tar", `zstd -q -dc "$1" | tar -xf -`, object))
	}
	return all
}

// fromMinio are those who take the object from the server.
func (s *stand) fromMinio() []*contestant {
	m := s.bench.minio
	byCurl := byCurl[s.in.format]
	curl := shell(minioStore, byCurl.name, byCurl.line, m.url(s.in.name), fetched)
	python := &contestant{name: boto, store: minioStore, made: "workspace", why: s.bench.noPython,
		argv: []string{s.bench.python, "-c", fetchScript, m.login.Endpoint, bucket, s.in.name + "/target", s.in.format},
		env:  []string{"AWS_ACCESS_KEY_ID=" + m.login.AccessKey, "AWS_SECRET_ACCESS_KEY=" + m.login.SecretKey},
	}
	switch s.in.format {
	case image:
		curl.made, python.made = fetched, fetched
	case "zip":
		curl.made = python.made
	}
	return []*contestant{
		{name: ours, store: minioStore, job: func(dir string) job {
			return job{Do: doGet, Login: m.login, Target: s.in.name, Cache: filepath.Join(dir, "cache")}
		}},
		curl, python,
		reading(shell(minioStore, transferAlone, `curl -sf -o /dev/null "$1"`, m.url(s.in.name))),
	}
}

// program is a contestant that is a program, called by what a user would type,
// with the object for its last argument.
func program(store string, argv []string, object string) *contestant {
	name := strings.Join(argv, " ")
	c := &contestant{name: name, store: store, argv: append(argv[:len(argv):len(argv)], object)}
	_, c.why = exec.LookPath(argv[0])
	return c
}

// shell is a contestant that is a line for a shell.
func shell(store, name, line string, args ...string) *contestant {
	return &contestant{name: name, store: store, argv: append([]string{"sh", "-c", line, "sh"}, args...)}
}

func reading(c *contestant) *contestant {
	c.reads = true
	return c
}
