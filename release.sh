#!/bin/sh
# release.sh [--check] [--arch amd64,arm64] [VERSION] builds a release of the last commit
# into dist/: for each architecture an archive with the static programs, manual pages,
# completions, the systemd unit and licences; a bill of materials of each program
# (CycloneDX); and SHA256SUMS.
#
# The same commit gives the same bytes, with the same Go: paths, times, users and what the
# caller has in the environment are kept out. --check builds a second time, from another
# folder, with nothing of the first build's cache, and compares.
#
# VERSION is v1.2.3 or the like; by default what git calls the commit. From cold, two cores
# take a quarter of an hour for each architecture, and --check twice that.
set -eu

usage() {
	echo "usage: ./release.sh [--check] [--arch amd64,arm64] [VERSION]" >&2
	exit 2
}
check=
archs="amd64 arm64"
version=
while [ $# -gt 0 ]; do
	case $1 in
	--check) check=1 ;;
	--arch)
		[ $# -ge 2 ] || usage
		archs=$(echo "$2" | tr , ' ')
		shift
		;;
	-h | --help) usage ;;
	-*) usage ;;
	*)
		[ -z "$version" ] || usage
		version=$1
		;;
	esac
	shift
done
for arch in $archs; do
	case $arch in amd64 | arm64) ;; *) usage ;; esac
done

cd "$(dirname "$0")"
. .ci/setup.sh
need_go
for tool in git tar gzip sha256sum; do
	command -v "$tool" >/dev/null || die "$tool is needed"
done
version=${version:-$(git describe --tags --always)}
case $version in *[!A-Za-z0-9.+_-]*) die "VERSION may have letters, digits and .+_- only: $version" ;; esac
[ -z "$(git status --porcelain)" ] || note "what is not committed is not in the release"

commit=$(git rev-parse HEAD)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct "$commit")
export SOURCE_DATE_EPOCH
umask 022
LC_ALL=C TZ=UTC
export LC_ALL TZ

# What the caller has set, in the environment or by `go env -w`, must not be in the programs:
# of that, only where modules come from and what has been compiled is kept.
for name in GOPROXY GOSUMDB GOPRIVATE GONOPROXY GONOSUMDB GOINSECURE GOAUTH GOMODCACHE GOCACHE; do
	value=$(go env "$name")
	export "$name=$value"
done
unset GOEXPERIMENT GODEBUG GOWORK GOFIPS140
GOENV=off
GOFLAGS=-trimpath
GOAMD64=v1
GOARM64=v8.0
CGO_ENABLED=0
GOOS=linux
GOTOOLCHAIN=local
export GOENV GOFLAGS GOAMD64 GOARM64 CGO_ENABLED GOOS GOTOOLCHAIN
host=$(go env GOHOSTARCH)

# build SOURCE OUT builds everything from a checkout.
build() (
	cd "$1"
	ldflags="-s -w -buildid= -X main.version=$version -X github.com/cordonlabs/cordon/internal/cli.release=$version"
	GOOS= go build -p "${RELEASE_JOBS:-2}" -o "$2.tool" ./deploy/release
	for arch in $archs; do
		note "building for $arch"
		mkdir -p "$2/$arch"
		GOARCH=$arch go build -p "${RELEASE_JOBS:-2}" -trimpath -buildvcs=true -ldflags "$ldflags" -o "$2/$arch/" ./cmd/cordon ./cmd/cordon-worker
	done
	# Pages and completions are the same for all, and are asked of one that runs here.
	if [ -x "$2/$host/cordon" ]; then teller=$2/$host/cordon; else
		teller=$2.cordon
		GOARCH=$host go build -p "${RELEASE_JOBS:-2}" -trimpath -buildvcs=true -ldflags "$ldflags" -o "$teller" ./cmd/cordon
	fi
	for arch in $archs; do
		name=cordon-$version-linux-$arch
		root=$2.root/$name
		mkdir -p "$root/bin" "$root/share/man/man1" "$root/completions" "$root/systemd"
		cp "$2/$arch/cordon" "$2/$arch/cordon-worker" "$root/bin/"
		"$teller" man "$root/share/man/man1" 2>/dev/null || die "the manual pages cannot be written"
		"$teller" completion bash >"$root/completions/cordon.bash"
		"$teller" completion zsh >"$root/completions/_cordon"
		"$teller" completion fish >"$root/completions/cordon.fish"
		"$teller" completion powershell >"$root/completions/cordon.ps1"
		"$teller" config example >"$root/systemd/worker.env"
		cp deploy/systemd/* "$root/systemd/"
		cp README.md SECURITY.md LICENSE NOTICE "$root/"
		"$2.tool" licences "$root/bin/cordon" "$root/bin/cordon-worker" >"$root/LICENCES-OF-MODULES"
		for program in cordon cordon-worker; do
			"$2.tool" bom "$version" "$root/bin/$program" >"$2/$program-$version-linux-$arch.cdx.json"
		done
		tar --sort=name --format=ustar --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=go-w \
			-C "$2.root" -cf - "$name" | gzip -n -9 >"$2/$name.tar.gz"
	done
	cd "$2"
	for arch in $archs; do rm -r "$arch"; done
	sha256sum -- * >"$2.sums" && mv "$2.sums" SHA256SUMS
)

# checkout DIR has the commit, and nothing of the working tree.
checkout() {
	git clone -q --no-local --no-hardlinks . "$1"
	git -C "$1" checkout -q --detach "$commit"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
say "Building $version ($commit)"
checkout "$work/src"
build "$work/src" "$work/dist"

if [ -n "$check" ]; then
	say "Building it again, elsewhere and from nothing"
	elsewhere=$work/a/folder/with/another/name
	mkdir -p "$elsewhere"
	checkout "$elsewhere/cordon"
	(
		GOCACHE=$work/cache HOME=$elsewhere
		export GOCACHE HOME
		build "$elsewhere/cordon" "$elsewhere/dist"
	)
	diff -u "$work/dist/SHA256SUMS" "$elsewhere/dist/SHA256SUMS" || die "the two builds differ"
	note "both builds have the same bytes"
fi

rm -rf dist
mv "$work/dist" dist
say "dist/"
cat dist/SHA256SUMS
