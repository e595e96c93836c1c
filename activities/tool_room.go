package activities

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/diskusage"
)

// outputEvery is how often a tool's output directory is measured.
const outputEvery = time.Second

// watchOutput ends a tool that puts more into its output directory than was reserved,
// where no limit of its own does that: the context that it returns is cancelled then,
// with a TargetTooLarge *cordon.Error as its cause. done ends the watch.
func (t *toolRun) watchOutput(ctx context.Context) (watched context.Context, done func()) {
	watched, cancel := context.WithCancelCause(ctx)
	bytes, inodes := t.command.Limits.Bytes == 0, t.command.Limits.Inodes == 0
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for bytes || inodes {
			select {
			case <-watched.Done():
				return
			case <-time.After(outputEvery):
			}
			var m diskusage.Meter
			if dir, err := os.Open(t.output); err == nil { // else nobody can write there either
				_ = m.Below(watched, dir) // what could not be read is not counted
				dir.Close()
			}
			switch {
			case bytes && m.Bytes > outputBytes:
				cancel(t.outputTooLarge("bytes", cordon.FormatBytes(outputBytes)))
			case inodes && m.Inodes > outputInodes:
				cancel(t.outputTooLarge("inodes", fmt.Sprintf("%d files", outputInodes)))
			}
		}
	}()
	return watched, func() {
		cancel(context.Canceled)
		<-ended
	}
}

func (t *toolRun) outputTooLarge(limit, most string) error {
	return &cordon.Error{Kind: cordon.TargetTooLarge, Op: "run", Name: t.program, Err: fmt.Errorf("it put more than %s into its output directory", most),
		Fix: fmt.Sprintf("set limits.%s in %s, which then holds for all that it writes, or have it write less", limit, t.w.File)}
}
