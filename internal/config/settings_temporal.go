package config

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.temporal.io/sdk/contrib/envconfig"
)

// defaultProfile is the profile of Temporal's configuration file that is used unless
// somebody names another one.
const defaultProfile = envconfig.DefaultConfigFileProfile

// metaPrefix is what variables begin with that become headers of each call.
const metaPrefix = "TEMPORAL_GRPC_META_"

// temporal lists Temporal's own settings.
func (l *listing) temporal() {
	l.say("TEMPORAL_CONFIG_FILE", envconfig.DefaultConfigFilePath(), false)
	l.say("TEMPORAL_PROFILE", "", false)
	l.say("TEMPORAL_ADDRESS", DefaultTemporalAddress, false)
	l.say("TEMPORAL_NAMESPACE", DefaultNamespace, false)
	for _, name := range []string{
		"TEMPORAL_CLIENT_AUTHORITY", "TEMPORAL_TLS", "TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_TLS_CLIENT_KEY_PATH",
		"TEMPORAL_TLS_SERVER_CA_CERT_PATH", "TEMPORAL_TLS_SERVER_NAME",
	} {
		l.say(name, "", false)
	}
	l.say("TEMPORAL_API_KEY", "", true)

	profile, err := envconfig.LoadClientConfigProfile(envconfig.LoadClientConfigProfileOptions{
		ConfigFileProfile: l.flags["TEMPORAL_PROFILE"], DisableEnv: true, EnvLookup: l.env,
	})
	if err == nil { // else TemporalOptions says why
		l.profile(profile)
	}
	// Those that few set are listed where they are set.
	for _, kv := range l.env.environ {
		name, value, _ := strings.Cut(kv, "=")
		switch {
		case value == "":
		case strings.HasPrefix(name, metaPrefix), strings.HasPrefix(name, "TEMPORAL_TLS_") && strings.HasSuffix(name, "_DATA"):
			l.say(name, "", true)
		case name == "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION":
			l.say(name, "", false)
		}
	}
	if _, _, err := TemporalOptions(TemporalFlags{
		Address: l.flags["TEMPORAL_ADDRESS"], Namespace: l.flags["TEMPORAL_NAMESPACE"], Profile: l.flags["TEMPORAL_PROFILE"],
	}, l.env.environ); err != nil {
		l.blame(err)
	}
}

// say lists a variable of Temporal's.
func (l *listing) say(name, def string, secret bool) {
	given := l.get(name)
	l.add(reading{name: name, given: given, value: given, def: def, secret: secret})
}

// profile lists what the configuration file says, where no flag and no variable does.
func (l *listing) profile(p envconfig.ClientConfigProfile) {
	source := l.settings["TEMPORAL_CONFIG_FILE"].Value + ", profile " + cmp.Or(l.get("TEMPORAL_PROFILE"), defaultProfile)
	put := func(name, value string, secret bool) {
		s := l.settings[name]
		if value == "" || s != nil && s.Origin != FromDefault {
			return
		}
		if secret {
			value = Secret(value).String()
		}
		if s == nil {
			l.order = append(l.order, name)
		}
		l.settings[name] = &Setting{Name: name, Value: value, Origin: FromProfile, Source: source}
	}
	put("TEMPORAL_ADDRESS", p.Address, false)
	put("TEMPORAL_NAMESPACE", p.Namespace, false)
	put("TEMPORAL_API_KEY", p.APIKey, true)
	put("TEMPORAL_CLIENT_AUTHORITY", p.Authority, false)
	for _, key := range slices.Sorted(maps.Keys(p.GRPCMeta)) {
		put(metaPrefix+strings.ToUpper(strings.ReplaceAll(key, "-", "_")), p.GRPCMeta[key], true)
	}
	t := p.TLS
	if t == nil {
		return
	}
	put("TEMPORAL_TLS", strconv.FormatBool(!t.Disabled), false)
	put("TEMPORAL_TLS_CLIENT_CERT_PATH", t.ClientCertPath, false)
	put("TEMPORAL_TLS_CLIENT_KEY_PATH", t.ClientKeyPath, false)
	put("TEMPORAL_TLS_CLIENT_CERT_DATA", string(t.ClientCertData), true)
	put("TEMPORAL_TLS_CLIENT_KEY_DATA", string(t.ClientKeyData), true)
	put("TEMPORAL_TLS_SERVER_CA_CERT_PATH", t.ServerCACertPath, false)
	put("TEMPORAL_TLS_SERVER_CA_CERT_DATA", string(t.ServerCACertData), true)
	put("TEMPORAL_TLS_SERVER_NAME", t.ServerName, false)
	if t.DisableHostVerification {
		put("TEMPORAL_TLS_DISABLE_HOST_VERIFICATION", "true", false)
	}
}
