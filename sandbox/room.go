package sandbox

import (
	"context"
	"os"
	"time"

	"github.com/cordonlabs/cordon/internal/diskusage"
)

const (
	// roomEvery is how often writable directories are measured at most, and roomShare
	// bounds what that costs: of so much time, measuring takes one part.
	roomEvery = time.Second
	roomShare = 20
)

// watchRoom ends the command when it has added more to its writable directories than
// it may. What is added and removed between two looks is missed: the size of one file
// and of /tmp are the kernel's to limit.
func (p *Process) watchRoom() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-p.over
		cancel()
	}()
	for {
		began := time.Now()
		now, open := p.measure(ctx, p.began.UnixNano()), p.measureNameless()
		switch l := p.c.Limits; {
		case l.Bytes > 0 && now.Bytes+open.bytes > l.Bytes:
			p.endBy("bytes")
			return
		case l.Inodes > 0 && now.Inodes-p.before+open.inodes > l.Inodes:
			p.endBy("inodes")
			return
		}
		if !p.waits(max(roomEvery, roomShare*time.Since(began))) {
			return
		}
	}
}

// measure adds up what the writable directories hold; of bytes, what has changed since.
func (p *Process) measure(ctx context.Context, since int64) diskusage.Meter {
	m := diskusage.Meter{Since: since}
	for _, path := range p.c.writes() {
		dir, err := os.Open(path)
		if err != nil {
			continue // its owner has removed it: then it holds nothing
		}
		_ = m.Below(ctx, dir) // what could not be read is not counted
		dir.Close()
	}
	return m
}
