// Package server is the HTTP edge of the gateway, and the only room that knows
// HTTP towards clients: it maps paths to operations and wire formats, reads
// bodies, authenticates, limits, renders answers, streams and errors, and
// writes the access log. What a call means is the service's matter.
//
// The whole API stands in routes.go. Every call to a model goes through one
// handler (handler.go), whatever its dialect; an endpoint is a row of a table.
//
// One exchange object accompanies each request. It is the ResponseWriter that
// handlers see and the record from which access log and metrics are made, so
// the chain of recover, request id, log, metrics, authentication, limits and
// body limit costs one object and not seven closures. Handlers return errors;
// the exchange alone turns them into statuses, bodies and terminal events.
//
// Ownership: http.Server owns the connection goroutines, Server owns
// http.Server, and Shutdown waits for both. A batch waits for the workers it
// starts. What a reload may change is a Snapshot; a request keeps the one that
// it started with.
package server
