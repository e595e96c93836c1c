#!/bin/sh
# try.sh [FOLDER|ARCHIVE] sets up what Cordon needs on a bare Debian machine with
# Go, builds it, and runs its two workflows on a project: the one that is named,
# or a real open-source one of some thousand files. It may be repeated at will;
# the second run of the same project finds it in the cache.
set -eu

case ${1:-} in
-h | --help)
	echo "usage: ./try.sh [FOLDER|ARCHIVE]"
	exit 0
	;;
esac
[ $# -le 1 ] || { echo "usage: ./try.sh [FOLDER|ARCHIVE]" >&2; exit 2; }

# The project's name is relative to where the caller is.
project=${1:-}
case $project in
'' | /*) ;;
*) project=$PWD/$project ;;
esac
[ -z "$project" ] || [ -e "$project" ] || { echo "try.sh: $project: there is no such file or folder" >&2; exit 3; }

cd "$(dirname "$0")"
. .ci/setup.sh

say "Setting up"
need_go
need_packages git=git
need_gosec
build_cordon

if [ -z "$project" ]; then
	# Apache Thrift: 2,766 files in a dozen languages. Cordon's build needs it
	# anyway, so that it lies in Go's module cache already.
	go mod download github.com/apache/thrift
	project=$(go list -m -f '{{.Dir}}' github.com/apache/thrift)
	say "Project: Apache Thrift, from Go's module cache ($(find "$project" -type f | wc -l) files)"
else
	say "Project: $project"
fi

data=${XDG_CACHE_HOME:-$HOME/.cache}/cordon
status=0
for workflow in secret_detection security_assessment; do
	say "cordon run $workflow"
	bin/cordon run "$workflow" "$project" --data "$data" --limit 25 || status=$?
	[ "$status" = 0 ] || exit "$status"
done

say "What is in the cache now"
bin/cordon cache ls --data "$data"

say "Next"
note "again:       ./try.sh    (the project is in the cache then)"
note "the server:  bin/cordon dev"
note "the rest:    bin/cordon --help, README.md, docs/"
