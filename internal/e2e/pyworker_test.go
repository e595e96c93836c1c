package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// interpreter is a Python that has Temporal's client.
func interpreter(t *testing.T) string {
	t.Helper()
	p := os.Getenv("CORDON_TEST_PYTHON")
	if p == "" {
		t.Skip("CORDON_TEST_PYTHON names no Python with Temporal's client; ./test.sh makes one")
	}
	return p
}

// pyWorker is a worker in Python, in a process of its own.
type pyWorker struct {
	mu   sync.Mutex
	talk bytes.Buffer // what it logs
}

// Write collects standard error.
func (w *pyWorker) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.talk.Write(b)
}

func (w *pyWorker) log() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.talk.String()
}

// startPython runs a script that says "polls" once it works, and ends when its
// standard input does, which is at the end of the test.
func startPython(t *testing.T, script string, args ...string) *pyWorker {
	t.Helper()
	w := &pyWorker{}
	cmd := exec.Command(interpreter(t), append([]string{filepath.Join("testdata", script)}, args...)...)
	cmd.Stderr = w
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	said := make(chan string, 1)
	go func() {
		lines := bufio.NewReader(out)
		line, _ := lines.ReadString('\n') // the end says that it has failed
		said <- line
		_, _ = io.Copy(io.Discard, lines)
		_ = cmd.Wait() // what it ended with is in its log
		close(ended)
	}()
	t.Cleanup(func() {
		in.Close()
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("%s said\n%.5000s", script, w.log())
		}
	})
	select {
	case line := <-said:
		if strings.TrimSpace(line) != "polls" {
			<-ended
			t.Fatalf("%s does not start: %q\n%s", script, line, w.log())
		}
	case <-time.After(2 * time.Minute):
		t.Fatalf("%s does not start\n%s", script, w.log())
	}
	return w
}

// runPython runs a script to its end, with JSON in and out.
func runPython(t *testing.T, in, out any, script string, args ...string) {
	t.Helper()
	runPythonFor(t, limit, in, out, script, args...)
}

// runPythonFor is runPython of a script that may take so long.
func runPythonFor(t *testing.T, limit time.Duration, in, out any, script string, args ...string) {
	t.Helper()
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, interpreter(t), append([]string{filepath.Join("testdata", script)}, args...)...)
	cmd.Stdin = bytes.NewReader(text)
	var answer, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &answer, &talk
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, talk.String())
	}
	decode(t, answer.String(), out)
}
