package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// maxBinary is the largest program that the image may hold.
const maxBinary = 25_000_000

// TestImage builds the image of the last commit with the project's own
// Dockerfile and runs it as it is meant to be run: read-only, not as root,
// without capabilities, in 256 MiB. It compiles everything anew, so it is a lane
// of its own: `make e2e-image`. GATEWAY_IMAGE names an image that is there.
func TestImage(t *testing.T) {
	if os.Getenv("GATEWAY_IMAGE_TEST") == "" {
		t.Skip("skipped: building the image takes minutes; `make e2e-image` does it")
	}
	for _, p := range []string{"buildah", "podman", "runc"} {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("skipped: %s is not installed: apt-get install podman buildah runc containernetworking-plugins iptables", p)
		}
	}
	image := os.Getenv("GATEWAY_IMAGE")
	if image == "" {
		image = buildImage(t)
	}
	c := runImage(t, image)

	resp := post(t, c.base+"/v1/generate", `{"prompt":"ping","model":"mock/echo"}`)
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || !strings.Contains(string(b), `"text":"ping"`) {
		t.Errorf("%d %s", resp.StatusCode, b)
	}
	podman(t, "exec", c.id, "/llm-gateway", "healthcheck")
	if out, err := podmanTry(t, "exec", c.id, "/bin/sh", "-c", "true"); err == nil {
		t.Errorf("the image has a shell: %s", out)
	}
	binary := filepath.Join(t.TempDir(), "llm-gateway")
	podman(t, "cp", c.id+":/llm-gateway", binary)
	info, err := os.Stat(binary)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > maxBinary {
		t.Errorf("the program has %d bytes, more than %d", info.Size(), maxBinary)
	}
	t.Logf("the program has %.1f MB", float64(info.Size())/1e6)

	if got := inspect(t, c.id, "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Memory}}"); got != "true 268435456" {
		t.Errorf("read-only and memory: %s", got)
	}
	if got := podman(t, "image", "inspect", "--format", "{{.Config.User}} {{.Config.Healthcheck.Test}}", image); !strings.HasPrefix(got, "65532:65532 ") || !strings.Contains(got, "healthcheck") {
		t.Errorf("user and health check of the image: %s", got)
	}
	podman(t, "stop", "--time", "20", c.id)
	if got := inspect(t, c.id, "{{.State.ExitCode}} {{.State.OOMKilled}}"); got != "0 false" {
		t.Errorf("exit code and memory after a stop: %s", got)
	}
}

type ranContainer struct{ id, base string }

func runImage(t *testing.T, image string) ranContainer {
	t.Helper()
	addr := freeAddr(t)
	id := podman(t, "run", "-d", "-p", addr+":8080", "--memory", "256m", "--read-only", "--cap-drop", "ALL",
		"--security-opt", "no-new-privileges", "-e", "GATEWAY_API_KEYS=app="+clientKey, image)
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := podmanTry(t, "logs", id)
			t.Log(tail(out, 2000))
		}
		_, _ = podmanTry(t, "rm", "-f", id)
	})
	base := "http://" + addr
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if ready(t.Context(), base) == nil {
			return ranContainer{id: id, base: base}
		}
		if time.Now().After(deadline) {
			t.Fatal("the container is not ready")
		}
	}
}

func ready(ctx context.Context, base string) error {
	req, err := http.NewRequestWithContext(ctx, "GET", base+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

// buildImage builds what was committed, not what is being edited.
func buildImage(t *testing.T) string {
	t.Helper()
	const image = "localhost/llm-gateway:e2e"
	src := t.TempDir()
	shell(t, `git -C ../.. archive HEAD | tar -x -C "$1"`, src)
	epoch := strings.TrimSpace(shell(t, "git -C ../.. log -1 --format=%ct"))
	if _, err := strconv.Atoi(epoch); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	shell(t, `cd "$1" && buildah bud --layers --isolation chroot --network host --pull=missing --format docker --timestamp "$2" --build-arg VERSION=e2e -t "$3" .`, src, epoch, image)
	t.Logf("built in %v", time.Since(began).Round(time.Second))
	return image
}

func shell(t *testing.T, script string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", append([]string{"-c", script, "sh"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, tail(string(out), 3000))
	}
	return string(out)
}

func podman(t *testing.T, args ...string) string {
	t.Helper()
	out, err := podmanTry(t, args...)
	if err != nil {
		t.Fatalf("podman %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return out
}

func podmanTry(t *testing.T, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "podman", args...).Output()
	return strings.TrimSpace(string(out)), err
}

func inspect(t *testing.T, id, format string) string {
	t.Helper()
	return podman(t, "inspect", "--format", format, id)
}
