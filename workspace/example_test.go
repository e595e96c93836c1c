package workspace_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/workspace"
)

// Open, Get, Cleanup, Sweep.
func Example() {
	tmp, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(tmp)

	// A target in a directory store is a file at targets/{id}/target.
	object := filepath.Join(tmp, "store/targets/hello/target")
	os.MkdirAll(filepath.Dir(object), 0o755)
	os.WriteFile(object, []byte("print('hello')\n"), 0o644)
	store, err := dir.Open(filepath.Join(tmp, "store"))
	if err != nil {
		panic(err)
	}

	cache, err := workspace.Open(workspace.Options{
		Dir: filepath.Join(tmp, "cache"), Store: store, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	defer cache.Close()

	ctx := context.Background()
	hello, _ := cordon.ParseTargetID("hello")
	run, _ := cordon.ParseRunID("run-1")
	ws, err := cache.Get(ctx, workspace.Request{Target: hello, Run: run, Mode: cordon.Isolated})
	if err != nil {
		panic(err)
	}
	where, _ := filepath.Rel(cache.Dir(), ws.Path)
	fmt.Println("workspace:", where)

	done, err := cache.Cleanup(ctx, ws.Path, workspace.Caller{Run: "run-1"})
	if err != nil {
		panic(err)
	}
	fmt.Println("cleanup:", done.Outcome)

	report, err := cache.Sweep(ctx, workspace.SweepOptions{})
	if err != nil {
		panic(err)
	}
	fmt.Println("left to sweep:", len(report.Removals))
	// Output:
	// workspace: hello/run-1/target
	// cleanup: removed
	// left to sweep: 0
}
