package driver_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// project is a real one, small: a Go module with a dependency that is vendored,
// a C program with a static and a shared library, and its history in git.
func (s *stage) project() {
	s.Helper()
	for _, tool := range []string{"go", "git", "gcc", "make", "ar"} {
		if _, err := exec.LookPath(tool); err != nil {
			s.Skip(err)
		}
	}
	uuid, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/google/uuid").Output()
	if err != nil && os.Getenv(insideEnv) != "" {
		s.Skipf("this user has no modules: %v", err)
	}
	s.must(err)
	for name, content := range map[string]string{
		"go.mod":             "module example.com/project\n\ngo 1.26\n\nrequire github.com/google/uuid v1.6.0\n",
		"vendor/modules.txt": "# github.com/google/uuid v1.6.0\n## explicit\ngithub.com/google/uuid\n",
		"main.go": "package main\n\nimport (\n\t\"fmt\"\n\n\t\"github.com/google/uuid\"\n\n\t\"example.com/project/inner\"\n)\n\n" +
			"func main() { fmt.Println(inner.Word, uuid.NewSHA1(uuid.Nil, []byte(inner.Word))) }\n",
		"inner/inner.go": "package inner\n\n// Word is it.\nconst Word = \"go\"\n",
		"c/one.c":        "int one(void) { return 1; }\n",
		"c/two.c":        "int two(void) { return 2; }\n",
		"c/main.c":       "#include <stdio.h>\n#include \"n.h\"\nint main(void) { printf(\"%d\\n\", one() * 10 + two()); return 0; }\n",
		"c/n.h":          "int one(void);\nint two(void);\n",
		"c/Makefile": "all: prog\none.o: one.c n.h\nmain.o: main.c n.h\n" +
			"libone.a: one.o\n\tar rcs $@ $^\n" +
			"libtwo.so: two.c n.h\n\t$(CC) -shared -fPIC -Wl,--build-id=none -o $@ two.c\n" +
			"prog: main.o libone.a libtwo.so\n\t$(CC) -Wl,--build-id=none -o $@ main.o -L. -lone -ltwo -Wl,-rpath,'$$ORIGIN'\n" +
			"clean:\n\trm -f *.o *.a *.so prog\n",
		".gitignore": "*.o\n*.a\n*.so\n/c/prog\n/bin\n",
	} {
		s.write("base/"+name, content)
	}
	out, err := s.run("mkdir -p base/vendor/github.com/google/uuid && cp " + strings.TrimSpace(string(uuid)) + "/*.go base/vendor/github.com/google/uuid/ && " +
		"chmod -R u+w base/vendor && cd base && " + gitHere + "git init -q -b main . && git add . && git commit -q -m first && make -s -C c && ./c/prog && git gc -q && git status --porcelain")
	if err != nil || out != "12\n" {
		s.Fatalf("the project cannot be built in a plain directory: %v\n%s", err, out)
	}
}

// gitHere makes git independent of the machine's settings and of the time.
const gitHere = "export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b " +
	"GIT_AUTHOR_DATE='2026-01-02T03:04:05Z' GIT_COMMITTER_DATE='2026-01-02T03:04:05Z'; "

// work is what somebody does to a project. It prints what they see.
const work = `set -e
export GOFLAGS='-mod=vendor -trimpath -buildvcs=false' GOPROXY=off CGO_ENABLED=0
echo "# git: clean at first"; git status --porcelain
echo "# make: nothing to do"; make -C c -s -q all && echo yes
go build -o bin/project . && ./bin/project
go vet ./...
sed -i 's/"go"/"cordon"/' inner/inner.go
go build -o bin/project . && ./bin/project
echo "# make: only what depends on it"
sleep 0.01; echo 'int one(void) { return 7; }' > c/one.c
make -C c --no-print-directory; ./c/prog
make -C c -s clean; make -C c -s -j4; ./c/prog
echo "# git: what changed"; git status --porcelain; git diff --stat
git commit -q -a -m second
$MOVE inner core; sed -i 's,/inner",/core",; s/inner\./core./g' main.go; sed -i 's/package inner/package core/' core/inner.go
go build -o bin/project . && ./bin/project
git add -A; git status --porcelain; git commit -q -m third
git checkout -q -b side HEAD~1; ls; git checkout -q main; git merge -q side
git rm -q -r c; git status --porcelain; git reset -q --hard; ls c
git stash list; git clean -n -d -x; git gc -q; git fsck --full; git log --format=%H
make -C c -s; ./c/prog
`

func TestOverlayARealBuildGoesAsInAPlainDirectory(t *testing.T) {
	quickTemp(t)
	s := overlayStage(t)
	s.must(os.RemoveAll(s.path("base/dir")))
	s.project()
	before, err := s.run(fingerprint("base"))
	s.must(err)
	s.view("run")
	_, err = s.run("cp -a base plain")
	s.must(err)
	move := "MOVE='git mv'; "
	if s.d.Traits().NoDirRename {
		move = "MOVE='mv'; " // which copies; git says that it cannot
	}
	got := map[string]string{}
	for _, dir := range []string{"plain", "run/workspace"} {
		out, err := s.run("cd " + dir + " && " + gitHere + move + work)
		if err != nil {
			t.Fatalf("in %s: %v\n%s", dir, err, out)
		}
		files, err := s.run(fingerprint(dir))
		s.must(err)
		got[dir] = out + files
	}
	if got["plain"] != got["run/workspace"] {
		t.Errorf("in a plain directory:\n%s\nin the view:\n%s", got["plain"], got["run/workspace"])
	}
	if after, err := s.run(fingerprint("base")); err != nil || after != before {
		t.Errorf("the base changed: %v\n%s\nis now\n%s", err, before, after)
	}
}

// fingerprint prints type, mode, name and content of all in dir. Git's index has
// inode numbers and times in it.
func fingerprint(dir string) string {
	return "cd " + dir + " && find . -printf '%y %m %l %p\\n' | sort && find . -type f ! -path ./.git/index -print0 | sort -z | xargs -0 sha256sum"
}
