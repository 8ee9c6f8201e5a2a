package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPrometheus lets a real Prometheus scrape the gateway and answers queries
// from what it stored.
func TestPrometheus(t *testing.T) {
	p := startPair(t)
	for range 5 {
		post(t, p.gw.base+"/v1/generate", `{"prompt":"hello"}`).Body.Close()
	}
	prom := startPrometheus(t, strings.TrimPrefix(p.gw.base, "http://"))
	for query, want := range map[string]string{
		`sum(http_requests_total{route="/v1/generate",status="200"})`:                "5",
		`sum(llm_requests_total{outcome="complete"})`:                                "5",
		`count(http_request_duration_seconds_bucket{route="/v1/generate"}) > bool 3`: "1",
		`http_response_size_bytes_count{route="/v1/generate"}`:                       "5",
		`gateway_build_info`:                            "1",
		`go_goroutines > bool 0`:                        "1",
		`sum(llm_tokens_total{kind="output"}) > bool 0`: "1",
	} {
		if got := prom.await(t, query, want); got != want {
			t.Errorf("%s = %q, want %s", query, got, want)
		}
	}
}

// TestNativeHistograms: a Prometheus that asks for protobuf is served native
// histograms.
func TestNativeHistograms(t *testing.T) {
	p := startPair(t)
	for range 5 {
		post(t, p.gw.base+"/v1/generate", `{"prompt":"hello","stream":true}`).Body.Close()
	}
	prom := startPrometheus(t, strings.TrimPrefix(p.gw.base, "http://"), "--enable-feature=native-histograms")
	for query, want := range map[string]string{
		`histogram_count(http_request_duration_seconds{route="/v1/generate"})`:                  "5",
		`histogram_count(llm_request_duration_seconds)`:                                         "5",
		`histogram_count(llm_time_to_first_token_seconds)`:                                      "5",
		`histogram_sum(gateway_overhead_seconds{route="/v1/generate"}) > bool 0`:                "1",
		`histogram_quantile(0.9, http_request_duration_seconds{route="/v1/generate"}) > bool 0`: "1",
	} {
		if got := prom.await(t, query, want); got != want {
			t.Errorf("%s = %q, want %s", query, got, want)
		}
	}
}

type prometheus struct{ base string }

func startPrometheus(t *testing.T, scrape string, args ...string) prometheus {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("skipped: prometheus is not installed; test/e2e/setup.sh installs it")
	}
	dir := t.TempDir()
	config := fmt.Sprintf("global: {scrape_interval: 500ms}\nscrape_configs:\n  - job_name: gateway\n    static_configs: [{targets: [%q]}]\n", scrape)
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := freeAddr(t)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), path, append(args, "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr, "--log.level=error")...)
	out := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(tail(out.String(), 2000))
		}
	})
	return prometheus{base: "http://" + addr}
}

// freeAddr finds a port for a server that cannot be told to choose one.
func freeAddr(t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// await asks until the answer is what is wanted, for at most 20 s, and returns
// the last answer.
func (p prometheus) await(t *testing.T, query, want string) string {
	t.Helper()
	got := "no answer"
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if v, err := p.query(query); err == nil {
			if got = v; got == want {
				return got
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	return got
}

func (p prometheus) query(q string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "curl", "-sf", p.base+"/api/v1/query?query="+url.QueryEscape(q))
	b, err := cmd.Output()
	if err != nil {
		return "", err
	}
	var r struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return "", err
	}
	if len(r.Data.Result) == 0 {
		return "no data", nil
	}
	return fmt.Sprint(r.Data.Result[0].Value[1]), nil
}
