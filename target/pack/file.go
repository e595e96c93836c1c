package pack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// openFile opens what was a regular file. It never waits: a FIFO that has taken
// the file's place is errChanging, as is whatever else is none.
func openFile(name string) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ENXIO) { // what there is to say of a socket, and of a device without its driver
		err = errChanging
	}
	if err != nil {
		return nil, nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = fmt.Errorf("%w: it is %s", errChanging, special(fi.Mode()))
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, fi, nil
}

// copyBuffer is how much of a file is read at once, in bytes.
const copyBuffer = 256 << 10

// errChanging is what unreadable makes an IntegrityMismatch of.
var errChanging = errors.New("it changed while it was read")

// copyWhole copies f, which fi describes, to w. A file that is written to
// meanwhile is errChanging.
func copyWhole(ctx context.Context, w io.Writer, f *os.File, fi fs.FileInfo, moved func(int)) error {
	buf := make([]byte, min(copyBuffer, fi.Size()+1))
	var done int64
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := f.Read(buf)
		if done += int64(n); done > fi.Size() {
			return errChanging
		}
		if _, werr := w.Write(buf[:n]); werr != nil {
			return werr
		}
		moved(n)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	after, err := f.Stat()
	if err != nil {
		return err
	}
	if done != fi.Size() || !after.ModTime().Equal(fi.ModTime()) {
		return errChanging
	}
	return nil
}

// special says what a file is that is neither a folder nor regular nor a link.
func special(m fs.FileMode) string {
	switch {
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case m&fs.ModeDevice != 0:
		return "a device"
	case m.IsDir():
		return "a folder"
	}
	return "a special file"
}
