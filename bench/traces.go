package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// tracedGateways are the gateway without traces, which the others are divided
// by, and with traces at several ratios.
func tracedGateways(path, collector string) []contender {
	list := []contender{gatewayContender("gateway", path, settings{})}
	for _, percent := range []int{0, 10, 100} {
		list = append(list, gatewayContender(fmt.Sprintf("traces %d %%", percent), path, settings{collector: collector, sampled: percent}))
	}
	return list
}

// startCollector takes exports in this process, whose time is not measured, and
// throws them away. stop waits for its end.
func startCollector(ctx context.Context) (base string, stop func(), err error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // what was lost is not what is measured
			w.Header().Set("Content-Type", "application/x-protobuf")
		}),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(ln) // until stop
	}()
	return "http://" + ln.Addr().String(), func() { _ = srv.Close(); <-done }, nil
}
