// Package limits bounds what callers use: requests per second, tokens per
// minute, requests in flight, and money per day and month, each for the whole
// gateway, a tenant, a key, a route and a provider account.
//
// A call reserves before it is made and settles when it has ended. A Limiter
// holds the rules of one configuration; the Engine behind it holds the counters
// and outlives it, so that a reload refills nothing. There are two engines:
// Memory for one process, Redis for replicas that share their limits. Both take
// all of a call's limits or none, and both are exact: at no time is more
// reserved than a rule allows.
package limits
