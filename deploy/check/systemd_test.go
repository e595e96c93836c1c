package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const unitFile = "../systemd/cordon-worker@.service"

// installed puts the unit into a folder as an administrator does, with drop-ins, and a
// program that is there.
func installed(t *testing.T, dropIns ...string) (unit string) {
	t.Helper()
	text, err := os.ReadFile(unitFile)
	if err != nil {
		t.Fatal(err)
	}
	const program = "ExecStart=/usr/local/bin/cordon-worker"
	if !strings.Contains(string(text), program) {
		t.Fatalf("the unit has no %s", program)
	}
	unit = write(t, "cordon-worker@python.service", strings.Replace(string(text), program, "ExecStart=/bin/true", 1))
	for _, d := range dropIns {
		text, err := os.ReadFile(filepath.Join("../systemd", d))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(unit+".d", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(unit+".d", d), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return unit
}

func TestSystemdAcceptsTheUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("this machine has no systemd-analyze")
	}
	verify := func(unit string) string {
		out, err := exec.Command(analyze, "verify", "--man=no", unit).CombinedOutput()
		if err != nil {
			return string(out) + err.Error()
		}
		return string(out)
	}
	for name, dropIns := range map[string][]string{"alone": nil, "unprivileged": {"unprivileged.conf"}, "private mounts": {"private-mounts.conf"}} {
		t.Run(name, func(t *testing.T) {
			unit := installed(t, dropIns...)
			if said := verify(unit); said != "" {
				t.Error(said)
			}
		})
	}
	wrong := installed(t)
	text, err := os.ReadFile(wrong)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(wrong, []byte(strings.Replace(string(text), "KillMode=", "KilMode=", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if verify(wrong) == "" {
		t.Error("a unit with an unknown setting was accepted: the test looks at the wrong thing")
	}
}

// Views that are mounted in a namespace of the unit's own are empty directories to
// everybody else on the host: nothing in the unit may make one.
func TestTheUnitsMountsAreTheHosts(t *testing.T) {
	text, err := os.ReadFile(unitFile)
	if err != nil {
		t.Fatal(err)
	}
	namespaced := regexp.MustCompile(`(?m)^(ProtectSystem|ProtectHome|PrivateTmp|PrivateDevices|PrivateMounts|ProtectKernelTunables|ProtectKernelModules|ProtectKernelLogs|ProtectControlGroups|ProtectProc|ReadOnlyPaths|ReadWritePaths|InaccessiblePaths|BindPaths|TemporaryFileSystem|RootDirectory|MountFlags|DynamicUser)=`)
	if m := namespaced.FindString(string(text)); m != "" {
		t.Errorf("%s gives the unit a mount namespace", m)
	}
	contract, err := os.ReadFile("../../docs/contract.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\b((?:WORKER|CACHE|CORDON|S3)_[A-Z_]+)=`).FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(string(contract), "`"+m[1]+"`") {
			t.Errorf("%s is not in docs/contract.md", m[1])
		}
	}
}
