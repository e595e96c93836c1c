package s3

import (
	"net/http"
	"testing"
)

func TestETagsAreTakenForMD5sWhereTheServerSaysThatTheyAre(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		bucket, server, header, value string
		want                          bool
	}{
		{"b", "AmazonS3", "", "", true},
		{"b", "MinIO", "", "", true},
		{"b", "somebody", "", "", false},
		{"b", "AmazonS3", "X-Amz-Server-Side-Encryption", "AES256", true},
		{"b--usw2-az1--x-s3", "AmazonS3", "X-Amz-Server-Side-Encryption", "AES256", false},
		{"b", "AmazonS3", "X-Amz-Server-Side-Encryption", "aws:kms", false},
		{"b", "AmazonS3", "X-Amz-Server-Side-Encryption-Customer-Algorithm", "AES256", false},
		{"b", "MinIO", "X-Amz-Server-Side-Encryption", "AES256", false},
	} {
		h := http.Header{"Server": {c.server}}
		if c.header != "" {
			h.Set(c.header, c.value)
		}
		if got := truthful(c.bucket, h); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
