package cli

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/workspace"
)

// topEvery is how often the view is drawn anew unless told otherwise: as often as
// activities tell how far they are.
const topEvery = 2 * time.Second

// leastTop keeps the view from being the host's main occupation.
const leastTop = 200 * time.Millisecond

func (a *app) topCommand() *cobra.Command {
	var p places
	var once, asJSON bool
	every := topEvery
	cmd := &cobra.Command{
		Use: "top", Short: "Watch the cache, its runs, downloads and fuzzers, as they go", Args: exactly(),
		Long: `Top shows what is in the cache and who holds it, what is being fetched, and what the runs that
hold something are doing: how far their activities and fuzzers are, as Temporal knows it. It works
beside running workers, and without any. q, Esc or Ctrl-C ends it.

Where standard output is no terminal, or with --once or --json, it prints that once.`,
		Example: `  cordon top
  cordon top --data ~/.cache/cordon --address localhost:7233
  cordon top --json | jq '.runs[].stage'`,
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			if every < leastTop {
				return &cordon.Error{Kind: cordon.InvalidArgument, Op: "read --interval", Fix: "give " + leastTop.String() + " or more"}
			}
			cfg, err := a.settings(p, workerHome)
			if err != nil {
				return err
			}
			if _, _, err := config.TemporalOptions(a.temporal, a.environ); err != nil {
				return err
			}
			log := a.logger(a.level(cfg, slog.LevelError), false)
			cache, err := a.existingCache(cfg, nil, log)
			if err != nil {
				return err
			}
			defer cache.Close()
			w := &watcher{cache: cache, now: a.now, dial: a.dialLater()}
			defer w.close()
			if once || asJSON || !a.outTTY || !isTerminal(os.Stdin) {
				s, err := w.look(cmd.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return a.printJSON(s)
				}
				for _, line := range a.topLines(s, widthOf(a.out), 0) {
					a.print("%s", line)
				}
				return nil
			}
			return a.top(cmd.Context(), w, every)
		}),
	}
	cmd.Flags().BoolVar(&once, "once", false, "print it once")
	cmd.Flags().DurationVar(&every, "interval", topEvery, "draw it anew every `DURATION`")
	addTemporal(cmd.Flags(), &a.temporal)
	p.addCache(cmd.Flags())
	p.addData(cmd.Flags())
	jsonFlag(cmd, &asJSON)
	return cmd
}

// What a terminal is told: another page, without a cursor, and the first one back.
const (
	enterPage = "\x1b[?1049h\x1b[?25l"
	leavePage = "\x1b[?25h\x1b[?1049l"
	topLeft   = "\x1b[H"
	restLine  = "\x1b[K"
	restPage  = "\x1b[J"
)

// top draws the view until somebody has seen enough.
func (a *app) top(ctx context.Context, w *watcher, every time.Duration) error {
	fd := int(os.Stdin.Fd())
	before, err := term.MakeRaw(fd) // keys come as they are pressed
	if err != nil {
		return err
	}
	defer func() { _ = term.Restore(fd, before) }() // a terminal that is gone needs nothing
	a.page(enterPage)
	defer a.page(leavePage)
	keys := make(chan byte)
	go func() { // it ends with the process: nothing else makes a read of a terminal end
		b := make([]byte, 1)
		for {
			if n, err := os.Stdin.Read(b); n == 0 || err != nil {
				close(keys)
				return
			}
			keys <- b[0]
		}
	}()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		s, err := w.look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		a.draw(s)
		select {
		case <-ctx.Done():
			return nil
		case k, ok := <-keys:
			const ctrlC, ctrlD, esc = 3, 4, 27
			if !ok || k == 'q' || k == 'Q' || k == ctrlC || k == ctrlD || k == esc {
				return nil
			}
		case <-tick.C:
		}
	}
}

func (a *app) page(text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.write(a.out, text)
}

// draw shows s in the place of what was shown before.
func (a *app) draw(s *snapshot) {
	width, height, err := term.GetSize(int(a.out.(*os.File).Fd()))
	if err != nil || width <= 0 || height <= 0 {
		width, height = defaultWidth, 24
	}
	text := topLeft
	for i, line := range a.topLines(s, width, height) {
		if i > 0 {
			text += "\r\n"
		}
		text += line + restLine
	}
	a.page(text + restPage)
}

// snapshot is what top shows, and prints with --json.
type snapshot struct {
	Time    time.Time          `json:"time"`
	Dir     string             `json:"dir"`
	Usage   workspace.Usage    `json:"usage"`
	Making  []workspace.Making `json:"making"`
	Entries []workspace.Entry  `json:"entries"`
	Runs    []runState         `json:"runs"`
	Silent  string             `json:"temporal,omitempty"` // why it does not say what the runs do
}
