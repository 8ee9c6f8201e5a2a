package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// maxImage is the largest that the image may be, in bytes, unpacked.
const maxImage = 25_000_000

// TestImage builds the image of the last commit with the project's own
// Dockerfile and runs it as it is meant to be run: read-only, not as root,
// without capabilities, in 256 MiB. GATEWAY_IMAGE names an image that is there.
func TestImage(t *testing.T) {
	needContainers(t)
	image := os.Getenv("GATEWAY_IMAGE")
	if image == "" {
		image = buildImage(t, "linux/amd64")
	}
	c := runImage(t, image)
	resp := post(t, c.base+"/v1/generate", `{"prompt":"ping","model":"mock/echo"}`)
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || !strings.Contains(string(b), `"text":"ping"`) {
		t.Errorf("%d %s", resp.StatusCode, b)
	}
	podman(t, "healthcheck", "run", c.id) // what the image itself says of its health
	if out, err := podmanTry(t, "exec", c.id, "/bin/sh", "-c", "true"); err == nil {
		t.Errorf("the image has a shell: %s", out)
	}
	if got := inspect(t, c.id, "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Memory}}"); got != "true 268435456" {
		t.Errorf("read-only and memory: %s", got)
	}
	if got := podman(t, "image", "inspect", "--format", "{{.Config.User}} {{.Config.Healthcheck.Test}}", image); !strings.HasPrefix(got, "65532:65532 ") || !strings.Contains(got, "healthcheck") {
		t.Errorf("user and health check of the image: %s", got)
	}
	// A stop must not break what is under way.
	stream := make(chan error, 1)
	go func() { stream <- wholeStream(t, c.base, "mock/lorem-40+pace-50ms") }()
	awaitGet(t, &process{base: c.base}, "/metrics", "llm_streams_in_flight 1\n")
	podman(t, "stop", "--time", "20", c.id)
	if err := <-stream; err != nil {
		t.Errorf("a stream across the stop: %v", err)
	}
	if got := inspect(t, c.id, "{{.State.ExitCode}} {{.State.OOMKilled}}"); got != "0 false" {
		t.Errorf("exit code and memory after a stop: %s", got)
	}
	checkSize(t, image)
}

// TestImageIsReproducible compares the program in the image, for each platform
// that is published, with one built from the same sources in another folder and
// with another cache by the Go of this machine.
func TestImageIsReproducible(t *testing.T) {
	goImage := needContainers(t)
	host := strings.Fields(shell(t, "go env GOVERSION"))[0]
	if inImage := shell(t, `buildah from --pull-never --name e2e-go "$1" >/dev/null && buildah run --isolation chroot e2e-go -- go env GOVERSION; buildah rm e2e-go >/dev/null`, goImage); !strings.Contains(inImage, host) {
		t.Skipf("skipped: the image compiles with %s, this machine with %s: the programs must differ", strings.TrimSpace(inImage), host)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		t.Run(arch, func(t *testing.T) {
			if arch != "amd64" && os.Getenv("GATEWAY_IMAGE_ALL") == "" {
				t.Skip("skipped: it takes minutes; `make e2e-image` compares this one, too")
			}
			image := buildImage(t, "linux/"+arch)
			dir := t.TempDir()
			inside := shell(t, `c=$(buildah from --pull-never "$1" 2>/dev/null) && m=$(buildah mount $c) && cp "$m/llm-gateway" "$2/inside"; buildah rm $c >/dev/null; sha256sum <"$2/inside"`, image, dir)
			outside := shell(t, `git -C ../.. archive HEAD | tar -x -C "$1" && cd "$1" && GOOS=linux GOARCH="$2" make -s build VERSION=e2e COMMIT=none && sha256sum <bin/llm-gateway`, dir, arch)
			if inside != outside {
				t.Errorf("two builds of the same sources differ: %s and %s", strings.TrimSpace(inside), strings.TrimSpace(outside))
			}
			checkSize(t, image)
		})
	}
}

// checkSize holds an image against its limit.
func checkSize(t *testing.T, image string) {
	t.Helper()
	size, err := strconv.Atoi(podman(t, "image", "inspect", "--format", "{{.Size}}", image))
	if err != nil || size > maxImage {
		t.Errorf("%s has %d bytes, more than %d (%v)", image, size, maxImage, err)
	}
	t.Logf("%s has %d bytes", image, size)
}

// needContainers skips the test where images cannot be built and run. It returns
// the image that compiles: that of the Dockerfile or, where no registry can be
// reached, one made of this machine's Go.
func needContainers(t *testing.T) string {
	t.Helper()
	for _, p := range []string{"buildah", "podman", "runc"} {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("skipped: %s is not installed: `test/e2e/setup.sh image` installs it", p)
		}
	}
	needRuns(t)
	const published = "docker.io/library/golang:1.26"
	if _, err := podmanTry(t, "image", "exists", published); err == nil {
		return published
	}
	if _, err := podmanTry(t, "pull", "-q", published); err == nil {
		return published
	}
	standIn := "localhost/llm-gateway-go:" + strings.TrimSpace(shell(t, "go env GOVERSION"))
	if _, err := podmanTry(t, "image", "exists", standIn); err != nil {
		if _, err := os.Stat("/bin/busybox"); err != nil {
			t.Skip("skipped: no Go image can be pulled, and busybox-static is not installed to make one")
		}
		shell(t, `./go-image.sh "$1"`, standIn)
	}
	return standIn
}

// needRuns skips the test where the machine lets nobody run a container
// within limits, which is not the image's fault. It tries with one that holds
// busybox alone.
func needRuns(t *testing.T) {
	t.Helper()
	const image = "localhost/llm-gateway-probe"
	build := `c=$(buildah from scratch) && m=$(buildah mount "$c") && mkdir -p "$m/bin" && cp /bin/busybox "$m/bin/" &&
		buildah umount "$c" && buildah commit -q "$c" "$1" && buildah rm "$c"`
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", build, "sh", image).CombinedOutput(); err != nil {
		t.Skipf("skipped: this machine builds no images: %v: %s", err, tail(string(out), 500))
	}
	out, err := podmanTry(t, "run", "--rm", "-p", freeAddr(t)+":8080", "--memory", "256m", "--read-only", "--cap-drop", "ALL",
		"--security-opt", "no-new-privileges", "--user", "65532:65532", image, "/bin/busybox", "true")
	if err != nil {
		t.Skipf("skipped: this machine runs no container within limits: %v: %s", err, out)
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
func buildImage(t *testing.T, platform string) string {
	t.Helper()
	image := "localhost/llm-gateway:e2e-" + strings.ReplaceAll(platform, "/", "-")
	src := t.TempDir()
	goImage := needContainers(t)
	shell(t, `git -C ../.. archive HEAD | tar -x -C "$1"`, src)
	epoch := strings.TrimSpace(shell(t, "git -C ../.. log -1 --format=%ct"))
	if _, err := strconv.Atoi(epoch); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	// Older versions of buildah do not set BUILDPLATFORM by themselves.
	shell(t, `cd "$1" && buildah bud --layers --isolation chroot --network host --pull-never --format docker --platform "$4" --timestamp "$2" --build-arg VERSION=e2e --build-arg BUILDPLATFORM="$5" --build-arg GO_IMAGE="$6" -t "$3" .`, src, epoch, image, platform, "linux/"+runtime.GOARCH, goImage)
	t.Logf("%s built in %v", platform, time.Since(began).Round(time.Second))
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
	cmd := exec.CommandContext(ctx, "podman", args...)
	if os.Getenv("CONTAINERS_CONF") == "" {
		cmd.Env = append(os.Environ(), "CONTAINERS_CONF=containers.conf")
	}
	out, err := cmd.Output()
	if e := (*exec.ExitError)(nil); errors.As(err, &e) {
		err = fmt.Errorf("%w: %s", err, tail(strings.TrimSpace(string(e.Stderr)), 500))
	}
	return strings.TrimSpace(string(out)), err
}

func inspect(t *testing.T, id, format string) string {
	t.Helper()
	return podman(t, "inspect", "--format", format, id)
}
