package check

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

const chartDir = "../helm/cordon"

// install is what `helm template night CHART --values VALUES` makes.
func install(t *testing.T, values string) ([]runtime.Object, error) {
	t.Helper()
	chart, err := loader.Load(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]any{}
	if err := yaml.Unmarshal([]byte(values), &given); err != nil {
		t.Fatal(err)
	}
	all, err := util.ToRenderValues(chart, given, common.ReleaseOptions{Name: "night", Namespace: "fuzzing", Revision: 1, IsInstall: true}, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Engine{Strict: true}.Render(chart, all)
	if err != nil {
		return nil, err
	}
	var objects []runtime.Object
	for name, text := range files {
		if filepath.Ext(name) != ".yaml" || strings.TrimSpace(text) == "" {
			continue
		}
		if strings.HasSuffix(name, "/podmonitor.yaml") { // of the Prometheus operator's types
			monitor := &unstructured.Unstructured{}
			if err := yaml.UnmarshalStrict([]byte(text), &monitor.Object); err != nil {
				t.Fatal(err)
			}
			objects = append(objects, monitor)
			continue
		}
		// Documents that are comments alone are none.
		found, err := decode([]byte(regexp.MustCompile(`(?m)\A\s*---`).ReplaceAllString(text, "")))
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, text)
		}
		objects = append(objects, found...)
	}
	return objects, nil
}

// workload is what one vertical gets.
type workload struct {
	kind     string
	replicas int32
	selector *metav1.LabelSelector
	pod      corev1.PodTemplateSpec
	claims   []corev1.PersistentVolumeClaim
	budget   *policyv1.PodDisruptionBudget
}

// workloads sorts objects by their vertical.
func workloads(t *testing.T, objects []runtime.Object) map[string]*workload {
	t.Helper()
	out := map[string]*workload{}
	budgets := map[string]*policyv1.PodDisruptionBudget{}
	for _, o := range objects {
		switch o := o.(type) {
		case *appsv1.Deployment:
			out[o.Name] = &workload{kind: "Deployment", replicas: *o.Spec.Replicas, selector: o.Spec.Selector, pod: o.Spec.Template}
		case *appsv1.StatefulSet:
			out[o.Name] = &workload{kind: "StatefulSet", replicas: *o.Spec.Replicas, selector: o.Spec.Selector, pod: o.Spec.Template, claims: o.Spec.VolumeClaimTemplates}
		case *appsv1.DaemonSet:
			out[o.Name] = &workload{kind: "DaemonSet", selector: o.Spec.Selector, pod: o.Spec.Template}
			if r := o.Spec.UpdateStrategy.RollingUpdate; r == nil || r.MaxSurge.IntValue() != 0 {
				t.Errorf("%s could have two workers on one cache", o.Name)
			}
		case *policyv1.PodDisruptionBudget:
			budgets[o.Name] = o
		default:
			t.Errorf("%T: nobody looks at it here", o)
		}
	}
	for name, b := range budgets {
		if out[name] == nil {
			t.Errorf("the budget %s is for nothing", name)
			continue
		}
		out[name].budget = b
	}
	return out
}

// check looks at a workload as at the plain manifests.
func (w *workload) check(t *testing.T) {
	t.Helper()
	checkSelector(t, w.selector, w.pod.Labels)
	pod := w.pod.Spec
	for _, c := range w.claims { // mounted as a volume of the claim's name
		pod.Volumes = append(pod.Volumes, corev1.Volume{Name: c.Name})
		if len(c.Spec.AccessModes) != 1 || c.Spec.AccessModes[0] != corev1.ReadWriteOncePod || c.Spec.Resources.Requests.Storage().IsZero() {
			t.Errorf("claim %s: %+v", c.Name, c.Spec)
		}
	}
	checkPod(t, pod)
	for _, c := range pod.Containers {
		if c.LivenessProbe != nil {
			t.Error("a liveness probe kills all tools where Temporal is down")
		}
		for _, p := range []*corev1.Probe{c.StartupProbe, c.ReadinessProbe} {
			if p == nil || p.Exec == nil || !slices.Equal(p.Exec.Command, []string{"cordon-worker", "health"}) {
				t.Errorf("probe %+v", p)
			}
		}
	}
	if g := pod.TerminationGracePeriodSeconds; g == nil || *g < 30 {
		t.Errorf("grace period %v", g)
	}
	if w.budget != nil {
		checkSelector(t, w.budget.Spec.Selector, w.pod.Labels)
	}
}

func TestHelmFindsNothingWrongWithTheChart(t *testing.T) {
	result := lint.RunAll(chartDir, map[string]any{}, "fuzzing")
	for _, m := range result.Messages {
		if m.Severity >= support.WarningSev {
			t.Error(m)
		}
	}
}

func TestEachProfileOfTheChartIsThatOfThePlainManifest(t *testing.T) {
	for profile, want := range map[string]struct{ kind, driver, size string }{
		"unprivileged":    {"Deployment", "", "10GB"},
		"reflink":         {"StatefulSet", "reflink!", "80%"},
		"snapshot":        {"StatefulSet", "snapshot!", "80%"},
		"overlay-userns":  {"Deployment", "overlay!", "10GB"},
		"overlay":         {"DaemonSet", "overlay!", "80%"},
		"overlay-visible": {"DaemonSet", "overlay!", "80%"},
	} {
		t.Run(profile, func(t *testing.T) {
			objects, err := install(t, "profile: "+profile)
			if err != nil {
				t.Fatal(err)
			}
			all := workloads(t, objects)
			w := all["night-python"]
			if len(all) != 1 || w == nil || w.kind != want.kind {
				t.Fatalf("%+v, want one %s", all, want.kind)
			}
			w.check(t)
			env := map[string]string{}
			for _, e := range w.pod.Spec.Containers[0].Env {
				env[e.Name] = e.Value
			}
			if env["CACHE_COW_DRIVER"] != want.driver || env["CACHE_MAX_SIZE"] != want.size || env["WORKER_VERTICAL"] != "python" {
				t.Errorf("%v", env)
			}
			if (w.budget == nil) != (w.kind == "DaemonSet") {
				t.Errorf("a %s with budget %v", w.kind, w.budget)
			}
			if users := w.pod.Spec.HostUsers; (users != nil && !*users) != (profile == "overlay-userns") {
				t.Errorf("hostUsers %v", users)
			}
		})
	}
}

func TestAVerticalsOwnValuesBeatTheOthers(t *testing.T) {
	objects, err := install(t, `
temporal: {apiKeySecret: cloud}
env: {MAX_CONCURRENT_ACTIVITIES: 3, CACHE_GRACE: 1h}
workers:
  python: {replicas: 4}
  native:
    profile: overlay
    env: {CORDON_MIN_ISOLATION: full, CACHE_GRACE: 5m}
    cache: {hostPath: /srv/cordon/}
    resources: {limits: {memory: 8Gi}}
  secrets: {}
`)
	if err != nil {
		t.Fatal(err)
	}
	all := workloads(t, objects)
	if len(all) != 3 {
		t.Fatalf("%d workloads", len(all))
	}
	for _, w := range all {
		w.check(t)
	}
	env := func(name string) (out []string) {
		for _, e := range all[name].pod.Spec.Containers[0].Env {
			out = append(out, e.Name+"="+e.Value)
		}
		return out
	}
	if all["night-python"].replicas != 4 || all["night-secrets"].replicas != 1 {
		t.Error("replicas")
	}
	native := all["night-native"]
	if native.kind != "DaemonSet" || native.pod.Spec.Volumes[0].HostPath.Path != "/srv/cordon/native" || native.pod.Spec.Containers[0].Resources.Limits.Memory().IsZero() || native.pod.Spec.Containers[0].Image != "cordon-worker:native" {
		t.Errorf("%+v", native.pod.Spec)
	}
	for name, want := range map[string][]string{
		"night-native": {"CORDON_MIN_ISOLATION=full", "CACHE_GRACE=5m", "MAX_CONCURRENT_ACTIVITIES=3", "TEMPORAL_API_KEY="},
		"night-python": {"CACHE_GRACE=1h", "MAX_CONCURRENT_ACTIVITIES=3"},
	} {
		for _, e := range want {
			if !slices.Contains(env(name), e) {
				t.Errorf("%s has no %s: %v", name, e, env(name))
			}
		}
	}
	if slices.Contains(env("night-python"), "CORDON_MIN_ISOLATION=full") {
		t.Error("what is native's is python's too")
	}
}

func TestMetricsAreServedAndFound(t *testing.T) {
	objects, err := install(t, "metrics: {enabled: true, podMonitor: true, port: 9999}")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(objects, func(o runtime.Object) bool { return o.GetObjectKind().GroupVersionKind().Kind == "PodMonitor" })
	if i < 0 {
		t.Fatal("there is no PodMonitor")
	}
	spec := objects[i].(*unstructured.Unstructured).Object["spec"].(map[string]any)
	w := workloads(t, slices.Delete(objects, i, i+1))["night-python"]
	w.check(t)
	for k, v := range spec["selector"].(map[string]any)["matchLabels"].(map[string]any) {
		if w.pod.Labels[k] != v {
			t.Errorf("it looks for %s=%v, pods have %q", k, v, w.pod.Labels[k])
		}
	}
	c := w.pod.Spec.Containers[0]
	endpoint := spec["podMetricsEndpoints"].([]any)[0].(map[string]any)
	if len(c.Ports) != 1 || c.Ports[0].Name != endpoint["port"] || c.Ports[0].ContainerPort != 9999 || !slices.Contains(c.Env, corev1.EnvVar{Name: "WORKER_METRICS", Value: ":9999"}) {
		t.Errorf("ports %+v, endpoint %v", c.Ports, endpoint)
	}
}

func TestTheVerticalOfTheDefaultsCanBeLeftOut(t *testing.T) {
	objects, err := install(t, "workers: {python: null, go: {}}")
	if err != nil {
		t.Fatal(err)
	}
	if all := workloads(t, objects); len(all) != 1 || all["night-go"] == nil {
		t.Errorf("%v", all)
	}
}

func TestWhatCannotWorkIsRefusedWithTheReason(t *testing.T) {
	for name, c := range map[string]struct{ values, says string }{
		"a profile that is none":            {"profile: fast", "profile"},
		"two on one directory":              {"cache: {volume: hostPath}", "two on one cache"},
		"overlays of a node on a claim":     {"profile: overlay\ncache: {volume: claim}", "must be hostPath"},
		"clones in memory":                  {"profile: reflink\ncache: {volume: emptyDir, emptyDir: {medium: Memory}}", "memory can neither"},
		"a value that nobody reads":         {"cache: {maxsize: 1GB}", "maxsize"},
		"an address without a port":         {"temporal: {address: temporal}", "address"},
		"a vertical that cannot be a label": {"workers: {Python_3: {}}", "Python_3"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := install(t, c.values); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q", err, c.says)
			}
		})
	}
}
