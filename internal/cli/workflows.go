package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/metadata"
	"github.com/cordonlabs/cordon/workflows"
)

func (a *app) workflowsCommand() *cobra.Command {
	cmd := a.group("workflows", "List, show and check workflows", "  cordon workflows list\n  cordon workflows validate ./my_workflow/metadata.yaml")
	cmd.AddCommand(a.workflowsList(), a.workflowsShow(), a.workflowsValidate())
	return cmd
}

// catalog returns the workflows that are known: the built-in ones and those of
// CORDON_WORKFLOWS.
func (a *app) catalog(cfg config.Worker) (*metadata.Catalog, error) {
	return metadata.NewCatalog(workflows.Builtin(), cfg.WorkflowDirs, a.logger(a.level(cfg, slog.LevelWarn), false))
}

// workflowJSON is a workflow as --json prints it.
type workflowJSON struct {
	Name        string          `json:"name"`
	Version     string          `json:"version,omitempty"`
	Vertical    string          `json:"vertical,omitempty"`
	Class       string          `json:"workflow_class"`
	Isolation   cordon.Mode     `json:"workspace_isolation"`
	Description string          `json:"description,omitempty"`
	Author      string          `json:"author,omitempty"`
	Tags        []string        `json:"tags,omitempty"`
	Parameters  []parameterJSON `json:"parameters"`
	Tool        *toolJSON       `json:"tool,omitempty"`
	Limits      *limitsJSON     `json:"limits,omitempty"`
	Network     string          `json:"network"` // "false", "true" or "build"
	File        string          `json:"file"`
}

type parameterJSON struct {
	Name        string   `json:"name"`
	Types       []string `json:"types,omitempty"`
	Default     any      `json:"default"`
	Required    bool     `json:"required,omitempty"`
	Enum        []any    `json:"enum,omitempty"`
	Description string   `json:"description,omitempty"`
}

func asJSONWorkflow(w metadata.Workflow) workflowJSON {
	out := workflowJSON{
		Name: w.Name, Version: w.Version, Vertical: w.Vertical, Class: w.Class, Isolation: w.Isolation,
		Description: w.Description, Author: w.Author, Tags: w.Tags, Parameters: []parameterJSON{},
		Tool: asJSONTool(w.Tool), Limits: asJSONLimits(w.Limits), Network: w.Network.String(), File: w.File,
	}
	for _, p := range w.Parameters {
		out.Parameters = append(out.Parameters, parameterJSON{p.Name, p.Types, defaultOf(w, p), p.Required, p.Enum, p.Description})
	}
	return out
}

func defaultOf(w metadata.Workflow, p metadata.Parameter) any {
	if p.HasDefault {
		return p.Default
	}
	return w.DefaultParameters[p.Name]
}

func (a *app) workflowsList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the known workflows", Args: exactly(), Example: "  cordon workflows list",
		RunE: does(func(*cobra.Command, []string) error {
			cfg, err := config.FromEnv(a.getenv)
			if err != nil {
				return err
			}
			catalog, err := a.catalog(cfg)
			if err != nil {
				return err
			}
			list := []workflowJSON{}
			t := newTable("NAME", "MODE", "VERTICAL", "DESCRIPTION")
			t.cut = true
			for _, w := range catalog.List() {
				list = append(list, asJSONWorkflow(w))
				t.add(plain(w.Name), string(w.Isolation), plain(w.Vertical), plain(firstSentence(w.Description)))
			}
			if asJSON {
				return a.printJSON(list)
			}
			a.printTable(t)
			return nil
		}),
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

// firstSentence is what of a description fits into a table.
func firstSentence(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if i := strings.Index(s, ". "); i >= 0 {
		return s[:i+1]
	}
	return s
}

func (a *app) workflowsShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "show NAME", Short: "Show a workflow and its parameters", Args: exactly("NAME"), Example: "  cordon workflows show secret_detection",
		RunE: does(func(_ *cobra.Command, args []string) error {
			cfg, err := config.FromEnv(a.getenv)
			if err != nil {
				return err
			}
			catalog, err := a.catalog(cfg)
			if err != nil {
				return err
			}
			w, err := catalog.Lookup(args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(asJSONWorkflow(w))
			}
			a.showWorkflow(w)
			return nil
		}),
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) showWorkflow(w metadata.Workflow) {
	a.print("%s  %s", a.paintOut(bold, plain(w.Name)), plain(w.Version))
	for _, line := range wrap(plain(strings.Join(strings.Fields(w.Description), " ")), 76) {
		a.print("  %s", line)
	}
	a.print("")
	row := func(what, value string) {
		if value != "" {
			a.print("  %-10s %s", what, plain(value))
		}
	}
	row("mode", string(w.Isolation))
	row("class", w.Class)
	if w.Vertical != "" {
		row("queue", w.Vertical+"-queue")
	}
	row("author", w.Author)
	row("tags", strings.Join(w.Tags, ", "))
	row("file", w.File)
	for _, r := range toolRows(w) {
		row(r[0], r[1])
	}
	if len(w.Parameters) == 0 {
		return
	}
	a.print("")
	a.print("  parameters, in their order after the target id")
	for _, p := range w.Parameters {
		value := "no default"
		if p.Required {
			value = "required"
		} else if d := defaultOf(w, p); d != nil {
			value = "default " + jsonText(d)
		}
		a.print("    %s  %s", a.paintOut(bold, plain(p.Name)), plain(strings.TrimSpace(strings.Join(p.Types, " or ")+"  "+value)))
		for _, line := range wrap(plain(strings.Join(strings.Fields(p.Description), " ")), 72) {
			a.print("      %s", line)
		}
	}
}

func (a *app) workflowsValidate() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "validate FILE", Short: "Check a metadata.yaml, and advise on its mode", Args: exactly("FILE"),
		Long: `Validate reads a metadata.yaml (or the one in a folder) and prints what is wrong with
it as file:line:column: message, then what its own words suggest about its mode.
It fails where something is wrong; warnings and advice alone do not make it fail.`,
		Example: "  cordon workflows validate ./my_workflow/metadata.yaml",
		RunE: does(func(_ *cobra.Command, args []string) error {
			load := metadata.LoadFile
			if fi, err := os.Stat(args[0]); errors.Is(err, os.ErrNotExist) {
				return &codeError{&cordon.Error{Op: "validate", Name: fmt.Sprintf("%q", args[0]), Err: errors.New("there is no such file"),
					Fix: "name a metadata.yaml, or the folder that it is in"}, ExitNotFound}
			} else if err == nil && fi.IsDir() {
				load = metadata.Load
			}
			w, warnings, err := load(args[0])
			if err != nil && cordon.KindOf(err) != cordon.InvalidArgument {
				return err
			}
			var found []diagnosis
			for _, e := range split(err) {
				found = append(found, diagnose(e))
			}
			for _, w := range warnings {
				found = append(found, diagnosis{"warning", w.String()})
			}
			if err == nil {
				for _, advice := range metadata.Advise(w) {
					found = append(found, diagnosis{"advice", args[0] + ": " + advice.Text})
				}
			}
			return a.printDiagnoses(args[0], found, err != nil, asJSON)
		}),
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

// diagnosis is one thing that validate has to say.
type diagnosis struct {
	Level   string `json:"level"` // "error", "warning" or "advice"
	Message string `json:"message"`
}

// diagnose renders an error of metadata's as file:line:column: message.
func diagnose(err error) diagnosis {
	var e *cordon.Error
	if !errors.As(err, &e) || e.Name == "" {
		return diagnosis{"error", err.Error()}
	}
	message := fmt.Sprintf("%s: %v", e.Name, e.Err)
	if e.Fix != "" {
		message += "; " + e.Fix
	}
	return diagnosis{"error", message}
}

func (a *app) printDiagnoses(file string, found []diagnosis, wrong, asJSON bool) error {
	if asJSON {
		if found == nil {
			found = []diagnosis{}
		}
		if err := a.printJSON(found); err != nil {
			return err
		}
	} else {
		colours := map[string]string{"error": red, "warning": yellow, "advice": blue}
		for _, d := range found {
			text := plainLines(d.Message)
			if d.Level != "error" {
				text += " " + a.paintOut(colours[d.Level], "["+d.Level+"]")
			}
			a.print("%s", text)
		}
	}
	errs := 0
	for _, d := range found {
		if d.Level == "error" {
			errs++
		}
	}
	if wrong {
		return &codeError{fmt.Errorf("%s: %s", file, count(errs, "error", "errors")), ExitFailure}
	}
	a.say("%s %s is valid", a.paintErr(green, "✓"), plain(file))
	return nil
}

// wrap breaks text into lines of at most width columns.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		lines = append(lines, line)
	}
	return slices.Clip(lines)
}

// jsonText renders a default as --param takes it.
func jsonText(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}
