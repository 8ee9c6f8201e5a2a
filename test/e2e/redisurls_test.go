package e2e

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// freePort returns a port for a server that takes no listener: it is free again,
// and most likely stays so.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// loopbackCertificate writes a certificate for 127.0.0.1 that signs itself, and
// its key.
func loopbackCertificate(t *testing.T) (cert, key string) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	der, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, b := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: s.Certificate().Raw}, key: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// mustShare checks that two gateways use one Redis: of 300 calls the account
// allows 150.
func mustShare(t *testing.T, gws [2]*process) {
	t.Helper()
	if got := crowd(t, gws, 30, 10, "rate", ""); got[200] != 150 || got[429] != 150 {
		t.Errorf("%v, 150 allowed", got)
	}
	for _, gw := range gws {
		if _, m := get(t, gw.base+"/metrics"); !strings.Contains(m, "gateway_redis_up 1\n") || !strings.Contains(m, "gateway_limits_fallback_total 0\n") {
			t.Error("Redis was not used")
		}
	}
}

// TestRedisOverTLS: a certificate that is trusted is spoken to, another is not.
func TestRedisOverTLS(t *testing.T) {
	cert, key := loopbackCertificate(t)
	port := freePort(t)
	startRedis(t, "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no")
	url := "rediss://127.0.0.1:" + port
	mustShare(t, accountReplicas(t, url, "SSL_CERT_FILE="+cert))

	stranger := accountReplicas(t, url)[0]
	awaitGet(t, stranger, "/readyz", `"state":"degraded"`)
	if status := ask(t, stranger, "rate", ""); status != 200 {
		t.Errorf("without Redis: %d", status)
	}
}

// startSentinel starts a sentinel that watches a Redis under the name main.
func startSentinel(t *testing.T, master string) (port string) {
	t.Helper()
	port = freePort(t)
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	conf := fmt.Sprintf("port %s\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 %s 1\nsentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n", port, master)
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("skipped: redis-server is not installed; test/e2e/setup.sh installs it")
	}
	cmd := exec.Command(path, file, "--sentinel")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return port
}

// TestRedisSentinel: the gateways find the Redis that a sentinel names, and the
// one that takes its place, which knows what was used.
func TestRedisSentinel(t *testing.T) {
	master := startRedis(t)
	second := startRedis(t, "--replicaof", "127.0.0.1 "+master.port)
	port := startSentinel(t, master.port)
	awaitCLI(t, second, "master_link_status:up", "INFO", "replication")
	awaitCLI(t, &redisServer{port: port}, second.port, "SENTINEL", "replicas", "main")
	gws := accountReplicas(t, "redis://127.0.0.1:"+port+"?master_name=main")
	mustShare(t, gws)
	// Replication is not waited for by calls: it has arrived when both have it.
	awaitCLI(t, second, strings.TrimSpace(mustCLI(t, master, "HGET", "gw:{limits}:provider:rate", "r")), "HGET", "gw:{limits}:provider:rate", "r")

	master.kill(t)
	awaitCLI(t, second, "role:master", "INFO", "replication")
	for _, gw := range gws {
		// Until it has found the new one, a gateway goes on by itself: it would let
		// 150 calls pass, and these are fewer.
		status := 0
		for range 100 {
			if status = ask(t, gw, "rate", ""); status == 429 {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if status != 429 {
			t.Errorf("the account is used up, and the new Redis knows of it: %d", status)
		}
		awaitGet(t, gw, "/readyz", `{"name":"redis","state":"ok"}`)
	}
}

func mustCLI(t *testing.T, r *redisServer, args ...string) string {
	t.Helper()
	out, err := r.cli(args...)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return out
}

// awaitCLI waits until a command's answer has a part.
func awaitCLI(t *testing.T, r *redisServer, part string, args ...string) {
	t.Helper()
	out := ""
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if out, _ = r.cli(args...); strings.Contains(out, part) {
			return
		}
	}
	t.Fatalf("%v never says %s: %s", args, part, out)
}
