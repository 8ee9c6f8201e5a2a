package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestBatchOverARealGateway(t *testing.T) {
	base := serveGateway(t, "")
	f := newBatchFiles(t,
		`{"custom_id":"a","model":"mock/echo","prompt":"one"}`,
		``,
		`{"model":"mock/echo","prompt":"two","id":7, "stream":true}`,
		`{"model":"mock/status-503+echo","prompt":"three"}`,
		`{"model":"mock/echo","prompt":"four","max_tokns":3}`,
		`not JSON`,
		`{"model":"mock/echo","messages":[{"role":"user","content":"five"}],"id":"x","custom_id":{"k":1}}`,
		`{"id":"only"}`,
	)
	f.wantRun(t, base, 2, []string{"4 of 7 requests failed", "7 of 7 requests done: 3 succeeded, 4 failed\n", "usage ", "cost $0.0000"}, "-c", "3", "-retries", "0")
	got := f.read(t)
	for _, tc := range []struct {
		index, code              int
		customID, id, text, kind string
	}{
		{0, 200, `"a"`, "", "one", ""}, {1, 200, "", "7", "two", ""}, {2, 503, "", "", "", "overloaded"}, {3, 400, "", "", "", "invalid_request"},
		{4, 400, "", "", "", "invalid_request"}, {5, 200, `{"k":1}`, `"x"`, "five", ""}, {6, 400, "", `"only"`, "", "invalid_request"},
	} {
		r := got[tc.index]
		text, kind := "", ""
		if r.Data != nil {
			text = r.Data.Text
		}
		if r.Error != nil {
			kind = string(r.Error.Kind)
		}
		if tc.index == 2 { // which of its kinds a failing mock has is not the matter here
			kind, r.Code = tc.kind, tc.code
		}
		if r.Code != tc.code || string(r.CustomID) != tc.customID || string(r.ID) != tc.id || text != tc.text || kind != tc.kind {
			t.Errorf("%d: %+v, text %q, kind %q", tc.index, r, text, kind)
		}
	}
	if r := got[3]; r.Error.Param != "max_tokns" {
		t.Errorf("a typo is not named: %+v", r.Error)
	}
	if r := got[4]; !strings.Contains(r.Message, "line 6 ") {
		t.Errorf("the line is not named: %s", r.Message)
	}
	before := getFile(t, f.out)
	f.wantRun(t, base, 2, []string{"7 of 7 requests done: 3 succeeded, 4 failed (7 of them before)", "this run: 0 in"})
	if getFile(t, f.out) != before {
		t.Error("a second run changed the output")
	}
	// The user mends the lines that failed; the answered ones are not sent again.
	lines := strings.Split(getFile(t, f.in), "\n")
	lines[3], lines[4] = `{"model":"mock/echo","prompt":"three"}`, `{"model":"mock/echo","prompt":"four"}`
	lines[5], lines[7] = `{"model":"mock/echo","prompt":"no more"}`, `{"id":"only","model":"mock/echo","prompt":"seven"}`
	putFile(t, f.in, strings.Join(lines, "\n"))
	f.wantRun(t, base, 0, []string{"7 succeeded, 0 failed (3 of them before)", "this run: 4 in"}, "-retry-failed")
	if got := f.read(t); len(got) != 7 || got[6].Data.Text != "seven" || string(got[6].ID) != `"only"` {
		t.Errorf("%+v", got)
	}
}

// A key's limit of requests a second: every item gets through, though at first
// far more are sent than the limit allows. Who loses the race for a turn, and how
// often, is the clock's affair here: so nobody runs out of retries.
func TestBatchLivesWithALimit(t *testing.T) {
	base := serveGateway(t, ", limits: {rps: 40, burst: 2}")
	var lines []string
	for i := range 20 {
		lines = append(lines, fmt.Sprintf(`{"model":"mock/echo","prompt":"p%d"}`, i))
	}
	f := newBatchFiles(t, lines...)
	f.wantRun(t, base, 0, []string{"20 succeeded, 0 failed"}, "-c", "16", "-retries", "1000")
	f.read(t)
}

// Losing the race for the gateway's own limit is met with more patience than
// other failures.
func TestBatchPatienceWithALimit(t *testing.T) {
	const retries = 2
	s := &scripted{reply: func(w http.ResponseWriter, _ *http.Request, prompt string, before int) {
		most := retries * patience
		if prompt == "p0" {
			most++ // once too often
		}
		if before < most {
			refuse(w, 429, "rate_limited", 1)
			return
		}
		good(w, prompt)
	}}
	f := newBatchFiles(t, prompts(6)...)
	f.wantRun(t, serveFake(t, s.ServeHTTP), 2, []string{"5 succeeded, 1 failed"}, "-c", "4", "-retries", fmt.Sprint(retries))
	for i := range 6 {
		if p := fmt.Sprint("p", i); s.sent(p) != retries*patience+1 {
			t.Errorf("%s was sent %d times", p, s.sent(p))
		}
	}
}

func TestBatchRetries(t *testing.T) {
	s := &scripted{reply: func(w http.ResponseWriter, _ *http.Request, prompt string, before int) {
		switch {
		case prompt == "p0" && before < 3:
			refuse(w, 429, "rate_limited", 1)
		case prompt == "p1" && before < 1:
			refuse(w, 503, "overloaded", 1)
		case prompt == "p2":
			refuse(w, 429, "upstream_rate_limited", 1) // for ever
		case prompt == "p3":
			refuse(w, 429, "rate_limited", 3_600_000) // too long to wait
		case prompt == "p4":
			refuse(w, 502, "upstream_error", 0) // the gateway has tried enough
		default:
			good(w, prompt)
		}
	}}
	f := newBatchFiles(t, prompts(6)...)
	f.wantRun(t, serveFake(t, s.ServeHTTP), 2, []string{"3 of 6 requests failed", "cost $0.000000000003\n", "usage 6 in + 9 out"}, "-retries", "4")
	for prompt, want := range map[string]int{"p0": 4, "p1": 2, "p2": 5, "p3": 1, "p4": 1, "p5": 1} {
		if got := s.sent(prompt); got != want {
			t.Errorf("%s was sent %d times, want %d", prompt, got, want)
		}
	}
	got := f.read(t)
	if e := got[3].Error; e == nil || e.RetryAfterMS != 3_600_000 || !e.Retryable || got[3].Code != 429 {
		t.Errorf("%+v", got[3])
	}
	f.wantRun(t, serveFake(t, s.ServeHTTP), 2, []string{"3 of 6", "(3 of them before)"}, "-retry-failed", "-retries", "0")
	if s.sent("p5") != 1 || s.sent("p4") != 2 {
		t.Error("a success was sent again, or a failure was not")
	}
}

func TestBatchMeetsMisbehaviour(t *testing.T) {
	long := strings.Repeat("ü", 1<<20)
	s := &scripted{reply: func(w http.ResponseWriter, _ *http.Request, prompt string, _ int) {
		switch prompt {
		case "p0":
			fmt.Fprint(w, `{"code":200,`)
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case "p1":
			fmt.Fprint(w, "<html>")
		case "p2":
			fmt.Fprint(w, "{\"code\":200,\"message\":\"success\",\"data\":{\n  \"text\":\"pretty\"\n}}")
		case "p3":
			good(w, long)
		}
	}}
	f := newBatchFiles(t, prompts(4)...)
	f.wantRun(t, serveFake(t, s.ServeHTTP), 2, []string{"2 of 4 requests failed", "1 without a known price", "estimated or unknown for 1"})
	got := f.read(t)
	if got[0].Code != 502 || got[0].Error.Kind != "connection" || got[1].Error.Kind != "protocol" || got[2].Data.Text != "pretty" || got[3].Data.Text != long {
		t.Errorf("%+v %+v %+v", got[0], got[1], got[2])
	}
	f.wantRun(t, serveFake(t, s.ServeHTTP), 2, []string{"(4 of them before)"}) // reads its own huge line
}

// What would befall every request ends the batch at once, and leaves no
// failures behind.
func TestBatchEndsWhereNothingCanSucceed(t *testing.T) {
	for _, tc := range []struct {
		status int
		kind   string
	}{{401, "unauthenticated"}, {402, "budget_exceeded"}} {
		s := &scripted{reply: func(w http.ResponseWriter, _ *http.Request, prompt string, _ int) {
			if prompt == "p0" {
				good(w, prompt)
				return
			}
			refuse(w, tc.status, tc.kind, 0)
		}}
		f := newBatchFiles(t, prompts(100)...)
		f.wantRun(t, serveFake(t, s.ServeHTTP), 1, []string{"the batch stopped: " + tc.kind, "0 failed"}, "-c", "1")
		if got := f.read(t); len(got) != 1 || got[0].Data.Text != "p0" || s.sent("p2") != 0 {
			t.Errorf("%+v", got)
		}
	}
	f := newBatchFiles(t, prompts(100)...)
	f.wantRun(t, "http://127.0.0.1:1", 1, []string{"the gateway cannot be reached"}, "-retries", "1")
	if got := f.read(t); len(got) != 0 {
		t.Errorf("%d failures written", len(got))
	}
}

func TestBatchThatCannotRun(t *testing.T) {
	s := &scripted{reply: func(w http.ResponseWriter, _ *http.Request, prompt string, _ int) { good(w, prompt) }}
	base := serveFake(t, s.ServeHTTP)
	done := newBatchFiles(t, prompts(2)...)
	done.wantRun(t, base, 0, nil)
	whole := getFile(t, done.out)
	first, _, _ := strings.Cut(whole, "\n")
	for _, tc := range []struct {
		name, in, out, want string
	}{
		{"changed", `{"prompt":"other"}` + "\n" + `{"prompt":"p1"}`, whole, "line 1 is not the request"},
		{"shorter", `{"prompt":"p0"}`, whole, "there are 1 requests"},
		{"empty input", "\n \n", "", "there are no requests"},
		{"another's file", `{"prompt":"p0"}`, "{\"a\":1}\n", "line 1 is not a result"},
		{"another's file without an end", `{"prompt":"p0"}`, "a note", "line 1 is not a result"},
		{"another's line within", strings.Join(prompts(2), "\n"), first + "\noops\n" + first + "\n", "line 2 is not a result"},
		{"an answer twice", strings.Join(prompts(2), "\n"), first + "\n" + first + "\n", "second answer"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newBatchFiles(t, tc.in)
			putFile(t, f.out, tc.out)
			f.wantRun(t, base, 1, []string{tc.want})
			if getFile(t, f.out) != tc.out {
				t.Error("the output was changed all the same")
			}
		})
	}
	if n := s.sent("p0"); n != 1 {
		t.Errorf("sent %d times", n)
	}
	f := newBatchFiles(t, `{"prompt":"x"}`)
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{f.in}, "usage:"}, {[]string{"-o", f.out}, "usage:"}, {[]string{f.in, f.in, "-o", f.out}, "usage:"},
		{[]string{f.in, "-o", f.in}, "the same file"}, {[]string{f.in, "-o", f.out, "-c", "0"}, "-c is at least 1"},
		{[]string{f.in + ".none", "-o", f.out}, "no such file"}, {[]string{filepath.Dir(f.in), "-o", f.out}, "not a regular file"},
		{[]string{f.in, "-o", os.DevNull}, "not a regular file"}, {[]string{f.in, "-o", f.out, "-url", "nowhere"}, "base URL"}, {[]string{"-nope"}, "nope"},
	} {
		p, _, _ := fake(nil)
		err := p.run(t.Context(), append([]string{"batch"}, tc.args...))
		if err == nil || !strings.Contains(err.Error(), tc.want) || exitCode(err) != 1 {
			t.Errorf("%v: %v", tc.args, err)
		}
	}
	if getFile(t, f.in) != `{"prompt":"x"}`+"\n" {
		t.Error("the input was changed")
	}
}

// However a file ends, the next run goes on from its last whole line.
func TestBatchGoesOnBehindATornLine(t *testing.T) {
	s := &scripted{reply: func(w http.ResponseWriter, _ *http.Request, prompt string, _ int) { good(w, prompt) }}
	base := serveFake(t, s.ServeHTTP)
	f := newBatchFiles(t, prompts(3)...)
	f.wantRun(t, base, 0, nil, "-c", "1")
	whole := getFile(t, f.out)
	last := strings.LastIndex(strings.TrimSuffix(whole, "\n"), "\n") + 1
	for cut := last; cut < len(whole); cut++ {
		text := whole[:cut]
		if cut%7 == 0 {
			text += "\x00\x00\x00"
		}
		if strings.HasSuffix(text, "\x00") && cut != last {
			continue // zeros come in place of a line, not behind half of one
		}
		putFile(t, f.out, text)
		f.wantRun(t, base, 0, []string{"3 succeeded"})
		if got := f.read(t); len(got) != 3 {
			t.Fatalf("cut at %d: %d results", cut, len(got))
		}
	}
	if s.sent("p0") != 1 || s.sent("p1") != 1 || s.sent("p2") < 100 {
		t.Errorf("sent %v", s.count)
	}
}

func TestTwoRunsOnOneFile(t *testing.T) {
	hold := make(chan struct{})
	s := &scripted{reply: func(w http.ResponseWriter, _ *http.Request, prompt string, _ int) {
		<-hold
		good(w, prompt)
	}}
	base := serveFake(t, s.ServeHTTP)
	f := newBatchFiles(t, prompts(1)...)
	ended := make(chan int, 1)
	go func() {
		status, _ := f.run(t, t.Context(), base)
		ended <- status
	}()
	await(t, func() string { return strings.Repeat("x", s.sent("p0")) })
	for _, more := range [][]string{nil, {"-retry-failed"}} {
		f.wantRun(t, base, 1, []string{"another run"}, more...)
	}
	close(hold)
	if status := <-ended; status != 0 || len(f.read(t)) != 1 {
		t.Errorf("exit status %d", status)
	}
}

// stopped runs a batch of ten, two at once, whose calls wait for release; it
// stops it when the first two are under way.
func stopped(t *testing.T, release <-chan struct{}, more ...string) (f batchFiles, s *scripted, base string, end func() (int, string)) {
	s = &scripted{reply: func(w http.ResponseWriter, r *http.Request, prompt string, _ int) {
		select {
		case <-release:
			good(w, prompt)
		case <-r.Context().Done():
		}
	}}
	base = serveFake(t, s.ServeHTTP)
	f = newBatchFiles(t, prompts(10)...)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	p, _, errs := fake(map[string]string{"GATEWAY_URL": base})
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx, append([]string{"batch", f.in, "-o", f.out, "-c", "2"}, more...)) }()
	await(t, func() string { return strings.Repeat("x", s.sent("p0")*s.sent("p1")) })
	cancel()
	await(t, func() string {
		if strings.Contains(errs.String(), "stopping: what is under way") {
			return "x"
		}
		return ""
	})
	return f, s, base, func() (int, string) {
		select {
		case err := <-ended:
			if err == nil {
				return 0, ""
			}
			return exitCode(err), err.Error()
		case <-time.After(20 * time.Second):
			t.Fatal("the batch does not end")
			return 0, ""
		}
	}
}

// What is under way at Ctrl-C is waited for and kept; the next run does the rest.
func TestNothingIsLostOnInterrupt(t *testing.T) {
	release := make(chan struct{})
	f, s, base, end := stopped(t, release)
	close(release)
	if status, said := end(); status != 1 || !strings.Contains(said, "stopped with 2 of 10 requests done") {
		t.Errorf("%d %s", status, said)
	}
	if got := f.read(t); len(got) != 2 || got[0].Data.Text != "p0" || got[1].Data.Text != "p1" {
		t.Errorf("%+v", got)
	}
	f.wantRun(t, base, 0, []string{"10 succeeded, 0 failed (2 of them before)"})
	for i := range 10 {
		if n := s.sent(fmt.Sprintf("p%d", i)); n != 1 {
			t.Errorf("p%d was sent %d times", i, n)
		}
	}
}

func TestGraceEnds(t *testing.T) {
	f, _, _, end := stopped(t, nil, "-grace", "20ms")
	if status, said := end(); status != 1 || !strings.Contains(said, "0 of 10") {
		t.Errorf("%d %s", status, said)
	}
	if got := f.read(t); len(got) != 0 {
		t.Errorf("cancelled calls were written: %+v", got)
	}
}

func TestSecondSignalCancels(t *testing.T) {
	f, _, _, end := stopped(t, nil, "-grace", "1h")
	// Whether the batch listens already cannot be seen from here, so the signal
	// is sent until it has worked. This test takes it too, lest it end the process.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGTERM)
	defer signal.Stop(caught)
	over := make(chan struct{})
	var sender sync.WaitGroup
	sender.Go(func() {
		for tick := time.NewTicker(5 * time.Millisecond); ; <-tick.C {
			select {
			case <-over:
				tick.Stop()
				return
			default:
			}
			if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
				t.Error(err)
			}
		}
	})
	defer sender.Wait()
	defer close(over)
	if status, said := end(); status != 1 || !strings.Contains(said, "0 of 10") {
		t.Errorf("%d %s", status, said)
	}
	f.read(t)
}

func TestInputThatVanishes(t *testing.T) {
	items := make(chan item)
	if err := feed(t.Context(), filepath.Join(t.TempDir(), "none"), nil, items); err == nil {
		t.Error("no error")
	}
}
