package fuzzforge

import (
	"cmp"
	"context"

	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/fuzz"
)

// Defaults of both fuzzers (CONTRACT §3).
const (
	defaultIterations = 1_000_000
	defaultTimeout    = 1800 // seconds
)

// FuzzWithAtheris is fuzz_with_atheris(workspace_path, config): what run_fuzzer does
// with the engine atheris, within the attempt's time.
func (a *Activities) FuzzWithAtheris(ctx context.Context, workspacePath, config converter.RawValue) (Result, error) {
	return a.fuzz(ctx, FuzzWithAtherisName, "atheris", "target_file", workspacePath, config)
}

// FuzzWithCargo is fuzz_with_cargo(workspace_path, config): what run_fuzzer does with
// the engine cargo-fuzz, within the attempt's time. Its result has the SARIF log too.
func (a *Activities) FuzzWithCargo(ctx context.Context, workspacePath, config converter.RawValue) (Result, error) {
	return a.fuzz(ctx, FuzzWithCargoName, "cargo-fuzz", "target_name", workspacePath, config)
}

func (a *Activities) fuzz(ctx context.Context, name, engine, harnessKey string, workspacePath, config converter.RawValue) (Result, error) {
	req, err := fuzzRequest(name, engine, harnessKey, workspacePath, config)
	if err != nil {
		return Result{}, activities.ApplicationError(name, err)
	}
	var result Result
	err = a.tools.Fuzz(ctx, name, req, func(ctx context.Context, found *analyze.Result, outcomes []fuzz.Outcome) (err error) {
		whole := newResult(found, fuzzed(found, outcomes))
		if result, err = a.fit(ctx, whole); err != nil || engine != "cargo-fuzz" {
			return err
		}
		result.SARIF, err = a.sarif(ctx, found.Findings, found.Tools, found.Notes)
		return err
	})
	return result, err
}

func fuzzRequest(name, engine, harnessKey string, workspacePath, config converter.RawValue) (req activities.FuzzRequest, err error) {
	keys := harnessKey + ", max_iterations, timeout_seconds"
	if engine == "cargo-fuzz" {
		keys += ", sanitizer"
	}
	call, err := decode(name, keys, workspacePath, config)
	if err != nil {
		return req, err
	}
	c := call.config
	harness, err1 := c.Text("config." + harnessKey)
	iterations, err2 := c.Count("config.max_iterations", defaultIterations)
	timeout, err3 := c.Count("config.timeout_seconds", defaultTimeout)
	sanitizer, err4 := "", error(nil)
	if engine == "cargo-fuzz" {
		sanitizer, err4 = c.Text("config.sanitizer")
		sanitizer = cmp.Or(sanitizer, "address")
	}
	if err := cmp.Or(err1, err2, err3, err4); err != nil {
		return req, err
	}
	if iterations == 0 && timeout == 0 {
		return req, c.Wrong("config.timeout_seconds", "is 0, and so is config.max_iterations: the fuzzer would never end")
	}
	return activities.FuzzRequest{
		Path: call.path, Engine: engine, Harness: harness, MaxIterations: iterations, TimeoutSeconds: timeout, Sanitizer: sanitizer,
	}, nil
}

// fuzzed is what the summary says of the fuzzing.
func fuzzed(found *analyze.Result, outcomes []fuzz.Outcome) map[string]any {
	var executions int64
	var took fuzz.Seconds
	coverage, corpus := int64(0), int64(0)
	harnesses := []string{}
	for _, o := range outcomes {
		executions += o.Stats.Executions
		took += o.Elapsed
		coverage, corpus = coverage+int64(o.Stats.Coverage), corpus+int64(o.Stats.Corpus)
		harnesses = append(harnesses, o.Harness.Name)
	}
	return map[string]any{
		"total_executions": executions, "crashes_found": len(found.Findings), "execution_time": took,
		"coverage": coverage, "corpus_size": corpus, "harnesses": harnesses,
	}
}
