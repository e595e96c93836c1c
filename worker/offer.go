package worker

import (
	"cmp"
	"slices"

	"go.temporal.io/sdk/activity"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/activities/fuzzforge"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/internal/pollers"
	"github.com/cordonlabs/cordon/metadata"
	"github.com/cordonlabs/cordon/workflows"
)

// offer is what a worker answers on one queue, by name.
type offer struct {
	vertical   string
	tools      []metadata.Workflow // the workflows without code among them
	workflows  []string
	activities []string
}

// serve returns what the worker serves.
func (w *Worker) serve() config.Serve {
	if len(w.opts.Verticals) > 0 {
		return config.ServeAll
	}
	return cmp.Or(w.opts.Config.Serve, config.ServeAll)
}

func (w *Worker) offer(vertical string) offer {
	return newOffer(w.serve(), vertical, toolsOf(w.catalog, w.opts.Config.Vertical, vertical), w.bridge)
}

// newOffer returns what a worker answers that serves this for a vertical, which has
// tools, with a tool bridge.
func newOffer(serve config.Serve, vertical string, tools []metadata.Workflow, bridge metadata.Bridge) offer {
	o := offer{vertical: vertical, tools: tools}
	if serve == config.ServeAll {
		var named names
		workflows.Register(&named, vertical, tools)
		o.workflows = named
	}
	var named names
	registerActivities(&named, activities.New(activities.Options{}), serve)
	if serve != config.ServeStorage {
		for _, e := range bridge.Entries { // as good as an activity of that name
			named.add(e.Activity)
		}
	}
	o.activities = named
	return o
}

// registerActivities registers the activities of a worker that serves this.
func registerActivities(r sdkworker.ActivityRegistry, all *activities.Activities, serve config.Serve) {
	all.RegisterStorage(r)
	if serve != config.ServeStorage {
		all.RegisterTools(r)
		fuzzforge.New(all).Register(r)
	}
}

// overridden returns the entries of a tool bridge that have no effect, for the names of
// activities that there are without it.
func overridden(bridge metadata.Bridge, serve config.Serve) (out []string) {
	var own names
	registerActivities(&own, activities.New(activities.Options{}), serve)
	for _, e := range bridge.Entries {
		if slices.Contains(own, e.Activity) {
			out = append(out, e.Activity)
		}
	}
	return out
}

// toolsOf returns the workflows of a vertical that are a tool. Those whose metadata
// names no vertical are of the worker's own.
func toolsOf(catalog *metadata.Catalog, own, vertical string) (out []metadata.Workflow) {
	for _, known := range catalog.List() {
		if known.Tool != nil && known.VerticalOr(own) == vertical {
			out = append(out, known)
		}
	}
	return out
}

// identity is how the worker names itself on a queue on which it offers this.
func (w *Worker) identity(o offer) pollers.Identity {
	id := o.identity(w.opts.Version, w.serve(), cmp.Or(w.opts.Temporal.Identity, pollers.ThisProcess()))
	id.Host = w.cache.HostID()
	return id
}

func (o offer) identity(version string, serve config.Serve, process string) pollers.Identity {
	return pollers.Identity{
		Version: version, Serve: serve, Process: process,
		Activities: pollers.Digest(o.activities), Workflows: pollers.Digest(o.workflows),
	}
}

// IdentityOf is how a worker of this version would name itself that cfg makes.
func IdentityOf(cfg config.Worker, catalog *metadata.Catalog, version string) pollers.Identity {
	serve := cmp.Or(cfg.Serve, config.ServeAll)
	var bridge metadata.Bridge
	if cfg.ToolBridge != "" {
		bridge, _, _ = metadata.LoadBridge(cfg.ToolBridge) // with one that is wrong no worker starts
	}
	return newOffer(serve, cfg.Vertical, toolsOf(catalog, cfg.Vertical, cfg.Vertical), bridge).identity(version, serve, pollers.ThisProcess())
}

// names collects the names under which something is registered.
type names []string

// RegisterWorkflowWithOptions implements worker.WorkflowRegistry.
func (n *names) RegisterWorkflowWithOptions(_ any, o workflow.RegisterOptions) { n.add(o.Name) }

// RegisterActivityWithOptions implements worker.ActivityRegistry.
func (n *names) RegisterActivityWithOptions(_ any, o activity.RegisterOptions) { n.add(o.Name) }

// RegisterDynamicWorkflow implements worker.WorkflowRegistry.
func (n *names) RegisterDynamicWorkflow(any, workflow.DynamicRegisterOptions) { n.add("*") }

// RegisterDynamicActivity implements worker.ActivityRegistry.
func (n *names) RegisterDynamicActivity(any, activity.DynamicRegisterOptions) { n.add("*") }

// RegisterWorkflow implements worker.WorkflowRegistry.
func (n *names) RegisterWorkflow(any) { n.add("") }

// RegisterActivity implements worker.ActivityRegistry.
func (n *names) RegisterActivity(any) { n.add("") }

func (n *names) add(name string) {
	if name == "" {
		panic("worker: what others call by name is registered under one")
	}
	*n = append(*n, name)
}
