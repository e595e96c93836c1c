package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/archive"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/sandbox"
	"github.com/cordonlabs/cordon/workspace/driver"
)

func from(t *testing.T, vars map[string]string) config.Worker {
	t.Helper()
	w, err := config.FromEnv(func(k string) string { return vars[k] })
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestAnEmptyEnvironmentMeansTheContractsDefaults(t *testing.T) {
	want := config.Worker{
		CacheDir: "/cache", MaxSize: cordon.BytesOf(10 * cordon.GB), TTL: 7 * 24 * time.Hour, Grace: 10 * time.Minute,
		MaxConcurrentActivities: 5, StorageSlots: 5, LogLevel: slog.LevelInfo, SweepEvery: 30 * time.Minute,
		MinIsolation: sandbox.None, Serve: config.ServeAll, HostWait: time.Minute,
	}
	if got := from(t, nil); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestEveryVariableIsRead(t *testing.T) {
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	got := from(t, map[string]string{
		"CACHE_DIR": "c/../cache", "CACHE_MAX_SIZE": "20%", "CACHE_TTL": "0", "CACHE_COW_DRIVER": "Reflink,copy!",
		"CACHE_GRACE": "90s", "CACHE_MIN_FREE": "1.5GB", "CACHE_WORKSPACE_MAX": "500MB", "CACHE_FETCH_LIMIT": "12.5MB/s", "CORDON_EXTRACT_LIMITS": "inodes=7",
		"S3_ENDPOINT": "http://minio:9000", "S3_USE_SSL": "Yes", "S3_ACCESS_KEY": "a", "S3_SECRET_KEY": "s",
		"S3_BUCKET": "b", "S3_REGION": "r", "S3_FUZZING_BUCKET": "f", "CORDON_CRASH_RETENTION": "90d", "CORDON_CORPUS_RETENTION": "365d", "CORDON_RESULT_RETENTION": "36h", "CORDON_STORE": "/store", "WORKER_VERTICAL": "rust", "WORKER_SERVE": "Activities",
		"MAX_CONCURRENT_ACTIVITIES": "12", "LOG_LEVEL": "warning", "CORDON_WORKFLOWS": "/a::b", "CORDON_SWEEP_INTERVAL": "90s", "CORDON_MIN_ISOLATION": "Rootless",
		"WORKER_HTTP": " 127.0.0.1:8234", "WORKER_METRICS": ":9090", "WORKER_HTTP_TOKEN": "t", "WORKER_PPROF": "1",
		"WORKER_SOCKET": "run/w.sock", "WORKER_SOCKET_GROUP": "tools", "CORDON_TOOL_BRIDGE": "/bridge.yaml", "WORKER_HOST_WAIT": "2m30s",
		"WORKER_HTTP_URL": "https://cordon.example/w1/", "CORDON_TEMPORAL_UI": " http://temporal:8233",
		"WORKER_STORAGE_SLOTS": "3", "WORKER_DRAIN": "10m", "WORKER_DEPLOYMENT": "cordon-rust", "WORKER_BUILD_ID": "1.4.0",
	})
	if got.MaxSize.Of(1000) != 200 {
		t.Errorf("20%% of 1000 bytes is %d", got.MaxSize.Of(1000))
	}
	got.MaxSize = cordon.Size{}
	if got.CowDriver.String() != "reflink,copy!" {
		t.Errorf("CACHE_COW_DRIVER is read as %s", got.CowDriver)
	}
	got.CowDriver = driver.Setting{}
	want := config.Worker{
		CacheDir: filepath.Join(wd, "cache"), TTL: 0, Grace: 90 * time.Second,
		MinFree: cordon.BytesOf(1_500_000_000), WorkspaceMax: cordon.BytesOf(500 * cordon.MB),
		S3:             config.S3{Endpoint: "http://minio:9000", UseSSL: true, AccessKey: "a", SecretKey: "s", Bucket: "b", Region: "r", FuzzingBucket: "f"},
		CrashRetention: 90 * 24 * time.Hour, CorpusRetention: 365 * 24 * time.Hour, ResultRetention: 36 * time.Hour,
		StoreDir: "/store", Vertical: "rust", TaskQueue: "rust-queue", MaxConcurrentActivities: 12, StorageSlots: 3, Drain: 10 * time.Minute, Deployment: "cordon-rust", BuildID: "1.4.0",
		LogLevel: slog.LevelWarn, WorkflowDirs: []string{"/a", filepath.Join(wd, "b")}, SweepEvery: 90 * time.Second,
		MinIsolation: sandbox.Rootless, Serve: config.ServeActivities,
		Socket: filepath.Join(wd, "run/w.sock"), SocketGroup: "tools", ToolBridge: "/bridge.yaml",
		HTTP: "127.0.0.1:8234", Metrics: ":9090", HTTPToken: "t", Pprof: true, HTTPURL: "https://cordon.example/w1", TemporalUI: "http://temporal:8233",
		HostWait: 150 * time.Second, FetchLimit: 12_500_000, ExtractLimits: archive.Limits{Inodes: 7},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %#v\nwant %#v", got, want)
	}
}

func TestNothingIsASettingToo(t *testing.T) {
	got := from(t, map[string]string{"CACHE_GRACE": "0", "CACHE_MIN_FREE": " 0 ", "CACHE_WORKSPACE_MAX": "0"})
	if got.Grace >= 0 || !got.FillDisk || !got.MinFree.IsZero() || !got.WorkspaceMax.IsZero() {
		t.Errorf("grace %v, fill the disk %v, leave %v free, workspaces of %v", got.Grace, got.FillDisk, got.MinFree, got.WorkspaceMax)
	}
	if got := from(t, map[string]string{"CACHE_MIN_FREE": "5%"}); got.FillDisk || got.MinFree.Of(1000) != 50 {
		t.Errorf("5%% of 1000 bytes is %d", got.MinFree.Of(1000))
	}
}

func TestOffIsNoAddress(t *testing.T) {
	if got := from(t, map[string]string{"WORKER_HTTP": "Off", "WORKER_METRICS": " "}); got.HTTP != "" || got.Metrics != "" {
		t.Errorf("%q, %q", got.HTTP, got.Metrics)
	}
}

func TestTheQueueIsNamedByWhatIsServed(t *testing.T) {
	for serve, want := range map[string]string{"": "rust-queue", "all": "rust-queue", "activities": "rust-queue", "storage": "rust-storage"} {
		if got := from(t, map[string]string{"WORKER_VERTICAL": "rust", "WORKER_SERVE": serve}); got.TaskQueue != want {
			t.Errorf("serving %q, the queue is %q; want %q", serve, got.TaskQueue, want)
		}
	}
	for _, serve := range []string{"", "storage"} {
		if got := from(t, map[string]string{"WORKER_VERTICAL": "rust", "WORKER_SERVE": serve, "WORKER_TASK_QUEUE": "mine"}); got.TaskQueue != "mine" {
			t.Errorf("WORKER_TASK_QUEUE is mine, and the queue is %q", got.TaskQueue)
		}
	}
}

func TestAValueThatCannotBeReadIsNamedWithItsForms(t *testing.T) {
	for name, c := range map[string]struct{ name, value, forms string }{
		"a size":                           {"CACHE_MAX_SIZE", "10 parsecs", "10GiB"},
		"a size of nothing":                {"CACHE_MAX_SIZE", "0", "10GiB"},
		"a duration":                       {"CACHE_TTL", "fortnight", "7d"},
		"a duration without unit":          {"CACHE_TTL", "7", "7d"},
		"no wait for a host":               {"WORKER_HOST_WAIT", "0", "90s"},
		"a grace":                          {"CACHE_GRACE", "10", "90m"},
		"a grace before the end":           {"CACHE_GRACE", "-1m", "0 for none"},
		"too much to leave free":           {"CACHE_MIN_FREE", "120%", "0 to leave nothing free"},
		"no number to leave free":          {"CACHE_MIN_FREE", "some", "20% of the disk"},
		"a workspace of no size":           {"CACHE_WORKSPACE_MAX", "huge", "0 for no limit"},
		"a driver":                         {"CACHE_COW_DRIVER", "hardlink", "auto, overlay, snapshot, reflink, copy"},
		"a driver beside a good one":       {"CACHE_COW_DRIVER", "reflink,zfs!", "nothing else will do"},
		"a rate without unit":              {"CACHE_FETCH_LIMIT", "50", "50MB"},
		"a share of no rate":               {"CACHE_FETCH_LIMIT", "50%", "50MB"},
		"a rate of next to nothing":        {"CACHE_FETCH_LIMIT", "1B/s", "0 for no limit"},
		"a rate per hour":                  {"CACHE_FETCH_LIMIT", "1GB/h", "50MB"},
		"a limit that is none":             {"CORDON_EXTRACT_LIMITS", "speed=9", "decodermemory"},
		"a boolean":                        {"S3_USE_SSL", "maybe", "true, false, 1, 0, yes, no, on, off"},
		"no activities":                    {"MAX_CONCURRENT_ACTIVITIES", "0", "1 to 10000"},
		"half an activity":                 {"MAX_CONCURRENT_ACTIVITIES", "1.5", "1 to 10000"},
		"a level":                          {"LOG_LEVEL", "loud", "CRITICAL"},
		"a retention":                      {"CORDON_CORPUS_RETENTION", "a year", "7d"},
		"no storage slots":                 {"WORKER_STORAGE_SLOTS", "-1", "1 to 10000"},
		"a drain without a unit":           {"WORKER_DRAIN", "90", "7d"},
		"a deployment with a dot":          {"WORKER_DEPLOYMENT", "cordon.python", "cordon-python"},
		"a build id with a space":          {"WORKER_BUILD_ID", "1.4 beta", "1.4.0"},
		"a sweep that never is":            {"CORDON_SWEEP_INTERVAL", "0", "30m"},
		"a tier of isolation":              {"CORDON_MIN_ISOLATION", "best", "full, rootless, landlock, none"},
		"something to serve":               {"WORKER_SERVE", "workflows", "all, activities, storage"},
		"an address without a port":        {"WORKER_HTTP", "localhost", "host:port"},
		"an address of no port":            {"WORKER_METRICS", "127.0.0.1:http", "or off"},
		"an address of no page":            {"CORDON_TEMPORAL_UI", "temporal:8233", "http://host"},
		"an address with a password":       {"WORKER_HTTP_URL", "http://a:b@host", "https://host:port/path"},
		"profiles, perhaps":                {"WORKER_PPROF", "perhaps", "true, false"},
		"a switch for traces":              {"OTEL_SDK_DISABLED", "perhaps", "true, false"},
		"traces to the terminal":           {"OTEL_TRACES_EXPORTER", "console", "otlp, none"},
		"traces by gRPC":                   {"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "4318/v1/traces"},
		"their own protocol":               {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "http/protobuf"},
		"time for traces as people say it": {"OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "milliseconds"},
		"their own, and none":              {"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0", "1 to 600000"},
		"a compression of another":         {"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "gzip, none"},
		"who signs, nowhere":               {"OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem", "no such file"},
		"who signs, nobody":                {"OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "traces_test.go", "no certificate in PEM in it"},
		"a certificate without its key":    {"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/nowhere/client.pem", "and the key is"},
		"a sampler of another SDK":         {"OTEL_TRACES_SAMPLER", "xray", "traceidratio"},
		"attributes without names":         {"OTEL_RESOURCE_ATTRIBUTES", "=prod", "name=value,name=value"},
		"a vertical with a space":          {"WORKER_VERTICAL", "my vertical", "letters, digits"},
	} {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector:4318", c.name: c.value}
			w, err := config.FromEnv(func(k string) string { return env[k] })
			if err == nil {
				t.Fatalf("accepted: %+v", w)
			}
			for _, want := range []string{c.name, fmt.Sprintf("%q", c.value), c.forms} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\nshould say %s", err, want)
				}
			}
			if cordon.KindOf(err) != cordon.InvalidArgument {
				t.Errorf("the kind is %q", cordon.KindOf(err))
			}
		})
	}
}

func TestAllBadVariablesAreReportedAtOnceAndNoSecret(t *testing.T) {
	vars := map[string]string{"CACHE_TTL": "x", "LOG_LEVEL": "y", "S3_ACCESS_KEY": "AKIDEADBEEF",
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://AKIDEADBEEF@c:4318", "OTEL_EXPORTER_OTLP_HEADERS": "AKIDEADBEEF"}
	_, err := config.FromEnv(func(k string) string { return vars[k] })
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"CACHE_TTL", "LOG_LEVEL", "S3_SECRET_KEY: is not set although S3_ACCESS_KEY is; set both", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nshould say %s", err, want)
		}
	}
	if strings.Contains(err.Error(), "AKIDEADBEEF") {
		t.Errorf("%v\nholds a credential", err)
	}
}

func TestLevelsInAnyCase(t *testing.T) {
	for s, want := range map[string]slog.Level{
		"DEBUG": slog.LevelDebug, "info": slog.LevelInfo, "Warn": slog.LevelWarn, "WARNING": slog.LevelWarn,
		"error": slog.LevelError, "Critical": slog.LevelError + 4,
	} {
		if got, err := config.ParseLevel(s); err != nil || got != want {
			t.Errorf("ParseLevel(%q) = %v, %v", s, got, err)
		}
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	w := from(t, map[string]string{"S3_ACCESS_KEY": "AKIDEADBEEF", "S3_SECRET_KEY": "hunter2hunter2", "WORKER_HTTP_TOKEN": "hunter2hunter2"})
	var log bytes.Buffer
	l := slog.New(slog.NewTextHandler(&log, nil))
	l.Info("x", "s3", w.S3, "key", w.S3.SecretKey)
	js, err := json.Marshal(w.S3)
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{log.String(), string(js), fmt.Sprint(w), fmt.Sprintf("%+v %#v %s", w, w, w.S3.SecretKey)} {
		if strings.Contains(out, "hunter2") || strings.Contains(out, "DEADBEEF") || !strings.Contains(out, "[redacted]") {
			t.Errorf("printed as %s", out)
		}
	}
	if string(w.S3.SecretKey) != "hunter2hunter2" {
		t.Error("the secret itself is lost")
	}
}
