package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cordonlabs/cordon"
)

// copyBuffer is how much of a file is written at once, in bytes. Cancelling is
// noticed between buffers.
const copyBuffer = 256 << 10

// Extract extracts the archive of size bytes in src into dir, an existing empty
// directory that nobody else uses until Extract returns. What is promised is
// said in the package's comment; the report says what was made.
//
// Errors: ArchiveRejected (hostile, damaged, or no archive), TargetTooLarge (a
// limit), NoSpace and PermissionDenied (of dir) are *cordon.Error with the
// entry's name and the reason. An error of src, of ctx or of Options.Reserve is
// returned as it is. After an error, dir holds part of the tree: the caller
// removes it. The report then covers what was read until the error. Everything
// that Extract started has ended when it returns.
func Extract(ctx context.Context, src io.ReaderAt, size int64, dir *os.Root, opts Options) (Report, error) {
	if err := checkEmpty(dir); err != nil {
		return Report{}, err
	}
	return extractInto(ctx, src, size, dir, opts)
}

func extractInto(ctx context.Context, src io.ReaderAt, size int64, dir *os.Root, opts Options) (Report, error) {
	x := newExtraction(ctx, src, size, opts)
	to, err := newDisk(dir, x.tree)
	if err != nil {
		return x.end(err)
	}
	x.sink = to
	err = x.extract()
	if cerr := to.close(err != nil); err == nil {
		err = cerr
	}
	return x.end(err)
}

// Inspect does all that Extract does but make anything: it reads the whole
// archive, reports what Extract would make and omit, and fails as Extract would,
// unless for reasons of the file system. It reads on after an entry that is
// refused, so that the report has all of them. Options.Reserve is not called.
func Inspect(ctx context.Context, src io.ReaderAt, size int64, opts Options) (Report, error) {
	opts.Reserve = nil
	x := newExtraction(ctx, src, size, opts)
	x.sink, x.inspect = nothing{x.buf}, true
	err := x.extract()
	if x.refused != nil && x.ctx.Err() == nil && x.src.err() == nil {
		err = x.refused
	}
	return x.end(err)
}

// checkEmpty refuses a directory that holds anything: entries would collide
// with it, and the error would blame the archive.
func checkEmpty(dir *os.Root) error {
	f, err := dir.Open(".")
	if err != nil {
		return osError("open the directory to extract into", "", cause(err))
	}
	defer f.Close() // only read
	switch _, err := f.Readdirnames(1); {
	case err == nil:
		return &cordon.Error{
			Kind: cordon.InvalidArgument,
			Op:   "extract",
			Err:  errors.New("the directory to extract into is not empty"),
			Fix:  "extract into an empty directory",
		}
	case err != io.EOF:
		return osError("read the directory to extract into", "", cause(err))
	}
	return nil
}

// extraction is one run of Extract or Inspect.
type extraction struct {
	ctx    context.Context // the caller's
	src    *source
	opts   Options
	limits Limits
	budget *budget
	tree   *tree
	sink   sink
	buf    []byte
	report Report

	inspect bool  // go on after entries that are refused
	refused error // the first of them

	lastDir    string // that an entry was in, and its node
	lastParent nodeID
}

func newExtraction(ctx context.Context, src io.ReaderAt, size int64, opts Options) *extraction {
	limits := opts.Limits.withDefaults()
	return &extraction{
		ctx:    ctx,
		src:    newSource(ctx, src, size),
		opts:   opts,
		limits: limits,
		budget: newBudget(limits, size, opts.Reserve),
		tree:   newTree(),
		buf:    make([]byte, copyBuffer),
	}
}

// end returns what the extraction, which ended with err, returns.
func (x *extraction) end(err error) (Report, error) {
	x.src.close()
	x.report.Inodes = x.report.Files + x.report.Dirs + x.report.Links
	x.report.DiskBytes = x.budget.disk
	err = x.reason(err)
	if x.report.RefusedCount == 0 && cordon.KindOf(err) == cordon.ArchiveRejected {
		x.report.refuse(err)
	}
	return x.report, err
}

// reason finds what really ended the extraction: decoders put their own words
// in place of what the source, the context or the caller said.
func (x *extraction) reason(err error) error {
	if err == nil {
		return nil
	}
	if ctx := x.ctx.Err(); ctx != nil {
		return ctx
	}
	if src := x.src.err(); src != nil {
		return src
	}
	var own asItIs
	if errors.As(err, &own) {
		return own.err
	}
	return err
}

func (x *extraction) extract() error {
	f, err := detect(x.src, x.opts.Policy, x.limits)
	if err != nil {
		return err
	}
	if !f.IsArchive() {
		return reject("", "the object is not an archive that the policy %q extracts", x.opts.Policy)
	}
	x.report.Format = f
	x.src.begin(x.opts.Progress) // what detection read is read again
	var from entries
	err = guarded(func() (err error) {
		from, err = x.open(f)
		return err
	})
	if err != nil {
		return damaged("", err, x.limits.DecoderMemory)
	}
	defer func() {
		x.src.close() // so that nothing is waited for that still reads it
		from.close()
	}()
	if err := x.all(from); err != nil {
		return err
	}
	if err := x.hardLinks(); err != nil {
		return err
	}
	if err := x.symlinks(); err != nil {
		return err
	}
	return x.directories()
}

// all makes everything that from yields but links. Where more than one thing is
// wrong, the error is that of the first entry, whoever found it first.
func (x *extraction) all(from entries) error {
	err := x.each(from)
	if x.ctx.Err() == nil {
		if ferr := x.sink.flush(); ferr != nil {
			return ferr
		}
	}
	return err
}

func (x *extraction) each(from entries) error {
	last := ""
	for {
		var e *entry
		err := guarded(func() (err error) {
			e, err = from.next()
			return err
		})
		if err == io.EOF {
			return nil
		}
		var one refusedEntry
		switch {
		case errors.As(err, &one):
			err = one.err
		case err != nil:
			return after(last, damaged("", err, x.limits.DecoderMemory))
		default:
			last = e.spelling
			err = x.entry(e)
		}
		if err != nil && !x.overlook(err) {
			return err
		}
	}
}

// overlook notes that an entry is refused, and reports whether to look at those
// after it: what is only inspected may have more that is wrong with it. A limit
// that is passed is not passed further.
func (x *extraction) overlook(err error) bool {
	if !x.inspect || cordon.KindOf(err) != cordon.ArchiveRejected || x.ctx.Err() != nil || x.src.err() != nil {
		return false
	}
	x.report.refuse(err)
	if x.refused == nil {
		x.refused = err
	}
	return true
}

// after adds to an error without a name which entry came before it.
func after(last string, err error) error {
	var e *cordon.Error
	if last == "" || !errors.As(err, &e) || e.Name != "" {
		return err
	}
	placed := *e
	placed.Err = fmt.Errorf("after entry %s: %w", quote(last), e.Err)
	return &placed
}

func (x *extraction) open(f Format) (entries, error) {
	if f.container == zipArchive {
		return openZip(x.src, x.limits)
	}
	return openTar(x.src, f.compression, x.limits, x.buf)
}
