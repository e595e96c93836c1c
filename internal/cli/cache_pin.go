package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// pinned is what pin and unpin print.
type pinned struct {
	Key    string `json:"key"`
	Path   string `json:"path,omitempty"`
	Pinned bool   `json:"pinned"`
	Was    bool   `json:"was_pinned"`
}

func (a *app) cachePin() *cobra.Command {
	var reason string
	cmd := a.onCacheCommand("pin KEY", "Keep an entry, whoever holds it or not", "  cordon cache pin run-1f3a5c7e --reason 'crash 17 is in it'\n  cordon cache pin /cache/fuzzer-7/r1/workspace", exactly("KEY"), nil,
		func(_ context.Context, c onCache) error {
			e, err := c.Find(c.args[0])
			if err != nil {
				return err
			}
			if err := c.Pin(e.Key, reason); err != nil {
				return err
			}
			if c.asJSON {
				return a.printJSON(pinned{e.Key, e.Path, true, e.Pin != nil})
			}
			a.say("pinned %s, %s at %s", shortKey(e.Key, keyDigits), bytesOf(e.Bytes), plain(e.Path))
			return nil
		})
	cmd.Long = `Pin keeps an entry until unpin: it is not evicted, no sweep removes it, and its run's cleanup leaves
its directory. What is damaged, or removed by hand, goes all the same. KEY is what 'cordon cache ls' lists, the
beginning of it, a path, or the id of a target that has one entry.`
	cmd.Flags().StringVar(&reason, "reason", "", "`WHY`, for those who wonder")
	return cmd
}

func (a *app) cacheUnpin() *cobra.Command {
	cmd := a.onCacheCommand("unpin KEY", "Let go of a pinned entry", "  cordon cache unpin run-1f3a5c7e", exactly("KEY"), nil,
		func(_ context.Context, c onCache) error {
			e, missing := c.Find(c.args[0])
			if missing != nil { // a pin outlives its entry for a while
				stray, err := c.StrayPins()
				if err != nil {
					return err
				}
				stray = slices.DeleteFunc(stray, func(k string) bool { return !begins(k, c.args[0]) })
				if len(stray) != 1 {
					return missing
				}
				e.Key = stray[0]
			}
			was, err := c.Unpin(e.Key)
			if err != nil {
				return err
			}
			switch {
			case c.asJSON:
				return a.printJSON(pinned{e.Key, e.Path, false, was})
			case was:
				a.say("unpinned %s; a sweep takes it when it has no other reason to stay", shortKey(e.Key, keyDigits))
			default:
				a.say("%s was not pinned", shortKey(e.Key, keyDigits))
			}
			return nil
		})
	cmd.Long = `Unpin ends a pin. KEY is as for pin; that there was no pin is no error.`
	return cmd
}

// begins reports whether a key begins with name, its kind's word left out or not.
func begins(key, name string) bool {
	_, digits, _ := strings.Cut(key, "-")
	return strings.HasPrefix(key, name) || strings.HasPrefix(digits, name)
}
