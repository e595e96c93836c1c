//go:build !race

package fleet

import (
	"archive/tar"
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/internal/pollers"
)

// moves is how often a run began anew elsewhere: how many workspaces it had, less one.
func (f *fleet) moves(w work) int { return max(len(f.acquired(w))-1, 0) }

// acquired returns the workspaces that a run was given, in their order.
func (f *fleet) acquired(w work) (all []activities.Workspace) {
	f.t.Helper()
	names := map[int64]string{}
	it := f.client.GetWorkflowHistory(context.Background(), w.GetID(), w.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for it.HasNext() {
		e, err := it.Next()
		if err != nil {
			f.t.Fatal(err)
		}
		if s := e.GetActivityTaskScheduledEventAttributes(); s != nil {
			names[e.GetEventId()] = s.GetActivityType().GetName()
		}
		if c := e.GetActivityTaskCompletedEventAttributes(); c != nil && names[c.GetScheduledEventId()] == activities.AcquireWorkspaceName {
			var ws activities.Workspace
			if err := converter.GetDefaultDataConverter().FromPayloads(c.GetResult(), &ws); err != nil {
				f.t.Fatal(err)
			}
			all = append(all, ws)
		}
	}
	return all
}

// known returns the hosts that Temporal knows to poll the queue.
func (f *fleet) known() []string {
	f.t.Helper()
	list, err := pollers.List(f.t.Context(), f.client, server().GetDefaultNamespace(), f.queue)
	if err != nil {
		f.t.Fatal(err)
	}
	return pollers.Hosts(list, time.Now().Add(-pollers.Fresh))
}

// archiveOf packs a folder.
func archiveOf(t *testing.T, dir string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	})
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
