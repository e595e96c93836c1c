package workspace

import (
	"context"
	"fmt"
	"io"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/archive"
)

// ownObject hashes the object that a run has beside its tree, which it may write.
func (v *verification) ownObject(ctx context.Context) error {
	d, err := v.digest(ctx)
	if err != nil {
		return err
	}
	const theirs = "its run may write the tree"
	switch {
	case v.r.Content == objectName || d == nil:
		v.out.Reason = theirs
	case d.wrong != "":
		v.out.Result, v.out.Reason = Damaged, "the object in the run's directory "+d.wrong
	default:
		v.out.Reason = theirs + "; its object " + d.words
	}
	return nil
}

// file verifies a target that is no archive, and is handed out as it is.
func (v *verification) file(ctx context.Context) error {
	d, err := v.digest(ctx)
	switch {
	case err != nil:
		return err
	case d == nil:
		v.damage("it is gone")
	case d.wrong != "":
		v.damage("it " + d.wrong)
	case d.proven:
		v.out.Result = Sound
	default:
		return v.fileFromStore(ctx)
	}
	return nil
}

// tree compares the tree with the kept object; with the store's where there is
// none, or where it cannot be trusted to say what is right.
func (v *verification) tree(ctx context.Context) error {
	d, err := v.digest(ctx)
	if err != nil {
		return err
	}
	if d != nil && d.wrong != "" {
		v.badObject = "the kept object " + d.wrong
		d = nil
	}
	if d != nil {
		same, err := v.compareKept(ctx, d.size)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil && (same || d.proven):
			return nil
		case cordon.KindOf(err) == cordon.ArchiveRejected:
			v.badObject = "the kept object cannot be read any more: " + err.Error()
		}
	}
	// Where two do not agree, a third one says which of them is wrong.
	first := v.out
	v.forget()
	if err := v.treeFromStore(ctx); err != nil {
		return err
	}
	switch differed := first.DifferenceCount > 0; {
	case differed && v.out.Against == "":
		return v.twoDiffer(ctx, first)
	case differed && v.out.Result == Sound:
		v.badObject = "the kept object holds something else than the object store's"
	}
	if v.badObject != "" && v.guilty == "" {
		v.out.Result, v.out.Reason = Damaged, v.badObject
	}
	return nil
}

// twoDiffer judges where tree and kept object differ and the store cannot say which
// of them is wrong: beside a tree that nobody has changed it is the object.
func (v *verification) twoDiffer(ctx context.Context, first Verified) error {
	noThird := v.out.Reason
	v.out = first
	v.out.Result, v.out.Reason = Unverified, "tree and kept object differ: "+first.Reason+"; "+noThird
	bad, err := v.c.altered(ctx, v.r, 0)
	if err != nil || bad != "" || !v.r.Manifest {
		return err
	}
	v.badObject = "the kept object differs from the tree, in which nobody has changed anything: " + first.Reason
	v.out.Result, v.out.Reason = Damaged, v.badObject
	return nil
}

// forget takes back what was found out of the tree.
func (v *verification) forget() {
	v.guilty = ""
	v.out.Result, v.out.Reason, v.out.Against, v.out.Differences, v.out.DifferenceCount = Unverified, "", "", nil, 0
}

func (v *verification) compareKept(ctx context.Context, size int64) (same bool, err error) {
	kept, err := v.openObject()
	if err != nil {
		return false, err
	}
	defer kept.Close() // only read
	return v.compare(ctx, kept, size, keptObject)
}

// compare compares the tree with the object in src, notes what differs, and
// reports whether nothing does.
func (v *verification) compare(ctx context.Context, src io.ReaderAt, size int64, against string) (same bool, err error) {
	place, tree, err := v.c.openTrees(v.r)
	if err != nil {
		return false, err
	}
	defer place.Close()
	defer tree.Close()
	diff, err := archive.Compare(ctx, src, size, tree, archive.Options{
		Policy: v.r.Policy, Limits: v.c.limits, Progress: func(n int64) { v.tell("comparing", n, size) },
	})
	if err != nil {
		return false, err
	}
	v.out.Against, v.out.Differences, v.out.DifferenceCount = against, diff.Differences, diff.DifferenceCount
	if diff.DifferenceCount == 0 {
		v.out.Result, v.out.Reason = Sound, ""
		return true, nil
	}
	v.out.Result, v.out.Reason = Damaged, differs(diff)
	if against == objectStore {
		v.out.Reason += " (compared with the object store's)"
	}
	v.guilty = v.out.Reason
	return false, nil
}

// differs says what differs, for people: the first one, and how many there are.
func differs(diff archive.Comparison) string {
	d := diff.Differences[0]
	words := fmt.Sprintf("%q is %s", d.Path, d.Kind)
	if d.Detail != "" {
		words = fmt.Sprintf("%q: %s", d.Path, d.Detail)
	}
	if n := diff.DifferenceCount - 1; n > 0 {
		words += fmt.Sprintf(", and %d more differ", n)
	}
	return words
}
