// Package manifests decodes what is shipped for Kubernetes into the very types of
// its API, strictly: a field that does not exist, comes twice or has another type
// is an error. It needs no cluster and no tool, and is a module of its own so that
// the types stay out of the product's graph.
package manifests

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/yaml"
	kustomize "sigs.k8s.io/kustomize/api/types"
)

const root = "../../deploy/kubernetes"

// notManifests are read by others: the gateway, whose tests decode its file
// strictly, and a Helm chart that is not ours.
var notManifests = []string{"gateway.yaml", "prometheus-adapter-values.yaml"}

// directive is what kustomize takes out of a patch: it is no field of the API.
var directive = regexp.MustCompile(`, \$patch: delete\b`)

// decoder decodes manifests strictly.
func decoder(t *testing.T) runtime.Decoder {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		apps.AddToScheme, autoscaling.AddToScheme, core.AddToScheme, networking.AddToScheme, policy.AddToScheme, monitoring.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
}

// check decodes every document of a file and returns their kinds.
func check(d runtime.Decoder, name string, text []byte) (kinds []string, err error) {
	if filepath.Base(name) == "kustomization.yaml" {
		var k kustomize.Kustomization
		if err := k.Unmarshal(text); err != nil {
			return nil, err
		}
		if wrong := k.EnforceFields(); len(wrong) > 0 {
			return nil, fmt.Errorf("%v", wrong)
		}
		return []string{k.Kind}, nil
	}
	for r := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text))); ; {
		doc, err := r.Read()
		switch {
		case errors.Is(err, io.EOF):
			return kinds, nil
		case err != nil:
			return nil, err
		}
		if len(bytes.TrimSpace(doc)) == 0 {
			continue
		}
		_, kind, err := d.Decode(directive.ReplaceAll(doc, nil), nil, nil)
		if err != nil {
			return nil, err
		}
		kinds = append(kinds, kind.Kind)
	}
}

// TestManifests decodes every file under deploy/kubernetes: manifests, the
// patches of overlays, kustomizations.
func TestManifests(t *testing.T) {
	d := decoder(t)
	seen := map[string]int{}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || slices.Contains(notManifests, e.Name()) {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		kinds, err := check(d, path, text)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		for _, k := range kinds {
			seen[k]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{
		"Deployment", "Service", "Ingress", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy", "Secret",
		"ServiceAccount", "ServiceMonitor", "PrometheusRule", "Namespace", "Kustomization", "Component",
	} {
		if seen[kind] == 0 {
			t.Errorf("no %s was decoded", kind)
		}
	}
}

// TestStrictDecodeRefuses plants one fault at a time in the real files.
func TestStrictDecodeRefuses(t *testing.T) {
	d := decoder(t)
	for _, tt := range []struct{ name, file, old, fault, says string }{
		{"a field that does not exist", "base/deployment.yaml", "readinessProbe:", "readynessProbe:", `unknown field "spec.template.spec.containers[0].readynessProbe"`},
		{"a wrong type", "base/deployment.yaml", "replicas: 2", `replicas: "two"`, "replicas"},
		{"a field that comes twice", "base/deployment.yaml", "replicas: 2", "replicas: 2\n  replicas: 3", `key "replicas" already set`},
		{"no quantity", "base/deployment.yaml", "memory: 256Mi", "memory: 256MiB", "quantities"},
		{"a kind that does not exist", "base/pdb.yaml", "kind: PodDisruptionBudget", "kind: PodDisruptionBudge", "no kind"},
		{"a version that does not exist", "base/hpa.yaml", "autoscaling/v2", "autoscaling/v2beta9", "no kind"},
		{"of an operator's kind", "base/servicemonitor.yaml", "jobLabel:", "joblabels:", `unknown field "spec.joblabels"`},
		{"of a kustomization", "base/kustomization.yaml", "configMapGenerator:", "configMapsGenerator:", "configMapsGenerator"},
		{"of a network policy", "base/networkpolicy.yaml", "port: 53", `port: [53]`, "port"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(root, tt.file))
			if err != nil {
				t.Fatal(err)
			}
			planted := strings.Replace(string(text), tt.old, tt.fault, 1)
			if planted == string(text) {
				t.Fatalf("%s has no %q", tt.file, tt.old)
			}
			if _, err := check(d, tt.file, []byte(planted)); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want an error with %q", err, tt.says)
			}
		})
	}
}
