package server

import "net/http"

// maxOperatorBody is how much an operator may send: settings, never content.
const maxOperatorBody = 1 << 20

// operators hands a request over to the operators' handler, which knows the
// paths below, who may ask, and which methods are right.
func operators(x *exchange) error {
	if x.snap.Admin == nil {
		return noSuchPath(x)
	}
	if c := x.clientAddr(); c != hostOf(x.req.RemoteAddr) {
		x.req.RemoteAddr = c // audit lines name who came through the proxies
	}
	x.req.Body = http.MaxBytesReader(x, x.req.Body, maxOperatorBody)
	x.snap.Admin.ServeHTTP(x, x.req)
	return nil
}
