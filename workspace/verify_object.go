package workspace

import (
	"bytes"
	"context"
	"crypto/md5" // not for security: it is the digest that servers have
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

// digested is what hashing a kept object found out.
type digested struct {
	size   int64
	words  string // for people
	proven bool   // it is what was stored, for certain
	wrong  string // it is not
}

// openObject opens the object that is kept beside the tree, or is what is handed out.
func (v *verification) openObject() (*os.File, error) {
	f, err := v.c.root().OpenFile(path.Join(v.r.Place, objectName), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, errors.Join(err, unix.EINVAL)
	}
	return f, nil
}

// digest hashes the object in the entry's directory, and returns nil where there
// is none. It need not be of this entry: a tree and its sibling share one.
func (v *verification) digest(ctx context.Context) (*digested, error) {
	f, err := v.openObject()
	if err != nil {
		if v.r.spareObject() && !gone(err) {
			v.badObject = "the kept object cannot be opened: " + err.Error()
		}
		return nil, nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	d := &digested{size: info.Size()}
	sha, md := sha256.New(), md5.New()
	var n int64
	err = passOn(ctx, f, copyStep, func(p []byte) error {
		sha.Write(p)
		md.Write(p)
		n += int64(len(p))
		v.tell("hashing", n, d.size)
		return nil
	})
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		d.wrong = "cannot be read: " + err.Error()
		v.out.Object = d.wrong
		return d, nil
	}
	have := hex.EncodeToString(sha.Sum(nil))
	switch want := v.sha256(ctx); {
	case want != "" && have != want:
		d.wrong = fmt.Sprintf("has the SHA-256 %s, and its uploader stated %s", have, want)
	case want != "":
		d.proven, d.words = true, "has the SHA-256 that its uploader stated"
	case strings.EqualFold(hex.EncodeToString(md.Sum(nil)), v.r.ETag):
		d.proven, d.words = true, "has the MD5 that its ETag is"
	default:
		// An ETag that looks like an MD5 need not be one.
		d.words = "has no digest to compare with"
	}
	v.out.Object = d.words + d.wrong
	return d, nil
}

// sha256 returns what the uploader stated of the entry's object, or "".
func (v *verification) sha256(ctx context.Context) string {
	if v.r.SHA256 != "" || v.opts.Offline || v.c.store == nil {
		return v.r.SHA256
	}
	info, err := v.c.store.Stat(ctx, v.r.Target)
	if err != nil || info.ETag != v.r.ETag {
		return ""
	}
	return info.SHA256
}

// fromStore calls do with the object of the entry's version as the store has it. What
// keeps it from that is why nobody can tell.
func (v *verification) fromStore(ctx context.Context, do func(target.Info) error) error {
	if v.opts.Offline || v.c.store == nil {
		v.unknown("there is nothing here to compare it with, and the object store was not asked")
		return nil
	}
	info, err := v.c.store.Stat(ctx, v.r.Target)
	if err == nil && info.ETag != v.r.ETag {
		v.unknown("there is nothing here to compare it with, and the object store has another version by now")
		return nil
	}
	if err == nil {
		err = do(info)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		v.unknown("there is nothing here to compare it with, and what the object store has cannot be read: " + err.Error())
	}
	return nil
}

// treeFromStore fetches the object once more, and compares the tree with it.
func (v *verification) treeFromStore(ctx context.Context) error {
	return v.fromStore(ctx, func(info target.Info) error {
		s, err := v.c.stage("a look at target " + info.ID.String())
		if err != nil {
			return err
		}
		defer s.discard()
		s.modest = true
		if err := s.needObject(ctx, info.Size); err != nil {
			return err
		}
		st := &step{}
		object, err := v.c.receive(ctx, s, info, st)
		if err != nil {
			return err
		}
		defer object.close()
		_, err = v.compare(ctx, object, info.Size, objectStore)
		if aerr := object.wait(); aerr != nil && (err == nil || cordon.KindOf(err) == cordon.ArchiveRejected) {
			err = aerr // and what was compared with it counts for nothing
			v.forget()
		}
		return err
	})
}

// fileFromStore compares a target that is one file with the store's.
func (v *verification) fileFromStore(ctx context.Context) error {
	return v.fromStore(ctx, func(info target.Info) error {
		f, err := v.openObject()
		if err != nil {
			return err
		}
		defer f.Close()
		body, _, err := v.c.store.Open(ctx, info.ID, info.ETag)
		if err != nil {
			return err
		}
		defer body.Close()
		var n int64
		have, differs := make([]byte, copyStep), false
		err = passOn(ctx, body, copyStep, func(p []byte) error {
			got, err := f.ReadAt(have[:len(p)], n)
			if err != nil && err != io.EOF {
				return err
			}
			differs = differs || !bytes.Equal(have[:got], p)
			n += int64(len(p))
			v.tell("comparing", n, info.Size)
			return nil
		})
		if err != nil {
			return err
		}
		v.out.Against = objectStore
		if size, err := f.Seek(0, io.SeekEnd); err != nil || differs || size != n {
			v.damage("it differs from the object store's")
			return nil
		}
		v.out.Result = Sound
		return nil
	})
}
