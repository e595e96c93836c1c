package corpus_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/corpus"
	"github.com/cordonlabs/cordon/target/miniotest"
	"github.com/cordonlabs/cordon/target/s3"
)

func TestRunsShareACorpusInS3(t *testing.T) {
	srv := miniotest.Start(t)
	b, err := s3.Open(s3.Config{Endpoint: srv.Endpoint, AccessKey: srv.AccessKey, SecretKey: srv.SecretKey, BlobsBucket: srv.Bucket(t), Log: quiet.Log})
	if err != nil {
		t.Fatal(err)
	}
	const runs, rounds = 4, 4
	var wg sync.WaitGroup
	for id := range runs {
		r := newRun(t, b, quiet)
		wg.Go(func() {
			for round := range rounds {
				if _, err := r.Pull(t.Context(), r.root); err != nil {
					t.Error(err)
				}
				r.find(t, fmt.Sprint(id, "/", round))
				if _, err := r.Push(t.Context(), r.root); err != nil {
					t.Error(err)
				}
				if round%2 == 1 {
					if _, err := r.Merge(t.Context(), r.root); err != nil {
						t.Error(err)
					}
					if _, err := r.Prune(t.Context(), corpus.Retention{Grace: time.Nanosecond, Keep: 1}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	got := stored(t, b)
	for id := range runs {
		for round := range rounds {
			if in := fmt.Sprint(id, "/", round); !got[in] {
				t.Errorf("%q is lost", in)
			}
		}
	}
	infos, err := corpus.List(t.Context(), b, name.Lineage, quiet)
	if err != nil || len(infos) != 1 || infos[0].Inputs < runs*rounds || infos[0].LastUse.IsZero() {
		t.Errorf("List = %+v, %v", infos, err)
	}
}
