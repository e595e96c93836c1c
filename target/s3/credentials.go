package s3

import (
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// metadataDial and metadataTotal bound what is waited for a cloud's credential
// service. It is on the same host or rack and answers in milliseconds; outside
// of a cloud nobody answers at all, and a worker without credentials is to say
// so soon.
const (
	metadataDial  = time.Second
	metadataTotal = 3 * time.Second
)

var errNoCredentials = errors.New("no credentials were found, neither in the configuration nor in AWS_ACCESS_KEY_ID, the shared credentials file or a cloud's credential service")

// credentialsOf returns the static keys of cfg, or what the usual places of AWS
// hold: the environment, the shared file, the credential service (IAM, ECS, EKS).
func credentialsOf(cfg Config) *credentials.Credentials {
	if cfg.AccessKey != "" {
		return credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, "")
	}
	c := &chain{providers: []credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}}}
	if !strings.EqualFold(os.Getenv("AWS_EC2_METADATA_DISABLED"), "true") {
		c.providers = append(c.providers, &credentials.IAM{Client: &http.Client{
			Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: metadataDial}).DialContext},
			Timeout:   metadataTotal,
		}})
	}
	return credentials.New(c)
}

// chain asks providers in turn. minio-go's own chain falls back to anonymous
// requests, which a store then refuses with "access denied": this one says that
// there are no credentials.
type chain struct {
	providers []credentials.Provider

	mu   sync.Mutex
	from credentials.Provider
}

func (c *chain) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	for _, p := range c.providers {
		v, err := p.RetrieveWithCredContext(cc)
		if err != nil || v.AccessKeyID == "" || v.SecretAccessKey == "" {
			continue // this place has none; the next may
		}
		c.mu.Lock()
		c.from = p
		c.mu.Unlock()
		return v, nil
	}
	return credentials.Value{}, errNoCredentials
}

func (c *chain) Retrieve() (credentials.Value, error) { return c.RetrieveWithCredContext(nil) }

func (c *chain) IsExpired() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.from == nil || c.from.IsExpired()
}
