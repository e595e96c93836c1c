package analyze

import (
	"bytes"
	"path"
	"strings"
)

// Language is a programming language or file format, by its lower-case name: "python".
// "" means unknown.
type Language string

// The languages that have rules.
const (
	Python     Language = "python"
	JavaScript Language = "javascript"
	TypeScript Language = "typescript"
	Java       Language = "java"
	PHP        Language = "php"
	Ruby       Language = "ruby"
	Go         Language = "go"
)

var languageByExt = map[string]Language{
	".py": Python, ".pyi": Python, ".pyw": Python,
	".js": JavaScript, ".mjs": JavaScript, ".cjs": JavaScript, ".jsx": JavaScript,
	".ts": TypeScript, ".mts": TypeScript, ".cts": TypeScript, ".tsx": TypeScript,
	".java": Java, ".php": PHP, ".php5": PHP, ".php7": PHP, ".phtml": PHP, ".inc": PHP,
	".rb": Ruby, ".rake": Ruby, ".gemspec": Ruby, ".ru": Ruby, ".erb": "erb",
	".go": Go, ".rs": "rust", ".c": "c", ".h": "c", ".cc": "c++", ".cpp": "c++", ".cxx": "c++", ".hpp": "c++",
	".cs": "c#", ".kt": "kotlin", ".kts": "kotlin", ".swift": "swift", ".scala": "scala", ".m": "objective-c",
	".lua": "lua", ".pl": "perl", ".pm": "perl", ".r": "r", ".dart": "dart", ".ex": "elixir", ".exs": "elixir",
	".erl": "erlang", ".hs": "haskell", ".clj": "clojure", ".groovy": "groovy", ".gradle": "groovy", ".zig": "zig",
	".sh": "shell", ".bash": "shell", ".zsh": "shell", ".ps1": "powershell", ".bat": "batch", ".sql": "sql",
	".html": "html", ".htm": "html", ".css": "css", ".scss": "scss", ".less": "less", ".vue": "vue", ".svelte": "svelte",
	".json": "json", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".xml": "xml", ".ini": "ini", ".cfg": "ini",
	".md": "markdown", ".rst": "restructuredtext", ".txt": "text", ".csv": "csv", ".tf": "terraform", ".hcl": "hcl",
	".proto": "protobuf", ".graphql": "graphql", ".ipynb": "notebook",
}

var languageByName = map[string]Language{
	"dockerfile": "dockerfile", "containerfile": "dockerfile", "makefile": "make", "gnumakefile": "make",
	"rakefile": Ruby, "gemfile": Ruby, "vagrantfile": Ruby, "jenkinsfile": "groovy", "cmakelists.txt": "cmake",
}

// LanguageOf tells a file's language by its name.
func LanguageOf(p string) Language {
	base := strings.ToLower(path.Base(p))
	if l, ok := languageByName[base]; ok {
		return l
	}
	return languageByExt[path.Ext(base)]
}

// vendorDirs are directories that hold other people's code, or what a build made.
var vendorDirs = map[string]bool{
	"node_modules": true, "bower_components": true, "jspm_packages": true, "vendor": true, "third_party": true,
	"site-packages": true, "dist-packages": true, ".venv": true, "venv": true, "virtualenv": true, ".tox": true, ".nox": true,
	"__pycache__": true, "dist": true, ".next": true, ".nuxt": true, ".yarn": true,
}

// IsVendored reports whether p lies in a directory that holds dependencies or build output.
func IsVendored(p string) bool {
	dir := path.Dir(p)
	for name := range strings.SplitSeq(dir, "/") {
		if vendorDirs[name] {
			return true
		}
	}
	return false
}

// IsBinary reports whether content is not text: a NUL among its first 8,000 bytes, the
// heuristic that git uses.
func IsBinary(content []byte) bool {
	return bytes.IndexByte(content[:min(len(content), 8000)], 0) >= 0
}

// minifiedLine is the average length of a line, in bytes, above which a script was
// written by a program. Hand-written code averages 30 to 50.
const minifiedLine = 500

// IsMinified reports whether a script is a bundle or minified, by its name or the length of its lines.
func IsMinified(p string, content []byte) bool {
	base := strings.ToLower(path.Base(p))
	if strings.Contains(base, ".min.") || strings.Contains(base, ".bundle.") || strings.Contains(base, "-min.js") {
		return true
	}
	return len(content) > 4*minifiedLine && len(content)/(bytes.Count(content, []byte{'\n'})+1) > minifiedLine
}
