// Package socket serves the storage activities on a unix socket, for workers in other
// languages that keep their own activities and use the cache of a Cordon worker on
// their host.
//
// It speaks HTTP/1.1 (CONTRACT, "The socket"):
//
//	POST /v1/activities/{name}   {"args": […], "caller": {…}}
//	  200, one JSON object a line: {"heartbeat": …} every second, then {"result": …}
//	  or {"error": {"type", "message", "non_retryable"}}
//	GET  /v1/health
//
// What is asked by a caller is as if Temporal had asked it: the same code serves both.
// A client that closes its connection cancels; the deadline of its attempt does not
// stop a fetch, which the next attempt joins.
//
// Whoever may open the socket is trusted as whoever may start a workflow is: the file's
// mode keeps others out.
package socket
