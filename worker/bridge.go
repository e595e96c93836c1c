package worker

import (
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/metadata"
)

// openBridge reads the file that CORDON_TOOL_BRIDGE names. One that cannot be read stops
// the worker at its start; where no tools are run it is not read.
func (w *Worker) openBridge() (err error) {
	file := w.opts.Config.ToolBridge
	if file == "" {
		return nil
	}
	if w.serve() == config.ServeStorage {
		w.log.Warn("the tool bridge has no effect: this worker serves storage alone, and runs no tools", "file", file)
		return nil
	}
	var warnings []metadata.Warning
	w.bridge, warnings, err = metadata.LoadBridge(file)
	for _, warning := range warnings {
		w.log.Warn(warning.String())
	}
	if err == nil {
		w.log.Info("tool bridge", "file", file, "activities", w.bridge.Names())
	}
	return err
}
