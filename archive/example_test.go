package archive_test

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"os"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/archive"
)

// pack makes a small archive of one file and one link.
func pack(name, target string) *bytes.Reader {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	_ = w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: 5}) // a buffer never fails
	_, _ = w.Write([]byte("hello"))
	_ = w.WriteHeader(&tar.Header{Name: "link", Typeflag: tar.TypeSymlink, Linkname: target})
	_ = w.Close()
	return bytes.NewReader(b.Bytes())
}

func Example() {
	dir, err := os.MkdirTemp("", "staging")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	root, err := os.OpenRoot(dir)
	if err != nil {
		panic(err)
	}
	defer root.Close()

	src := pack("docs/hello.txt", "/etc/passwd")
	report, err := archive.Extract(context.Background(), src, src.Size(), root, archive.Options{})
	if err != nil {
		panic(err)
	}
	fmt.Println(report.Format, report.Files, "file", report.Dirs, "directory")
	for _, o := range report.Omitted {
		fmt.Printf("not made: %s -> %s: %s\n", o.Path, o.Target, o.Reason)
	}

	hostile := pack("../escape", "a")
	_, err = archive.Inspect(context.Background(), hostile, hostile.Size(), archive.Options{})
	fmt.Println(cordon.KindOf(err), "-", err)
	// Output:
	// tar 1 file 1 directory
	// not made: link -> /etc/passwd: the target is an absolute path
	// ArchiveRejected - extract "../escape": the name contains ".."; make the archive again, or set `extract: never` to use it as a plain file
}
