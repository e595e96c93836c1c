package worker

import "github.com/cordonlabs/cordon/metadata"

// openBridge reads the file that CORDON_TOOL_BRIDGE names. One that cannot be read stops
// the worker at its start.
func (w *Worker) openBridge() (err error) {
	file := w.opts.Config.ToolBridge
	if file == "" {
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
