package fuzz

import (
	"archive/zip"
	"io"
	"os"
)

// maxSeedZip bounds the archive of a project's seeds: its list of names is read whole.
const maxSeedZip = 32 << 20

// zippedSeeds calls add with each seed in a zip archive, as which OSS-Fuzz wants a
// harness's seeds (NAME_seed_corpus.zip). The archive may be missing, or be none; what
// is no seed in it is left out.
func zippedSeeds(root *os.Root, name string, add func([]byte) error) error {
	f, size, err := openSeed(root, name, maxSeedZip)
	if err != nil {
		return nil // none, then
	}
	defer f.Close()
	archive, err := zip.NewReader(f, size)
	if err != nil {
		return nil
	}
	for _, member := range archive.File {
		data, err := unzipSeed(member)
		if err != nil {
			continue
		}
		if err := add(data); err != nil {
			return err
		}
	}
	return nil
}

func unzipSeed(member *zip.File) ([]byte, error) {
	if !member.Mode().IsRegular() || member.UncompressedSize64 > maxSeedSize {
		return nil, errNoSeed
	}
	f, err := member.Open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSeedSize+1))
	if err == nil && len(data) > maxSeedSize {
		err = errNoSeed // it lied about its size
	}
	return data, err
}
