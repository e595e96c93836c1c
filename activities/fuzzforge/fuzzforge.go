package fuzzforge

import (
	"context"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/fuzz"
)

// Tools does the work; *activities.Activities is one.
type Tools interface {
	// Analyse runs an analyser on the workspace at path for the activity name, and hands
	// what it found to then. Its error is fit to leave the activity.
	Analyse(ctx context.Context, name, unit, path string, analyse activities.Analyser, then func(context.Context, *analyze.Result) error) error

	// Fuzz builds and fuzzes the harnesses of the workspace that req names. It is over
	// before the attempt's time is.
	Fuzz(ctx context.Context, name string, req activities.FuzzRequest, then func(context.Context, *analyze.Result, []fuzz.Outcome) error) error

	// PutResult stores what is too large to be returned, and returns its URL.
	PutResult(ctx context.Context, id, format string, body []byte) (url string, err error)

	// Version is Cordon's own.
	Version() string
}

// Activities are the activities of one worker process. They are safe for concurrent use.
type Activities struct {
	tools Tools
}

// New returns activities that work with tools.
func New(tools Tools) *Activities { return &Activities{tools: tools} }

// Register registers all of them.
func (a *Activities) Register(r worker.ActivityRegistry) {
	for name, fn := range map[string]any{
		ScanFilesName:             a.ScanFiles,
		AnalyzeSecurityName:       a.AnalyzeSecurity,
		GenerateSARIFReportName:   a.GenerateSARIFReport,
		FuzzWithAtherisName:       a.FuzzWithAtheris,
		FuzzWithCargoName:         a.FuzzWithCargo,
		ScanWithGitleaksName:      a.ScanWithGitleaks,
		GitleaksGenerateSARIFName: a.GitleaksGenerateSARIF,
	} {
		r.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name})
	}
}
