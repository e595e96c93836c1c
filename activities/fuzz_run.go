package activities

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"strings"

	"go.temporal.io/sdk/activity"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/crash"
	"github.com/cordonlabs/cordon/finding"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/confined"
	"github.com/cordonlabs/cordon/sandbox"
	"github.com/cordonlabs/cordon/workspace"
)

// origin says where what a run finds comes from.
func (a *Activities) origin(info activity.Info, run run, req FuzzRequest, engine fuzz.Engine) (crash.Origin, error) {
	id, err := cordon.ParseTargetID(req.TargetID)
	if err != nil {
		return crash.Origin{}, err
	}
	o := crash.Origin{
		Lineage: cmp.Or(run.lineage, req.TargetID), Target: id, Engine: engine.Name(), Sanitizer: req.Sanitizer,
		Workflow: info.WorkflowExecution.ID, Run: info.WorkflowExecution.RunID, Host: a.cache.HostID(),
		Sandbox: string(a.sandbox.Report().Tier), Roots: []string{req.Path},
	}
	if ws, ok := a.handed.of(req.Path, info.WorkflowExecution); ok {
		o.ETag = ws.ETag
	}
	return o, nil
}

// runner starts the processes of the calling workflow's fuzzers, within the limits
// and with the network that its metadata says.
func (a *Activities) runner(info activity.Info, path string, lease *workspace.Lease) *confined.Runner {
	r := &confined.Runner{Sandbox: a.sandbox, Workspace: path, Hold: lease.File(), Env: a.fuzzing.BuildEnv}
	w, ok := lookup(a.catalog, a.callerOn(info, path), class(info))
	if !ok {
		return r
	}
	l := w.Limits
	r.Limits = sandbox.Limits{Memory: l.Memory, Processes: l.Processes, CPU: l.CPU, Bytes: l.Bytes, Inodes: l.Inodes}
	r.Network = w.Network
	return r
}

// jobs is how many processes an engine that shares the work among several is given:
// the processors of the run's limits, or all.
func jobs(engine string, limits sandbox.Limits) int {
	if engine != "afl++" && engine != "go" {
		return 1
	}
	if limits.CPU > 0 {
		return max(int(limits.CPU), 1)
	}
	return runtime.NumCPU()
}

// result makes findings of what the campaigns have come upon, as the store has it.
func (f *fuzzing) result(ctx context.Context, outcomes []fuzz.Outcome) (*analyze.Result, error) {
	r := &analyze.Result{Tools: []finding.Tool{{Name: f.engine.Name(), Version: f.origin.EngineVersion, Available: true}}}
	var all []finding.Finding
	for _, o := range outcomes {
		for _, s := range o.Bugs {
			bug, _, err := f.a.fuzzing.Store.Crashes.Get(ctx, s.ID, f.origin.Lineage)
			if cordon.KindOf(err) == cordon.TargetNotFound {
				r.Notes = append(r.Notes, fmt.Sprintf("%s: the crash %s was found, and somebody has removed it since", o.Harness.Name, s.ID))
				continue
			}
			if err != nil {
				return nil, err
			}
			bug = bug.In(f.origin.Target)
			if report, id := crash.Identify(f.origin, o.Harness.Name, fuzz.FoundCrash, s.Log, nil); s.Log != "" && id == bug.Signature {
				bug.Report = report // an input that an earlier version had too is stored with what it did there
			}
			all = append(all, bug.Finding())
		}
		for _, n := range o.Notes {
			r.Notes = append(r.Notes, o.Harness.Name+": "+n)
		}
		if o.Plateau {
			r.Notes = append(r.Notes, o.Harness.Name+": the fuzzer found nothing new for a long time before it stopped (plateau)")
		}
		if o.Stopped == fuzz.StoppedKnown {
			r.Notes = append(r.Notes, o.Harness.Name+": the fuzzer no longer got past crashes that are known, and stopped before its time was over; fix them first")
		}
	}
	r.Close(all)
	return r, nil
}

// passed are the variables that a build which may use the network needs to find it:
// proxies, mirrors of registries, certificates.
var passed = []string{
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
	"GOPROXY", "GOSUMDB", "GONOSUMDB", "GOVCS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CERT", "PIP_TRUSTED_HOST",
	"CARGO_HTTP_CAINFO", "CARGO_HTTP_PROXY", "CARGO_NET_GIT_FETCH_WITH_CLI",
}

// BuildEnv picks from an environment what Fuzzing.BuildEnv is for. What carries a
// credential is left out: a build runs the project's own code.
func BuildEnv(environ []string) (out []string) {
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		upper := strings.ToUpper(name)
		for _, p := range passed {
			if upper == p && value != "" && !strings.Contains(value, "@") {
				out = append(out, e)
			}
		}
		if strings.HasPrefix(name, "CARGO_REGISTRIES_") && strings.HasSuffix(name, "_INDEX") || strings.HasPrefix(name, "CARGO_SOURCE_") {
			if value != "" && !strings.Contains(value, "@") {
				out = append(out, e)
			}
		}
	}
	return out
}
