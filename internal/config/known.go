package config

// about is what people are told of a setting.
type about struct {
	name string
	flag string // of `cordon worker`, without dashes; "" where there is none
	what string // one clause
	// shown is the default where the setting's reader, and not this package, has one.
	shown string
	// example is a value for those who write it down; "" where the default is one.
	example string
}

// section is settings that belong together.
type section struct {
	title    string
	settings []about
}

// sections are all settings, in the order in which people see them. What each accepts
// is in docs/contract.md, §4.
var sections = []section{
	{"The cache", []about{
		{name: "CACHE_DIR", flag: "cache-dir", what: "where workspaces are"},
		{name: "CACHE_MAX_SIZE", what: "the most that the cache takes: 50GB, 500MB, 10GiB, 20% of the disk"},
		{name: "CACHE_TTL", what: "how long an entry stays that nobody uses; 0 is for ever"},
		{name: "CACHE_GRACE", what: "how long what a run holds stays after the run is over"},
		{name: "CACHE_MIN_FREE", what: "what is left free on the disk, of bytes and inodes; unset: a twentieth, or 10 GB where that is less", example: "5GB"},
		{name: "CACHE_WORKSPACE_MAX", what: "the most that one run's own workspace may take; 0 is no limit"},
		{name: "CACHE_COW_DRIVER", what: "what makes copy-on-write workspaces: auto, overlay, snapshot, reflink, copy, or several; ! at the end requires it"},
		{name: "CACHE_FETCH_LIMIT", what: "how much is downloaded at most, 50MB/s; 0 is no limit"},
		{name: "CORDON_EXTRACT_LIMITS", what: "what an archive may hold", example: "bytes=1TB,inodes=20000000"},
		{name: "CORDON_SWEEP_INTERVAL", what: "how often the cache is swept"},
	}},
	{"The object store", []about{
		{name: "S3_ENDPOINT", what: "the S3 server; unset: a directory", example: "http://minio:9000"},
		{name: "S3_USE_SSL", what: "whether to use TLS where the endpoint has no scheme"},
		{name: "S3_ACCESS_KEY", what: "the key; unset: AWS's own variables, files and services"},
		{name: "S3_SECRET_KEY", what: "its secret"},
		{name: "S3_BUCKET", what: "where targets are", shown: "targets"},
		{name: "S3_FUZZING_BUCKET", what: "where crashes and corpora are", shown: "fuzzing"},
		{name: "S3_REGION", what: "the region", shown: "us-east-1"},
		{name: "CORDON_STORE", flag: "store", what: "the directory that is the store where S3_ENDPOINT is unset", example: "/srv/cordon/store"},
		{name: "CORDON_CRASH_RETENTION", what: "how long crashes stay in the store: 90d; 0 is for ever"},
		{name: "CORDON_CORPUS_RETENTION", what: "how long corpora stay that no run uses"},
		{name: "CORDON_RESULT_RETENTION", what: "how long results stay"},
	}},
	{"The worker", []about{
		{name: "WORKER_VERTICAL", flag: "vertical", what: "the vertical whose queue is polled", example: "python"},
		{name: "WORKER_TASK_QUEUE", flag: "task-queue", what: "the queue, instead of the vertical's", example: "python-queue"},
		{name: "WORKER_SERVE", flag: "serve", what: "what is served: all, activities, storage"},
		{name: "MAX_CONCURRENT_ACTIVITIES", what: "how many tools run at once"},
		{name: "WORKER_STORAGE_SLOTS", flag: "storage-slots", what: "how many storage activities run beside them; unset: as many, four at least"},
		{name: "WORKER_DRAIN", flag: "drain", what: "for how long a worker that is stopped lets go on what it works on"},
		{name: "WORKER_DEPLOYMENT", flag: "deployment", what: "the worker deployment of Temporal that this is a version of", example: "cordon"},
		{name: "WORKER_BUILD_ID", flag: "build-id", what: "which version of it; unset: the program's own", example: "v1.2.3"},
		{name: "WORKER_HEALTH_FILE", flag: "health-file", what: "where the worker says that it is well", example: "/run/cordon/health.json"},
		{name: "WORKER_SOCKET", flag: "socket", what: "a unix socket for the storage activities", example: "/run/cordon/worker.sock"},
		{name: "WORKER_SOCKET_GROUP", flag: "socket-group", what: "the group that may use it", example: "cordon"},
		{name: "WORKER_HOST_WAIT", what: "how long runs wait for this host's workers to come back before they go to another host"},
		{name: "WORKER_HTTP", flag: "http", what: "where the dashboard is served; unset: nowhere", example: "127.0.0.1:8234"},
		{name: "WORKER_METRICS", flag: "metrics", what: "where metrics and health alone are served; unset: nowhere", example: "0.0.0.0:9464"},
		{name: "WORKER_HTTP_TOKEN", what: "who bears it may change something through the dashboard; unset: nobody"},
		{name: "WORKER_HTTP_URL", what: "the dashboard's address for people, behind a proxy for example", example: "https://cordon.example/worker-1"},
		{name: "WORKER_PPROF", flag: "pprof", what: "whether Go's profiles are served with the dashboard"},
		{name: "LOG_LEVEL", what: "what is logged: DEBUG, INFO, WARNING, ERROR, CRITICAL"},
	}},
	{"Workflows and tools", []about{
		{name: "CORDON_WORKFLOWS", what: "folders with metadata.yaml files, separated by colons", example: "/etc/cordon/workflows"},
		{name: "CORDON_TOOL_BRIDGE", what: "commands for activities that the worker does not know", example: "/etc/cordon/tool-bridge.yaml"},
		{name: "CORDON_MIN_ISOLATION", what: "the least confinement that tools are run with: full, rootless, landlock, none"},
		{name: "CORDON_PYTHON", what: "the Python that has Atheris; unset: the first in PATH that has it", example: "/opt/atheris/bin/python"},
		{name: gosecVariable, what: "the program gosec; unset: the one in PATH", example: "/usr/local/bin/gosec"},
	}},
	{"Traces", []about{
		{name: "OTEL_EXPORTER_OTLP_ENDPOINT", what: "the OpenTelemetry collector that takes OTLP by HTTP; unset: there are no traces", example: "http://collector:4318"},
		{name: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", what: "the whole URL for traces, instead", example: "https://collector.example/v1/traces"},
		{name: "OTEL_EXPORTER_OTLP_HEADERS", what: "headers for it, name=value,name=value"},
		{name: "OTEL_EXPORTER_OTLP_TRACES_HEADERS", what: "those of traces, instead"},
		{name: "OTEL_EXPORTER_OTLP_PROTOCOL", what: "the protocol; there is one"},
		{name: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", what: "that of traces, instead", example: protocolHTTP},
		{name: "OTEL_EXPORTER_OTLP_TIMEOUT", what: "how long it may take for an answer, in milliseconds"},
		{name: "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", what: "that for traces, instead", example: "5000"},
		{name: "OTEL_EXPORTER_OTLP_COMPRESSION", what: "whether what it gets is compressed: gzip, none"},
		{name: "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", what: "that of traces, instead", example: "gzip"},
		{name: "OTEL_EXPORTER_OTLP_CERTIFICATE", what: "who signs the collector's certificate; unset: whom the host trusts", example: "/etc/cordon/collector-ca.pem"},
		{name: "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", what: "that for traces, instead", example: "/etc/cordon/collector-ca.pem"},
		{name: "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", what: "the certificate that it is shown", example: "/etc/cordon/collector-client.pem"},
		{name: "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", what: "that for traces, instead", example: "/etc/cordon/collector-client.pem"},
		{name: "OTEL_EXPORTER_OTLP_CLIENT_KEY", what: "its key", example: "/etc/cordon/collector-client.key"},
		{name: "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", what: "that for traces, instead", example: "/etc/cordon/collector-client.key"},
		{name: "OTEL_SERVICE_NAME", what: "what the program is called in traces", shown: "cordon-worker"},
		{name: "OTEL_RESOURCE_ATTRIBUTES", what: "what else is said of it, name=value,name=value", example: "deployment.environment.name=prod"},
		{name: "OTEL_TRACES_SAMPLER", what: "which traces are recorded: always_on, always_off, traceidratio, and parentbased_ before each"},
		{name: "OTEL_TRACES_SAMPLER_ARG", what: "the share of traceidratio, 0 to 1", example: "0.1"},
		{name: "OTEL_TRACES_EXPORTER", what: "otlp, or none: there are no traces"},
		{name: "OTEL_SDK_DISABLED", what: "whether there are none whatever the others say"},
	}},
	{temporalSection, []about{
		{name: "TEMPORAL_ADDRESS", flag: "address", what: "the server"},
		{name: "TEMPORAL_NAMESPACE", flag: "namespace", what: "the namespace"},
		{name: "CORDON_TEMPORAL_UI", what: "Temporal's web UI, for the dashboard's links", example: "http://temporal:8233"},
		{name: "TEMPORAL_CONFIG_FILE", what: "Temporal's own configuration file", example: "/etc/cordon/temporal.toml"},
		{name: "TEMPORAL_PROFILE", flag: "profile", what: "the profile in it", shown: defaultProfile},
		{name: "TEMPORAL_API_KEY", what: "the key of Temporal Cloud or the like; turns TLS on"},
		{name: "TEMPORAL_CLIENT_AUTHORITY", what: "the name that the server is called by", example: "temporal.example"},
		{name: "TEMPORAL_TLS", what: "whether TLS is used", example: "true"},
		{name: "TEMPORAL_TLS_CLIENT_CERT_PATH", what: "the client's certificate", example: "/etc/cordon/client.pem"},
		{name: "TEMPORAL_TLS_CLIENT_KEY_PATH", what: "its key", example: "/etc/cordon/client.key"},
		{name: "TEMPORAL_TLS_SERVER_CA_CERT_PATH", what: "who signs the server's certificate", example: "/etc/cordon/ca.pem"},
		{name: "TEMPORAL_TLS_SERVER_NAME", what: "the name in the server's certificate", example: "temporal.example"},
	}},
}

// temporalSection is what Temporal's own settings are in, those without a line of
// their own too.
const temporalSection = "Temporal"

// gosecVariable is read where gosec is run.
const gosecVariable = "CORDON_GOSEC"

// flagOf returns the flag that stands for a variable, or "".
func flagOf(variable string) string {
	for _, s := range sections {
		for _, a := range s.settings {
			if a.name == variable {
				return a.flag
			}
		}
	}
	return ""
}

// Variable returns the variable that stands for a flag of `cordon worker`, or "".
func Variable(flag string) string {
	for _, s := range sections {
		for _, a := range s.settings {
			if a.flag == flag && flag != "" {
				return a.name
			}
		}
	}
	return ""
}
