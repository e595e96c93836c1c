// Package check holds the snippets of deploy/ against what they are written for:
// Compose files against the Compose specification's schema, Kubernetes manifests
// against the API's types, the Helm chart by Helm's own linter and template engine, the
// systemd unit by systemd-analyze, the Dockerfile against its grammar, what is asked of
// Prometheus by its own parser. It has tests alone,
// and is a module of its own so that what it needs weighs on nobody else. What it
// looks at lies outside of that module, where go test does not notice changes: run
// it with -count=1.
package check
