package storm

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// process is one of the storm's processes.
type process struct {
	w   *season
	cmd *exec.Cmd

	mu      sync.Mutex
	in      *json.Encoder
	close   func() error // its standard input
	next    int
	done    int // commands that were answered
	waiting map[int]chan answer
	said    tail // on standard error

	fatal      int           // the number of the command after which it is to be killed; 0 for none
	fatalAfter time.Duration // and how long after

	gone chan struct{} // closed when it has ended and all that it said was read
}

// start starts a process.
func (w *season) start(set settings) (*process, error) {
	env, err := json.Marshal(set)
	if err != nil {
		return nil, err
	}
	p := &process{w: w, cmd: exec.Command(os.Args[0]), waiting: map[int]chan answer{}, gone: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), ChildEnv+"="+string(env))
	p.cmd.Stderr = &p.said
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.in, p.close = json.NewEncoder(in), in.Close
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go p.listen(bufio.NewReader(out))
	return p, nil
}

func (p *process) answered() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// listen passes answers on until the process has ended.
func (p *process) listen(out *bufio.Reader) {
	defer close(p.gone)
	for {
		line, err := out.ReadBytes('\n')
		if err != nil {
			break // what a killed process did not say to its end was not said
		}
		var a answer
		if err := json.Unmarshal(line, &a); err != nil {
			p.w.fail(about{}, "process %d said %q: %v", p.pid(), line, err)
			continue
		}
		if a.ID == 0 {
			p.w.sum.downloads.Add(1)
			continue
		}
		p.mu.Lock()
		c := p.waiting[a.ID]
		delete(p.waiting, a.ID)
		p.done++
		p.mu.Unlock()
		c <- a
	}
	err := p.cmd.Wait()
	if code := p.cmd.ProcessState.ExitCode(); code > 0 {
		p.w.fail(about{}, "process %d ended by itself: %v\n%s", p.pid(), err, p.said.String())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.waiting {
		close(c)
	}
	p.waiting = nil
}

// do has a command carried out. It is not ok if the process died over it.
func (p *process) do(cmd command) (a answer, ok bool) {
	p.mu.Lock()
	if p.waiting == nil {
		p.mu.Unlock()
		return answer{}, false
	}
	p.next++
	cmd.ID = p.next
	c := make(chan answer, 1)
	p.waiting[cmd.ID] = c
	err := p.in.Encode(cmd)
	if p.next == p.fatal {
		time.AfterFunc(p.fatalAfter, p.kill)
	}
	p.mu.Unlock()
	if err != nil {
		<-p.gone
		return answer{}, false
	}
	hung := time.NewTimer(p.w.Patience)
	defer hung.Stop()
	select {
	case a, ok = <-c:
		return a, ok
	case <-hung.C:
	}
	p.w.dump()
	_ = p.cmd.Process.Signal(syscall.SIGCONT) // the dump would wait for it too
	_ = p.cmd.Process.Signal(syscall.SIGQUIT) // the runtime shows what every goroutine does
	<-p.gone
	p.w.fail(about{cmd.Target, cmd.Run, cmd.Path}, "process %d hung for %v over %s:\n%s", p.pid(), p.w.Patience, cmd, p.said.String())
	return answer{}, false
}

func (p *process) kill() { _ = p.cmd.Process.Kill() } // it may have ended by itself

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) } // likewise

// end lets the process end by itself.
func (p *process) end() {
	p.mu.Lock()
	_ = p.close() // nothing more is said to it
	p.mu.Unlock()
}

// tail keeps the last that was written to it.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// tailSize is enough for the dump of a process's goroutines.
const tailSize = 256 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.buf.Len() > tailSize {
		t.buf.Next(t.buf.Len() / 2)
	}
	return t.buf.Write(b)
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}

func (t *tail) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Reset()
}
