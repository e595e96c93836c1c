package check

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
)

// decode reads the documents of a manifest as the API server does with strict
// field validation: unknown and repeated fields and wrong types are errors.
func decode(manifest []byte) ([]runtime.Object, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), appsv1.AddToScheme(scheme), policyv1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifest)))
	var objects []runtime.Object
	for {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		o, _, err := decoder.Decode(doc, nil, nil)
		if err != nil {
			return nil, err
		}
		objects = append(objects, o)
	}
}

func TestKubernetesManifests(t *testing.T) {
	files, err := filepath.Glob("../kubernetes/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no manifests: %v", err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			objects, err := decode(text)
			if err != nil {
				t.Fatal(err)
			}
			workers := 0
			for _, o := range objects {
				switch o := o.(type) {
				case *appsv1.Deployment:
					workers++
					checkSelector(t, o.Spec.Selector, o.Spec.Template.Labels)
					checkPod(t, o.Spec.Template.Spec)
				case *appsv1.DaemonSet:
					workers++
					checkSelector(t, o.Spec.Selector, o.Spec.Template.Labels)
					checkPod(t, o.Spec.Template.Spec)
				case *corev1.Pod:
					checkPod(t, o.Spec)
				case *corev1.PersistentVolumeClaim:
					if o.Spec.Resources.Requests.Storage().IsZero() || len(o.Spec.AccessModes) != 1 || o.Spec.AccessModes[0] != corev1.ReadWriteOncePod {
						t.Errorf("claim %s: %+v", o.Name, o.Spec)
					}
				default:
					t.Errorf("%T: nobody looks at it here", o)
				}
			}
			if workers != 1 {
				t.Errorf("%d workers, want one", workers)
			}
		})
	}
}

func checkSelector(t *testing.T, s *metav1.LabelSelector, labels map[string]string) {
	t.Helper()
	if s == nil || len(s.MatchLabels) == 0 {
		t.Fatal("it selects nothing")
	}
	for k, v := range s.MatchLabels {
		if labels[k] != v {
			t.Errorf("it selects %s=%s, its pods have %q", k, v, labels[k])
		}
	}
}

// checkPod looks for what the API server, or the kernel, would refuse although
// the types allow it.
func checkPod(t *testing.T, pod corev1.PodSpec) {
	t.Helper()
	volumes := map[string]corev1.Volume{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = v
		if h := v.HostPath; h != nil && (h.Type == nil || !slices.Contains([]corev1.HostPathType{corev1.HostPathDirectory, corev1.HostPathDirectoryOrCreate}, *h.Type)) {
			t.Errorf("volume %s: its directory may be missing, or be no directory", v.Name)
		}
	}
	if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
		t.Error("it is given a token of the cluster that it has no use for")
	}
	for _, c := range pod.Containers {
		cached := false
		for _, m := range c.VolumeMounts {
			v, known := volumes[m.Name]
			if !known {
				t.Errorf("%s mounts the volume %q, which is not there", c.Name, m.Name)
			}
			if m.MountPath == "/cache" {
				cached = true
				checkCache(t, c, m, v)
			}
		}
		if !cached {
			t.Errorf("%s has no volume at /cache", c.Name)
		}
		if c.Name == "worker" {
			checkWorker(t, pod, c)
		}
	}
}

func checkCache(t *testing.T, c corev1.Container, m corev1.VolumeMount, v corev1.Volume) {
	t.Helper()
	if m.MountPropagation == nil {
		return
	}
	privileged := c.SecurityContext != nil && c.SecurityContext.Privileged != nil && *c.SecurityContext.Privileged
	switch *m.MountPropagation {
	case corev1.MountPropagationHostToContainer:
	case corev1.MountPropagationBidirectional:
		if !privileged {
			t.Errorf("%s: bidirectional propagation is for privileged containers alone", c.Name)
		}
	default:
		t.Errorf("%s: mountPropagation %q", c.Name, *m.MountPropagation)
	}
	if v.HostPath == nil {
		t.Errorf("%s: mounts propagate to other pods by a directory of the node alone", c.Name)
	}
}

func checkWorker(t *testing.T, pod corev1.PodSpec, c corev1.Container) {
	t.Helper()
	env := map[string]string{}
	for _, e := range c.Env {
		env[e.Name] = e.Value
		if (e.Value == "") == (e.ValueFrom == nil) {
			t.Errorf("%s has no value, or two", e.Name)
		}
	}
	checkEnvironment(t, c.Name, env)

	s := c.SecurityContext
	if s == nil {
		t.Fatal("no security context")
	}
	if s.Privileged != nil && *s.Privileged {
		return
	}
	if s.Capabilities == nil || !slices.Contains(s.Capabilities.Drop, "ALL") {
		t.Error("it keeps capabilities that it does not name")
		return
	}
	admin := slices.Contains(s.Capabilities.Add, "SYS_ADMIN")
	if mounts := strings.HasPrefix(env["CACHE_COW_DRIVER"], "overlay"); admin != mounts {
		t.Errorf("CAP_SYS_ADMIN %v, driver %q", admin, env["CACHE_COW_DRIVER"])
	}
	if admin {
		checkCapabilities(t, c.Name, s.Capabilities.Add)
	}
	if s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation != admin {
		t.Error("allowPrivilegeEscalation has to be true with SYS_ADMIN (the API refuses false), and false without")
	}
	p := pod.SecurityContext
	if p == nil || p.SeccompProfile == nil || p.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Error("no seccomp profile")
		return
	}
	root := p.RunAsUser != nil && *p.RunAsUser == 0
	unconfined := p.AppArmorProfile != nil && p.AppArmorProfile.Type == corev1.AppArmorProfileTypeUnconfined
	if admin && !(root && unconfined) {
		t.Errorf("root %v, AppArmor unconfined %v: it could not mount", root, unconfined)
	}
	if !admin && (root || unconfined || p.RunAsNonRoot == nil || !*p.RunAsNonRoot) {
		t.Errorf("root %v, AppArmor unconfined %v: more than it needs", root, unconfined)
	}
}

// What the tests above rely on.
func TestKubernetesTypesRefuseWhatIsWrong(t *testing.T) {
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec:\n  containers:\n  - name: a\n"
	if _, err := decode([]byte(pod)); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"an unknown field":     pod + "    securitycontext: {}\n",
		"a field's other case": pod + "    volumemounts: []\n",
		"a repeated field":     pod + "    image: a\n    image: b\n",
		"a wrong type":         pod + "    securityContext: {privileged: \"yes\"}\n",
		"an unknown kind":      "apiVersion: apps/v1\nkind: Daemonset\nmetadata: {name: x}\n",
	} {
		if _, err := decode([]byte(text)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
