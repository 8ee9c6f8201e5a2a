package deploy_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// fields decodes a YAML document by the fields' names in JSON, as Kubernetes does.
func fields(t *testing.T, n *yaml.Node, into any) {
	t.Helper()
	var v any
	if err := n.Decode(&v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("%v in\n%s", err, b)
	}
}

type meta struct {
	Name, Namespace     string
	Labels, Annotations map[string]string
}

type probe struct {
	HTTPGet struct{ Path, Port string } `json:"httpGet"`
}

type container struct {
	Name, Image                                 string
	Env                                         []struct{ Name, Value string }
	Ports                                       []struct{ Name string }
	Resources                                   struct{ Requests, Limits map[string]string }
	StartupProbe, LivenessProbe, ReadinessProbe probe
	Lifecycle                                   struct {
		PreStop struct{ Sleep struct{ Seconds int } }
	}
	SecurityContext struct {
		AllowPrivilegeEscalation *bool
		ReadOnlyRootFilesystem   bool
		Capabilities             struct{ Drop []string }
	}
	VolumeMounts []struct {
		Name, MountPath string
		ReadOnly        bool
	}
}

type podSpec struct {
	AutomountServiceAccountToken  *bool
	ServiceAccountName            string
	TerminationGracePeriodSeconds int
	SecurityContext               struct {
		RunAsNonRoot   bool
		RunAsUser      int
		SeccompProfile struct{ Type string }
	}
	TopologySpreadConstraints []struct{ TopologyKey string }
	Containers                []container
	Volumes                   []struct {
		Name      string
		ConfigMap struct{ Name string }
		Secret    struct{ SecretName string }
	}
}

// object is what the tests read of any manifest.
type object struct {
	Kind     string
	Metadata meta
	Data     map[string]string
	Spec     struct {
		Selector       any
		Template       struct{ Spec podSpec }
		Ports          []struct{ Name, TargetPort string }
		Endpoints      []struct{ Port, Path string }
		ScaleTargetRef struct{ Kind, Name string }
		Rules          []struct {
			HTTP struct {
				Paths []struct {
					Path    string
					Backend struct {
						Service struct {
							Name string
							Port struct{ Name string }
						}
					}
				}
			}
		}
	}
}

type objects []object

func (o objects) find(kind, name string) *object {
	for i := range o {
		if o[i].Kind == kind && (name == "" || o[i].Metadata.Name == name) {
			return &o[i]
		}
	}
	return nil
}

const base = "kubernetes/base/"

// baseObjects reads the base without kustomize: one manifest a file, and the
// ConfigMap that would be generated.
func baseObjects(t *testing.T) objects {
	t.Helper()
	var k struct{ Resources []string }
	decode(t, base+"kustomization.yaml", &k)
	files, err := filepath.Glob(base + "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := filepath.Base(f)
		other := []string{"kustomization.yaml", "gateway.yaml", "secret.example.yaml", "prometheus-adapter-values.yaml"}
		if !slices.Contains(k.Resources, name) && !slices.Contains(other, name) {
			t.Errorf("%s is in no kustomization", f)
		}
	}
	out := objects{{Kind: "ConfigMap", Metadata: meta{Name: "llm-gateway"}, Data: map[string]string{"gateway.yaml": read(t, base+"gateway.yaml")}}}
	for _, f := range k.Resources {
		var o object
		fields(t, &documents(t, read(t, base+f))[0], &o)
		out = append(out, o)
	}
	return out
}

// overlay renders an overlay with kustomize.
func overlay(t *testing.T, name string) objects {
	t.Helper()
	kubectl := tool(t, "kubectl", "any version from 1.27 on")
	var out objects
	for _, n := range documents(t, run(t, kubectl, "kustomize", "kubernetes/overlays/"+name)) {
		var o object
		fields(t, &n, &o)
		out = append(out, o)
	}
	return out
}

// TestKubernetesBase checks the base without any tool.
func TestKubernetesBase(t *testing.T) {
	o := baseObjects(t)
	for _, kind := range []string{
		"Deployment", "Service", "Ingress", "HorizontalPodAutoscaler", "PodDisruptionBudget",
		"NetworkPolicy", "ConfigMap", "ServiceAccount", "ServiceMonitor",
	} {
		if o.find(kind, "") == nil {
			t.Errorf("there is no %s", kind)
		}
	}
	checkObjects(t, o)
	if f := o.find("Deployment", "llm-gateway"); len(f.Spec.Template.Spec.TopologySpreadConstraints) != 2 {
		t.Error("replicas are not spread over zones and nodes")
	}
}

// TestKubernetesOverlays checks the overlays as kustomize renders them.
func TestKubernetesOverlays(t *testing.T) {
	for name, kinds := range map[string][]string{
		"development": {"Deployment", "Service", "Ingress", "ConfigMap", "Secret", "NetworkPolicy"},
		"production":  {"Deployment", "Service", "Ingress", "ConfigMap", "HorizontalPodAutoscaler", "PodDisruptionBudget", "ServiceMonitor", "PrometheusRule", "NetworkPolicy", "Namespace"},
		"canary":      {"Deployment", "Service", "Ingress", "ConfigMap", "NetworkPolicy"},
	} {
		t.Run(name, func(t *testing.T) {
			o := overlay(t, name)
			for _, kind := range kinds {
				if o.find(kind, "") == nil {
					t.Errorf("there is no %s", kind)
				}
			}
			if name == "canary" && (o.find("HorizontalPodAutoscaler", "") != nil || o.find("Deployment", "llm-gateway-canary") == nil) {
				t.Error("the canary would take production's objects")
			}
			checkObjects(t, o)
		})
	}
}

// TestCanaryIsApart: production's Service must not reach the canary's pods, nor
// the other way round.
func TestCanaryIsApart(t *testing.T) {
	prod, canary := overlay(t, "production").find("Service", ""), overlay(t, "canary").find("Service", "")
	if a, b := fmt.Sprint(prod.Spec.Selector), fmt.Sprint(canary.Spec.Selector); a == b || !strings.Contains(a, "instance:production") || !strings.Contains(b, "instance:canary") {
		t.Errorf("selectors %s and %s", a, b)
	}
}

// checkObjects checks what any set of manifests must keep.
func checkObjects(t *testing.T, o objects) {
	t.Helper()
	d := o.find("Deployment", "")
	if d == nil || len(d.Spec.Template.Spec.Containers) != 1 {
		t.Fatal("no Deployment with one container")
	}
	pod := d.Spec.Template.Spec
	c := pod.Containers[0]
	checkPod(t, pod)
	checkProbes(t, c)
	checkReferences(t, o, pod)
	checkRouting(t, o)
	cm := o.find("ConfigMap", pod.Volumes[0].ConfigMap.Name)
	if cm == nil {
		t.Fatalf("no ConfigMap %s", pod.Volumes[0].ConfigMap.Name)
	}
	checkConfiguration(t, cm.Data["gateway.yaml"], pod)
}

func checkPod(t *testing.T, pod podSpec) {
	t.Helper()
	c := pod.Containers[0]
	if r := c.Resources; r.Requests["cpu"] != "100m" || r.Limits["memory"] != "256Mi" || r.Limits["cpu"] == "" {
		t.Errorf("resources %+v", r)
	}
	if s := pod.SecurityContext; !s.RunAsNonRoot || s.RunAsUser != 65532 || s.SeccompProfile.Type != "RuntimeDefault" {
		t.Errorf("the pod's security context: %+v", s)
	}
	s := c.SecurityContext
	if s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || !s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []string{"ALL"}) {
		t.Errorf("the container's security context: %+v", s)
	}
	if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
		t.Error("the pod gets a token of the cluster")
	}
}

// checkProbes looks the probes' paths up in the program's own table of routes.
func checkProbes(t *testing.T, c container) {
	t.Helper()
	routes := read(t, "../internal/server/routes.go")
	for name, p := range map[string]probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
		if !strings.Contains(routes, `{method: "GET", path: "`+p.HTTPGet.Path+`"`) {
			t.Errorf("the %s probe asks for %q, which is no route", name, p.HTTPGet.Path)
		}
		if !slices.ContainsFunc(c.Ports, func(p2 struct{ Name string }) bool { return p2.Name == p.HTTPGet.Port }) {
			t.Errorf("the %s probe's port %q does not exist", name, p.HTTPGet.Port)
		}
	}
	if c.LivenessProbe.HTTPGet.Path != "/healthz" || c.ReadinessProbe.HTTPGet.Path != "/readyz" {
		t.Error("a draining replica would be killed, or get new requests")
	}
}

// checkReferences: every volume, secret key, variable and account exists.
func checkReferences(t *testing.T, o objects, pod podSpec) {
	t.Helper()
	c := pod.Containers[0]
	if o.find("ServiceAccount", pod.ServiceAccountName) == nil {
		t.Errorf("no ServiceAccount %s", pod.ServiceAccountName)
	}
	for _, m := range c.VolumeMounts {
		found := false
		for _, v := range pod.Volumes {
			found = found || v.Name == m.Name
		}
		if !found || !m.ReadOnly {
			t.Errorf("mount %+v: no such volume, or it can be written to", m)
		}
	}
	known := knownVars()
	for _, e := range c.Env {
		if !known[e.Name] {
			t.Errorf("the gateway reads no variable %s", e.Name)
		}
	}
}

// checkRouting: Ingress, Service, ServiceMonitor and autoscaler lead to each
// other by names that exist.
func checkRouting(t *testing.T, o objects) {
	t.Helper()
	d, svc := o.find("Deployment", ""), o.find("Service", "")
	port := svc.Spec.Ports[0]
	if port.TargetPort != d.Spec.Template.Spec.Containers[0].Ports[0].Name {
		t.Errorf("the Service leads to port %q", port.TargetPort)
	}
	ing := o.find("Ingress", "")
	for _, r := range ing.Spec.Rules {
		for _, p := range r.HTTP.Paths {
			if s := p.Backend.Service; s.Name != svc.Metadata.Name || s.Port.Name != port.Name {
				t.Errorf("the Ingress leads to %+v", s)
			}
		}
	}
	if ing.Metadata.Annotations["nginx.ingress.kubernetes.io/proxy-buffering"] != "off" {
		t.Error("the Ingress holds streams back")
	}
	if h := o.find("HorizontalPodAutoscaler", ""); h != nil && h.Spec.ScaleTargetRef.Name != d.Metadata.Name {
		t.Errorf("the autoscaler scales %+v", h.Spec.ScaleTargetRef)
	}
	if m := o.find("ServiceMonitor", ""); m != nil && (m.Spec.Endpoints[0].Port != port.Name || m.Spec.Endpoints[0].Path != "/metrics") {
		t.Errorf("the ServiceMonitor asks %+v", m.Spec.Endpoints[0])
	}
}

const secretsDir = "/run/secrets/llm-gateway/"

// checkConfiguration resolves gateway.yaml as the program would in the pod, with
// the keys of secret.example.yaml, and compares the drain with the pod's grace.
func checkConfiguration(t *testing.T, text string, pod podSpec) {
	t.Helper()
	dir := t.TempDir()
	secrets := dir + "/"
	var secret struct{ StringData map[string]string }
	fields(t, &documents(t, read(t, base+"secret.example.yaml"))[0], &secret)
	for k, v := range secret.StringData {
		if err := os.WriteFile(secrets+k, []byte(v), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := pod.Containers[0]
	file := filepath.Join(dir, "gateway.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, secretsDir, secrets)), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for _, e := range c.Env {
		env[e.Name] = strings.Replace(e.Value, secretsDir, secrets, 1)
	}
	env["GATEWAY_CONFIG"] = file
	cfg := load(t, env)
	s := cfg.Server
	needs := time.Duration(c.Lifecycle.PreStop.Sleep.Seconds)*time.Second + s.ShutdownGrace.Std() + s.DrainTimeout.Std() + 5*time.Second
	if grace := time.Duration(pod.TerminationGracePeriodSeconds) * time.Second; grace < needs {
		t.Errorf("a pod gets %v to end and needs %v", grace, needs)
	}
	if s.Addr != ":8080" || len(cfg.Auth.Keys) == 0 {
		t.Errorf("listens on %s with %d keys", s.Addr, len(cfg.Auth.Keys))
	}
}
