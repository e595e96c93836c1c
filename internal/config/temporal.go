package config

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"

	"github.com/cordonlabs/cordon"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
)

const (
	// DefaultTemporalAddress is where Temporal is unless somebody says otherwise (CONTRACT §4).
	DefaultTemporalAddress = "localhost:7233"
	// DefaultNamespace is the namespace unless somebody says otherwise (CONTRACT §4).
	DefaultNamespace = "default"
)

// TemporalFlags are the command line's words on Temporal; "" where it has none.
type TemporalFlags struct {
	Address   string // host:port
	Namespace string
	Profile   string // of Temporal's configuration file
}

// TemporalOptions returns the client options that flags, environ (os.Environ
// outside of tests) and Temporal's own configuration file make, in that order:
// address, namespace, TLS, API key and headers, as Temporal's envconfig reads
// them. A variable that is empty counts as unset.
//
// named reports whether a flag, a variable or a profile names a server;
// `cordon run` embeds one where none does (CONTRACT §8.9). An API key without
// TLS is refused, for it would cross the network in the clear. Nothing is
// dialled. Errors are *cordon.Error of kind InvalidArgument and hold no secret.
func TemporalOptions(flags TemporalFlags, environ []string) (opts client.Options, named bool, err error) {
	env := lookup{environ}
	if err := env.checkBooleans(); err != nil {
		return client.Options{}, false, err
	}
	profile, err := envconfig.LoadClientConfigProfile(envconfig.LoadClientConfigProfileOptions{
		ConfigFileProfile: flags.Profile,
		EnvLookup:         env,
	})
	if err != nil {
		return client.Options{}, false, temporalError("", withoutText(err), "correct Temporal's configuration file, or TEMPORAL_PROFILE and TEMPORAL_CONFIG_FILE")
	}
	_, byProfile := env.LookupEnv("TEMPORAL_PROFILE")
	named = flags.Address != "" || flags.Profile != "" || byProfile || profile.Address != ""

	source := "the profile's address"
	if _, ok := env.LookupEnv("TEMPORAL_ADDRESS"); ok {
		source = "TEMPORAL_ADDRESS"
	}
	if flags.Address != "" {
		profile.Address, source = flags.Address, "--address"
	}
	if profile.Address == "" {
		profile.Address = DefaultTemporalAddress
	}
	if err := checkAddress(profile.Address); err != nil {
		return client.Options{}, false, temporalError(source, err, "use host:port, such as "+DefaultTemporalAddress)
	}
	if flags.Namespace != "" {
		profile.Namespace = flags.Namespace
	}
	if profile.Namespace == "" {
		profile.Namespace = DefaultNamespace
	}
	if profile.APIKey != "" && profile.TLS != nil && profile.TLS.Disabled {
		return client.Options{}, false, temporalError("TEMPORAL_API_KEY",
			errors.New("an API key is set and TLS is switched off: the key would be sent in the clear"),
			"leave TEMPORAL_TLS (tls.disabled in a profile) unset, or remove the key")
	}
	// The codec stays local: a worker that replays would ask a remote one again and again.
	opts, err = profile.ToClientOptions(envconfig.ToClientOptionsRequest{})
	if err != nil {
		return client.Options{}, false, temporalError("", err, "correct the TEMPORAL_TLS_* variables or the profile's tls section")
	}
	return opts, named, nil
}

var tomlLine = regexp.MustCompile(`\btoml: line (\d+)`)

// withoutText replaces an error of the TOML parser, which quotes what it
// stumbled over: an API key without its quotes, for example.
func withoutText(err error) error {
	if m := tomlLine.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("the file is not valid TOML in line %s", m[1])
	}
	return err
}

func temporalError(name string, err error, fix string) error {
	return &cordon.Error{Kind: cordon.InvalidArgument, Op: "read Temporal's configuration", Name: name, Err: err, Fix: fix}
}

// checkAddress accepts host:port, and gRPC's own target syntax (dns:///host:port) as it is.
func checkAddress(address string) error {
	if strings.Contains(address, ":///") {
		return nil
	}
	host, port, err := net.SplitHostPort(address)
	if err == nil && host != "" && !strings.Contains(host, "/") {
		if n, err := strconv.Atoi(port); err == nil && n > 0 && n < 1<<16 {
			return nil
		}
	}
	return fmt.Errorf("%q is not an address", address)
}

// lookup is an environment in which empty variables do not exist.
type lookup struct{ environ []string }

// Environ implements envconfig.EnvLookup.
func (l lookup) Environ() []string { return l.environ }

// LookupEnv implements envconfig.EnvLookup.
func (l lookup) LookupEnv(name string) (string, bool) {
	for _, kv := range l.environ {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v, v != ""
		}
	}
	return "", false
}

// checkBooleans refuses what envconfig would pass over in silence: a TLS switch
// that cannot be read must not leave TLS off.
func (l lookup) checkBooleans() error {
	var problems []error
	for _, name := range []string{"TEMPORAL_TLS", "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION"} {
		v, ok := l.LookupEnv(name)
		switch strings.ToLower(v) {
		case "true", "false", "1", "0":
			continue
		}
		if ok {
			problems = append(problems, temporalError(name, fmt.Errorf("%q is not a boolean", v), "use true, false, 1 or 0"))
		}
	}
	return errors.Join(problems...)
}
