package workspace

import (
	"context"
	"errors"
	"io"
)

// copyStep is how much is moved between two looks at the context, in bytes.
const copyStep = 1 << 20

// passOn passes what r yields to put, at most size bytes at a time.
func passOn(ctx context.Context, r io.Reader, size int, put func([]byte) error) error {
	buf := make([]byte, size)
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		got, rerr := r.Read(buf)
		if got > 0 {
			if err := put(buf[:got]); err != nil {
				return err
			}
		}
		if errors.Is(rerr, io.EOF) {
			return nil
		}
		if rerr != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx) // the read failed because we closed the body
			}
			return rerr
		}
	}
}
