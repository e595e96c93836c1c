package archive

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon"
)

func TestDetect(t *testing.T) {
	good := tarOf(file("a", "1"))
	names := func(ns ...string) []byte {
		var es []zent
		for _, n := range ns {
			es = append(es, zfile(n, ""))
		}
		return zipOf(es...)
	}
	wrongSum := slices.Clone(good)
	wrongSum[0] ^= 1
	v7 := tarOf(hdr{name: "a", v7: true})
	wrongV7 := slices.Clone(v7)
	wrongV7[0] ^= 1
	cases := []struct {
		name      string
		bytes     []byte
		auto, tar string // what each policy says; "" is ArchiveRejected
	}{
		{"nothing", nil, "file", ""},
		{"one byte", []byte{0x1f}, "file", ""},
		{"text", []byte(strings.Repeat("ustar is a word\n", 100)), "file", ""},
		{"a tar", good, "tar", "tar"},
		{"a tar without its end", good[:tarBlock], "tar", "tar"},
		{"a tar whose first header is damaged", wrongSum, "tar", "tar"},
		{"an old tar", v7, "tar", "tar"},
		{"an old tar whose first header is damaged", wrongV7, "file", ""},
		{"a block of zeros", make([]byte, 512), "file", ""},
		{"zeros as long as an empty tar", make([]byte, 10240), "file", "tar"},
		{"many zeros", make([]byte, 1<<20), "file", ""},
		{"an empty tar in gzip", gz(make([]byte, 10240)), "tar.gz", "tar.gz"},
		{"an empty tar in xz", xzWhole(make([]byte, 1024)), "tar.xz", "tar.xz"},
		{"many zeros in gzip", gz(make([]byte, 20480)), "file", ""},
		{"odd zeros in gzip", gz(make([]byte, 1025)), "file", ""},
		{"tar.gz", gz(good), "tar.gz", "tar.gz"},
		{"tar.xz", xzWhole(good), "tar.xz", "tar.xz"},
		{"tar.zst", zst(good), "tar.zst", "tar.zst"},
		{"tar.lz4", lz(good), "tar.lz4", "tar.lz4"},
		{"text in gzip", gz([]byte("hello")), "file", ""},
		{"long text in gzip", gz([]byte(strings.Repeat("hello ", 5000))), "file", ""},
		{"text in xz", xzWhole([]byte("hello")), "file", ""},
		{"text in zstd", zst([]byte("hello")), "file", ""},
		{"text in lz4", lz([]byte("hello")), "file", ""},
		{"nothing in gzip", gz(nil), "file", ""},
		{"a zip in gzip", gz(names("a")), "file", ""},
		{"a tar.gz in gzip", gz(gz(good)), "file", ""},
		{"the magic of gzip and no more", []byte("\x1f\x8b\x08"), "file", ""},
		{"broken gzip", append([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"), bytes.Repeat([]byte{0xff}, 900)...), "file", ""},
		{"broken bzip2", append([]byte("BZh91AY&SY"), bytes.Repeat([]byte{0xff}, 900)...), "file", ""},
		{"text that begins like bzip2", []byte("BZh9 is how bzip2 files begin"), "file", ""},
		{"a tar.xz that needs a large dictionary", xzOf(xzBlock{good, 36}), "tar.xz", "tar.xz"},
		{"a tar in a skippable frame", append([]byte("\x50\x2a\x4d\x18\xff\xff\xff\xff"), good...), "file", ""},
		{"a zip", names("a", "b/c"), "zip", "zip"},
		{"a zip without entries", names(), "zip", "zip"},
		{"a zip that was cut", names("a", "b")[:50], "zip", "zip"},
		{"a program with a zip behind it", append([]byte("MZ program"), names("a")...), "file", ""},
		{"a zip of a Java project", names("app/src/main/resources/META-INF/MANIFEST.MF", "app/pom.xml"), "zip", "zip"},
		{"a zip of an Android project", names("AndroidManifest.xml", "src/Main.java"), "zip", "zip"},
		{"a zip of a project with a file called mimetype", zipOf(zfile("mimetype", "text/plain")), "zip", "zip"},
		{"a zip of wheels", names("dist/a-1.dist-info/WHEEL", "a.whl"), "zip", "zip"},
		{"a zip of arrays and code", names("a.npy", "load.py"), "zip", "zip"},
		{"a JAR", names("META-INF/", "META-INF/MANIFEST.MF", "Main.class"), "file", "zip"},
		{"an APK", names("AndroidManifest.xml", "classes.dex"), "file", "zip"},
		{"an AAR", names("AndroidManifest.xml", "classes.jar"), "file", "zip"},
		{"an app bundle", names("BundleConfig.pb", "base/dex/classes.dex"), "file", "zip"},
		{"a wheel", names("p/__init__.py", "p-1.dist-info/WHEEL", "p-1.dist-info/RECORD"), "file", "zip"},
		{"an egg", names("EGG-INFO/PKG-INFO", "p/__init__.py"), "file", "zip"},
		{"a Word document", names("[Content_Types].xml", "word/document.xml"), "file", "zip"},
		{"a NuGet package", names("_rels/.rels", "p.nuspec", "[Content_Types].xml"), "file", "zip"},
		{"an OpenDocument text", zipOf(zfile("mimetype", "application/vnd.oasis.opendocument.text"), zfile("content.xml", "")), "file", "zip"},
		{"an EPUB", names("META-INF/container.xml", "a.xhtml"), "file", "zip"},
		{"an IPA", names("Payload/", "Payload/Some App.app/Info.plist"), "file", "zip"},
		{"an XPI", names("manifest.json", "META-INF/mozilla.rsa"), "file", "zip"},
		{"a PyTorch model", names("model/data.pkl", "model/version", "model/data/0"), "file", "zip"},
		{"NumPy arrays", names("x.npy", "y.npy"), "file", "zip"},
		{"a KMZ", names("doc.kml"), "file", "zip"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, p := range []struct {
				policy Policy
				want   string
			}{{Auto, c.auto}, {"", c.auto}, {Tar, c.tar}, {Never, "file"}} {
				f, err := Detect(bytes.NewReader(c.bytes), int64(len(c.bytes)), p.policy, Limits{})
				if p.want == "" {
					if cordon.KindOf(err) != cordon.ArchiveRejected {
						t.Errorf("policy %q: %v, %v; want it rejected", p.policy, f, err)
					}
					continue
				}
				if err != nil || f.String() != p.want || f.IsArchive() != (p.want != "file") {
					t.Errorf("policy %q: %v, %v; want %s", p.policy, f, err, p.want)
				}
			}
		})
	}
}

func TestExtractRefusesWhatIsNoArchive(t *testing.T) {
	for _, p := range []Policy{Auto, Tar, Never} {
		_, err := newStage(t).extract([]byte("text"), Options{Policy: p})
		if cordon.KindOf(err) != cordon.ArchiveRejected || !strings.Contains(err.Error(), "not an archive") {
			t.Errorf("policy %q: %v", p, err)
		}
	}
}

func TestParsePolicy(t *testing.T) {
	for s, want := range map[string]Policy{"": Auto, "auto": Auto, "tar": Tar, "never": Never} {
		if p, err := ParsePolicy(s); p != want || err != nil {
			t.Errorf("%q: %v, %v", s, p, err)
		}
	}
	_, err := ParsePolicy("zip")
	if cordon.KindOf(err) != cordon.InvalidArgument || !strings.Contains(err.Error(), `"zip"`) {
		t.Errorf("got %v", err)
	}
}

func TestAFormatSurvivesARecord(t *testing.T) {
	for f, name := range formatNames {
		b, err := json.Marshal(Report{Format: f})
		must(t, err)
		var back Report
		must(t, json.Unmarshal(b, &back))
		if back.Format != f || !strings.Contains(string(b), `"`+name+`"`) {
			t.Errorf("%v became %v in %s", f, back.Format, b)
		}
	}
	var f Format
	if err := f.UnmarshalText([]byte("rar")); err == nil {
		t.Error("rar was accepted")
	}
}

// What needs a large window to be looked into is looked into where the limit
// allows it, and only there.
func TestDetectMindsTheLimitOfMemory(t *testing.T) {
	b := slices.Concat([]byte("\x28\xb5\x2f\xfd\x04\x90"), []byte{0x51, 0, 0}, []byte("plain text"), make([]byte, 4)) // a window of 256 MiB, a raw block of 10 bytes
	for memory, want := range map[int64]string{0: "tar.zst", 1 << 30: "file"} {
		f, err := Detect(bytes.NewReader(b), int64(len(b)), Auto, Limits{DecoderMemory: memory})
		if err != nil || f.String() != want {
			t.Errorf("with %d bytes of memory it is %v, %v; want %s", memory, f, err, want)
		}
	}
}
