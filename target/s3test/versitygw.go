package s3test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/target/internal/s3process"
)

// versitygw keeps objects as files, and what belongs to them in extended attributes:
// in a folder beside, which it can as well, 1.8.0 leaves the metadata of an object to
// the next one under its key.
func versitygw(t *testing.T) s3process.Program {
	t.Helper()
	path := os.Getenv("CORDON_TEST_VERSITYGW")
	if path == "" {
		path = installed(t, "versitygw")
	}
	probe := filepath.Join(t.TempDir(), "probe")
	if err := os.WriteFile(probe, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(probe, "user.cordon", []byte("x"), 0); err != nil {
		t.Skipf("versitygw takes extended attributes in the temporary directory: %v", err)
	}
	return s3process.Program{
		Name:  Versitygw,
		Ready: "/health", ReadyStatus: http.StatusOK,
		Steps: func(s s3process.Server, addr, dir string) ([]s3process.Step, error) {
			data := filepath.Join(dir, "data")
			if err := os.MkdirAll(data, 0o755); err != nil {
				return nil, err
			}
			cmd := exec.Command(path, "--port", addr, "--health", "/health", "--quiet", "posix", data)
			cmd.Dir = dir // it goes into its data's folder in any case
			cmd.Env = environment(dir, "ROOT_ACCESS_KEY="+s.AccessKey, "ROOT_SECRET_KEY="+s.SecretKey)
			return []s3process.Step{{Cmd: cmd, Serves: true}}, nil
		},
	}
}
