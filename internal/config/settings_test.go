package config_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon/internal/config"
)

func setting(t *testing.T, settings []config.Setting, name string) config.Setting {
	t.Helper()
	i := slices.IndexFunc(settings, func(s config.Setting) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("%s is not listed", name)
	}
	return settings[i]
}

func TestASettingIsShownWithWhoSaysIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "temporal.toml")
	text := "[profile.prod]\naddress = \"prod:7233\"\napi_key = \"hunter2\"\n[profile.prod.tls]\nserver_name = \"name\"\n[profile.prod.grpc_meta]\nauthorization = \"hunter2\"\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	settings := config.Settings(map[string]string{"cache-dir": "/flag", "profile": "prod"}, []string{
		"CACHE_DIR=/variable", "CACHE_TTL=36h", "CACHE_GRACE=", "S3_ENDPOINT=https://u:hunter2@s3.eu-west-3.amazonaws.com", "S3_ACCESS_KEY=hunter2", "S3_SECRET_KEY=hunter2",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://u:hunter2@c:4318", "OTEL_EXPORTER_OTLP_HEADERS=a=hunter2", "OTEL_EXPORTER_OTLP_TRACES_HEADERS=hunter2",
		"WORKER_VERTICAL=go", "CORDON_WORKFLOWS=a::/b", "CORDON_GOSEC=gosec2",
		"TEMPORAL_CONFIG_FILE=" + file, "TEMPORAL_NAMESPACE=ns", "TEMPORAL_GRPC_META_X_KEY=hunter2", "TEMPORAL_TLS_CLIENT_KEY_DATA=hunter2",
	})
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	fromFile := file + ", profile prod"
	for _, want := range []config.Setting{
		{Name: "CACHE_DIR", Value: "/flag", Origin: config.FromFlag, Source: "--cache-dir"},
		{Name: "CACHE_TTL", Value: "36h", Origin: config.FromVariable, Source: "CACHE_TTL"},
		{Name: "CACHE_GRACE", Value: "10m", Origin: config.FromDefault},
		{Name: "S3_ENDPOINT", Value: "https://[redacted]@s3.eu-west-3.amazonaws.com", Origin: config.FromVariable, Source: "S3_ENDPOINT"},
		{Name: "S3_REGION", Value: "eu-west-3", Origin: config.FromVariable, Source: "S3_ENDPOINT"},
		{Name: "S3_SECRET_KEY", Value: "[redacted]", Origin: config.FromVariable, Source: "S3_SECRET_KEY"},
		{Name: "S3_BUCKET", Value: "targets", Origin: config.FromDefault},
		{Name: "WORKER_TASK_QUEUE", Value: "go-queue", Origin: config.FromDefault},
		{Name: "CORDON_WORKFLOWS", Value: filepath.Join(here, "a") + ":/b", Origin: config.FromVariable, Source: "CORDON_WORKFLOWS"},
		{Name: "CORDON_GOSEC", Value: "gosec2", Origin: config.FromVariable, Source: "CORDON_GOSEC"},
		{Name: "OTEL_EXPORTER_OTLP_ENDPOINT", Value: "http://[redacted]@c:4318", Origin: config.FromVariable, Source: "OTEL_EXPORTER_OTLP_ENDPOINT"},
		{Name: "OTEL_EXPORTER_OTLP_HEADERS", Value: "[redacted]", Origin: config.FromVariable, Source: "OTEL_EXPORTER_OTLP_HEADERS"},
		{Name: "TEMPORAL_PROFILE", Value: "prod", Origin: config.FromFlag, Source: "--profile"},
		{Name: "TEMPORAL_ADDRESS", Value: "prod:7233", Origin: config.FromProfile, Source: fromFile},
		{Name: "TEMPORAL_NAMESPACE", Value: "ns", Origin: config.FromVariable, Source: "TEMPORAL_NAMESPACE"},
		{Name: "TEMPORAL_API_KEY", Value: "[redacted]", Origin: config.FromProfile, Source: fromFile},
		{Name: "TEMPORAL_TLS_SERVER_NAME", Value: "name", Origin: config.FromProfile, Source: fromFile},
		{Name: "TEMPORAL_GRPC_META_AUTHORIZATION", Value: "[redacted]", Origin: config.FromProfile, Source: fromFile},
		{Name: "TEMPORAL_GRPC_META_X_KEY", Value: "[redacted]", Origin: config.FromVariable, Source: "TEMPORAL_GRPC_META_X_KEY"},
	} {
		got := setting(t, settings, want.Name)
		if got.Value != want.Value || got.Origin != want.Origin || got.Source != want.Source {
			t.Errorf("%s: %q of %s %s, want %q of %s %s", want.Name, got.Value, got.Origin, got.Source, want.Value, want.Origin, want.Source)
		}
	}
	for _, s := range settings {
		if strings.Contains(s.Value+s.Problem+s.Fix+s.Source, "hunter2") {
			t.Errorf("a credential is in %+v", s)
		}
	}
}

func TestARegionOfTheEnvironmentIsShown(t *testing.T) {
	settings := config.Settings(nil, []string{noFile(t), "S3_ENDPOINT=minio:9000", "AWS_DEFAULT_REGION=sa-east-1"})
	if r := setting(t, settings, "S3_REGION"); r.Value != "sa-east-1" || r.Source != "AWS_DEFAULT_REGION" {
		t.Errorf("%+v", r)
	}
}

func TestWhatCannotBeUsedIsShownBesideItsSetting(t *testing.T) {
	for name, c := range map[string]struct {
		flags   map[string]string
		environ []string
		setting string
		says    string
	}{
		"a duration":               {environ: []string{"CACHE_TTL=7"}, setting: "CACHE_TTL", says: "7d"},
		"half of a pair":           {environ: []string{"S3_ACCESS_KEY=hunter2"}, setting: "S3_SECRET_KEY", says: "S3_ACCESS_KEY"},
		"a flag":                   {flags: map[string]string{"serve": "tea"}, setting: "WORKER_SERVE", says: "storage"},
		"an address":               {environ: []string{"TEMPORAL_ADDRESS=h"}, setting: "TEMPORAL_ADDRESS", says: `"h"`},
		"an address by flag":       {flags: map[string]string{"address": "h"}, setting: "TEMPORAL_ADDRESS", says: `"h"`},
		"a switch":                 {environ: []string{"TEMPORAL_TLS=perhaps"}, setting: "TEMPORAL_TLS", says: "perhaps"},
		"a profile that is not":    {environ: []string{"TEMPORAL_PROFILE=nope"}, setting: "TEMPORAL_CONFIG_FILE", says: "nope"},
		"a certificate that isn't": {environ: []string{"TEMPORAL_TLS_SERVER_CA_CERT_PATH=/does/not/exist"}, setting: "TEMPORAL_CONFIG_FILE", says: "/does/not/exist"},
	} {
		t.Run(name, func(t *testing.T) {
			settings := config.Settings(c.flags, append(c.environ, noFile(t)))
			if s := setting(t, settings, c.setting); !strings.Contains(s.Problem+"; "+s.Fix, c.says) || s.Problem == "" {
				t.Errorf("%+v should say %q", s, c.says)
			}
			for _, s := range settings {
				if s.Problem != "" && s.Name != c.setting {
					t.Errorf("%s has a problem too: %s", s.Name, s.Problem)
				}
			}
		})
	}
}

// What a worker reads, what people are shown, and what the contract lists are one.
func TestTheContractListsTheSettingsWithTheirDefaults(t *testing.T) {
	text, err := os.ReadFile("../../docs/contract.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "## §4 Settings")
	table, _, _ = strings.Cut(table, "\n## ")
	contract := map[string]string{} // a row's first cell → its second
	for _, row := range regexp.MustCompile("(?m)^\\| (`[A-Z][^|]*)\\|([^|]*)\\|").FindAllStringSubmatch(table, -1) {
		names := regexp.MustCompile("`([A-Z][A-Z0-9_]+)`").FindAllStringSubmatch(row[1], -1)
		for _, name := range names {
			contract[name[1]] = ""
			if len(names) == 1 {
				contract[name[1]] = strings.Trim(row[2], "` ")
			}
		}
	}
	if len(contract) < 30 {
		t.Fatalf("only %d settings were found in the page: the test looks at the wrong things", len(contract))
	}
	settings := config.Settings(nil, []string{noFile(t)})
	for _, s := range settings {
		def, ok := contract[s.Name]
		switch {
		case s.What == "":
			t.Errorf("%s has no words for people: give it a line in known.go", s.Name)
		case strings.HasPrefix(s.Name, "TEMPORAL_"):
		case !ok:
			t.Errorf("%s is not in docs/contract.md", s.Name)
		case regexp.MustCompile(`^[\w./-]+$`).MatchString(def) && def != s.Value && s.Name != "CORDON_GOSEC":
			t.Errorf("%s is %q unless set, and %q in docs/contract.md", s.Name, s.Value, def)
		}
	}
	for name := range contract {
		if !slices.ContainsFunc(settings, func(s config.Setting) bool { return s.Name == name }) {
			t.Errorf("docs/contract.md has %s, which nobody reads", name)
		}
	}
}
