package secrets

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/rs/zerolog"
	"github.com/spf13/viper"
	"github.com/zricethezav/gitleaks/v8/config"
	"github.com/zricethezav/gitleaks/v8/detect"
	"github.com/zricethezav/gitleaks/v8/logging"
	"github.com/zricethezav/gitleaks/v8/report"
)

// maxDecode is how many encodings around a secret are undone (base64 in a Kubernetes secret in a
// Helm chart is two): the default of gitleaks' own command.
const maxDecode = 5

func init() {
	// gitleaks logs what it finds, secret included, to standard error.
	logging.Logger = zerolog.Nop()
}

// defaultConfig compiles gitleaks' default rules, once: 222 expressions take a while.
var defaultConfig = sync.OnceValues(func() (config.Config, error) {
	// A viper of our own: gitleaks' constructor fills the global one.
	v := viper.New()
	v.SetConfigType("toml")
	if err := v.ReadConfig(strings.NewReader(config.DefaultConfig)); err != nil {
		return config.Config{}, err
	}
	var vc config.ViperConfig
	if err := v.Unmarshal(&vc); err != nil {
		return config.Config{}, err
	}
	return vc.Translate()
})

// detector finds secrets in text. It is safe for concurrent use.
type detector struct {
	d *detect.Detector
}

func newDetector() (*detector, error) {
	cfg, err := defaultConfig()
	if err != nil {
		return nil, fmt.Errorf("gitleaks' own rules: %w", err)
	}
	d := detect.NewDetector(cfg)
	d.MaxDecodeDepth = maxDecode
	d.IgnoreGitleaksAllow = true // we look for the mark ourselves, to count it
	return &detector{d}, nil
}

// find returns the secrets in text, whose first line is number first of the file path.
// A panic of a rule on hostile text is an error that says nothing of the text.
func (d *detector) find(ctx context.Context, path, text string, first int) (fs []report.Finding, err error) {
	defer func() {
		if r := recover(); r != nil {
			fs, err = nil, fmt.Errorf("gitleaks failed on this file")
		}
	}()
	return d.d.DetectContext(ctx, detect.Fragment{Raw: text, FilePath: path, StartLine: first}), nil
}

// allows reports whether gitleaks leaves this path out: images, fonts, lock files,
// node_modules and the like.
func (d *detector) allows(path string) bool {
	for _, a := range d.d.Config.Allowlists {
		if a.MatchCondition != config.AllowlistMatchAnd && a.PathAllowed(path) {
			return true
		}
	}
	return false
}

// version is the version of gitleaks that this program was built with.
var version = sync.OnceValue(func() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/zricethezav/gitleaks/v8" {
				return m.Version
			}
		}
	}
	return ""
})
