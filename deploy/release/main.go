// Command release makes what release.sh puts beside the programs:
//
//	release bom VERSION PROGRAM        a bill of materials (CycloneDX), of the date SOURCE_DATE_EPOCH
//	release licences PROGRAM…          the licences of the modules that are in them
package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cordonlabs/cordon/internal/bom"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "release: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	switch {
	case len(args) == 3 && args[0] == "bom":
		return bill(out, args[1], args[2])
	case len(args) > 1 && args[0] == "licences":
		return licences(out, args[1:])
	}
	return errors.New("usage: release bom VERSION PROGRAM | release licences PROGRAM…")
}

func bill(out io.Writer, version, program string) error {
	epoch, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH is to be the seconds since 1970 of the release: %w", err)
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	text, err := bom.Of(info, version, fmt.Sprintf("%x", sha256.Sum256(content)), time.Unix(epoch, 0)).JSON()
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}

// licences writes those of the modules in the programs, and Go's own.
func licences(out io.Writer, programs []string) error {
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("go env GOROOT: %w", err)
	}
	dirs := map[string]string{}
	var modules []string
	for _, p := range programs {
		info, err := buildinfo.ReadFile(p)
		if err != nil {
			return err
		}
		dirs["Go "+info.GoVersion] = strings.TrimSpace(string(goroot))
		for _, m := range info.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			modules = append(modules, m.Path+"@"+m.Version)
		}
	}
	got, err := exec.Command("go", append([]string{"mod", "download", "-json"}, modules...)...).Output()
	if err != nil {
		return fmt.Errorf("go mod download: %w", err)
	}
	for d := json.NewDecoder(bytes.NewReader(got)); ; {
		var m struct{ Path, Version, Dir string }
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		dirs[m.Path+"@"+m.Version] = filepath.Clean(m.Dir)
	}
	return bom.Licences(out, dirs)
}
