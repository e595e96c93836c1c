package archive

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"

	"github.com/cordonlabs/cordon"
)

// hostileCase is an archive that somebody may send, and what must come of it:
// an error of a kind whose text holds says, or exactly tree.
type hostileCase struct {
	name    string
	bytes   []byte
	opts    Options
	kind    cordon.Kind
	says    string
	tree    map[string]string
	omitted []string // paths of links that are not made
}

func rejected(name string, b []byte, says string) hostileCase {
	return hostileCase{name: name, bytes: b, kind: cordon.ArchiveRejected, says: says}
}

func refused(name string, b []byte, l Limits, says string) hostileCase {
	return hostileCase{name: name, bytes: b, opts: Options{Limits: l}, kind: cordon.TargetTooLarge, says: says}
}

func accepted(name string, b []byte, tree map[string]string, omitted ...string) hostileCase {
	return hostileCase{name: name, bytes: b, tree: tree, omitted: omitted}
}

type files = map[string]string

// climbing is every way to spell a way out that must end the whole archive.
var climbing = []string{
	"..", "../x", "/../x", "./../x", "a/../x", "a/../../x", "a/b/../../../x", "../../../../../../../../outside/secret",
	"a/..", "a/../", "..//x", "//..//x", "././../x", "a/./../b", "../stage/x", "...//../x", "x/../../outside/new",
}

func tarHostile() []hostileCase {
	cases := []hostileCase{
		// Names.
		rejected("an empty name", tarOf(hdr{name: "", body: "x", raw: func(b []byte) { b[257] = 'u' }}), "empty name"),
		rejected("a NUL in a PAX name", tarOf(hdr{name: "a", pax: map[string]string{"path": "a\x00b"}}), "damaged"),
		rejected("a file called dot", tarOf(file(".", "x")), "content"),
		rejected("a link called dot", tarOf(link(".", "x")), "top directory"),
		rejected("a link called slash", tarOf(link("/", "x")), "top directory"),
		rejected("a directory's name with content", tarOf(hdr{name: "d/", body: "x"}), "directory's"),
		accepted("a directory by its name alone", tarOf(hdr{name: "d/"}), files{"d": "dir"}),
		accepted("dot and slash", tarOf(dir("."), dir("./"), dir("/"), dir("./."), file("./a", "1")), files{"a": "file 1"}),
		accepted("an absolute name", tarOf(file("/outside/secret", "1"), file("///etc//passwd", "2")),
			files{"outside": "dir", "outside/secret": "file 1", "etc": "dir", "etc/passwd": "file 2"}),
		accepted("two dots that are a part of a name", tarOf(file("..a/b..", "1"), file("...", "2")),
			files{"..a": "dir", "..a/b..": "file 1", "...": "file 2"}),
		accepted("names that other systems read differently", tarOf(file(`C:\x`, "1"), file(`..\..\x`, "2"), file("a\nb\x1b[2J", "3"), file("\xff\xfe", "4"), file("~root", "5"), file("-rf", "6")),
			files{`C:\x`: "file 1", `..\..\x`: "file 2", "a\nb\x1b[2J": "file 3", "\xff\xfe": "file 4", "~root": "file 5", "-rf": "file 6"}),
		accepted("a NUL ends a name in the header", tarOf(hdr{name: "safe\x00../../x", body: "1"}), files{"safe": "file 1"}),
		accepted("a way out in an overridden header name", tarOf(hdr{name: "../x", body: "1", pax: map[string]string{"path": "safe"}}), files{"safe": "file 1"}),
		rejected("a way out in a PAX name", tarOf(hdr{name: "safe", pax: map[string]string{"path": "../x"}}), `".."`),
		rejected("a way out in a GNU long name", tarOf(hdr{name: "../" + strings.Repeat("x", 120), long: true}), `".."`),
		rejected("a way out in the prefix field", tarOf(hdr{name: "x", raw: func(b []byte) { copy(b[345:], "../..") }}), `".."`),
		rejected("a way out in a sparse file's name", tarOf(hdr{name: "safe", pax: map[string]string{
			"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "../x", "GNU.sparse.realsize": "0"}, body: "0\n" + strings.Repeat("\x00", 510)}), `".."`),
		rejected("a global header that renames", tarOf(hdr{name: "g", typ: 'g', body: paxRecords(map[string]string{"path": "../x"})}, file("a", "")), "global header"),
		rejected("a global header that links", tarOf(hdr{name: "g", typ: 'g', body: paxRecords(map[string]string{"linkpath": "/etc"})}, link("a", "b")), "global header"),
		rejected("a global header that sizes", tarOf(hdr{name: "g", typ: 'g', body: paxRecords(map[string]string{"size": "1"})}, file("a", "")), "global header"),
		accepted("a global comment, as git writes it", tarOf(hdr{name: "pax_global_header", typ: 'g', body: paxRecords(map[string]string{"comment": "0123"})}, file("a", "1")), files{"a": "file 1"}),

		// Types.
		rejected("a character device", tarOf(special("dev", '3')), "character device"),
		rejected("a block device", tarOf(special("dev", '4')), "block device"),
		rejected("a FIFO", tarOf(special("fifo", '6')), "FIFO"),
		accepted("a label, as tar -V writes it", tarOf(special("backup of today", 'V'), file("a", "1")), files{"a": "file 1"}),
		rejected("a label with content", tarOf(hdr{name: "backup", typ: 'V', body: "x"}), "label"),
		rejected("an unknown type", tarOf(special("odd", 'Z')), "unknown type"),
		rejected("a socket, as some tars have it", tarOf(special("sock", 's')), "unknown type"),
		rejected("a GNU directory dump", tarOf(special("dump", 'D')), "unknown type"),
		rejected("a continued volume", tarOf(special("multi", 'M')), "unknown type"),
		rejected("a device after a good file", tarOf(file("a", "1"), special("dev", '3')), "character device"),
		accepted("a contiguous file", tarOf(hdr{name: "a", typ: '7', body: "1"}), files{"a": "file 1"}),

		// Modes.
		accepted("set-id and sticky bits", tarOf(hdr{name: "suid", mode: 0o4755, body: "1"}, hdr{name: "sgid", mode: 0o2755, body: "2"}, hdr{name: "d", typ: '5', mode: 0o7777}, hdr{name: "sticky", mode: 0o1644}),
			files{"suid": "exec 1", "sgid": "exec 2", "d": "dir", "sticky": "file "}),
		accepted("no rights at all", tarOf(hdr{name: "d", typ: '5', mode: 0o10000}, hdr{name: "d/f", mode: 0o10000, body: "1"}), files{"d": "dir", "d/f": "file 1"}),
		accepted("execute for others only", tarOf(hdr{name: "f", mode: 0o655, body: "1"}), files{"f": "file 1"}),
		accepted("extended attributes and owners", tarOf(hdr{name: "f", body: "1", pax: map[string]string{"SCHILY.xattr.security.capability": "x", "SCHILY.xattr.user.a": "b", "SCHILY.acl.access": "u::rwx", "uid": "0", "gid": "0", "uname": "root"}}),
			files{"f": "file 1"}),

		// Symbolic links.
		accepted("an absolute link", tarOf(link("l", "/etc/passwd"), file("a", "1")), files{"a": "file 1"}, "l"),
		accepted("a link to the parent", tarOf(link("l", "..")), files{}, "l"),
		accepted("a link to a neighbour", tarOf(link("l", "../outside/secret")), files{}, "l"),
		accepted("a link that comes back in", tarOf(link("l", "../stage/a"), file("a", "")), files{"a": "file "}, "l"),
		accepted("a deep link up one too many", tarOf(link("d/e/l", "../../../outside")), files{"d": "dir", "d/e": "dir"}, "d/e/l"),
		accepted("a deep link up to the top", tarOf(link("d/e/l", "../..")), files{"d": "dir", "d/e": "dir", "d/e/l": "link ../.."}),
		accepted("a link through what is not there", tarOf(link("l", "no/../../outside")), files{}, "l"),
		accepted("a link up and down inside what is not there", tarOf(link("l", "no/more/../../a")), files{"l": "link no/more/../../a"}),
		accepted("a dangling link", tarOf(link("l", "later/made")), files{"l": "link later/made"}),
		accepted("a link to itself", tarOf(link("l", "l"), link("a", "b"), link("b", "a")), files{"l": "link l", "a": "link b", "b": "link a"}),
		accepted("a link to the top", tarOf(link("l", "."), link("d/l", "..")), files{"l": "link .", "d": "dir", "d/l": "link .."}),
		accepted("a chain out", tarOf(link("a", "b"), link("b", "c"), link("c", "..")), files{}, "a", "b", "c"),
		accepted("a chain out by an absolute link", tarOf(link("a", "b/x"), link("b", "/etc")), files{}, "a", "b"),
		accepted("a chain in", tarOf(link("a", "b"), link("b", "d/c"), link("d/c", "../f"), file("f", "1")), files{"a": "link b", "b": "link d/c", "d": "dir", "d/c": "link ../f", "f": "file 1"}),
		accepted("up through a link that leads up", tarOf(link("s/up", ".."), link("s/out", "up/..")), files{"s": "dir", "s/up": "link .."}, "s/out"),
		accepted("up through a link that leads down", tarOf(file("d/e/f", ""), link("l", "d/e"), link("in", "l/../..")), files{"d": "dir", "d/e": "dir", "d/e/f": "file ", "l": "link d/e", "in": "link l/../.."}),
		accepted("out through a link to the top", tarOf(link("d/top", ".."), link("d/out", "top/../outside")), files{"d": "dir", "d/top": "link .."}, "d/out"),
		accepted("out through the top and what is not there", tarOf(link("t", "."), link("o", "t/no/../../x")), files{"t": "link ."}, "o"),
		accepted("out below a file", tarOf(file("f", ""), link("o", "f/../../x")), files{"f": "file "}, "o"),
		accepted("a link with dots and slashes", tarOf(link("l", ".//./a/"), file("a/f", "")), files{"l": "link .//./a/", "a": "dir", "a/f": "file "}),
		accepted("a target that other systems read differently", tarOf(link("l", `..\..\x`)), files{"l": `link ..\..\x`}),
		accepted("a chain longer than the kernel follows", tarOf(chain(60, "f")...), chainTree(60, "f")),
		accepted("a chain that Root alone does not follow", tarOf(chain(20, "..")...), files{}, chainNames(20)...),
		accepted("the same link twice", tarOf(link("l", "a"), link("l", "a")), files{"l": "link a"}),
		rejected("two links that disagree", tarOf(link("l", "a"), link("l", "b")), "another"),
		rejected("a link without a target", tarOf(link("l", "")), "no target"),
		rejected("a NUL in a PAX link", tarOf(hdr{name: "l", typ: '2', pax: map[string]string{"linkpath": "a\x00b"}}), "damaged"),

		// Writing through links.
		rejected("a file through a link out", tarOf(link("l", "../outside"), file("l/new", "x")), "as a directory"),
		rejected("a file through an absolute link", tarOf(link("l", "/tmp"), file("l/new", "x")), "as a directory"),
		rejected("a file through a link inside", tarOf(dir("d"), link("l", "d"), file("l/new", "x")), "as a directory"),
		rejected("a link where files were", tarOf(file("l/new", "x"), link("l", "../outside")), "directory in one entry"),
		rejected("a file over a link", tarOf(link("l", "../outside/secret"), file("l", "x")), "symbolic link in one entry"),
		rejected("a link over a file", tarOf(file("l", "x"), link("l", "../outside/secret")), "file in one entry"),
		rejected("a directory over a link", tarOf(link("l", "../outside"), dir("l")), "symbolic link in one entry"),
		rejected("a directory through a link", tarOf(link("l", "../outside"), dir("l/sub")), "as a directory"),
		rejected("a link through a link", tarOf(link("l", "../outside"), link("l/new", "x")), "as a directory"),
		rejected("a hard link through a link", tarOf(file("f", ""), link("l", "../outside"), hard("l/new", "f")), "as a directory"),
		rejected("a link below its own name, dotted", tarOf(link("l", "../outside"), file("./l//new", "x")), "as a directory"),
		rejected("an absolute name through a link", tarOf(link("l", "../outside"), file("/l/new", "x")), "as a directory"),

		// Hard links.
		accepted("a hard link", tarOf(file("a", "1"), hard("d/b", "a"), hard("c", "d/b")), files{"a": "file 1", "d": "dir", "d/b": "file 1", "c": "file 1"}),
		accepted("a hard link twice, and to itself", tarOf(file("a", "1"), hard("b", "a"), hard("b", "a"), hard("a", "a"), hard("a", "b")), files{"a": "file 1", "b": "file 1"}),
		accepted("a hard link to an absolute name", tarOf(file("/a", "1"), hard("/b", "/a")), files{"a": "file 1", "b": "file 1"}),
		rejected("a hard link out", tarOf(hard("l", "../outside/secret")), "hard link to"),
		rejected("a hard link to the machine's file", tarOf(hard("l", "/etc/passwd")), "no entry before it"),
		rejected("a hard link to a later file", tarOf(hard("l", "a"), file("a", "")), "no entry before it"),
		rejected("a hard link to a directory", tarOf(dir("d"), hard("l", "d")), "is a directory"),
		rejected("a hard link to the top", tarOf(hard("l", ".")), "hard link to"),
		rejected("a hard link to a symbolic link", tarOf(link("s", "../outside/secret"), hard("l", "s")), "is a symbolic link"),
		rejected("a hard link to below a symbolic link", tarOf(link("s", "../outside"), hard("l", "s/secret")), "no entry before it"),
		rejected("a hard link to nothing", tarOf(hard("l", "")), "hard link to"),
		rejected("a hard link over a file", tarOf(file("a", "1"), file("b", "2"), hard("b", "a")), "file in one entry"),
		rejected("a file over a hard link", tarOf(file("a", "1"), hard("b", "a"), file("b", "2")), "hard link in one entry"),
		rejected("a file replaced under its hard link", tarOf(file("a", "1"), hard("b", "a"), file("a", "2")), "after a hard link"),
		rejected("a hard link over a directory", tarOf(file("a", "1"), dir("b"), hard("b", "a")), "directory in one entry"),
		rejected("a hard link to another file", tarOf(file("a", "1"), file("b", "2"), hard("c", "a"), hard("c", "b")), "hard link in one entry"),

		// Entries that disagree.
		accepted("a directory twice", tarOf(dir("d"), file("d/f", "1"), dir("d/"), dir("./d")), files{"d": "dir", "d/f": "file 1"}),
		accepted("a file twice", tarOf(file("f", "first and longer"), file("f", "last")), files{"f": "file last"}),
		accepted("a file thrice, under three spellings", tarOf(file("f", "1"), file("./f", "2"), hdr{name: "//f", body: "3", mode: 0o755}), files{"f": "exec 3"}),
		rejected("a file over a directory", tarOf(dir("d"), file("d", "x")), "directory in one entry"),
		rejected("a file over an implied directory", tarOf(file("d/f", ""), file("d", "x")), "directory in one entry"),
		rejected("a directory over a file", tarOf(file("d", "x"), dir("d")), "file in one entry"),
		rejected("a file used as a directory", tarOf(file("d", "x"), file("d/f", "")), "as a directory"),
		rejected("a file used as a directory, deep", tarOf(file("a/b", "x"), file("a/b/c/d", "")), "as a directory"),
		rejected("a hard link used as a directory", tarOf(file("a", "x"), hard("b", "a"), file("b/c", "")), "as a directory"),

		// Sizes.
		rejected("a file longer than the archive", entriesOf(hdr{name: "f", body: "x", size: 1 << 20}), "breaks off"),
		rejected("a negative size", tarOf(hdr{name: "f", pax: map[string]string{"size": "-1"}}), "damaged"),
		refused("a size beyond all measure", tarOf(hdr{name: "f", pax: map[string]string{"size": fmt.Sprint(int64(math.MaxInt64))}}), Limits{}, "set bytes="),
		refused("a sparse file beyond all measure", tarOf(sparse("f", 1<<62)), Limits{}, "set bytes="),
		refused("a sparse file beyond the limit", tarOf(sparse("f", 1<<20)), Limits{Bytes: 1<<20 - 1}, "set bytes="),
		accepted("a sparse file of holes alone", tarOf(sparse("f", 1<<20)), files{"f": "file " + strings.Repeat("\x00", 1<<20)}),
		rejected("a sparse map that overlaps", tarOf(hdr{name: "f", pax: map[string]string{"GNU.sparse.size": "100", "GNU.sparse.numblocks": "2", "GNU.sparse.map": "0,50,10,50"}, body: strings.Repeat("x", 100)}), "damaged"),
		rejected("a sparse map beyond the file", tarOf(hdr{name: "f", pax: map[string]string{"GNU.sparse.size": "10", "GNU.sparse.numblocks": "1", "GNU.sparse.map": "0,100"}, body: strings.Repeat("x", 100)}), "damaged"),
		rejected("a sparse file with too little data", tarOf(hdr{name: "f", pax: map[string]string{"GNU.sparse.size": "100", "GNU.sparse.numblocks": "1", "GNU.sparse.map": "0,100"}, body: "x"}), "damaged"),
		rejected("a sparse file with too much data", tarOf(hdr{name: "f", pax: map[string]string{"GNU.sparse.size": "1", "GNU.sparse.numblocks": "1", "GNU.sparse.map": "0,1"}, body: strings.Repeat("x", 99)}), "damaged"),
		rejected("a sparse map with a negative place", tarOf(hdr{name: "f", pax: map[string]string{"GNU.sparse.size": "10", "GNU.sparse.numblocks": "1", "GNU.sparse.map": "-5,5"}, body: "xxxxx"}), "damaged"),

		// Limits.
		refused("too many bytes in one file", tarOf(file("f", strings.Repeat("x", 101))), Limits{Bytes: 100}, "set bytes="),
		refused("too many bytes in several files", tarOf(file("a", strings.Repeat("x", 60)), file("b", strings.Repeat("x", 60))), Limits{Bytes: 100}, "set bytes="),
		refused("too many bytes by replacing", tarOf(file("a", strings.Repeat("x", 60)), file("a", strings.Repeat("x", 60))), Limits{Bytes: 100}, "set bytes="),
		{name: "exactly as many bytes", bytes: tarOf(file("f", strings.Repeat("x", 100))), opts: Options{Limits: Limits{Bytes: 100}}, tree: files{"f": "file " + strings.Repeat("x", 100)}},
		refused("too many files", tarOf(file("a", ""), file("b", ""), file("c", "")), Limits{Inodes: 2}, "set inodes="),
		refused("too many implied directories", tarOf(file("a/b/c/d", "")), Limits{Inodes: 3}, "set inodes="),
		{name: "exactly as many inodes", bytes: tarOf(file("a/b/c/d", "")), opts: Options{Limits: Limits{Inodes: 4}}, tree: files{"a": "dir", "a/b": "dir", "a/b/c": "dir", "a/b/c/d": "file "}},
		refused("too many links", tarOf(link("a", "x"), link("b", "x"), link("c", "x")), Limits{Inodes: 2}, "set inodes="),
		refused("too many hard links", tarOf(file("a", ""), hard("b", "a"), hard("c", "a")), Limits{Inodes: 2}, "set inodes="),
		refused("too many omitted links", tarOf(link("a", "/x"), link("b", "/x"), link("c", "/x")), Limits{Inodes: 2}, "set inodes="),
		refused("too much text in links", tarOf(link("a", strings.Repeat("x", 60)), link("b", strings.Repeat("x", 60))), Limits{LinkBytes: 100}, "set linkbytes="),
		refused("links that all go one long way", tarOf(append(linksTo(1000, "long"), dir("a"), link("long", strings.Repeat("a/../", 18)+"a"))...), Limits{LinkSteps: 20_000}, "set linksteps="),
		refused("links that all go through a long chain", tarOf(append(chain(30, "f"), linksTo(1000, "c000")...)...), Limits{LinkSteps: 20_000}, "set linksteps="),
		refused("links that go out a long way", tarOf(append(linksTo(1000, "long"), link("long", strings.Repeat("./", 45)+".."))...), Limits{LinkSteps: 20_000}, "set linksteps="),
		{name: "exactly as many steps through links", bytes: tarOf(link("l", "a/../b/c"), link("b", "d")), opts: Options{Limits: Limits{LinkSteps: 6}}, tree: files{"l": "link a/../b/c", "b": "link d"}},
		refused("one step too many through links", tarOf(link("l", "a/../b/c"), link("b", "d")), Limits{LinkSteps: 5}, "set linksteps="),
		refused("too deep", tarOf(hdr{name: strings.Repeat("d/", 128) + "f", long: true}), Limits{}, "set depth="),
		{name: "just deep enough", bytes: tarOf(hdr{name: strings.Repeat("d/", 2) + "f", long: true}), opts: Options{Limits: Limits{Depth: 3}}, tree: files{"d": "dir", "d/d": "dir", "d/d/f": "file "}},
		refused("a name too long", tarOf(hdr{name: strings.Repeat("n", 256), long: true}), Limits{}, "set namelen="),
		accepted("the longest name", tarOf(hdr{name: strings.Repeat("n", 255), long: true}), files{strings.Repeat("n", 255): "file "}),
		refused("a path too long", tarOf(hdr{name: strings.Repeat(strings.Repeat("n", 200)+"/", 21) + "f", long: true}), Limits{}, "set pathlen="),
		refused("a link target too long", tarOf(hdr{name: "l", typ: '2', pax: map[string]string{"linkpath": strings.Repeat("x", 4096)}}), Limits{}, "set pathlen="),

		// Structure.
		rejected("a header with a wrong checksum", tarOf(hdr{name: "a", sum: 1}), "header is damaged"),
		rejected("a second header with a wrong checksum", tarOf(file("a", "1"), hdr{name: "b", sum: 1}), `after entry "a"`),
		rejected("no end", entriesOf(file("a", "1")), "breaks off"),
		rejected("no end after a directory", entriesOf(dir("d")), "breaks off"),
		rejected("no end after a file of zeros", entriesOf(file("z", strings.Repeat("\x00", 512))), "breaks off"),
		rejected("no end after an extended header", append(entriesOf(file("a", "1")), hdr{name: "x", typ: 'x', body: paxRecords(map[string]string{"path": "b"})}.bytes()...), "breaks off"),
		accepted("one zero block for an end", append(entriesOf(file("a", "1")), make([]byte, tarBlock)...), files{"a": "file 1"}),
		accepted("zeros after the end", append(tarOf(file("a", "1")), make([]byte, 8192)...), files{"a": "file 1"}),
		accepted("zeros after the end, not whole blocks", append(tarOf(file("a", "1")), make([]byte, 100)...), files{"a": "file 1"}),
		rejected("an archive after the end", append(tarOf(file("a", "1")), tarOf(file("b", "2"))...), "follows the end"),
		rejected("text after the end", append(tarOf(file("a", "1")), "d41d8cd98f00b204e9800998ecf8427e  a.tar\n"...), "follows the end"),
		rejected("one byte after much padding", append(append(tarOf(file("a", "1")), make([]byte, 1<<20)...), 1), "follows the end"),
		rejected("one zero block in the middle", slices.Concat(entriesOf(file("a", "1")), make([]byte, tarBlock), tarOf(file("b", "2"))), "damaged"),
		rejected("cut in the middle of a header", tarOf(file("a", "1"), file("b", "2"))[:3*tarBlock/2+tarBlock], "breaks off"),
		rejected("cut in the middle of a body", entriesOf(file("a", strings.Repeat("x", 5000)))[:3000], "breaks off"),
		rejected("cut in the middle of padding", entriesOf(file("a", "1"))[:tarBlock+100], "breaks off"),
		rejected("an extended header that is no text", tarOf(hdr{name: "x", typ: 'x', body: "\xff\xff\xff"}, file("a", "")), "damaged"),
		rejected("an extended header with a wrong length", tarOf(hdr{name: "x", typ: 'x', body: "99 path=a\n"}, file("a", "")), "damaged"),
		rejected("a GNU long name that is too long", tarOf(hdr{name: "L", typ: 'L', body: strings.Repeat("x", 1<<20+1)}, file("a", "")), "damaged"),
		accepted("an old archive without magic", tarOf(hdr{name: "a", v7: true, body: "1"}, hdr{name: "d/", v7: true, raw: func(b []byte) { b[156] = 0 }}, hdr{name: "l", v7: true, typ: '2', link: "a"}), files{"a": "file 1", "d": "dir", "l": "link a"}),
		accepted("times beyond all measure", tarOf(hdr{name: "a", time: -5}, hdr{name: "b", pax: map[string]string{"mtime": "99999999999999"}}, hdr{name: "c", typ: '5', time: 1<<33 - 1}), files{"a": "file ", "b": "file ", "c": "dir"}),
	}
	for _, n := range climbing {
		cases = append(cases,
			rejected(fmt.Sprintf("a file called %q", n), tarOf(file("safe", ""), file(n, "x")), `contains ".."`),
			rejected(fmt.Sprintf("a directory called %q", n), tarOf(dir(n)), `contains ".."`),
			rejected(fmt.Sprintf("a link called %q", n), tarOf(link(n, "safe")), `contains ".."`),
			rejected(fmt.Sprintf("a hard link to %q", n), tarOf(file("safe", ""), hard("h", n)), "no name of a file"),
		)
	}
	return cases
}

// sparse is a file of n bytes that is one hole.
func sparse(name string, n int64) hdr {
	return hdr{name: name, pax: map[string]string{
		"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.size": fmt.Sprint(n), "GNU.sparse.numblocks": "0"}}
}

func chainNames(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("c%03d", i))
	}
	return names
}

// chain is n links, each to the next, the last one to end.
func chain(n int, end string) (hs []hdr) {
	names := append(chainNames(n), end)
	for i := range n {
		hs = append(hs, link(names[i], names[i+1]))
	}
	return hs
}

// linksTo is n links, all to target.
func linksTo(n int, target string) (hs []hdr) {
	for i := range n {
		hs = append(hs, link(fmt.Sprintf("to%04d", i), target))
	}
	return hs
}

func chainTree(n int, end string) files {
	tree := files{}
	for _, h := range chain(n, end) {
		tree[h.name] = "link " + h.link
	}
	return tree
}

func deflated(s string) []byte {
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, 9)
	w.Write([]byte(s))
	w.Close()
	return out.Bytes()
}

func poke16(at int, v uint16) func([]byte) {
	return func(b []byte) { binary.LittleEndian.PutUint16(b[at:], v) }
}

func poke32(at int, v uint32) func([]byte) {
	return func(b []byte) { binary.LittleEndian.PutUint32(b[at:], v) }
}

// descriptor is a data descriptor for body, with 32-bit sizes.
func descriptor(sig bool, body string, packed int) []byte {
	var b []byte
	if sig {
		b = append(b, zipDescriptor...)
	}
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE([]byte(body)))
	b = binary.LittleEndian.AppendUint32(b, uint32(packed))
	return binary.LittleEndian.AppendUint32(b, uint32(len(body)))
}

func descriptor64(body string, packed int) []byte {
	b := append([]byte(zipDescriptor), binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(body)))...)
	b = binary.LittleEndian.AppendUint64(b, uint64(packed))
	return binary.LittleEndian.AppendUint64(b, uint64(len(body)))
}

// blank is a local header that leaves everything to the descriptor.
func blank(head []byte) { copy(head[14:26], make([]byte, 12)) }

func zip64Extra(vs ...uint64) []byte {
	b := []byte{1, 0, byte(8 * len(vs)), 0}
	for _, v := range vs {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

func zipHostile() []hostileCase {
	two := func() []byte { return zipOf(zfile("a", "1"), zfile("b", "2")) }
	cases := []hostileCase{
		accepted("files, directories and links", zipOf(zfile("d/a", "1"), zent{name: "e/", mode: unixDir | 0o755}, zlink("l", "d/a"), zent{name: "x", body: "run", mode: unixRegular | 0o755}),
			files{"d": "dir", "d/a": "file 1", "e": "dir", "l": "link d/a", "x": "exec run"}),
		accepted("a deflated file", zipOf(zent{name: "a", body: "aaaaaaaaaaaa", packed: deflated("aaaaaaaaaaaa"), method: 8}), files{"a": "file aaaaaaaaaaaa"}),
		accepted("no entries", zipOf(), files{}),
		accepted("set-id bits", zipOf(zent{name: "a", body: "1", mode: unixRegular | 0o6755}), files{"a": "exec 1"}),
		accepted("a comment", append(zipWith(poke16(20, 5), zfile("a", "1")), "hello"...), files{"a": "file 1"}),
		accepted("a DOS directory and file", zipOf(zent{name: "d/", host: 255}, zent{name: "d/f", host: 255, body: "1"}), files{"d": "dir", "d/f": "file 1"}),
		accepted("a Unix mode from DOS means nothing", zipOf(zent{name: "f", host: 255, body: "../outside", mode: unixSymlink | 0o777}), files{"f": "file ../outside"}),
		accepted("backslashes from DOS", zipOf(zent{name: `d\f`, host: 255, body: "1"}), files{"d": "dir", "d/f": "file 1"}),
		accepted("backslashes from Unix", zipOf(zent{name: `d\f`, body: "1"}), files{`d\f`: "file 1"}),
		rejected("a way out by backslashes from DOS", zipOf(zent{name: `..\x`, host: 255, body: "1"}), `".."`),
		rejected("an empty name", zipOf(zfile("", "1")), "empty name"),
		rejected("a NUL in a name", zipOf(zfile("a\x00b", "1")), "NUL"),
		rejected("a NUL in a link", zipOf(zlink("l", "a\x00b")), "NUL"),
		accepted("an absolute name", zipOf(zfile("/etc/x", "1")), files{"etc": "dir", "etc/x": "file 1"}),
		accepted("a link out", zipOf(zlink("l", "../outside"), zlink("m", "/etc")), files{}, "l", "m"),
		rejected("a file through a link", zipOf(zlink("l", "../outside"), zfile("l/new", "x")), "as a directory"),
		rejected("a link with a directory's name", zipOf(zlink("l/", "x")), "symbolic link"),
		rejected("an empty link", zipOf(zlink("l", "")), "no target"),
		refused("a link as long as a file", zipOf(zlink("l", strings.Repeat("x", 5000))), Limits{}, "set pathlen="),
		rejected("a FIFO", zipOf(zent{name: "f", mode: unixFIFO | 0o644}), "FIFO"),
		rejected("a socket", zipOf(zent{name: "f", mode: unixSocket | 0o644}), "socket"),
		rejected("a character device", zipOf(zent{name: "f", mode: unixChar | 0o644}), "character device"),
		rejected("a block device", zipOf(zent{name: "f", mode: unixBlock | 0o644}), "block device"),
		rejected("an unknown type", zipOf(zent{name: "f", mode: 0o150000 | 0o644}), "unknown type"),
		rejected("a directory with content", zipOf(zfile("d/", "x")), "content"),
		accepted("a file twice", zipOf(zfile("a", "first"), zfile("a", "2")), files{"a": "file 2"}),
		rejected("a file and a link", zipOf(zfile("a", "1"), zlink("a", "b")), "in another"),
		rejected("a file over a directory", zipOf(zfile("a/b", "1"), zfile("a", "2")), "in another"),

		// Encryption, methods.
		rejected("an encrypted entry", zipOf(zent{name: "a", body: "1", flags: 1}), "encrypted"),
		rejected("a strongly encrypted entry", zipOf(zent{name: "a", body: "1", flags: 1<<6 | 1}), "encrypted"),
		rejected("a masked directory", zipOf(zent{name: "a", body: "1", flags: 1 << 13}), "encrypted"),
		rejected("encryption in the local header alone", zipOf(zent{name: "a", body: "1", local: poke16(6, 1)}), "encryption"),
		rejected("bzip2", zipOf(zent{name: "a", body: "1", method: 12}), "bzip2"),
		rejected("LZMA", zipOf(zent{name: "a", body: "1", method: 14}), "LZMA"),
		rejected("deflate64", zipOf(zent{name: "a", body: "1", method: 9}), "deflate64"),
		rejected("AES", zipOf(zent{name: "a", body: "1", method: 99}), "AES"),
		rejected("an unknown method", zipOf(zent{name: "a", body: "1", method: 77}), "unknown method 77"),

		// Local headers that disagree.
		rejected("another local name", zipOf(zent{name: "safe", lname: "evil", body: "1"}), "another name"),
		rejected("a longer local name", zipOf(zent{name: "safe", lname: "safer", body: "1"}), "another name"),
		rejected("another local method", zipOf(zent{name: "a", body: "1", local: poke16(8, 8)}), "another compression"),
		rejected("another local checksum", zipOf(zent{name: "a", body: "1", local: poke32(14, 7)}), "another checksum"),
		rejected("another local packed size", zipOf(zent{name: "a", body: "1", local: poke32(18, 7)}), "other sizes"),
		rejected("another local size", zipOf(zent{name: "a", body: "1", local: poke32(22, 7)}), "other sizes"),
		rejected("zeros in a local header without a descriptor", zipOf(zent{name: "a", body: "1", local: blank}), "other sizes"),
		rejected("no local header", zipOf(zent{name: "a", body: "1", local: poke32(0, 7)}, zfile("b", "")), "not an archive"),
		rejected("no second local header", zipOf(zfile("b", ""), zent{name: "a", body: "1", local: poke32(0, 7)}), "no local header"),
		rejected("a local extra field that is too long", zipOf(zent{name: "a", body: "1", local: poke16(28, 60000)}), "overlaps"),

		// Descriptors.
		accepted("a descriptor with signature", zipOf(zent{name: "a", body: "1", flags: 8, local: blank, desc: descriptor(true, "1", 1)}, zfile("b", "2")), files{"a": "file 1", "b": "file 2"}),
		accepted("a descriptor without signature", zipOf(zent{name: "a", body: "1", flags: 8, local: blank, desc: descriptor(false, "1", 1)}, zfile("b", "2")), files{"a": "file 1", "b": "file 2"}),
		accepted("a 64-bit descriptor", zipOf(zent{name: "a", body: "1", flags: 8, local: blank, desc: descriptor64("1", 1)}), files{"a": "file 1"}),
		accepted("a descriptor and a full header", zipOf(zent{name: "a", body: "1", flags: 8, desc: descriptor(true, "1", 1)}), files{"a": "file 1"}),
		accepted("a deflated file with a descriptor", zipOf(zent{name: "a", body: "aaaa", packed: deflated("aaaa"), method: 8, flags: 8, local: blank, desc: descriptor(true, "aaaa", len(deflated("aaaa")))}), files{"a": "file aaaa"}),
		rejected("a descriptor with another checksum", zipOf(zent{name: "a", body: "1", flags: 8, local: blank, desc: descriptor(true, "2", 1)}), "descriptor"),
		rejected("a descriptor with another size", zipOf(zent{name: "a", body: "1", flags: 8, local: blank, desc: descriptor(true, "1", 2)}), "descriptor"),
		rejected("a missing descriptor", zipOf(zent{name: "a", body: "1", flags: 8, local: blank}), "descriptor"),

		// Content.
		rejected("a wrong checksum", zipOf(zent{name: "a", body: "1", cdir: poke32(16, 7), local: poke32(14, 7)}), "checksum is wrong"),
		rejected("a wrong checksum of zero", zipOf(zent{name: "a", body: "1", cdir: poke32(16, 0), local: poke32(14, 0)}), "checksum is wrong"),
		rejected("more content than its size", zipOf(zent{name: "a", body: "1", packed: deflated("more than one byte"), method: 8}), "more than its size"),
		rejected("less content than its size", zipOf(zent{name: "a", body: "123456", packed: deflated("1"), method: 8}), "less than its size"),
		rejected("two sizes of a stored entry", zipOf(zent{name: "a", body: "1", packed: []byte("123")}), "two sizes"),
		rejected("broken compression", zipOf(zent{name: "a", body: "1", packed: []byte{0xff, 0xff, 0xff}, method: 8}), "damaged"),
		rejected("compression that breaks off", zipOf(zent{name: "a", body: strings.Repeat("ab", 5000), packed: deflated(strings.Repeat("ab", 5000))[:20], method: 8}), "breaks off"),
		rejected("compression without its end", zipOf(zent{name: "a", body: "abc", packed: []byte{0, 3, 0, 0xfc, 0xff, 'a', 'b', 'c'}, method: 8}), "breaks off"),

		// Overlaps and the directory.
		rejected("two entries in one place", zipOf(zfile("a", "1"), zent{name: "a", body: "1", at: func(int) uint32 { return 0 }}), "overlap"),
		rejected("an entry inside another", overlapping(), "overlap"),
		rejected("an entry behind the directory", zipOf(zent{name: "a", body: "1", at: func(int) uint32 { return 500 }}), "behind"),
		rejected("an entry that reaches into the directory", zipOf(zent{name: "a", body: "1", cdir: func(b []byte) { poke32(20, 60)(b); poke32(24, 60)(b) }}), "overlaps"),
		rejected("a size beyond all measure", zipOf(zent{name: "a", body: "1", extra: zip64Extra(1<<62, 1<<62), cdir: func(b []byte) { poke32(20, 1<<32-1)(b); poke32(24, 1<<32-1)(b) }}), "overlaps"),
		rejected("a negative size", zipOf(zent{name: "a", body: "1", extra: zip64Extra(1<<63, 1<<63), cdir: func(b []byte) { poke32(20, 1<<32-1)(b); poke32(24, 1<<32-1)(b) }}), "negative"),
		rejected("64-bit sizes that are missing", zipOf(zent{name: "a", body: "1", extra: []byte{1, 0, 4, 0, 1, 2, 3, 4}, cdir: poke32(24, 1<<32-1)}), "64-bit sizes"),
		accepted("64-bit sizes", zipOf(zent{name: "a", body: "1", extra: zip64Extra(1, 1), cdir: func(b []byte) { poke32(20, 1<<32-1)(b); poke32(24, 1<<32-1)(b) },
			lextra: zip64Extra(1, 1), local: func(b []byte) { poke32(18, 1<<32-1)(b); poke32(22, 1<<32-1)(b) }}), files{"a": "file 1"}),
		rejected("64-bit sizes that differ", zipOf(zent{name: "a", body: "1", extra: zip64Extra(1, 1), cdir: func(b []byte) { poke32(20, 1<<32-1)(b); poke32(24, 1<<32-1)(b) },
			lextra: zip64Extra(2, 1), local: func(b []byte) { poke32(18, 1<<32-1)(b); poke32(22, 1<<32-1)(b) }}), "other sizes"),
		rejected("a directory that says too few", zipWith(func(b []byte) { poke16(8, 1)(b); poke16(10, 1)(b) }, zfile("a", "1"), zfile("b", "2")), "has 2 entries"),
		rejected("a directory that says too many", zipWith(func(b []byte) { poke16(8, 3)(b); poke16(10, 3)(b) }, zfile("a", "1"), zfile("b", "2")), "has 2 entries"),
		rejected("several disks", zipWith(poke16(4, 1), zfile("a", "1")), "several"),
		rejected("an entry on another disk", zipOf(zent{name: "a", body: "1", cdir: poke16(34, 2)}), "another part"),
		rejected("a directory elsewhere", zipWith(poke32(16, 3), zfile("a", "1")), "not where"),
		rejected("a directory of another size", zipWith(poke32(12, 3), zfile("a", "1")), "not where"),
		rejected("a directory beyond all measure", zipWith(poke32(16, 1<<32-1), zfile("a", "1")), "not where"),
		rejected("a broken directory", zipOf(zent{name: "a", body: "1", cdir: poke32(0, 7)}), "damaged"),
		rejected("a name beyond the directory", zipOf(zent{name: "a", body: "1", cdir: poke16(28, 5000)}), "breaks off"),
		rejected("a comment beyond the directory", zipOf(zent{name: "a", body: "1", cdir: poke16(32, 5000)}), "breaks off"),
		rejected("bytes after the end", append(two(), 0), "cut, or something follows"),
		rejected("an archive after the end", append(two(), two()...), "not where"),
		rejected("cut", two()[:len(two())-1], "cut, or something follows"),
		rejected("two ends", twoEnds(), "two ends"),
		accepted("a 64-bit end", zip64Ended(1, nil), files{"a": "file 1"}),
		rejected("a 64-bit end that disagrees", zip64Ended(2, nil), "disagree"),
		rejected("a 64-bit end elsewhere", zip64Ended(1, func(end, loc []byte) { loc[8] ^= 1 }), "64-bit end"),
		rejected("a 64-bit end beyond all measure", zip64Ended(1, func(end, loc []byte) { loc[15] = 0xff }), "64-bit end"),
		rejected("a 64-bit end without signature", zip64Ended(1, func(end, loc []byte) { end[0] = 0 }), "64-bit end"),
		rejected("a 64-bit directory beyond all measure", zip64Ended(1, func(end, loc []byte) { end[55] = 0xff }), "disagree"),
		rejected("a 64-bit end on several disks", zip64Ended(1, func(end, loc []byte) { end[16] = 1 }), "several"),

		// Limits.
		refused("too many bytes", zipOf(zfile("a", strings.Repeat("x", 60)), zfile("b", strings.Repeat("x", 60))), Limits{Bytes: 100}, "set bytes="),
		refused("too many entries", zipOf(zfile("a", ""), zfile("b", ""), zfile("c", "")), Limits{Inodes: 2}, "set inodes="),
		refused("too many implied directories", zipOf(zfile("a/b/c/d", "")), Limits{Inodes: 3}, "set inodes="),
		refused("too deep", zipOf(zfile(strings.Repeat("d/", 128)+"f", "")), Limits{}, "set depth="),
		refused("a name too long", zipOf(zfile(strings.Repeat("n", 256), "")), Limits{}, "set namelen="),
		refused("a bomb", zipOf(zent{name: "a", body: strings.Repeat("\x00", 1<<20), packed: deflated(strings.Repeat("\x00", 1<<20)), method: 8}), Limits{RatioFloor: 1000}, "set ratio="),
	}
	for _, n := range climbing {
		cases = append(cases,
			rejected(fmt.Sprintf("a file called %q", n), zipOf(zfile("safe", ""), zfile(n, "x")), `contains ".."`),
			rejected(fmt.Sprintf("a link called %q", n), zipOf(zlink(n, "safe")), `contains ".."`),
		)
	}
	return cases
}

// overlapping is a zip whose first entry's content is its second entry.
func overlapping() []byte {
	inner := zipOf(zfile("b", "2"))
	local := inner[:zipLocalLen+2]
	var first int
	return zipOf(
		zent{name: "a", body: string(local), local: func(h []byte) { first = len(h) }},
		zent{name: "b", body: "2", at: func(int) uint32 { return uint32(first) }})
}

// twoEnds is a zip whose comment holds the end of another one.
func twoEnds() []byte {
	fake := zipOf()
	return append(zipWith(poke16(20, uint16(len(fake))), zfile("a", "1")), fake...)
}

// zip64Ended is a zip of one file with a 64-bit end that says count.
func zip64Ended(count uint64, change func(end, locator []byte)) []byte {
	b := zipOf(zfile("a", "1"))
	at := len(b) - zipEndLen
	dir := b[at:]
	w32, w64 := binary.LittleEndian.AppendUint32, binary.LittleEndian.AppendUint64
	end := w64([]byte(zip64EndSig), zip64EndLen-12)
	end = append(end, 45, 3, 45, 0)
	end = w64(w64(w32(w32(end, 0), 0), count), count)
	end = w64(w64(end, uint64(le.Uint32(dir[12:]))), uint64(le.Uint32(dir[16:])))
	loc := w32([]byte(zip64LocatorSig), 0)
	loc = w32(w64(loc, uint64(at)), 1)
	if change != nil {
		change(end, loc)
	}
	return slices.Concat(b[:at], end, loc, dir)
}

func TestHostileArchives(t *testing.T) {
	groups := []struct {
		name  string
		cases []hostileCase
	}{{"tar", tarHostile()}, {"zip", zipHostile()}, {"compression", compressionHostile()}}
	total := 0
	for _, g := range groups {
		total += len(g.cases)
		for _, c := range g.cases {
			t.Run(g.name+"/"+c.name, func(t *testing.T) { c.check(t) })
			if g.name == "tar" {
				packed := c
				packed.bytes = gz(c.bytes)
				t.Run("tar.gz/"+c.name, func(t *testing.T) { packed.check(t) })
			}
		}
	}
	if total < 250 {
		t.Errorf("only %d cases are left", total)
	}
}

func (c hostileCase) check(t *testing.T) {
	opts := c.opts
	opts.Policy = Tar // whatever detection would have said
	s := newStage(t)
	rep, err := s.extract(c.bytes, opts)
	dry, dryErr := Inspect(t.Context(), bytes.NewReader(c.bytes), int64(len(c.bytes)), opts)
	if fmt.Sprint(err) != fmt.Sprint(dryErr) {
		t.Errorf("Inspect says %v, Extract says %v", dryErr, err)
	}
	if c.kind != "" {
		if err == nil {
			t.Fatalf("accepted, and made %v", s.tree())
		}
		if cordon.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) || cordon.FixOf(err) == "" {
			t.Fatalf("error %q of kind %q, fix %q; want %q saying %q", err, cordon.KindOf(err), cordon.FixOf(err), c.kind, c.says)
		}
		for p, what := range s.tree() {
			if strings.HasPrefix(what, "FORBIDDEN") || strings.HasPrefix(what, "link /") {
				t.Errorf("%q was made, as %s", p, what)
			}
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	sameTree(t, s.tree(), c.tree)
	s.counted(rep)
	if fmt.Sprint(rep) != fmt.Sprint(dry) {
		t.Errorf("Inspect reports %+v, Extract %+v", dry, rep)
	}
	var omitted []string
	for _, o := range rep.Omitted {
		omitted = append(omitted, o.Path)
		if o.Reason == "" || o.Target == "" {
			t.Errorf("omission %+v does not say why", o)
		}
	}
	slices.Sort(omitted)
	if !slices.Equal(omitted, c.omitted) || rep.OmittedCount != int64(len(c.omitted)) {
		t.Errorf("omitted %q (%d), want %q", omitted, rep.OmittedCount, c.omitted)
	}
}
