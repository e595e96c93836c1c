package storm

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/workspace"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// ChildEnv is set, to the settings, in a process that is to be one of the storm's.
const ChildEnv = "CORDON_STORM"

// maxLine is the longest command, in bytes: steps carry contents.
const maxLine = 4 << 20

// Child is the whole life of such a process: it ends with its standard input.
func Child() error {
	var set settings
	if err := json.Unmarshal([]byte(os.Getenv(ChildEnv)), &set); err != nil {
		return err
	}
	out := &answers{enc: json.NewEncoder(os.Stdout)}
	opts, err := set.options(out)
	if err != nil {
		return err
	}
	c, err := workspace.Open(opts)
	if err != nil {
		return err
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, maxLine)
	var all sync.WaitGroup
	for in.Scan() {
		var cmd command
		if err := json.Unmarshal(in.Bytes(), &cmd); err != nil {
			return err
		}
		all.Go(func() {
			a, err := cmd.carryOut(c, opts)
			a.ID = cmd.ID
			if err != nil {
				a.Kind, a.Err = cordon.KindOf(err), err.Error()
				a.Context = errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
			}
			out.send(a)
		})
	}
	all.Wait()
	return c.Close()
}

func (set settings) options(out *answers) (workspace.Options, error) {
	store, err := dir.Open(set.Store)
	if err != nil {
		return workspace.Options{}, err
	}
	cow, err := driver.ParseSetting(set.Driver)
	opts := workspace.Options{
		Dir: set.Cache, Store: teller{store, out}, MaxSize: cordon.BytesOf(set.MaxSize), TTL: set.TTL, FillDisk: true,
		FetchLimit: set.FetchLimit, CowDriver: cow,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	if set.Runs != "" {
		opts.Runs, opts.Grace = runsDir(set.Runs), set.Grace
	}
	return opts, err
}

// answers go out one at a time.
type answers struct {
	mu  sync.Mutex
	enc *json.Encoder
}

func (o *answers) send(a answer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	_ = o.enc.Encode(a) // nobody listens to a process that is about to end
}

// teller tells of downloads.
type teller struct {
	target.Source
	out *answers
}

func (t teller) Open(ctx context.Context, id cordon.TargetID, etag string) (io.ReadCloser, target.Info, error) {
	r, info, err := t.Source.Open(ctx, id, etag)
	if err == nil {
		t.out.send(answer{Fetch: id.String()})
	}
	return r, info, err
}

func (cmd command) carryOut(c *workspace.Cache, opts workspace.Options) (a answer, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if cmd.Cancel > 0 {
		time.AfterFunc(cmd.Cancel, cancel)
	}
	if cmd.Limit > 0 && cmd.Op != opKeep && cmd.Op != opUse {
		ctx, cancel = context.WithTimeout(ctx, cmd.Limit)
		defer cancel()
	}
	switch cmd.Op {
	case opGet:
		var ws workspace.Workspace
		ws, err = cmd.get(ctx, c, opts.Runs != nil)
		a.Got = got{ws.Path, ws.ETag, ws.Driver, ws.ReadOnly, ws.Hit}
	case opCleanup:
		var done workspace.Cleaned
		done, err = c.Cleanup(ctx, cmd.Path, workspace.Caller{Run: cmd.Run})
		a.Outcome, a.Reason = done.Outcome, done.Reason
	case opSweep:
		_, err = c.Sweep(ctx, cmd.Sweep)
	case opList:
		if _, err = c.Entries(); err == nil {
			_, err = c.Usage()
		}
	case opOpen:
		var other *workspace.Cache
		if other, err = workspace.Open(opts); err == nil {
			_, err = other.Usage()
			err = errors.Join(err, other.Close())
		}
	case opWrite:
		err = cmd.write()
	case opKeep:
		err = cmd.keep()
	case opUse:
		var lease *workspace.Lease
		if lease, err = c.Use(ctx, cmd.Path, workspace.Caller{Run: cmd.Run}); err == nil {
			time.Sleep(cmd.Limit)
			lease.Release()
		}
	}
	return a, err
}

func (cmd command) get(ctx context.Context, c *workspace.Cache, owned bool) (workspace.Workspace, error) {
	t, err := cordon.ParseTargetID(cmd.Target)
	if err != nil {
		return workspace.Workspace{}, err
	}
	r, err := cordon.ParseRunID(cmd.Run)
	if err != nil {
		return workspace.Workspace{}, err
	}
	req := workspace.Request{Target: t, Run: r, Mode: cmd.Mode, KeepOnFailure: cmd.Keep}
	if owned {
		req.Owner = owner(cmd.Run)
	}
	return c.Get(ctx, req)
}

func (cmd command) write() error {
	for _, s := range cmd.Steps {
		if err := s.carryOut(filepath.Join(cmd.Path, s.Name), cmd.Path); err != nil {
			return err
		}
	}
	return nil
}

func (s step) carryOut(path, top string) error {
	switch s.Do {
	case "create":
		return os.WriteFile(path, []byte(s.Data), 0o644)
	case "append":
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteString(s.Data)
		return errors.Join(err, f.Close())
	case "remove":
		return os.RemoveAll(path)
	case "rename":
		return os.Rename(path, filepath.Join(top, s.Data))
	case "mkdir":
		return os.Mkdir(path, 0o755)
	case "link":
		return os.Symlink(s.Data, path)
	case "shut":
		return os.Chmod(path, 0)
	case "swap":
		if err := os.Rename(top, top+s.Data); err != nil {
			return err
		}
		return os.Mkdir(top, 0o755)
	}
	return errors.New("there is no step " + s.Do)
}

// keep has some file of the workspace open for a while, as a tool that was left
// behind has.
func (cmd command) keep() error {
	var f *os.File
	err := filepath.WalkDir(cmd.Path, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // the next one will do
		}
		f, err = os.Open(p)
		if err == nil {
			return fs.SkipAll
		}
		return nil
	})
	if f != nil {
		time.Sleep(cmd.Limit)
		f.Close()
	}
	return err
}
