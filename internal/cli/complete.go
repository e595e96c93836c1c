package cli

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/crash"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/metadata"
	"github.com/cordonlabs/cordon/worker"
	"github.com/cordonlabs/cordon/workflows"
	"github.com/cordonlabs/cordon/workspace"
)

var errNoShell = errors.New("there is no such shell")

const (
	// patience is how long somebody who has pressed Tab waits for a store that is far away.
	tabPatience = 2 * time.Second
	// tabMost is how many names are offered: more is no help.
	tabMost = 500
)

// names finds what an argument may be. What cannot be found out is not offered: a shell
// has no place for an error.
type names func(cmd *cobra.Command, args []string, begun string) []cobra.Completion

// addCompletions says of each argument and flag what the shell may offer for it.
func (a *app) addCompletions(root *cobra.Command) {
	for path, of := range map[string][]names{ // by position
		"run":              {a.workflowNames, a.targetIDs},
		"get":              {a.targetIDs},
		"cleanup":          {a.workspacePaths},
		"targets rm":       {a.targetIDs},
		"workflows show":   {a.workflowNames},
		"cache pin":        {a.entryKeys},
		"cache unpin":      {a.entryKeys},
		"cache explain":    {a.entryKeys},
		"cache verify":     {a.entryKeys},
		"crashes show":     {a.crashIDs},
		"crashes get":      {a.crashIDs},
		"crashes repro":    {a.crashIDs},
		"workspace export": {a.runIDs},
	} {
		cmd, _, err := root.Find(strings.Fields(path))
		must(err)
		// A path may be named where an id is, and behind the last name anything.
		files := cobra.ShellCompDirectiveDefault
		if path != "run" && path != "workspace export" {
			files = cobra.ShellCompDirectiveNoFileComp
		}
		cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) >= len(of) {
				return nil, files
			}
			directive := files
			if len(args)+1 < len(of) {
				directive = cobra.ShellCompDirectiveNoFileComp
			}
			return of[len(args)](cmd, args, begun), directive
		}
	}
	a.completeFlags(root)
}

// flagWords are the values that a flag may have, wherever it is.
var flagWords = map[string][]string{
	"isolation": {"isolated", "shared", "copy-on-write"},
	"serve":     {string(config.ServeAll), string(config.ServeActivities), string(config.ServeStorage)},
	"fail-on":   {"info", "low", "medium", "high", "critical"},
	"engine":    {"libfuzzer", "atheris", "cargo-fuzz", "afl++", "go"},
	"vertical":  workflows.Verticals(),
}

func (a *app) completeFlags(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		switch words, ok := flagWords[f.Name]; {
		case ok:
			must(cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)))
		case f.Name == "data" || f.Name == "store" || f.Name == "cache-dir":
			must(cmd.MarkFlagDirname(f.Name))
		case f.Name == "param":
			must(cmd.RegisterFlagCompletionFunc(f.Name, a.parameters))
		}
	})
	for _, c := range cmd.Commands() {
		a.completeFlags(c)
	}
}

// placesOf returns what the line says of places so far.
func placesOf(cmd *cobra.Command) (p places) {
	for name, into := range map[string]*string{"data": &p.data, "store": &p.store, "cache-dir": &p.cache} {
		if f := cmd.Flags().Lookup(name); f != nil {
			*into = f.Value.String()
		}
	}
	return p
}

// homeOf says whose defaults a command has.
func homeOf(cmd *cobra.Command) home {
	top := cmd
	for top.HasParent() && top.Parent().HasParent() {
		top = top.Parent()
	}
	return home(slices.Contains([]string{"run", "targets", "crashes", "corpus"}, top.Name()))
}

// offered keeps what begins like the word so far, without repeating a word.
func offered(words []cobra.Completion, begun string) []cobra.Completion {
	var out []cobra.Completion
	for _, w := range words {
		if w != "" && strings.HasPrefix(w, begun) && !slices.Contains(out, w) && len(out) < tabMost {
			out = append(out, w)
		}
	}
	return out
}

// word is a name to offer, with what people are told of it. What comes from outside may
// hold anything.
func word(name, about string) cobra.Completion {
	if plain(name) != name {
		return "" // nobody could type it
	}
	return cobra.CompletionWithDesc(name, plain(about))
}

var silent = slog.New(slog.DiscardHandler)

func (a *app) knownWorkflows() []metadata.Workflow {
	cfg, err := config.FromEnv(a.getenv)
	if err != nil {
		return nil
	}
	catalog, err := metadata.NewCatalog(workflows.Builtin(), cfg.WorkflowDirs, silent)
	if err != nil {
		return nil
	}
	return catalog.List()
}

func (a *app) workflowNames(_ *cobra.Command, _ []string, begun string) (out []cobra.Completion) {
	for _, w := range a.knownWorkflows() {
		out = append(out, word(w.Name, firstSentence(w.Description)))
	}
	return offered(out, begun)
}

// parameters offers NAME= of the workflow that the line names.
func (a *app) parameters(_ *cobra.Command, args []string, begun string) (out []cobra.Completion, _ cobra.ShellCompDirective) {
	for _, w := range a.knownWorkflows() {
		if len(args) == 0 || w.Name != args[0] {
			continue
		}
		for _, p := range w.Parameters {
			out = append(out, word(p.Name+"=", firstSentence(p.Description)))
		}
	}
	return offered(out, begun), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// storeOf opens the store that the line names, or returns nil.
func (a *app) storeOf(cmd *cobra.Command) worker.Store {
	cfg, err := a.settings(placesOf(cmd), homeOf(cmd))
	if err != nil || cfg.S3.Endpoint == "" && !exists(cfg.StoreDir) {
		return nil // looking must not make one
	}
	store, err := worker.OpenStore(cfg, silent)
	if err != nil {
		return nil
	}
	return store
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (a *app) targetIDs(cmd *cobra.Command, _ []string, begun string) (out []cobra.Completion) {
	store := a.storeOf(cmd)
	if store == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), tabPatience)
	defer cancel()
	for info, err := range store.List(ctx) {
		if err != nil || len(out) == tabMost {
			break
		}
		if id := info.ID.String(); strings.HasPrefix(id, begun) {
			out = append(out, word(id, bytesOf(info.Size)+", "+ago(info.Modified, a.now())))
		}
	}
	return offered(out, begun)
}

func (a *app) crashIDs(cmd *cobra.Command, _ []string, begun string) (out []cobra.Completion) {
	store := a.storeOf(cmd)
	if store == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), tabPatience)
	defer cancel()
	bugs, err := crash.NewStore(store, silent).List(ctx, crash.Filter{})
	if err != nil {
		return nil
	}
	for _, b := range bugs {
		out = append(out, word(b.Signature, b.Report.Title))
	}
	return offered(out, begun)
}

// entries lists the cache that the line names.
func (a *app) entries(cmd *cobra.Command) []workspace.Entry {
	cfg, err := a.settings(placesOf(cmd), homeOf(cmd))
	if err != nil || !exists(cfg.CacheDir) {
		return nil
	}
	cache, err := a.openCache(cfg, nil, silent)
	if err != nil {
		return nil
	}
	defer cache.Close()
	list, err := cache.Entries()
	if err != nil {
		return nil
	}
	return list
}

func (a *app) entryKeys(cmd *cobra.Command, args []string, begun string) (out []cobra.Completion) {
	list := a.entries(cmd)
	for key, short := range shortKeys(list) {
		e := list[slices.IndexFunc(list, func(e workspace.Entry) bool { return e.Key == key })]
		out = append(out, word(short, e.Target.String()+", "+bytesOf(e.Bytes)))
	}
	slices.Sort(out)
	return offered(out, begun)
}

func (a *app) runIDs(cmd *cobra.Command, _ []string, begun string) (out []cobra.Completion) {
	for _, e := range a.entries(cmd) {
		if e.Run != "" {
			out = append(out, word(e.Run, e.Target.String()+", "+bytesOf(e.Bytes)))
		}
	}
	return offered(out, begun)
}

func (a *app) workspacePaths(cmd *cobra.Command, _ []string, begun string) (out []cobra.Completion) {
	for _, e := range a.entries(cmd) {
		if e.Run != "" || e.Mode == cordon.Shared {
			out = append(out, word(e.Path, ""))
		}
	}
	return offered(out, begun)
}
