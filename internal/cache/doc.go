// Package cache answers calls with what the same call was answered before, and
// lets identical calls that are under way share one. It owns the stores, the
// form in which answers are kept, and the goroutines of shared calls; what an
// upstream call is and who pays for it is the business of the service, which
// hands in a function that makes one.
//
// A wrong hit is worse than a miss. The key covers the tenant (or the caller,
// when it has none), the route and its targets, the client's dialect, the
// headers that are passed on, and every member of the body that may decide the
// answer, unknown ones included; what cannot be understood is not cached.
package cache
