#!/bin/sh
# test.sh sets up what the tests need on a bare Debian machine with Go and runs
# all of them. It may be repeated at will; from cold, two cores take three
# quarters of an hour.
set -eu

cd "$(dirname "$0")"
. .ci/setup.sh

say "Setting up"
need_go
tools() {
	missing git=git bsdtar=libarchive-tools zip=zip xz=xz-utils zstd=zstd lz4=lz4 bzip2=bzip2 \
		strace=strace /usr/bin/python3=python3 "gcc=gcc libc6-dev" make=make \
		mkfs.ext4=e2fsprogs mkfs.xfs=xfsprogs mkfs.btrfs=btrfs-progs mount=mount unshare=util-linux \
		runc=runc debootstrap=debootstrap c++=g++ bash=bash mandoc=mandoc
}
afl() { missing afl-fuzz=afl++; }

# What Go builds, it builds while the packages of Debian, Python and Node arrive.
programs() {
	need_gosec
	need_minio
	need_versitygw
	build_cordon
}
building=
build_beside() {
	[ -z "$building" ] || return 0
	said=$(mktemp)
	(programs) >"$said" 2>&1 &
	building=$!
	note "Go builds gosec, minio, versitygw and bin/cordon meanwhile, which takes 10 minutes the first time"
}
built() {
	wait "$building" || { cat "$said"; die "building failed; see above"; }
	rm -f "$said"
	programs # says what is there
}

# A C compiler that comes later would have Go compile everything once more.
[ -n "$(missing gcc=gcc git=git)" ] || build_beside
install_together "$(tools; libfuzzer_packages; afl; bash_completion_packages; venv_packages; ceph_packages; chromium_packages)"
install_packages "$(tools)"
need_bash_completion
need_libfuzzer
install_packages "$(afl)"
need_venv
build_beside
need_ceph
need_chromium
need_python_client
need_python_sdk
need_atheris
need_crates
need_python_tools
need_node_sdk
built
CORDON_TEST_BINARY=$PWD/bin/cordon
export CORDON_TEST_BINARY

# A failing step does not hide the steps after it.
failed=
run() {
	say "$1"
	shift
	"$@" || failed="$failed
   $*"
}

formatted() {
	unformatted=$(gofmt -l $(git ls-files '*.go'))
	[ -z "$unformatted" ] || { note "gofmt would change: $unformatted"; return 1; }
}

# A module of its own: what checks the snippets needs libraries that Cordon does
# not. They lie outside of it, so that go test would not notice that they changed.
snippets() (
	cd deploy/check
	spacious_go vet ./... && go test -vet=off -count 1 ./...
)

typescript() (
	cd sdk/typescript
	npm test --silent
)

# The Python package, beside the built program.
python_sdk() (
	cd sdk/python
	"$PYTHON_SDK/ruff" check --quiet --no-cache . && "$PYTHON_SDK/ruff" format --quiet --no-cache --check . &&
		"$PYTHON_SDK/mypy" --cache-dir=/dev/null && "$PYTHON_SDK/python" -B -m pytest -q
)

# The embedded Temporal server takes minutes to compile with the race detector:
# the packages that need it are tested without.
engine="./archive/... ./finding/... ./analyze/... ./fuzz ./fuzz/internal/... ./metadata/... ./target/... ./workspace/... ./internal/durable ./internal/flight/... ./internal/flock/... ./internal/rmtree/... ./internal/mounts/... ./internal/doctor/... ./internal/config/... ./internal/diskusage ./internal/ptrace ./internal/storm ./sandbox/internal/... ./crash ./corpus"
run "Formatting" formatted
# go test would vet some of this again, with all that it is built on, once for each way of building.
run "Vet" spacious_go vet -p 2 ./...
# Those that take longest are begun first, and do not run alone at the end.
run "All tests" go test -vet=off -p 2 -timeout 40m ./internal/e2e ./internal/contract ./internal/faults ./worker ./workspace ./...
run "Snippets for containers" snippets
run "The package for TypeScript" typescript
run "The Python package" python_sdk
# What waits for minutes, or repeats by the hundred, has been done above.
# shellcheck disable=SC2086
run "The engine's tests under the race detector" go test -vet=off -race -short -p 2 -timeout 20m . $engine
run "The sandbox under the race detector" go test -vet=off -race -short -run 'Fifty|Together|Killed|Cancel|Interrupt|Output' ./sandbox
run "The contract's rows under the race detector" go test -vet=off -race -short -timeout 20m ./internal/contract

say "Result"
[ -z "$failed" ] || die "FAILED:$failed"
note "all tests passed"
