package cli

import (
	"fmt"
	"strings"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/metadata"
)

// toolJSON is what a workflow without code runs, as --json prints it.
type toolJSON struct {
	Run       []string      `json:"run"`
	Env       []string      `json:"env,omitempty"`
	Readable  []string      `json:"readable,omitempty"`
	Results   resultsJSON   `json:"results"`
	ExitCodes exitCodesJSON `json:"exit_codes"`
}

type resultsJSON struct {
	Stdout string   `json:"stdout,omitempty"`
	SARIF  []string `json:"sarif,omitempty"`
	JSON   string   `json:"json,omitempty"`
	Keep   []string `json:"keep,omitempty"`
}

type exitCodesJSON struct {
	OK       []int `json:"ok"`
	Findings []int `json:"findings,omitempty"`
}

// limitsJSON spells the limits that are set in bytes, seconds and numbers.
type limitsJSON struct {
	Memory    int64   `json:"memory_bytes,omitempty"`
	Processes int     `json:"processes,omitempty"`
	CPU       float64 `json:"cpu,omitempty"`
	Time      float64 `json:"time_seconds,omitempty"`
	Bytes     int64   `json:"bytes,omitempty"`
	Inodes    int64   `json:"inodes,omitempty"`
}

func asJSONTool(t *metadata.Tool) *toolJSON {
	if t == nil {
		return nil
	}
	out := &toolJSON{Run: arguments(t), Readable: t.Readable, Results: asJSONResults(t.Results), ExitCodes: exitCodesJSON{append([]int{}, t.ExitCodes.OK...), t.ExitCodes.Findings}}
	for _, v := range t.Env {
		out.Env = append(out.Env, v.Name+"="+v.Value.String())
	}
	return out
}

func arguments(t *metadata.Tool) []string {
	var out []string
	for _, a := range t.Args {
		out = append(out, a.String())
	}
	return out
}

func asJSONResults(r metadata.Results) resultsJSON {
	place := func(p *metadata.Place) string {
		if p == nil {
			return ""
		}
		return p.String()
	}
	out := resultsJSON{Stdout: place(r.Stdout), JSON: place(r.JSON)}
	for _, p := range r.SARIF {
		out.SARIF = append(out.SARIF, p.String())
	}
	for _, f := range r.Keep {
		out.Keep = append(out.Keep, f.String())
	}
	return out
}

func asJSONLimits(l metadata.Limits) *limitsJSON {
	if l == (metadata.Limits{}) {
		return nil
	}
	return &limitsJSON{l.Memory, l.Processes, l.CPU, l.Time.Seconds(), l.Bytes, l.Inodes}
}

// toolRows are the rows of `workflows show` about what a workflow runs, as pairs.
func toolRows(w metadata.Workflow) (rows [][2]string) {
	add := func(what, value string) { rows = append(rows, [2]string{what, value}) }
	if t := w.Tool; t != nil {
		add("runs", quoted(arguments(t)))
		r := asJSONResults(t.Results)
		var results []string
		for _, what := range []struct{ name, value string }{
			{"standard output to", r.Stdout}, {"SARIF", strings.Join(r.SARIF, ", ")}, {"JSON", r.JSON}, {"keeps", strings.Join(r.Keep, ", ")},
		} {
			if what.value != "" {
				results = append(results, what.name+" "+what.value)
			}
		}
		add("results", strings.Join(results, "; "))
		codes := fmt.Sprintf("ok %v", t.ExitCodes.OK)
		if len(t.ExitCodes.Findings) > 0 {
			codes += fmt.Sprintf(", findings %v", t.ExitCodes.Findings)
		}
		add("exit codes", codes)
	}
	add("limits", limitsText(w.Limits))
	if w.Tool != nil || w.Network != metadata.NetworkNever {
		add("network", w.Network.String())
	}
	return rows
}

func limitsText(l metadata.Limits) string {
	var out []string
	add := func(set bool, format string, v any) {
		if set {
			out = append(out, fmt.Sprintf(format, v))
		}
	}
	add(l.Memory > 0, "memory %s", cordon.FormatBytes(l.Memory))
	add(l.Processes > 0, "%d processes", l.Processes)
	add(l.CPU > 0, "%g processors", l.CPU)
	add(l.Time > 0, "%s", short(l.Time))
	add(l.Bytes > 0, "writes %s", cordon.FormatBytes(l.Bytes))
	add(l.Inodes > 0, "makes %d files", l.Inodes)
	return strings.Join(out, ", ")
}

// quoted renders arguments so that one can see where each begins and ends.
func quoted(args []string) string {
	out := make([]string, len(args))
	for i, a := range args {
		if out[i] = a; a == "" || strings.ContainsAny(a, " \t\n'\"") {
			out[i] = fmt.Sprintf("%q", a)
		}
	}
	return strings.Join(out, " ")
}
