package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/pack"
)

// uploaded is what `cordon targets put` did.
type uploaded struct {
	ID      cordon.TargetID `json:"target_id"`
	Path    string          `json:"path"`
	Kind    pack.Kind       `json:"kind"`
	Files   int             `json:"files"`
	Bytes   int64           `json:"bytes"`
	Stored  int64           `json:"stored_bytes"`
	Existed bool            `json:"existed"` // the store has it from before, or from somebody who was quicker
	ETag    string          `json:"etag"`
	Skipped []pack.Skip     `json:"skipped"` // names that have no content to pack
	Heavy   []pack.Heavy    `json:"heavy"`   // what is packed and rarely wanted
}

// upload packs what is at path and puts it into the store, under id if that is
// not zero, and shows both.
func (a *app) upload(ctx context.Context, store target.Store, path string, id cordon.TargetID) (uploaded, error) {
	src, err := pack.Open(path)
	if err != nil {
		return uploaded{}, rejected(err)
	}
	reading := a.newBar("reading", a.now)
	sum, err := src.Hash(ctx, reading.update)
	reading.done()
	if err != nil {
		return uploaded{}, rejected(err)
	}
	for _, skip := range sum.Skipped {
		a.say("%s left out: %s is %s", a.paintErr(yellow, "!"), plain(skip.Path), plain(skip.Reason))
	}
	for _, h := range sum.Heavy {
		a.say("%s %s", a.paintErr(yellow, "!"), plain(heavyWords(h)))
	}
	if !id.IsZero() {
		store, sum.ID = renaming{store, id}, id
	}
	sending := a.newBar("uploading", a.now)
	info, existed, err := src.Upload(ctx, store, sending.update)
	sending.done()
	if err != nil {
		return uploaded{}, err
	}
	up := uploaded{
		ID: sum.ID, Path: src.Path(), Kind: sum.Kind, Files: sum.Files, Bytes: sum.Bytes,
		Stored: info.Size, Existed: existed, ETag: info.ETag,
		Skipped: append([]pack.Skip{}, sum.Skipped...), Heavy: append([]pack.Heavy{}, sum.Heavy...), // lists in JSON, empty ones too
	}
	a.say("%s %s", a.paintErr(dim, "target  "), up.ID)
	a.say("%s %s", a.paintErr(dim, "        "), plain(up.words(sum)))
	return up, nil
}

// words says what was found and what was sent.
func (u uploaded) words(sum pack.Summary) string {
	parts := []string{bytesOf(u.Bytes)}
	if u.Kind == pack.Tree {
		parts = []string{count(u.Files, "file", "files") + ", " + bytesOf(u.Bytes)}
		if sum.Ignored > 0 {
			parts = append(parts, count(sum.Ignored, "name", "names")+" left out by "+pack.IgnoreFile)
		}
	}
	if u.Existed {
		parts = append(parts, "already stored, nothing to upload")
	} else {
		parts = append(parts, fmt.Sprintf("uploaded %s", bytesOf(u.Stored)))
	}
	return strings.Join(parts, "; ")
}

// heavyWords says what a target rarely wants, and how to leave it out.
func heavyWords(h pack.Heavy) string {
	where := h.Path
	if h.Places > 1 {
		where += fmt.Sprintf(" and %s more of that name", thousands(h.Places-1))
	}
	return fmt.Sprintf("%s: %s, %s; rarely wanted in a target (%s): add \"%s\" to %s to leave it out",
		where, count(h.Files, "file", "files"), bytesOf(h.Bytes), h.Why, h.Ignore, pack.IgnoreFile)
}

// renaming is a store in which everything has one id: that of `--id`.
type renaming struct {
	target.Store
	id cordon.TargetID
}

func (r renaming) Stat(ctx context.Context, _ cordon.TargetID) (target.Info, error) {
	return r.Store.Stat(ctx, r.id)
}

func (r renaming) Put(ctx context.Context, _ cordon.TargetID, body io.Reader, opts target.PutOptions) (target.Info, error) {
	opts.Resume = false // under a name that somebody gave, the next upload may be of anything
	return r.Store.Put(ctx, r.id, body, opts)
}
