package miniotest

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// process is a MinIO server that was started here.
type process struct {
	server Server
	path   string // of the program
	dir    string
	cmd    *exec.Cmd
	out    bytes.Buffer  // of the server; read after exited
	exited chan struct{} // closed when the server is gone
}

// portAttempts is how often a start is tried with another port: a free port may
// be taken before the server listens on it.
const portAttempts = 3

func startProcess(ctx context.Context, path string) (*process, error) {
	var err error
	for range portAttempts {
		var p *process
		if p, err = tryStart(ctx, path); err == nil {
			return p, nil
		}
	}
	return nil, err
}

func tryStart(ctx context.Context, path string) (*process, error) {
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "cordon-minio-")
	if err != nil {
		return nil, err
	}
	p := &process{
		server: Server{Endpoint: "http://" + addr, AccessKey: rand.Text(), SecretKey: rand.Text()},
		path:   path,
		dir:    dir,
	}
	if err := p.start(ctx); err != nil {
		_ = os.RemoveAll(dir) // a leftover in the temporary directory fails no test
		return nil, err
	}
	return p, nil
}

// start starts the server, which does not run, on its address and its data, and
// waits until it answers.
func (p *process) start(ctx context.Context) error {
	_, addr, _ := strings.Cut(p.server.Endpoint, "://")
	p.exited = make(chan struct{})
	p.out.Reset()
	p.cmd = exec.Command(p.path, "server", filepath.Join(p.dir, "data"), "--address", addr, "--certs-dir", filepath.Join(p.dir, "certs"), "--quiet")
	p.cmd.Env = []string{
		"HOME=" + p.dir, "PATH=" + os.Getenv("PATH"),
		"MINIO_ROOT_USER=" + p.server.AccessKey, "MINIO_ROOT_PASSWORD=" + p.server.SecretKey,
		"MINIO_BROWSER=off", "MINIO_UPDATE=off",
		"MINIO_CI_CD=on", // lets it store on the system's disk
	}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test binary that is killed cleans up nothing itself
	started := make(chan error)
	go func() {
		// The death signal comes when the thread that started the server ends, so
		// this one is kept until the server is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // it is killed, so it never ends well; its output says why it failed
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	if err := p.ready(ctx); err != nil {
		p.kill()
		return fmt.Errorf("%w; it said: %s", err, p.out.Bytes())
	}
	return nil
}

// ready waits until the server answers.
func (p *process) ready(ctx context.Context) error {
	client := http.Client{Timeout: time.Second}
	for {
		resp, err := client.Get(p.server.Endpoint + "/minio/health/ready")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-p.exited:
			return fmt.Errorf("the server ended: %s", p.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer at %s: %w", p.server.Endpoint, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// kill kills the server, which keeps what it stored. One that could not be
// started is dead.
func (p *process) kill() {
	if p.cmd.Process == nil {
		return
	}
	_ = p.cmd.Process.Kill() // fails when it is gone already
	<-p.exited
}

// stop kills the server and removes what it stored.
func (p *process) stop() {
	p.kill()
	_ = os.RemoveAll(p.dir) // a leftover in the temporary directory fails no test
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
