package s3_test

import (
	"fmt"
	"testing"

	"github.com/cordonlabs/cordon/target/s3"
)

// A server, or a proxy, may say anything of the bytes that it sends.
func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-9/10", "bytes 5-9/*", "bytes */10", "bytes 9-0/10", "bytes 0-9/9223372036854775808", "bytes -1-9/10", "", "items 0-1/2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		start, size, ok := s3.ContentRange(s)
		if ok && (start < 0 || start >= size) {
			t.Errorf("%q is read as from %d of %d", s, start, size)
		}
	})
}

func TestContentRange(t *testing.T) {
	for s, want := range map[string]string{
		"bytes 0-9/10": "0 10 true", "bytes 8388608-8388609/9000000": "8388608 9000000 true",
		"bytes 10-19/10": "false", "bytes 0-9/*": "false", "bytes */10": "false", "0-9/10": "false", "": "false",
	} {
		start, size, ok := s3.ContentRange(s)
		got := "false"
		if ok {
			got = fmt.Sprint(start, size, ok)
		}
		if got != want {
			t.Errorf("%q is read as %s, want %s", s, got, want)
		}
	}
}
