package main

import (
	"path/filepath"
	"slices"

	"github.com/cordonlabs/cordon"
)

// input is an object that is fetched: a tree in one of the formats.
type input struct {
	name   string // "kernel.tar.gz"
	format string // what comes after the tree's name
	tree   *tree
	object int64 // about its size, in bytes: for finding out whether there is room
	quick  bool

	kept // from keep on
}

// image is the format of a target that is a file and no archive.
const image = "img"

// inputs returns all of them. Quick ones are smaller where they are generated.
func inputs(quick bool) []*input {
	kernel, big, tiny := kernelTree(), bigTree(bigBytes), tinyTree(tinyDirs)
	if quick {
		big, tiny = bigTree(quickBigBytes), tinyTree(quickTinyDirs)
	}
	all := []*input{
		{tree: kernel, format: "tar", object: 1400 * cordon.MB},
		{tree: kernel, format: "tar.gz", object: 250 * cordon.MB},
		{tree: kernel, format: "tar.zst", object: 250 * cordon.MB},
		{tree: kernel, format: "tar.xz", object: 150 * cordon.MB},
		{tree: kernel, format: "zip", object: 300 * cordon.MB},
		{tree: big, format: image, object: big.bytes},
		{tree: big, format: "tar.zst", object: big.bytes * 11 / 20},
		{tree: tiny, format: "tar.gz", object: tiny.bytes},
		{tree: tiny, format: "tar.zst", object: tiny.bytes},
	}
	for _, in := range all {
		in.name, in.quick = in.tree.name+"."+in.format, quick
	}
	return all
}

// inputNames in the order in which they are taken.
func inputNames() (names []string) {
	for _, in := range inputs(false) {
		names = append(names, in.name)
	}
	return names
}

// isCalled reports whether a pattern of --input means in.
func (in *input) isCalled(pattern string) bool {
	ok, _ := filepath.Match(pattern, in.name) // the pattern was tried when it was parsed
	return ok || pattern == in.tree.name
}

// treeDisk is about what the extracted tree takes: each file fills its last block.
func (in *input) treeDisk() int64 { return in.tree.bytes + in.tree.files*4096 }

// placeBytes is the size of a file system that the input is fetched to: the
// tree, the object beside it, and a quarter and 1 GB free, for a full file system
// is a slow one.
func (in *input) placeBytes() int64 {
	return (in.treeDisk()+in.object)*5/4 + cordon.GB
}

// scratchBytes is what the temporary directory must have room for: the file
// system on it, and the directory store.
func (in *input) scratchBytes(o *options) int64 {
	if !slices.Contains(o.places, disk) {
		return 100 * cordon.MB // MinIO's own files and logs
	}
	return in.placeBytes() + in.object
}

// memoryBytes is what is in memory at the same time: the uncompressed archive,
// what MinIO has, and on tmpfs the directory store and what is made; with 1 GB
// for the programs.
func (in *input) memoryBytes(o *options) int64 {
	sum := in.plainBytes() + cordon.GB
	if o.uses(minioStore) {
		sum += in.object
	}
	if slices.Contains(o.places, memory) {
		sum += in.treeDisk() + in.object
		if in.format != image {
			sum += in.object // beside the tree
		}
	}
	return sum
}

// plainBytes is about the size of the uncompressed archive: a header of 512
// bytes a file, and each file fills its last 512.
func (in *input) plainBytes() int64 { return in.tree.bytes + in.tree.files*1024 }
