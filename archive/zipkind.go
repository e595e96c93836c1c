package archive

import (
	"io"
	"strings"
)

// isZipBasedFile reports whether the zip in s is a file of some type that
// happens to be built on zip, and not an archive that somebody packed
// (CONTRACT §5). Only the central directory is read, and of the first entry as
// many bytes as say a media type. A zip that is too broken to tell is an archive:
// Extract then says what is wrong with it.
func isZipBasedFile(s *source, l Limits) bool {
	d, err := findZipDirectory(s)
	if err != nil {
		return false
	}
	var seen zipTraits
	records := d.records(s)
	for entries := int64(0); entries <= l.Inodes; entries++ {
		m, err := records.next()
		if err == io.EOF {
			return seen.atEnd(entries)
		}
		if err != nil {
			return false
		}
		seen.add(m)
		if entries == 0 && m.name == "mimetype" && m.method == zipStored {
			seen.mediaType = readsMediaType(s, m)
		}
		if seen.decided() {
			return true
		}
	}
	return false
}

// zipTraits is what the names of a zip's entries tell about its type.
type zipTraits struct {
	mediaType      bool  // OpenDocument, EPUB and others begin by stating one
	manifest       bool  // META-INF/MANIFEST.MF: JAR, WAR, signed APK
	androidXML     bool  // AndroidManifest.xml beside …
	androidCode    bool  // … compiled code or resources: APK, AAR
	contentTypes   bool  // Open Packaging: Office, nupkg, vsix, appx, 3mf
	container      bool  // META-INF/container.xml: EPUB
	wheel          bool  // *.dist-info/WHEEL beside …
	wheelRecord    bool  // … *.dist-info/RECORD
	egg            bool  // EGG-INFO/PKG-INFO
	iosApp         bool  // Payload/*.app/Info.plist: IPA
	mozilla        bool  // META-INF/mozilla.rsa, install.rdf: XPI
	bundle         bool  // BundleConfig.pb: Android app bundle
	tensors        bool  // */data.pkl beside …
	tensorsVersion bool  // … */version: PyTorch
	iWork          bool  // Index/Document.iwa: Pages, Numbers, Keynote
	kmz            bool  // doc.kml
	arrays         int64 // *.npy at the top: NumPy, if there is nothing else
}

func (t *zipTraits) add(m zipMember) {
	switch strings.ToLower(m.name) {
	case "meta-inf/manifest.mf":
		t.manifest = true
	case "androidmanifest.xml":
		t.androidXML = true
	case "classes.dex", "classes.jar", "resources.arsc":
		t.androidCode = true
	case "[content_types].xml":
		t.contentTypes = true
	case "meta-inf/container.xml":
		t.container = true
	case "egg-info/pkg-info":
		t.egg = true
	case "meta-inf/mozilla.rsa", "meta-inf/cose.sig", "install.rdf":
		t.mozilla = true
	case "bundleconfig.pb":
		t.bundle = true
	case "index/document.iwa":
		t.iWork = true
	case "doc.kml":
		t.kmz = true
	}
	dir, base, nested := strings.Cut(m.name, "/")
	switch {
	case !nested:
		if strings.HasSuffix(m.name, ".npy") {
			t.arrays++
		}
	case strings.HasSuffix(dir, ".dist-info"):
		t.wheel = t.wheel || base == "WHEEL"
		t.wheelRecord = t.wheelRecord || base == "RECORD"
	case dir == "Payload":
		app, file, _ := strings.Cut(base, "/")
		t.iosApp = t.iosApp || strings.HasSuffix(app, ".app") && file == "Info.plist"
	case base == "data.pkl":
		t.tensors = true
	case base == "version":
		t.tensorsVersion = true
	}
}

// decided reports whether what was seen so far is enough for a file.
func (t *zipTraits) decided() bool {
	return t.mediaType || t.manifest || t.androidXML && t.androidCode || t.contentTypes || t.container ||
		t.wheel && t.wheelRecord || t.egg || t.iosApp || t.mozilla || t.bundle ||
		t.tensors && t.tensorsVersion || t.iWork || t.kmz
}

// atEnd reports whether all entries together say that it is a file.
func (t *zipTraits) atEnd(entries int64) bool { return entries > 0 && t.arrays == entries }

// readsMediaType reports whether the stored entry m begins like a media type.
func readsMediaType(s *source, m zipMember) bool {
	var head [zipLocalLen]byte
	if _, err := s.ReadAt(head[:], m.offset); err != nil || string(head[:4]) != zipLocalSig {
		return false
	}
	const prefix = "application/"
	text := make([]byte, len(prefix))
	at := m.offset + zipLocalLen + int64(le.Uint16(head[26:])) + int64(le.Uint16(head[28:]))
	_, err := s.ReadAt(text, at)
	return (err == nil || err == io.EOF) && string(text) == prefix
}
