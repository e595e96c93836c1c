package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cordonlabs/cordon"
)

// Limits bound what a command may use. Zero means no limit. One that this host cannot
// keep is in the report's Missing.
type Limits struct {
	Memory    int64         // bytes resident, of all its processes together
	Processes int           // processes and threads at once
	CPU       float64       // cores
	Time      time.Duration // of the wall clock
	Bytes     int64         // that it adds to its writable directories, and the size of any one file
	Inodes    int64         // that it adds to them
}

// Command is one process to be run, and what it may see.
type Command struct {
	Args []string // Args[0] is looked up in the PATH of the sandbox, unless it has a slash
	Dir  string   // absolute; "": the workspace
	Env  []string // NAME=value, beyond BaseEnv, which it may override. Nothing is inherited

	// Workspace is a directory, seen inside at the same path; writable unless ReadOnly.
	Workspace string
	ReadOnly  bool
	// Writable are further directories, and Readable further directories and files, at
	// the same path inside. A path that is writable must not lead through a link. What
	// is in Readable and does not exist is passed over.
	Writable []string
	Readable []string

	Network bool // false: not even the loopback of the host, nor one of its own

	Limits Limits

	Stdin          io.Reader // nil: empty
	Stdout, Stderr io.Writer // nil: thrown away

	// Hold is a descriptor that stays open for as long as anything of the tool lives,
	// whatever becomes of this process: the lease of the workspace, for one. The tool
	// does not inherit it.
	Hold *os.File
}

// BaseEnv is the environment of every command before its own.
func BaseEnv() []string {
	return []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/tmp", "TMPDIR=/tmp", "LANG=C.UTF-8",
	}
}

// environment adds vars to base; the last of a name counts.
func environment(base, vars []string) []string {
	env := slices.Clone(base)
	for _, v := range vars {
		name, _, _ := strings.Cut(v, "=")
		env = slices.DeleteFunc(env, func(e string) bool { return strings.HasPrefix(e, name+"=") })
		env = append(env, v)
	}
	return env
}

const opStart = "run confined"

func (c *Command) fail(err error, fix string) error {
	name := ""
	if len(c.Args) > 0 {
		name = filepath.Base(c.Args[0])
	}
	return &cordon.Error{Kind: cordon.InvalidArgument, Op: opStart, Name: name, Err: err, Fix: fix}
}

// check finds what no caller should ask for, and cleans the paths.
func (c *Command) check() error {
	if len(c.Args) == 0 || c.Args[0] == "" {
		return c.fail(errors.New("no program is named"), "name one")
	}
	for _, v := range c.Env {
		if i := strings.IndexByte(v, '='); i <= 0 || strings.IndexByte(v, 0) >= 0 {
			return c.fail(fmt.Errorf("%q is no variable", v), "give NAME=value")
		}
	}
	for _, a := range c.Args {
		if strings.IndexByte(a, 0) >= 0 {
			return c.fail(errors.New("an argument holds a NUL"), "leave it out")
		}
	}
	c.Writable, c.Readable = slices.Clone(c.Writable), slices.Clone(c.Readable)
	paths := []*string{&c.Workspace}
	if c.Dir != "" {
		paths = append(paths, &c.Dir)
	}
	for i := range c.Writable {
		paths = append(paths, &c.Writable[i])
	}
	for i := range c.Readable {
		paths = append(paths, &c.Readable[i])
	}
	for _, p := range paths {
		if !filepath.IsAbs(*p) || strings.IndexByte(*p, 0) >= 0 {
			return c.fail(fmt.Errorf("%q is not an absolute path", *p), "give absolute paths")
		}
		*p = filepath.Clean(*p)
		if *p == "/" {
			return c.fail(errors.New("the whole file system is not to be shown"), "name what is needed of it")
		}
	}
	if c.Dir == "" {
		c.Dir = c.Workspace
	}
	l := c.Limits
	if l.Memory < 0 || l.Processes < 0 || l.CPU < 0 || l.Time < 0 || l.Bytes < 0 || l.Inodes < 0 {
		return c.fail(errors.New("a limit is less than nothing"), "give a positive limit, or 0 for none")
	}
	return nil
}

// writes are the directories that the command may write.
func (c *Command) writes() []string {
	if c.ReadOnly || c.Workspace == "" { // the latter of a trial, which has none
		return c.Writable
	}
	return append([]string{c.Workspace}, c.Writable...)
}
