package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/cordonlabs/cordon/bench/internal/lab"
	"github.com/cordonlabs/cordon/target/s3"
)

// bucket of the targets on the MinIO server.
const bucket = "targets"

// minioServer is a MinIO server of the bench's own, on loopback. What it has is
// in memory, whatever place is measured on: a server's disk is another machine's.
type minioServer struct {
	login login
	store *s3.Store

	vol    *lab.Volume
	cmd    *exec.Cmd
	said   bytes.Buffer  // by the server; read after exited
	exited chan struct{} // closed when the server is gone
}

// login is what a client must know.
type login struct {
	Endpoint  string `json:"endpoint"`
	AccessKey string `json:"access_key"`
	SecretKey string `json:"secret_key"`
}

const (
	// minioStart is generous: a server is up in a second, but the cores may be busy.
	minioStart = time.Minute

	// minioBytes bounds what the server has in memory; only what it has is taken.
	minioBytes = 8 << 30
)

// findMinio returns the path of the server's program.
func findMinio() (string, error) {
	if p := os.Getenv("CORDON_TEST_MINIO"); p != "" {
		_, err := os.Stat(p)
		return p, err
	}
	if p, err := exec.LookPath("minio"); err == nil {
		return p, nil
	}
	var at []string
	if home, err := os.UserHomeDir(); err == nil {
		at = append(at, filepath.Join(home, "go", "bin", "minio"))
	}
	if cache, err := os.UserCacheDir(); err == nil {
		at = append(at, filepath.Join(cache, "cordon-tools", "bin", "minio"))
	}
	for _, p := range at {
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() {
			return p, nil
		}
	}
	return "", errors.New("no server: set CORDON_TEST_MINIO to its program, have minio in PATH, or let ./test.sh build it")
}

// startMinio starts a server that keeps what it has at dir.
func startMinio(ctx context.Context, dir string) (m *minioServer, err error) {
	program, err := findMinio()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil { // for the server to take
		return nil, err
	}
	m = &minioServer{
		login:  login{Endpoint: "http://" + address, AccessKey: rand.Text(), SecretKey: rand.Text()},
		exited: make(chan struct{}),
	}
	if m.vol, err = lab.MountMemory(dir, minioBytes); err != nil {
		return nil, err
	}
	if err := m.start(program, address); err != nil {
		return nil, errors.Join(err, m.vol.Close())
	}
	err = m.ready(ctx)
	if err == nil {
		m.store, err = openS3(m.login)
	}
	if err == nil {
		err = m.openBucket(ctx)
	}
	if err != nil {
		err = errors.Join(err, m.close())
		return nil, fmt.Errorf("%w; it said: %s", err, m.said.Bytes())
	}
	return m, nil
}

func (m *minioServer) start(program, address string) error {
	m.cmd = exec.Command(program, "server", filepath.Join(m.vol.Point, "data"), "--address", address, "--certs-dir", filepath.Join(m.vol.Point, "certs"), "--quiet")
	m.cmd.Env = []string{
		"HOME=" + m.vol.Point, "PATH=" + os.Getenv("PATH"),
		"MINIO_ROOT_USER=" + m.login.AccessKey, "MINIO_ROOT_PASSWORD=" + m.login.SecretKey,
		"MINIO_BROWSER=off", "MINIO_UPDATE=off",
		"MINIO_CI_CD=on", // lets it store wherever it is told to
	}
	m.cmd.Stdout, m.cmd.Stderr = &m.said, &m.said
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL} // a bench that is killed stops nothing itself
	started := make(chan error)
	go func() {
		// The death signal comes when the thread that started the server ends, so
		// this one is kept until the server is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := m.cmd.Start()
		started <- err
		if err == nil {
			_ = m.cmd.Wait() // it is killed, so it never ends well
			close(m.exited)
		}
	}()
	return <-started
}

// ready waits until the server answers.
func (m *minioServer) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, minioStart)
	defer cancel()
	client := http.Client{Timeout: time.Second}
	for {
		if resp, err := client.Get(m.login.Endpoint + "/minio/health/ready"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-m.exited:
			return fmt.Errorf("the server ended: %s", m.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer at %s: %w", m.login.Endpoint, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// openBucket makes the bucket, and lets everybody read in it, as curl does.
func (m *minioServer) openBucket(ctx context.Context) error {
	c, err := minio.New(strings.TrimPrefix(m.login.Endpoint, "http://"),
		&minio.Options{Creds: credentials.NewStaticV4(m.login.AccessKey, m.login.SecretKey, "")})
	if err != nil {
		return err
	}
	if err := c.MakeBucket(ctx, bucket, minio.MakeBucketOptions{}); err != nil {
		return err
	}
	return c.SetBucketPolicy(ctx, bucket, `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
		"Principal": {"AWS": ["*"]}, "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::`+bucket+`/*"]}]}`)
}

// url is where everybody may read the target's object.
func (m *minioServer) url(target string) string {
	return m.login.Endpoint + "/" + bucket + "/" + target + "/target"
}

// close kills the server and forgets what it has.
func (m *minioServer) close() error {
	_ = m.cmd.Process.Kill() // fails when it is gone already
	<-m.exited
	return m.vol.Close()
}

func openS3(l login) (*s3.Store, error) {
	return s3.Open(s3.Config{Endpoint: l.Endpoint, AccessKey: l.AccessKey, SecretKey: l.SecretKey, Bucket: bucket,
		Log: slog.New(slog.DiscardHandler)})
}
