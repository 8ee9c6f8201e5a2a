package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"testing"
	"time"
)

// oneCanary: where a canary stands is the same on all replicas, whoever moved it:
// an operator at one of them, or one of them that saw the candidate fail.
func (f *fleet) oneCanary(t *testing.T) {
	t.Helper()
	f.awaitCanary(t, "trial", "running", 10)
	f.steer(t, 0, "promote")
	f.awaitCanary(t, "trial", "running", 50)
	f.steer(t, 2, "pause")
	f.awaitCanary(t, "trial", "paused", 50)

	f.awaitCanary(t, "risky", "running", 50)
	for i, end := 0, time.Now().Add(30*time.Second); ; i++ {
		resp := post(t, f.base+"/v1/chat/completions", fmt.Sprintf(`{"model":"risky","user":"u%d","messages":[{"role":"user","content":"x"}]}`, i))
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if i%50 == 49 && f.canary(t, i%3, "risky").State == "rolled_back" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("not rolled back after %d calls: %+v", i, f.canary(t, 0, "risky"))
		}
	}
	f.awaitCanary(t, "risky", "rolled_back", 0)
}

type canaryAt struct {
	Route, State string
	Percent      float64
}

// canary returns where a replica has a canary.
func (f *fleet) canary(t *testing.T, replica int, route string) canaryAt {
	t.Helper()
	status, body := f.gws[replica].admin(t, "GET", "/admin/v1/canaries", "")
	var answer struct{ Data struct{ Canaries []canaryAt } }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 200 {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	for _, c := range answer.Data.Canaries {
		if c.Route == route {
			return c
		}
	}
	t.Fatalf("replica %d has no canary of %s: %s", replica, route, body)
	return canaryAt{}
}

func (f *fleet) steer(t *testing.T, replica int, action string) {
	t.Helper()
	if status, body := f.gws[replica].admin(t, "POST", "/admin/v1/canaries/trial", `{"action":"`+action+`"}`); status != 200 {
		t.Fatalf("%s: %d %s", action, status, body)
	}
}

// awaitCanary waits until all replicas have a canary there.
func (f *fleet) awaitCanary(t *testing.T, route, state string, percent float64) {
	t.Helper()
	want := canaryAt{route, state, percent}
	for i := range f.gws {
		var got canaryAt
		for end := time.Now().Add(15 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			if got = f.canary(t, i, route); got == want {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("replica %d is at %+v, want %+v", i, got, want)
			}
		}
	}
}
