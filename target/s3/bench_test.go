package s3_test

import (
	"bytes"
	"crypto/sha256"
	"io"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/miniotest"
	"github.com/cordonlabs/cordon/target/s3"
)

const benchSize = 256 << 20 // bytes

// BenchmarkRead reads an object beside the single GET that anybody would do.
func BenchmarkRead(b *testing.B) {
	srv := miniotest.Start(b)
	bucket := srv.MakeBucket(b)
	s, err := s3.Open(s3.Config{Endpoint: srv.Endpoint, AccessKey: srv.AccessKey, SecretKey: srv.SecretKey, Bucket: bucket, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	id, err := cordon.ParseTargetID("fw")
	if err != nil {
		b.Fatal(err)
	}
	body := bytes.Repeat(storedContent(), benchSize/storedSize)
	if _, err := s.Put(b.Context(), id, bytes.NewReader(body), target.PutOptions{Size: benchSize}); err != nil {
		b.Fatal(err)
	}
	core := minio.Core{Client: srv.Client(b)}
	for _, c := range []struct {
		name string
		open func() (io.ReadCloser, error)
	}{
		{"one GET", func() (io.ReadCloser, error) {
			r, _, _, err := core.GetObject(b.Context(), bucket, "fw/target", minio.GetObjectOptions{})
			return r, err
		}},
		{"Open", func() (io.ReadCloser, error) {
			r, _, err := s.Open(b.Context(), id, "")
			return r, err
		}},
	} {
		for _, sink := range []struct {
			name string
			io.Writer
		}{{"read", io.Discard}, {"read and hashed", sha256.New()}} {
			b.Run(c.name+", "+sink.name, func(b *testing.B) {
				b.SetBytes(benchSize)
				buf := make([]byte, 256<<10)
				before := cpuTime(b)
				for b.Loop() {
					r, err := c.open()
					if err != nil {
						b.Fatal(err)
					}
					// The reader alone is wanted: not what io.Copy may find in it.
					if n, err := io.CopyBuffer(struct{ io.Writer }{sink}, struct{ io.Reader }{r}, buf); err != nil || n != benchSize {
						b.Fatal(n, err)
					}
					r.Close()
				}
				b.ReportMetric(float64((cpuTime(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op") // of the reader alone, not of the server
			})
		}
	}
}

// cpuTime returns what this process has used.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPut stores an object in parts.
func BenchmarkPut(b *testing.B) {
	srv := miniotest.Start(b)
	s, err := s3.Open(s3.Config{Endpoint: srv.Endpoint, AccessKey: srv.AccessKey, SecretKey: srv.SecretKey, Bucket: srv.MakeBucket(b), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	id, err := cordon.ParseTargetID("fw")
	if err != nil {
		b.Fatal(err)
	}
	body := bytes.Repeat(storedContent(), benchSize/storedSize)
	for name, opts := range map[string]target.PutOptions{"": {Size: benchSize}, "to be resumed": {Size: benchSize, Resume: true}} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(benchSize)
			for b.Loop() {
				if _, err := s.Put(b.Context(), id, bytes.NewReader(body), opts); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
