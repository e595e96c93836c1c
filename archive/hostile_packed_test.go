package archive

import (
	"encoding/binary"
	"slices"
	"strings"
)

func compressionHostile() []hostileCase {
	good := tarOf(file("a", "1"), file("d/b", strings.Repeat("two ", 500)))
	tree := files{"a": "file 1", "d": "dir", "d/b": "file " + strings.Repeat("two ", 500)}
	bomb := tarOf(file("zeros", strings.Repeat("\x00", 8<<20)))
	small := Limits{RatioFloor: 1 << 16, Ratio: 10}
	flip := func(b []byte, at int) []byte { b = slices.Clone(b); b[(at+len(b))%len(b)] ^= 0x40; return b }
	window := zst(good)                                                                         // its frame header: magic, descriptor, then the window or the size
	wide := slices.Concat([]byte("\x28\xb5\x2f\xfd\x04\xa8"), []byte{1, 0, 0}, make([]byte, 8)) // a window of 2 GiB
	single := slices.Concat([]byte("\x28\xb5\x2f\xfd\xe4"), binary.LittleEndian.AppendUint64(nil, 1<<40), []byte{1, 0, 0}, make([]byte, 4))
	padded := slices.Concat(gz(good), make([]byte, 1000))
	half := len(good) / 2
	skip := []byte("\x50\x2a\x4d\x18\x04\x00\x00\x00abcd")
	second := zst(good[half:])
	lying := func(more int) []byte { // about the size of its content, which two bytes behind the descriptor hold
		b := slices.Clone(second)
		le.PutUint16(b[5:], uint16(len(good)-half-256+more))
		return slices.Concat(zst(good[:half]), b)
	}
	cases := []hostileCase{
		accepted("gzip", gz(good), tree),
		accepted("xz", xzWhole(good), tree),
		accepted("zstd", zst(good), tree),
		accepted("lz4", lz(good), tree),
		accepted("gzip of several members", slices.Concat(gz(good[:half]), gz(nil), gz(good[half:])), tree),
		accepted("xz of several streams", slices.Concat(xzWhole(good[:half]), make([]byte, 8), xzWhole(good[half:])), tree),
		accepted("xz of several blocks", xzOf(xzBlock{good[:half], 0}, xzBlock{good[half:], 20}), tree),
		accepted("zstd of several frames", slices.Concat(zst(good[:half]), zst(good[half:])), tree),
		accepted("zstd after a skippable frame", slices.Concat(skip, zst(good)), tree),
		accepted("lz4 after a skippable frame", slices.Concat(skip, lz(good)), tree),
		accepted("lz4 of several frames", slices.Concat(lz(good[:half]), lz(good[half:])), tree),
		accepted("gzip with padding", padded, tree),
		accepted("an empty tar, compressed", gz(make([]byte, 10240)), files{}),
		accepted("an empty tar of two blocks, compressed", zst(make([]byte, 1024)), files{}),
		rejected("gzip with bytes behind it", append(gz(good), "garbage"...), "follow the compressed data"),
		rejected("gzip with bytes behind padding", append(slices.Clone(padded), 1), "follow the compressed data"),
		rejected("xz with bytes behind it", append(xzWhole(good), "garbage!"...), "damaged"),
		rejected("zstd with bytes behind it", append(zst(good), "garbage!"...), "damaged"),
		rejected("lz4 with bytes behind it", append(lz(good), "garbage!"...), "damaged"),
		rejected("a wrong gzip checksum", flip(gz(good), -8), "damaged"),
		rejected("a wrong gzip length", flip(gz(good), -1), "damaged"),
		rejected("a wrong xz checksum", flip(xzWhole(good), -30), "damaged"),
		rejected("a wrong zstd checksum", flip(zst(good), -1), "damaged"),
		rejected("a zstd frame that holds less than it says", lying(1), "damaged"),
		rejected("a zstd frame that holds more than it says", lying(-1), "damaged"),
		rejected("a second zstd frame that is cut", slices.Concat(zst(good[:half]), second[:len(second)-5]), "breaks off"),
		rejected("a second zstd frame that is wrong", slices.Concat(zst(good[:half]), flip(second, -6)), "damaged"),
		rejected("bytes between two zstd frames", slices.Concat(zst(good[:half]), []byte("garbage!"), second), "damaged"),
		rejected("a zstd frame behind the end", slices.Concat(zst(good), zst(good)), "follows the end"),
		rejected("a skippable zstd frame that is cut", slices.Concat(zst(good), skip[:10]), "breaks off"),
		refused("many zstd frames of zeros", slices.Concat(slices.Repeat([][]byte{zst(bomb[:8<<20])}, 3)...), small, "set ratio="),
		rejected("a wrong lz4 checksum", flip(lz(good), -1), "damaged"),
		rejected("an archive behind the end, compressed", gz(append(slices.Clone(good), good...)), "follows the end"),
		rejected("a second member behind the end", slices.Concat(gz(good), gz(good)), "follows the end"),
		refused("xz with a dictionary of 1 GiB", xzOf(xzBlock{good, 36}), Limits{}, "set decodermemory="),
		refused("xz with a dictionary of 4 GiB", xzOf(xzBlock{good, 40}), Limits{}, "set decodermemory="),
		refused("xz with a second block's dictionary of 1 GiB", xzOf(xzBlock{good[:half], 0}, xzBlock{good[half:], 36}), Limits{}, "set decodermemory="),
		refused("xz with a second stream's dictionary of 1 GiB", slices.Concat(xzWhole(good[:half]), xzOf(xzBlock{good[half:], 36})), Limits{}, "set decodermemory="),
		refused("zstd with a window of 2 GiB", wide, Limits{}, "set decodermemory="),
		refused("zstd with a single segment of 1 TiB", single, Limits{}, "set decodermemory="),
		refused("a second zstd frame with a window of 2 GiB", slices.Concat(window, wide), Limits{}, "set decodermemory="),
		refused("a gzip bomb", gz(bomb), small, "set ratio="),
		refused("a zstd bomb", zst(bomb), small, "set ratio="),
		refused("an lz4 bomb", lz(bomb), small, "set ratio="),
		refused("a bomb of padding", gz(append(slices.Clone(good), make([]byte, 8<<20)...)), small, "set ratio="),
		refused("a bomb of directories", gz(tarOf(slices.Repeat([]hdr{dir("d")}, 1000)...)), small, "set ratio="),
		refused("a bomb of holes", gz(tarOf(sparse("hole", 1<<30))), small, "set ratio="),
	}
	for _, n := range []string{"gzip", "xz", "zstd", "lz4"} {
		pack := packers[n]
		cases = append(cases, rejected("a way out in "+n, pack(tarOf(file("../x", "1"))), `".."`))
	}
	return cases
}

var packers = map[string]func([]byte) []byte{"gzip": gz, "xz": xzWhole, "zstd": zst, "lz4": lz}
