package s3test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/cordonlabs/cordon/target/internal/s3process"
)

// clusterID and diskID are what Ceph tells clusters and disks apart by. Here there is
// one of each to a port of this host.
const (
	clusterID = "6b5f7d5e-1f4e-4c1a-9a4f-3a8a3f0c0001"
	diskID    = "6b5f7d5e-1f4e-4c1a-9a4f-3a8a3f0c0002"
)

// cephConf is a cluster of one monitor and one disk, which is 4 GiB of memory.
// The first word is the folder, the second the monitor's address.
const cephConf = `[global]
fsid = ` + clusterID + `
mon host = v1:%[2]s
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
auth cluster required = none
auth service required = none
auth client required = none
run dir = %[1]s
admin socket =
log file =
mon cluster log file = %[1]s/cluster.log
pid file = %[1]s/$name.pid
mon data = %[1]s/mon
mon data avail warn = 2
mon data avail crit = 1
mon allow pool size one = true
osd data = %[1]s/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd crush chooseleaf type = 0
osd crush update on start = false
osd class update on start = false
rgw data = %[1]s/rgw
rgw enable apis = s3
`

// ceph is a whole cluster with its S3 gateway in front.
func ceph(t *testing.T) s3process.Program {
	t.Helper()
	programs := map[string]string{}
	for _, name := range []string{"monmaptool", "ceph-mon", "ceph-osd", "ceph", "radosgw-admin", "radosgw"} {
		programs[name] = installed(t, name)
	}
	return s3process.Program{
		Name:  Ceph,
		Ready: "/", ReadyStatus: http.StatusOK, // a list of nobody's buckets
		Steps: func(s s3process.Server, addr, dir string) ([]s3process.Step, error) {
			monitor, err := s3process.FreeAddress()
			if err != nil {
				return nil, err
			}
			conf, monmap := filepath.Join(dir, "ceph.conf"), filepath.Join(dir, "monmap")
			for _, d := range []string{"mon", "osd", "rgw"} {
				if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
					return nil, err
				}
			}
			if err := os.WriteFile(conf, fmt.Appendf(nil, cephConf, dir, monitor), 0o600); err != nil {
				return nil, err
			}
			command := func(name string, args ...string) *exec.Cmd {
				cmd := exec.Command(programs[name], args...)
				cmd.Dir, cmd.Env = dir, environment(dir)
				return cmd
			}
			ends := func(name string, args ...string) s3process.Step { return s3process.Step{Cmd: command(name, args...)} }
			serves := func(name string, args ...string) s3process.Step {
				return s3process.Step{Cmd: command(name, args...), Serves: true}
			}
			return []s3process.Step{
				ends("monmaptool", "--create", "--addv", "a", "[v1:"+monitor+"]", "--fsid", clusterID, monmap),
				ends("ceph-mon", "-c", conf, "-i", "a", "--mkfs", "--monmap", monmap),
				serves("ceph-mon", "-c", conf, "-i", "a", "-f"),
				ends("ceph", "-c", conf, "osd", "new", diskID), // waits for the monitor
				// What the disk would do by itself, were it not refused where it is quicker
				// than the monitor's first word.
				ends("ceph", "-c", conf, "osd", "crush", "add", "osd.0", "1", "root=default", "host=here"),
				ends("ceph-osd", "-c", conf, "-i", "0", "--mkfs", "--osd-uuid", diskID),
				serves("ceph-osd", "-c", conf, "-i", "0", "-f"),
				ends("radosgw-admin", "-c", conf, "user", "create", "--uid=test", "--display-name=test", "--access-key="+s.AccessKey, "--secret-key="+s.SecretKey),
				serves("radosgw", "-c", conf, "-n", "client.admin", "--rgw-frontends", "beast endpoint="+addr, "-f"),
			}, nil
		},
	}
}
