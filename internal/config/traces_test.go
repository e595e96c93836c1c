package config_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/internal/config"
)

func TestTracesGoWhereOpenTelemetrysVariablesSay(t *testing.T) {
	all := config.Sampler{Ratio: 1, ParentBased: true}
	const at = "http://c:4318/v1/traces"
	for name, c := range map[string]struct {
		env  map[string]string
		want config.Traces
	}{
		"nowhere":                   {map[string]string{"OTEL_SERVICE_NAME": "w", "OTEL_TRACES_SAMPLER": "always_on"}, config.Traces{}},
		"to a collector":            {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, config.Traces{Endpoint: at, Sampler: all}},
		"to one with a slash":       {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": " http://c:4318/ "}, config.Traces{Endpoint: at, Sampler: all}},
		"to one below a path":       {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c/otlp"}, config.Traces{Endpoint: "https://c/otlp/v1/traces", Sampler: all}},
		"to one for traces, as is":  {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/x/"}, config.Traces{Endpoint: "http://t/x/", Sampler: all}},
		"of traces alone by HTTP":   {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}, config.Traces{Endpoint: at, Sampler: all}},
		"with a name and more":      {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SERVICE_NAME": "w", "OTEL_RESOURCE_ATTRIBUTES": "a=1, b=x%2Cy=z,"}, config.Traces{Endpoint: at, Sampler: all, Service: "w", Resource: map[string]string{"a": "1", "b": "x,y=z"}}},
		"with headers":              {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Basic%20QQ=="}, config.Traces{Endpoint: at, Sampler: all, Headers: map[string]config.Secret{"Authorization": "Basic QQ=="}}},
		"with headers of their own": {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_EXPORTER_OTLP_HEADERS": "a=b", "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "c=d"}, config.Traces{Endpoint: at, Sampler: all, Headers: map[string]config.Secret{"c": "d"}}},
		"a tenth of them":           {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_SAMPLER": "ParentBased_TraceIDRatio", "OTEL_TRACES_SAMPLER_ARG": "0.1"}, config.Traces{Endpoint: at, Sampler: config.Sampler{Ratio: 0.1, ParentBased: true}}},
		"a share of no effect":      {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_SAMPLER": "always_on", "OTEL_TRACES_SAMPLER_ARG": "x"}, config.Traces{Endpoint: at, Sampler: config.Sampler{Ratio: 1}}},
		"without what is for HTTPS": {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/nowhere/ca.pem"}, config.Traces{Endpoint: at, Sampler: all}},
		"compressed, and soon":      {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_EXPORTER_OTLP_TIMEOUT": "2500"}, config.Traces{Endpoint: at, Sampler: all, Gzip: true, Timeout: 2500 * time.Millisecond}},
		"otherwise for traces":      {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_EXPORTER_OTLP_TIMEOUT": "2500", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "none", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "1"}, config.Traces{Endpoint: at, Sampler: all, Timeout: time.Millisecond}},
		"none":                      {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, config.Traces{}},
		"switched off":              {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}, config.Traces{}},
		// What is a whole machine's may be meant for others.
		"off, whatever is wrong": {map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_TRACES_SAMPLER": "xray", "OTEL_TRACES_EXPORTER": "console"}, config.Traces{}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.want.Timeout == 0 && c.want.Endpoint != "" {
				c.want.Timeout = 10 * time.Second
			}
			if got := from(t, c.env).Traces; !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %#v\nwant %#v", got, c.want)
			}
		})
	}
}

func TestAShareOfTracesIsOne(t *testing.T) {
	for _, arg := range []string{"2", "-0.1", "NaN", "half"} {
		env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": arg}
		if w, err := config.FromEnv(func(name string) string { return env[name] }); err == nil {
			t.Errorf("%q is read as %+v", arg, w.Traces.Sampler)
		}
	}
}
