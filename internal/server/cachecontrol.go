package server

import (
	"net/http"
	"strings"
)

// cacheControl reads what a request's Cache-Control says of kept answers (RFC
// 9111 §5.2.1): no-cache wants none, no-store wants in addition that this one
// be not kept. max-age=0 is another spelling of no-cache. Other directives are
// for caches of another kind.
func cacheControl(h http.Header) (noCache, noStore bool) {
	for _, line := range h["Cache-Control"] {
		for directive := range strings.SplitSeq(line, ",") {
			switch strings.ToLower(strings.TrimSpace(directive)) {
			case "no-store":
				noCache, noStore = true, true
			case "no-cache", "max-age=0":
				noCache = true
			}
		}
	}
	return noCache, noStore
}
