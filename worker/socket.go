package worker

import "github.com/cordonlabs/cordon/worker/socket"

// serveSocket serves the storage activities on WORKER_SOCKET, where it is set.
func (w *Worker) serveSocket() (err error) {
	if w.opts.Config.Socket == "" {
		return nil
	}
	w.socket, err = socket.Serve(socket.Options{
		Path: w.opts.Config.Socket, Group: w.opts.Config.SocketGroup, Activities: w.activities,
		Version: w.opts.Version, Host: w.cache.HostID(), CacheDir: w.cache.Dir(), Logger: w.log,
	})
	return err
}
